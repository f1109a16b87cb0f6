"""Whatever a model says: what holds of every reading that keeps a note."""

import json
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.completions import Completion
from hippograph.readers.budget import ReadingBudget
from hippograph.readers.notes import NotesReader
from hippograph.testing.scripted import ScriptedModel
from hippograph.types import Usage
from tests.readers.reading import Shelf

TEXTS = tuple(f"Word{number % 7} is word{number % 5} of word{number}." for number in range(25))
WORDS = st.sampled_from([f"word{number}" for number in range(8)])
SENTENCES = st.lists(WORDS.map(lambda word: f"There is {word}."), max_size=3).map(" ".join)
VALUES = {
    "note": SENTENCES,
    "support": st.lists(st.integers(min_value=-1, max_value=30), max_size=4),
    "answer": st.sampled_from(["", " ", "Oslo", "Norway"]),
    "sufficient": st.sampled_from([False, False, False, True]),
    "queries": st.lists(WORDS | st.sampled_from(["", "?!"]), max_size=4),
    "better": st.sampled_from(["A", "B", "tie"]),
}
EITHER = st.booleans()
BROKEN = (
    "",
    "no",
    '{"note": 7}',
    Completion(status="failed", error="503", usage=Usage(calls=1)),
    Completion(status="invalid", text="{", error="cut off", usage=Usage(calls=1, input_tokens=9, output_tokens=9)),
)


@st.composite
def readings(draw, *, parity=EITHER):
    """Let a model say anything that its schema allows, and sometimes what it does not."""
    faults = draw(st.sampled_from([0, 0, 3]))

    def answer(request):
        if faults and draw(st.integers(min_value=0, max_value=9)) < faults:
            return draw(st.sampled_from(BROKEN))
        fields = request.schema.model_fields
        reply = {name: draw(VALUES[name]) for name in fields}
        told = json.JSONDecoder().raw_decode(request.messages[-1].text)[0]
        if "note" in fields and draw(st.booleans()):
            reply["note"] = f"{told.get('note', '')} {reply['note']}"
        return json.dumps(reply)

    small = st.integers(min_value=1, max_value=5)
    budget = ReadingBudget(
        calls=draw(st.none() | st.integers(min_value=1, max_value=12)),
        steps=draw(st.none() | st.integers(min_value=2, max_value=20)),
        tokens=draw(st.none() | st.integers(min_value=1, max_value=9000)),
    )
    model = ScriptedModel(answers=answer)
    reader = NotesReader(
        retriever=Shelf(TEXTS[: draw(st.sampled_from([1, 4, 9, 25]))]),
        model=model,
        k=draw(small),
        later_k=draw(small),
        max_passages=draw(st.integers(min_value=5, max_value=15)),
        max_steps=draw(small),
        max_fails=draw(small),
        budget=budget,
        parity=draw(parity),
    )
    return reader, model, reader.read("Where is word3?")


@settings(max_examples=75)
@given(reading=readings())
def test_every_reading_ends_within_its_limits(reading):
    reader, model, answer = reading
    budget, notes = reader.budget, [step for step in answer.steps if step.kind == "note"]
    assert answer.usage.calls == model.calls
    assert model.calls <= 2 + 3 * reader.max_steps
    assert budget.calls is None or model.calls <= budget.calls
    assert budget.steps is None or len(answer.steps) <= budget.steps
    assert budget.tokens is None or answer.usage.tokens <= budget.tokens
    assert len(notes) <= 1 + reader.max_steps
    assert answer.text or answer.outcome == "failed"
    assert answer.complete == (answer.outcome == "answered")


@settings(max_examples=75)
@given(reading=readings())
def test_citations_were_shown_and_no_more_is_shown_than_allowed(reading):
    reader, _, answer = reading
    shown = {hit.passage.id for step in answer.steps if step.kind in {"note", "answer"} for hit in step.hits}
    assert len(shown) <= reader.max_passages
    if any(step.kind in {"note", "answer"} for step in answer.steps):
        assert {passage.id for passage in answer.citations} <= shown
    assert len({passage.id for passage in answer.citations}) == len(answer.citations)


@settings(max_examples=75)
@given(reading=readings(parity=st.just(False)))
def test_nothing_that_was_read_is_shown_as_new(reading):
    _, _, answer = reading
    read: set[str] = set()
    unread: set[str] = set()
    for step in answer.steps:
        if step.kind == "note":
            new = {hit.passage.id for hit in step.hits}
            assert len(new) == len(step.hits)
            assert not new & read
            assert unread <= new
            usable = not step.remark.startswith(("failed", "invalid"))
            read, unread = (read | new, set()) if usable else (read, new)


@settings(max_examples=75)
@given(reading=readings())
def test_the_best_note_gives_way_only_to_a_better_one(reading):
    _, _, answer = reading
    told = [step for step in answer.steps if step.note_before or step.note_after]
    for before, after in pairwise(told):
        assert after.note_before == before.note_after
    for step in told[1:]:
        if step.note_after != step.note_before:
            assert step.decision.startswith("take the new note")
        if step.decision.startswith("keep"):
            assert step.note_after == step.note_before


@settings(max_examples=75)
@given(reading=readings(parity=st.just(False)))
def test_no_query_is_looked_up_twice_but_after_a_failed_note(reading):
    _, _, answer = reading
    looked_up, again = set(), False
    for step in answer.steps:
        if step.kind == "note":
            again = step.remark.startswith(("failed", "invalid"))
        elif step.kind == "retrieve" and step.query != answer.question:
            assert again or step.query not in looked_up
            looked_up.add(step.query)
