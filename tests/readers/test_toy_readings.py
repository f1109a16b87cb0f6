"""All readers on questions of the toy corpus, with the default models, and a model that knows what it is shown."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest

from hippograph.evaluation.datasets import Question, load_questions
from hippograph.hippograph import HippoGraph
from hippograph.protocols import Retriever
from hippograph.readers.budget import ReadingBudget
from hippograph.readers.memory import MemoryReader
from hippograph.readers.model_reader import ModelReader
from hippograph.testing.recorded_readings import RecordedReadings
from hippograph.testing.toy_corpus import toy_corpus_path, toy_questions_path, toy_readings_path
from hippograph.types import Answer, Ranking

pytestmark = pytest.mark.local

READINGS = {reading.question: reading for reading in RecordedReadings(path=toy_readings_path()).readings}
QUESTIONS = {
    question.id: question for question in load_questions(toy_questions_path()).questions if question.text in READINGS
}
# So little is looked up at a time that one look does not suffice; `single` has but one.
SETTINGS: dict[str, dict[str, Any]] = {
    "single": {"k": 10},
    "ircot": {"k": 7},
    "notes": {"k": 3, "later_k": 2},
    "memory": {"layer_tokens": 200},
    "amber": {"k": 3},
}

each_question = pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)


@dataclass(frozen=True)
class Once:
    """A retriever that looks nothing up twice: these tests read the same questions over and over."""

    within: Retriever
    found: dict[tuple[str, int], Ranking] = field(default_factory=dict)

    def retrieve(self, queries: Sequence[str], *, k: int) -> list[Ranking]:
        unknown = [query for query in dict.fromkeys(queries) if (query, k) not in self.found]
        if unknown:
            rankings = self.within.retrieve(unknown, k=k)
            self.found.update({(query, k): ranking for query, ranking in zip(unknown, rankings, strict=True)})
        return [self.found[query, k] for query in queries]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HippoGraph]:
    model = RecordedReadings(path=toy_readings_path())
    with HippoGraph(tmp_path_factory.mktemp("readings") / "toy.hippo", language_model=model) as hippograph:
        hippograph.index([toy_corpus_path()], layers=True)
        yield hippograph


@pytest.fixture(scope="module")
def readers(toy: HippoGraph) -> dict[str, ModelReader]:
    readers = {}
    for name, settings in SETTINGS.items():
        reader = toy.parts.reader(name)
        assert isinstance(reader, ModelReader)
        given: dict[str, Any] = {"retriever": Once(reader.retriever), **settings}
        if isinstance(reader, MemoryReader):
            given |= {"layers": {layer: Once(within) for layer, within in reader.layers.items()}}
        readers[name] = replace(reader, **given)
    return readers


def read(reader: ModelReader, question: Question, **settings: Any) -> Answer:
    """Read with a model of its own, so that each call is one, and none is remembered."""
    model = RecordedReadings(path=toy_readings_path())
    answer = replace(reader, model=model, **settings).read(question.text)
    assert answer.usage.calls == model.calls
    return answer


def cited(answer: Answer) -> set[str]:
    return {passage.id for passage in answer.citations}


def calls_told_by_the_path(answer: Answer) -> int:
    """Count the calls that docs/readers.md tells of the path that was taken."""
    kinds = Counter(step.kind for step in answer.steps)
    looks = len({step.query for step in answer.steps if step.kind == "retrieve"})
    if answer.reader == "notes":
        return kinds["note"] + kinds["compare"]
    if answer.reader == "memory":
        cycles = kinds["attempt"] - 1
        # One for each attempt and each probe; in the first cycle, for the question besides.
        return 1 + (looks + cycles if cycles else 0)
    return {"single": 1, "ircot": looks, "amber": kinds["revise"]}[answer.reader]


@pytest.mark.parametrize(
    ("name", "fewest", "most"), [("single", 1, 1), ("ircot", 1, 2), ("notes", 2, 3), ("memory", 4, 7), ("amber", 2, 3)]
)
@each_question
def test_every_reader_finds_the_answer_and_cites_what_it_rests_on(readers, question, name, fewest, most):
    answer = read(readers[name], question)
    assert (answer.outcome, answer.reader) == ("answered", name)
    assert answer.text in question.answers
    assert cited(answer) == set(question.gold)
    assert [step.remark for step in answer.steps if step.remark] == []
    assert answer.usage.calls == calls_told_by_the_path(answer)
    assert fewest <= answer.usage.calls <= most


@each_question
def test_one_look_does_not_suffice(readers, question):
    answer = read(readers["single"], question, k=3)
    assert answer.outcome == "not enough evidence"
    assert cited(answer) < set(question.gold)


@each_question
def test_a_chain_of_thoughts_cites_only_what_is_shown_with_the_last(readers, question):
    answer = read(readers["ircot"], question, k=4)
    assert answer.text in question.answers
    assert 2 <= answer.usage.calls == calls_told_by_the_path(answer) <= 3
    *_, last = answer.steps
    assert cited(answer) == set(question.gold) & {hit.passage.id for hit in last.hits}


@pytest.mark.parametrize("name", ["notes", "memory"])
@each_question
def test_each_note_tells_more_of_what_is_needed(readers, question, name):
    answer = read(readers[name], question)
    needed = READINGS[question.text].needed
    notes = [step.note_after for step in answer.steps if step.note_after != step.note_before]
    told = [{fact.fact for fact in needed if fact.words in note} for note in notes]
    assert all(fewer < more for fewer, more in pairwise(told))
    assert told[-1] == {fact.fact for fact in needed}


def test_memories_of_passages_rest_on_gold_and_those_of_summaries_on_nothing(readers):
    question = QUESTIONS["bridge-2"]
    answer = read(readers["memory"], question)
    memories = [node for step in answer.steps for node in step.memory]
    assert {node.kind for node in memories} == {"veridical", "semantic", "episodic", "fusion"}
    for node in memories:
        assert set(node.sources) <= set(question.gold)
        assert bool(node.sources) == (node.kind in {"veridical", "fusion"})


@pytest.mark.parametrize("name", ["ircot", "notes", "memory"])
@each_question
def test_with_fewer_calls_there_is_an_answer_too(readers, question, name):
    whole = read(readers[name], question)
    for calls in range(1, whole.usage.calls + 2):
        answer = read(readers[name], question, budget=ReadingBudget(calls=calls))
        assert answer.usage.calls <= calls
        assert answer.text
        assert answer.complete == (answer.outcome == "answered")
        assert answer.outcome in ({"answered"} if calls > whole.usage.calls else {"budget", "answered"})
        assert cited(answer) <= set(question.gold)
        assert not answer.complete or answer.text in question.answers


def test_a_reading_is_repeated_without_a_call(toy):
    first, again = (toy.ask(QUESTIONS["bridge-2"].text, reader="notes", k=3) for _ in range(2))
    assert (first.usage.calls, again.usage.calls, again.usage.reused) == (2, 0, 2)
    same = {"usage": first.usage, "seconds": 0.0}
    assert [replace(step, **same) for step in first.steps] == [replace(step, **same) for step in again.steps]
