import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.readers.desk import Desk
from hippograph.readers.notes_tasks import Note
from hippograph.readers.notes_verdicts import at_a_glance, compared
from hippograph.testing.scripted import ScriptedModel
from tests.readers.reading import Shelf

FACTS = ["The Fram lies in Oslo.", "Oslo is in Norway.", "Who knows?", "Nansen sailed her.", "北京是首都。"]
TEXTS = st.lists(st.sampled_from(FACTS), max_size=5).map(" ".join)
NOTES = st.builds(Note, text=TEXTS, answer=st.sampled_from(["", "Oslo", "Norway"]), sufficient=st.booleans()).filter(
    lambda note: note.answer or not note.sufficient
)


@given(old=NOTES, new=NOTES, last=st.booleans())
def test_nothing_is_lost_without_asking(old, new, last):
    verdict = at_a_glance(old, new, last=last)
    lost = [fact for fact in FACTS if fact in old.text and fact not in new.text]
    if verdict is not None and verdict.better:
        assert new.answer or not old.answer
        assert not lost or (last and not old.answer)
    if verdict is None:
        assert lost or (old.answer and not new.answer)
        assert not last or (old.answer and new.answer)


@given(note=NOTES, last=st.booleans())
def test_the_same_is_not_better(note, last):
    again = Note(
        text=note.text.replace("lies", "LIES").replace(". ", "!  "), answer=note.answer, sufficient=note.sufficient
    )
    for one in (note, again):
        verdict = at_a_glance(note, one, last=last)
        assert verdict is not None
        assert not verdict.better


@given(old=NOTES, facts=TEXTS, answer=st.sampled_from(["Oslo", "Norway"]))
def test_what_is_appended_makes_it_better(old, facts, answer):
    new = Note(text=f"{facts} {old.text}", answer=old.answer or answer)
    verdict = at_a_glance(old, new)
    assert verdict is not None
    adds = any(fact in facts and fact not in old.text for fact in FACTS)
    assert verdict.better == (adds or not old.answer)


def test_what_is_appended_may_run_on():
    old, new = Note(text="It tells of Malcolm X."), Note(text="It tells of Malcolm X. Others tell of him.")
    verdict = at_a_glance(old, new)
    assert verdict is not None
    assert verdict.better
    assert at_a_glance(old, Note(text="It tells of Malcolm Xavier. Others tell of him.")) is None


@pytest.mark.parametrize(
    ("first", "second", "better"),
    [
        ("A", None, False),
        ("B", "A", True),
        ("B", "tie", True),
        ("B", "B", False),
        ("tie", "A", True),
        ("tie", "tie", False),
        ("tie", "B", False),
        ("?", None, False),
        ("tie", "?", False),
    ],
)
def test_both_orders_must_agree(first, second, better):
    answers = [json.dumps({"better": word}) for word in (first, second) if word]
    model = ScriptedModel(answers=answers)
    desk = Desk(question="Where?", retriever=Shelf(), model=model)
    loop = compared(desk, Note(text="old"), Note(text="new"))
    steps = []
    while True:
        try:
            steps.append(next(loop))
        except StopIteration as end:
            step, verdict = end.value
            break
    assert verdict.better is better
    assert model.calls == len(answers) == len(steps) + 1
    shown = [json.JSONDecoder().raw_decode(request.messages[-1].text)[0] for request in model.requests]
    assert [(one["A"]["note"], one["B"]["note"]) for one in shown] == [("old", "new"), ("new", "old")][: len(answers)]
    assert bool(step.remark) == ("?" in (first, second))
