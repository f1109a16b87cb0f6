import json

import pytest

from hippograph.completions import Completion
from hippograph.testing.doubles import HashingEmbedder
from hippograph.types import Hit, Passage, Ranking, Usage
from tests.readers.test_memory import LAYERS, QUESTION, fields, reader, shown


class Program:
    """Says what the published program's model would, each task in its turn; the last answer again and again."""

    def __init__(self, **answers):
        self.answers = {name: list(given) for name, given in answers.items()}
        self.probes = 0

    def __call__(self, request):
        [name] = [
            name for name in ("answer", "probes", "summary", *("veridical", *LAYERS[2])) if name in fields(request)
        ]
        given = self.answers.get(name)
        if given:
            answer = given.pop(0) if len(given) > 1 else given[0]
            return json.dumps(answer) if isinstance(answer, dict) else answer
        if name == "answer":
            return json.dumps({"answer": "Bergen", "support": [1], "sufficient": False})
        if name == "probes":
            self.probes += 1
            return json.dumps({"probes": [f"What {self.probes} {place}?" for place in range(3)]})
        if name == "summary":
            return json.dumps({"summary": f"Fusion {self.probes}."})
        return json.dumps({name: f"what {name} says", "support": [1]})


def published(program=None, **options):
    return reader(program or Program(), parity=True, **options)


ENOUGH = {"answer": "Oslo", "support": [1], "sufficient": True}
IMPASSE = {"answer": "", "support": [], "sufficient": False}


@pytest.mark.parametrize(("layers", "cues"), [(0, 1), (1, 2), (2, 3)])
def test_calls(layers, cues):
    # The filter of the triples, one more call for each look-up, is the retriever's.
    reading, model = published(Program(answer=[ENOUGH]), layers=layers)
    assert reading.read(QUESTION).usage.calls == model.calls == cues + 1
    reading, model = published(Program(answer=[IMPASSE, ENOUGH]), layers=layers)
    assert reading.read(QUESTION).usage.calls == model.calls == (cues + 1) + (1 + 3 * cues + 1 + 1)
    reading, model = published(layers=layers)
    answer = reading.read(QUESTION)
    assert answer.usage.calls == model.calls == (cues + 1) + 5 * (1 + 3 * cues + 1 + 1)
    assert answer.usage.calls == {0: 32, 1: 48, 2: 64}[layers]
    assert [step.kind for step in answer.steps].count("attempt") == 6
    assert (answer.text, answer.outcome) == ("Bergen", "not enough evidence")


def test_the_worst_case_with_the_filter_of_each_look_up():
    look_ups = 1 + 5 * 3
    assert 64 + look_ups == 5 + 5 * 15 == 80


def test_attempts_read_cues_and_all_fusions():
    reading, model = published(layers=2, max_cycles=2, embedder=HashingEmbedder())
    answer = reading.read(QUESTION)
    attempts = [shown(request) for request in model.requests if "answer" in fields(request)]
    assert [list(told) for told in attempts] == [
        ["question", "passages", "semantic summaries", "episodic summaries"],
        ["question", "memories", "notes"],
        ["question", "memories", "notes"],
    ]
    assert [len(told["memories"]) for told in attempts[1:]] == [9, 9]
    assert attempts[1]["notes"] == ["Fusion 1."]
    assert attempts[2]["notes"] == ["Fusion 1.", "Fusion 2."]
    fusions = [step for step in answer.steps if step.kind == "fuse"]
    assert [(step.note_before, step.note_after) for step in fusions] == [("", "Fusion 1."), ("Fusion 1.", "Fusion 2.")]
    # The fusion knows the older half alone: 1 of 3 cues; then 6 of 13 memories.
    fused = [shown(request)["memories"] for request in model.requests if fields(request) == ["summary"]]
    assert [len(memories) for memories in fused] == [1, 6]
    assert max(memory["memory"] for memory in fused[0]) <= 3


def test_the_question_is_looked_up_with_each_probe_and_nothing_is_left_out():
    reading, _ = published(max_cycles=1)
    retriever = reading.retriever
    reading.read(QUESTION)
    assert retriever.asked == [(QUESTION, 50), *((f"{QUESTION} What 1 {place}?", 50) for place in range(3))]


def test_passages_are_cut_in_the_order_of_the_documents():
    class Story:
        def retrieve(self, queries, *, k):
            hits = [
                Hit(passage=Passage(id=f"p{place}", document="d", text="Some words.", span=(place, place)), score=place)
                for place in (4, 3, 2, 1)
            ]
            return [Ranking(query=query, hits=tuple(hits)) for query in queries]

    reading, _ = published(Program(answer=[ENOUGH]), retriever=Story(), layer_tokens=6)
    assert [hit.passage.id for hit in reading.read(QUESTION).steps[0].hits] == ["p1", "p2"]


@pytest.mark.parametrize("broken", ["no JSON", Completion(status="failed", error="503", usage=Usage(calls=1))])
@pytest.mark.parametrize("place", ["answer", "probes", "summary", "veridical"])
def test_broken_answers_do_not_end_it_without_an_answer(broken, place):
    given = {place: [broken, ENOUGH]} if place == "answer" else {place: [broken], "answer": [IMPASSE, ENOUGH]}
    answer = published(Program(**given))[0].read(QUESTION)
    assert (answer.text, answer.outcome) == ("Oslo", "answered")
    assert any(step.remark for step in answer.steps)


def test_nothing_found_asks_nothing():
    class Nothing:
        def retrieve(self, queries, *, k):
            return [Ranking(query=query, hits=()) for query in queries]

    reading, model = published(retriever=Nothing())
    assert (reading.read(QUESTION).text, model.calls) == ("not enough evidence", 0)
