"""What holds of every reader, whatever the model says and has room for: answers rest on what was shown, and it ends."""

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.completions import Completion
from hippograph.readers.amber import AmberReader
from hippograph.readers.curtailing import size
from hippograph.readers.interleaved import InterleavedReader
from hippograph.readers.memory import MemoryReader
from hippograph.readers.model_reader import ModelReader
from hippograph.readers.notes import NotesReader
from hippograph.readers.single_pass import SinglePassReader
from hippograph.testing.doubles import OverlapCrossEncoder
from hippograph.testing.scripted import ScriptedModel
from hippograph.types import Usage
from tests.readers.reading import Shelf

QUESTION = "Where does the Fram lie?"
TEXTS = tuple(f"The Fram lies at place{place}, says {place}. " + "It is told at length. " * 20 for place in range(9))
NAMED: dict[str, tuple[Callable[..., ModelReader], dict[str, Any]]] = {
    "single": (SinglePassReader, {}),
    "ircot": (InterleavedReader, {"k": 4}),
    "ircot, parity": (InterleavedReader, {"parity": True}),
    "notes": (NotesReader, {}),
    "notes, parity": (NotesReader, {"parity": True}),
    "memory": (MemoryReader, {"k": 4, "max_cycles": 3}),
    "memory, parity": (MemoryReader, {"k": 4, "max_cycles": 2, "parity": True}),
    "amber": (AmberReader, {}),
    "amber, cross-encoder": (AmberReader, {"cross_encoder": OverlapCrossEncoder()}),
    "amber, parity": (AmberReader, {"parity": True}),
}
REFUSED = Completion(
    status="failed", finish_reason="length", error="the prompt is too long", usage=Usage(calls=1, items=1), attempts=1
)
NUMBERS = st.lists(st.integers(min_value=-1, max_value=12), max_size=5)
LINES = st.sampled_from(["", "It lies at place3.", "Place5, \x1b[31mperhaps.", "It is told."])
VALUES: dict[str, st.SearchStrategy[object]] = {
    **dict.fromkeys(["note", "thought", "veridical", "summary", "review", "challenge", "memory", "draft"], LINES),
    **dict.fromkeys(["support", "memories", "sentences", "passages"], NUMBERS),
    **dict.fromkeys(
        ["queries", "probes", "clues"],
        st.lists(st.sampled_from(["place1?", "place7 lies", "at", "\x07place8?"]), max_size=3),
    ),
    "answer": st.sampled_from(["", "yes", "Oslo"]),
    "sufficient": st.booleans(),
    "done": st.booleans(),
    "better": st.sampled_from(["A", "B", "tie"]),
}


def sent(model):
    """Return the numbers and titles of all passages in prompts that were not refused, and whether any was refused."""
    return {
        (one["number"], one["title"])
        for request in model.requests
        for part in ("passages", "evidence")
        for one in json.JSONDecoder().raw_decode(request.messages[-1].text)[0].get(part, [])
        if size(request) <= model.room
    }


class Narrow(ScriptedModel):
    room = 10**6


@st.composite
def readings(draw, rooms):
    kind, options = NAMED[draw(st.sampled_from(sorted(NAMED)))]
    room = draw(rooms)

    def answers(request):
        if size(request) > room:
            return REFUSED
        return json.dumps({name: draw(VALUES[name]) for name in request.schema.model_fields})

    model = Narrow(answers=answers)
    model.room = room
    return kind(retriever=Shelf(TEXTS), model=model, **options).read(QUESTION), model


ROOMS = st.sampled_from([10**6, 1100, 900, 750])


@settings(max_examples=75)
@given(reading=readings(ROOMS))
def test_a_complete_answer_cites_something_and_all_that_is_cited_was_sent(reading):
    answer, model = reading
    assert {passage.title for passage in answer.citations} <= {title for _, title in sent(model)}
    assert answer.citations or not answer.complete
    for step in answer.steps:
        for node in step.memory:
            assert {f"T{id[1:]}" for id in node.sources} <= {title for _, title in sent(model)}


@settings(max_examples=75)
@given(reading=readings(st.sampled_from([1100, 900, 750])))
def test_what_was_laid_out_is_sent_at_some_time_or_told_as_left_out(reading):
    answer, model = reading
    shown = {title for _, title in sent(model)}
    laid_out = {
        one["title"]
        for request in model.requests
        for part in ("passages", "evidence")
        for one in json.JSONDecoder().raw_decode(request.messages[-1].text)[0].get(part, [])
    }
    remarks = "; ".join(step.remark for step in answer.steps)
    if laid_out - shown and answer.outcome != "failed":
        assert "too long" in remarks
        assert "left out" in answer.steps[-1].remark or "never shown" in remarks
    # No step tells more than was sent.
    told = {hit.passage.title for step in answer.steps if step.kind in {"note", "answer", "cue"} for hit in step.hits}
    assert told <= shown


@settings(max_examples=75)
@given(reading=readings(ROOMS))
def test_nothing_that_moves_a_cursor_is_told_and_no_grammar_is_looked_up(reading):
    answer, _ = reading
    for step in answer.steps:
        told = (step.query, step.note_after, step.remark, *(node.cue for node in step.memory))
        assert not any(unicodedata.category(letter) == "Cc" and letter != "\n" for text in told for letter in text)
        if step.kind == "retrieve" and "\n" not in step.query:
            assert step.query != "at"
    assert "\x1b" not in answer.text


def stubborn(room, **values):
    """Make a model that never has enough; everything it says is new."""
    model = Narrow(answers=lambda request: REFUSED if size(request) > room else say(request))
    model.room = room

    def say(request):
        number = model.calls
        said = {
            "note": " ".join(f"Fact {past}." for past in range(number + 1)),
            "memory": f"Fact {number}.", "answer": "", "support": [], "sufficient": False,
            "queries": [], "probes": [], "better": "B", "veridical": f"Fact {number}.", "summary": f"Fact {number}.",
            "memories": [], "review": "", "challenge": "", "passages": list(range(1, 10)), "sentences": [],
        }  # fmt: skip
        return json.dumps({name: said[name] for name in request.schema.model_fields})

    return model


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("notes", {"max_steps": 9, "max_passages": 5}),
        ("memory", {"max_cycles": 9}),
        ("amber", {"max_steps": 9}),
        ("amber, cross-encoder", {"max_steps": 9}),
    ],
)
def test_what_there_was_no_room_for_is_shown_later(name, options):
    """Nothing is asked to be looked up, and yet the reading goes on until all has been read."""
    kind, own = NAMED[name]
    model = stubborn(700)
    answer = kind(retriever=Shelf(TEXTS), model=model, **own | options).read(QUESTION)
    found = {hit.passage.title for step in answer.steps if step.kind == "retrieve" for hit in step.hits}
    assert len([step for step in answer.steps if step.kind == "retrieve"]) == 1
    assert {title for _, title in sent(model)} == found
    assert "too long" in "; ".join(step.remark for step in answer.steps)
    assert not any("never shown" in step.remark for step in answer.steps)


@pytest.mark.parametrize("name", ["notes", "memory", "amber, cross-encoder"])
def test_what_never_fits_is_told_in_the_end_and_does_not_keep_it_going(name):
    kind, own = NAMED[name]
    model = stubborn(700)
    limits = {"notes": {"max_steps": 1}, "memory": {"max_cycles": 1}}.get(name, {"max_steps": 1})
    answer = kind(retriever=Shelf(TEXTS), model=model, **own | limits).read(QUESTION)
    assert re.search(r"never shown, for the prompts were too long: \d of \d", answer.steps[-1].remark)
    assert model.calls < 12


@pytest.mark.parametrize("name", NAMED)
def test_what_cites_only_what_was_not_shown_is_a_guess(name):
    kind, own = NAMED[name]

    def answers(request):
        said = {
            "answer": "yes", "support": [99], "sufficient": True, "done": True, "thought": "It is.", "note": "It is.",
            "queries": [], "probes": [], "memory": "It is.", "review": "", "challenge": "", "sentences": [],
            "passages": [1], "better": "A", "veridical": "", "summary": "", "memories": [99],
        }  # fmt: skip
        return json.dumps({name: said[name] for name in request.schema.model_fields})

    answer = kind(retriever=Shelf(TEXTS), model=ScriptedModel(answers=answers), **own).read(QUESTION)
    assert (answer.complete, answer.outcome, answer.text, answer.citations) == (False, "not enough evidence", "yes", ())
    assert "cites nothing that was shown" in answer.steps[-1].remark


@pytest.mark.parametrize("support", [[10**4000], list(range(100, 5100))])
def test_remarks_have_an_end(support):
    reply = json.dumps({"answer": "yes", "support": support, "sufficient": True})
    answer = SinglePassReader(retriever=Shelf(TEXTS), model=ScriptedModel(answers=[reply])).read(QUESTION)
    assert len(answer.steps[-1].remark) < 200
