import json
from itertools import chain

import pytest

from hippograph.completions import Completion
from hippograph.readers.notes import NotesReader
from hippograph.testing.scripted import ScriptedModel
from hippograph.types import Usage
from tests.readers.reading import TEXTS, Shelf, answer_reply

QUESTION = "In which country does the Fram lie?"
MANY = (*TEXTS, *(f"Fact number {number}." for number in range(30)))
FAILED = Completion(status="failed", error="503", usage=Usage(calls=1))
QUERIES = json.dumps({"queries": ["Who built the Fram?", "Where is\nOslo?"]})


def note(text="One.", **values):
    reply = {"note": text, "support": [1], "answer": "Sweden", "sufficient": True, "queries": ["not this"]}
    return json.dumps(reply | values)


def better(which):
    return json.dumps({"better": which})


def read(*answers, shelf=None, **options):
    model = ScriptedModel(answers=list(answers))
    reader = NotesReader(retriever=shelf or Shelf(MANY), model=model, parity=True, **options)
    answer = reader.read(QUESTION)
    assert answer.usage.calls == model.calls == len(answers)
    return answer, model


def material(request):
    return json.JSONDecoder().raw_decode(request.messages[-1].text)[0]


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_call_for_each_thing(steps):
    turn = [QUERIES, note("Two."), better("B")]
    answer, _ = read(note(), *turn * steps, answer_reply(), max_steps=steps, max_passages=40)
    assert answer.usage.calls == 2 + 3 * steps
    assert [step.kind for step in answer.steps] == [
        "retrieve",
        "note",
        *["queries", "retrieve", "note", "compare"] * steps,
        "answer",
    ]
    assert answer.text == "Oslo"


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ([note(), *[QUERIES, note("Two."), better("A")] * 2, answer_reply()], "Oslo"),
        ([note(), *[QUERIES, note("Two."), better("tie")] * 2, answer_reply()], "Oslo"),
        ([note(), *chain([QUERIES, note("Two."), better("?")], [QUERIES, FAILED]), answer_reply()], "Oslo"),
        ([note(), *["?", note("Two."), FAILED] * 2, answer_reply()], "Oslo"),
        (["?", answer_reply()], "Oslo"),
        ([note(), *[QUERIES, FAILED] * 2, FAILED], "Sweden"),
    ],
)
def test_two_failed_notes_end_it(script, text):
    answer, _ = read(*script)
    assert answer.text == text


def test_the_answer_is_made_from_the_note_alone_and_cites_what_that_rests_on():
    answer, model = read(
        note(support=[2]), QUERIES, note("Two.", support=[3, 1]), better("B"), answer_reply(support=[5]), max_steps=1
    )
    told = material(model.requests[-1])
    assert (told["passages"], told["note"]) == ([], "Two.")
    assert [passage.id for passage in answer.citations] == [
        answer.steps[0].hits[0].passage.id,
        answer.steps[0].hits[2].passage.id,
    ]


def test_the_queries_are_one_text_with_the_question_which_is_never_cut():
    shelf = Shelf(MANY)
    long = json.dumps({"queries": ["Who? " * 200]})
    turn = [note("Two."), better("B")]
    _, model = read(note(), QUERIES, *turn, long, *turn, answer_reply(), shelf=shelf, max_steps=2)
    first, second, third = (query for query, _ in shelf.asked)
    assert first == QUESTION
    assert second == f"Who built the Fram?\nWhere is Oslo?\n{QUESTION}"
    assert len(third) == 500
    assert third.endswith(f"\n{QUESTION}")
    assert material(model.requests[4])["asked"] == ["Who built the Fram?", "Where is Oslo?"]


def test_passages_are_shown_again_but_near_the_most_that_may_be_shown():
    turn = [QUERIES, note("Two."), better("B")]
    answer, _ = read(note(), *turn * 3, answer_reply(), max_passages=12, k=5)
    shown = [[hit.passage.id for hit in step.hits] for step in answer.steps if step.kind == "note"]
    assert set(shown[0]) & set(shown[1])
    assert len(set(chain(*shown))) <= 12


def test_at_the_most_that_may_be_shown_it_ends():
    answer, _ = read(note(), answer_reply(), max_passages=5)
    assert [step.kind for step in answer.steps] == ["retrieve", "note", "answer"]
