"""Prompts that are too long for the model: what is left out, that it is told, and that it ends."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.completions import Completion, Sampling
from hippograph.readers.amber import AmberReader
from hippograph.readers.budget import ReadingBudget
from hippograph.readers.curtailing import curtailed, left_out, size
from hippograph.readers.interleaved import InterleavedReader
from hippograph.readers.memory import MemoryReader
from hippograph.readers.notes import NotesReader
from hippograph.readers.single_pass import SinglePassReader
from hippograph.readers.tasks import AnswerReply, TaskRequest, task_request
from hippograph.testing.scripted import ScriptedModel
from hippograph.types import Usage
from tests.readers.reading import Shelf, answer_reply

QUESTION = "Where does the Fram lie?"
TEXTS = tuple(f"The Fram lies here, says {place}. " + "It is told at length. " * 20 for place in range(8))
REFUSED = Completion(
    status="failed", finish_reason="length", error="the prompt is too long", usage=Usage(calls=1, items=1), attempts=1
)
READERS = (SinglePassReader, InterleavedReader, NotesReader, MemoryReader, AmberReader)
REPLIES: dict[str, dict[str, object]] = {
    "sentences": {"passages": [1, 2, 3, 4, 5, 6, 7, 8], "sentences": []},
    "review": {"review": "", "challenge": "", "memory": "The Fram lies.", "queries": []},
    "note": {"note": "The Fram lies.", "queries": []},
    "thought": {"thought": "The Fram lies.", "done": True},
    "probes": {"probes": []},
    "better": {"better": "A"},
    "answer": {},
}


def narrow(room):
    """Make what answers any task, and has room for so many tokens."""

    def answers(request):
        if size(request) > room:
            return REFUSED
        name = next(name for name in REPLIES if name in request.schema.model_fields)
        return answer_reply(**REPLIES[name])

    return ScriptedModel(answers=answers)


def shown_in(request):
    return set(map(int, re.findall(r'"number": (\d+)', request.messages[-1].text)))


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("room", [500, 700, 1000])
def test_a_model_with_little_room_is_shown_the_best_passages_and_that_is_told(kind, room):
    model = narrow(room)
    answer = kind(retriever=Shelf(TEXTS), model=model, k=8).read(QUESTION)
    assert (answer.outcome, answer.text) == ("answered", "Oslo")
    assert answer.usage.calls == model.calls
    remarked = [step for step in answer.steps if "too long for the model" in step.remark]
    assert remarked
    assert remarked[0].remark.startswith("the prompt is too long for the model; ")
    assert 0 < len(remarked[0].hits) < 8
    # All are equally good here, and are told by their ids.
    assert [hit.passage.id for hit in remarked[0].hits] == [f"p{n}" for n in range(len(remarked[0].hits))]
    assert shown_in(model.requests[-1]) == set(range(1, 1 + len(remarked[-1].hits)))


def test_what_is_too_long_is_learnt_once():
    """The first prompt of a loop is refused; the later ones are as short as they must be at once."""
    model = narrow(800)
    tell = iter(range(99))

    def answers(request):
        given = model.answers(request)
        if given is REFUSED:
            return given
        values = {"note": f"Fact {next(tell)}.", "queries": [f"What of {next(tell)}?"], "better": "B"}
        return answer_reply(**values, sufficient=False)

    asked = ScriptedModel(answers=answers)
    answer = NotesReader(retriever=Shelf(TEXTS), model=asked, k=5, max_passages=8).read(QUESTION)
    refusals = [size(request) > 800 for request in asked.requests]
    assert len(refusals) > 4
    assert refusals == [True] + [False] * (len(refusals) - 1)
    assert answer.usage.calls == asked.calls


@pytest.mark.parametrize("kind", READERS)
def test_a_model_with_no_room_at_all_ends_in_a_clear_failure(kind):
    model = narrow(10)
    answer = kind(retriever=Shelf(TEXTS), model=model, k=8).read(QUESTION)
    assert (answer.outcome, answer.text, answer.citations) == ("failed", "", ())
    assert "the prompt is too long" in answer.error
    assert model.calls <= 16


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("calls", [1, 2, 3, 4, 6])
def test_the_budget_holds(kind, calls):
    model = narrow(600)
    answer = kind(retriever=Shelf(TEXTS), model=model, k=8, budget=ReadingBudget(calls=calls)).read(QUESTION)
    assert model.calls <= calls
    assert answer.usage.calls == model.calls
    assert answer.outcome in {"answered", "budget", "failed"}
    assert answer.text or answer.outcome == "failed"
    assert bool(answer.error) == (answer.outcome == "failed")


def test_summaries_that_are_left_out_are_not_told_as_shown():
    texts = tuple(f"Summary {place}. " + "It is told at length. " * 40 for place in range(4))
    model = narrow(900)
    reader = MemoryReader(retriever=Shelf(("The Fram lies in Oslo.",)), model=model, layers={"episodic": Shelf(texts)})
    answer = reader.read(QUESTION)
    [step] = [step for step in answer.steps if step.kind == "attempt"]
    told = [text for text in texts if text.strip() in model.requests[-1].messages[-1].text]
    assert 0 < len(told) < 4
    assert [hit.passage.text for hit in step.hits] == ["The Fram lies in Oslo.", *told]
    assert step.remark == f"the prompt is too long for the model; left out: {4 - len(told)} of 4 episodic summaries"


def test_an_answer_that_has_no_room_to_end_is_asked_for_with_less():
    """A server that takes the prompt, and then runs out of context, has cut the answer off before its time."""

    def answers(request):
        if size(request) > 900:
            spent = Usage(calls=1, items=1, input_tokens=size(request), output_tokens=7)
            return Completion(status="invalid", finish_reason="length", error="cut off", usage=spent, attempts=1)
        return answer_reply()

    model = ScriptedModel(answers=answers)
    answer = SinglePassReader(retriever=Shelf(TEXTS), model=model, k=8).read(QUESTION)
    assert (answer.outcome, model.calls, answer.usage.calls) == ("answered", 2, 2)
    assert answer.usage.output_tokens > 7


def test_an_answer_that_is_as_long_as_it_may_be_is_no_matter_of_room():
    spent = Usage(calls=1, items=1, input_tokens=900, output_tokens=64)
    cut = Completion(status="invalid", finish_reason="length", error="cut off", usage=spent, attempts=1)
    model = ScriptedModel(answers=[cut])
    reader = SinglePassReader(retriever=Shelf(TEXTS), model=model, sampling=Sampling(max_tokens=64))
    assert reader.read(QUESTION).outcome == "failed"
    assert model.calls == 1


def test_what_was_not_shown_after_all_cannot_be_cited():
    def answers(request):
        return REFUSED if size(request) > 900 else answer_reply(support=list(range(1, 9)))

    answer = SinglePassReader(retriever=Shelf(TEXTS), model=ScriptedModel(answers=answers), k=8).read(QUESTION)
    [step] = [step for step in answer.steps if step.kind == "answer"]
    assert {one.id for one in answer.citations} == {hit.passage.id for hit in step.hits}
    assert len(answer.citations) < 8
    assert "passages; cites passages that were not shown" in step.remark


@given(
    texts=st.lists(st.text(alphabet="ab. ", max_size=400), max_size=6),
    summaries=st.lists(st.text(alphabet="ab. ", max_size=400), max_size=3),
    memories=st.integers(min_value=0, max_value=4),
    share=st.floats(min_value=0.0, max_value=1.2),
)
def test_evidence_alone_is_left_out_and_the_better_stays(texts, summaries, memories, share):
    told = {
        "question": QUESTION,
        "passages": [{"number": n, "title": "", "text": text} for n, text in enumerate(texts, start=1)],
        "semantic summaries": summaries,
        "memories": [{"memory": n, "text": "It is. " * 9} for n in range(1, memories + 1)],
        "asked": ["Who? " * 30],
    }
    request = task_request("answer", told, schema=AnswerReply, sampling=Sampling())
    request = replace(request, attempts=2)
    shorter = curtailed(request, int(share * size(request)), rank=lambda number: -number)
    assert isinstance(shorter, TaskRequest)
    assert size(shorter) <= size(request)
    assert (shorter.schema, shorter.sampling, shorter.attempts) == (request.schema, request.sampling, 2)
    material = json.loads(shorter.messages[-1].text.partition("\n\nTask")[0])
    assert material == shorter.material
    assert list(material) == list(told)
    assert (material["question"], material["asked"]) == (told["question"], told["asked"])
    # The higher the number, the better here; of memories, the new ones are kept.
    kept = [one["number"] for one in material["passages"]]
    assert kept == list(range(len(texts) + 1 - len(kept), len(texts) + 1))
    assert [one["memory"] for one in material["memories"]] == list(
        range(memories + 1 - len(material["memories"]), memories + 1)
    )
    assert left_out(request, shorter) == set(range(1, len(texts) + 1)) - set(kept)
    assert all(bool(material[name]) == bool(told[name]) for name in ("passages", "memories", "semantic summaries"))
    assert request.material == told
