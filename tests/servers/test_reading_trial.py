"""Readers behind a server that fails a fifth of the time; `benchmarks/faulty_reading.py` does more of it."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from hippograph.models.pacing import Limits
from hippograph.readers.budget import ReadingBudget
from hippograph.readers.single_pass import SinglePassReader
from hippograph.testing.toy_corpus import toy_passages
from hippograph.types import Answer, Hit, Ranking, Usage
from tests.servers.reading_trial import End, Trial, burning, model_behind

QUESTIONS = [f"Where does ship number {number} lie?" for number in range(60)]


class First:
    """Finds the same passages for every question."""

    def retrieve(self, queries: Sequence[str], *, k: int) -> list[Ranking]:
        hits = tuple(Hit(passage=passage, score=1.0) for passage in toy_passages()[:k])
        return [Ranking(query=query, hits=hits) for query in queries]


def test_every_question_comes_to_an_end(tmp_path: Path) -> None:
    limits = Limits(attempts=2, timeout=0.3, longest_wait=0.02)
    with burning(0.4) as server, closing(model_behind(server.base_url, tmp_path, limits=limits)) as model:
        trial = Trial(at_a_time=8, most_calls=2)
        reader = SinglePassReader(retriever=First(), model=model, budget=ReadingBudget(calls=2))
        ends = trial.run(reader.read, QUESTIONS)
    assert trial.violations(ends) == []
    assert [end.question for end in ends] == QUESTIONS
    assert {end.how for end in ends} == {"answered", "not enough evidence", "failed"}
    assert max(end.calls for end in ends) == 2


class Double:
    """A reader that does what the question says."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def read(self, question: str) -> Answer:
        if question == "raise":
            raise ValueError("not recorded")
        if question == "hang":
            self.gate.wait(20)
        if question == "fail":
            return Answer(question=question, text="", complete=False, outcome="failed")
        return Answer(question=question, text="Oslo", complete=True, usage=Usage(calls=len(question)))


@pytest.fixture
def double() -> Iterator[Double]:
    double = Double()
    yield double
    double.gate.set()


def test_what_must_not_be_is_found(double: Double) -> None:
    trial = Trial(at_a_time=1, patience=0.2, most_calls=4)
    ends = trial.run(double.read, ["four", "hang", "raise", "fail", "seven..", "four"])
    assert ends == [
        End(question="four", how="answered", calls=4),
        End(question="hang", how="hung", error="for 0.2 seconds"),
        End(question="raise", how="raised", error="ValueError: not recorded"),
        End(question="fail", how="failed"),
        End(question="seven..", how="answered", calls=7),
        End(question="four", how="answered", calls=4),
    ]
    assert trial.violations(ends) == [
        "'hang' hung: for 0.2 seconds",
        "'raise' raised: ValueError: not recorded",
        "'fail' failed without a reason",
        "'seven..' took 7 calls, and 4 are allowed",
    ]
    assert trial.told(ends, requests=15) == (
        "6 questions: 3 answered, 0 not enough evidence, 0 budget, 1 failed, 1 raised, 1 hung; "
        "calls of a question 2.50, 7 at most; 15 told, 15 requests came"
    )
