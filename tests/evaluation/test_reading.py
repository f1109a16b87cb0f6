"""Evaluating readers: values by hand, threads, failures, refusals, and readers side by side."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from time import sleep

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError, ModelError
from hippograph.evaluation.datasets import Question, QuestionSet
from hippograph.evaluation.intervals import wilson_interval
from hippograph.evaluation.randomization import randomization_test
from hippograph.evaluation.reading import evaluate_reader, evidence_by_look_up, passages_shown, threads_for
from hippograph.evaluation.reading_comparison import compare_readers
from hippograph.protocols import Reading
from hippograph.testing.scripted import ScriptedModel
from hippograph.types import Answer, Hit, Passage, Step, Usage


def passage(id: str) -> Passage:
    """`d#3` is a passage of document `d`."""
    return Passage(id=id, document=id.rpartition("#")[0] or id, text=id)


def step(kind: str, *ids: str) -> Step:
    return Step(kind=kind, query="?", hits=tuple(Hit(passage=passage(id), score=1.0) for id in ids))


def answer(text: str, *steps: Step, cites: Sequence[str] = (), calls: int = 1, **more: object) -> Answer:
    cited = tuple(passage(id) for id in cites)
    usage = Usage(calls=calls, input_tokens=100 * calls, output_tokens=10, reused=1, cost=0.5 * calls)
    made = Answer(question="", text=text, complete=True, citations=cited, steps=steps, usage=usage)
    return replace(made, **more)  # type: ignore[arg-type]


class Known:
    """A reader that knows its answers, or the error that it raises; some take longer than others."""

    def __init__(self, answers: Mapping[str, Answer | Exception], *, slow: Mapping[str, float] | None = None) -> None:
        self.answers = answers
        self.slow = slow or {}
        self.asked: list[str] = []
        self.at_work = 0
        self.most_at_work = 0
        self.lock = threading.Lock()

    def read(self, question: str) -> Answer:
        return self.steps(question).answer

    def steps(self, question: str) -> Reading:
        return Telling(self, question)

    def told(self, question: str) -> Answer:
        with self.lock:
            self.asked.append(question)
            self.at_work += 1
            self.most_at_work = max(self.most_at_work, self.at_work)
        sleep(self.slow.get(question, 0.0))
        with self.lock:
            self.at_work -= 1
        found = self.answers[question]
        if isinstance(found, Exception):
            raise found
        return found


class Telling:
    """A reading of `Known`; after an error, it has the steps until then."""

    def __init__(self, reader: Known, question: str) -> None:
        self.reader = reader
        self.question = question
        self.has_failed = False

    @property
    def answer(self) -> Answer:
        if self.has_failed:
            return answer("", step("retrieve", "x"), complete=False, outcome="failed", error="ended by an error")
        try:
            return self.reader.told(self.question)
        except ModelError:
            self.has_failed = True
            raise

    def __iter__(self) -> Iterator[Step]:
        return iter(())

    def __next__(self) -> Step:
        raise StopIteration

    def stop(self) -> Answer:
        return self.answer


QUESTIONS = QuestionSet(
    questions=(
        Question(id="1", text="who", gold={"a": 1, "b": 1}, answers=("Karl Renner", "Renner"), type="bridge"),
        Question(id="2", text="why", gold={"c": 1}, type="comparison"),
        Question(id="3", text="how", gold={"d": 1, "e": 1}, answers=("by ship",), type="bridge"),
        Question(id="4", text="when", answers=("The",), type="bridge"),
        Question(id="5", text="whither"),
    )
)
ANSWERS: dict[str, Answer | Exception] = {
    "who": answer(
        "karl renner.",
        step("retrieve", "a", "x"),
        step("think", "a"),
        step("retrieve", "y", "b"),
        step("answer", "a", "b"),
        cites=["a", "b"],
        calls=3,
    ),
    "why": answer("x", step("retrieve", "x", "c"), cites=["x"], complete=False, outcome="not enough evidence"),
    "how": answer("by ship", step("retrieve", "d"), cites=["d"], outcome="failed", complete=False, error="no server"),
    "when": answer("", step("retrieve", "x"), cites=[], complete=False, outcome="budget"),
}


def test_values_by_hand() -> None:
    reader = Known(ANSWERS)
    result = evaluate_reader(reader, QUESTIONS)
    assert sorted(reader.asked) == ["how", "when", "who", "why"]
    total = result.total
    assert (total.n, total.n_without_answers, total.n_without_gold, result.n_left_out) == (4, 1, 1, 1)
    # The third question was answered rightly by luck: the model failed.
    assert total.means["exact_match", "squad"] == total.means["exact_match", "musique"] == 2 / 3
    assert total.means["f1", "squad"] == 1 / 3
    assert total.means["f1", "musique"] == 2 / 3
    assert total.means["citations", "precision"] == (1 + 0 + 1) / 3
    assert total.means["citations", "recall"] == (1 + 0 + 1 / 2) / 3
    assert total.means["evidence", "by_look_up", "1"] == (1 / 2 + 1 + 1 / 2) / 3
    assert total.means["evidence", "by_look_up", "2"] == (1 + 1 + 1 / 2) / 3
    assert total.means["evidence", "recall"] == (1 + 1 + 1 / 2) / 3
    assert total.means["evidence", "all_recall"] == 2 / 3
    assert total.means["complete",] == 1 / 4
    assert total.outcomes == {"answered": 1, "budget": 1, "failed": 1, "not enough evidence": 1}
    assert [(failure.id, failure.error) for failure in result.failures] == [("3", "no server")]
    spread = total.spreads["calls"]
    assert (spread.mean, spread.p50, spread.max) == (6 / 4, 1.0, 3.0)
    assert spread.p95 == pytest.approx(1 + 0.85 * 2)
    assert total.spreads["found"].mean == (4 + 2 + 1 + 1) / 4
    # Of the first, a and b alone were shown; the others have no step that shows anything.
    assert total.spreads["shown"].mean == (2 + 2 + 1 + 1) / 4
    assert total.means["evidence", "shown_recall"] == (1 + 1 + 1 / 2) / 3
    assert total.spreads["tokens"].max == 310
    assert total.spreads["cost"].mean == 0.75
    assert total.spreads["reused"].p50 == 1
    assert list(result.by_type) == ["bridge", "comparison"]
    bridge = result.by_type["bridge"]
    assert (bridge.n, bridge.means["citations", "recall"], bridge.means["complete",]) == (3, 3 / 4, 1 / 3)
    assert ("f1", "squad") not in result.by_type["comparison"].means
    assert list(result.answers) == ["1", "2", "3", "4"]


def test_json_has_keys_within_keys() -> None:
    value = json.loads(json.dumps(evaluate_reader(Known(ANSWERS), QUESTIONS).to_json()))
    assert value["n"] == 4
    assert value["f1"] == {"squad": pytest.approx(1 / 3), "musique": pytest.approx(2 / 3)}
    assert set(value["evidence"]) == {"recall", "all_recall", "shown_recall", "by_look_up"}
    assert list(value["evidence"]["by_look_up"]) == ["1", "2"]
    assert set(value["seconds"]) == {"mean", "p50", "p95", "max", "interval"}
    assert value["intervals"] is None
    assert value["failures"] == [{"id": "3", "error": "no server"}]
    assert value["by_type"]["comparison"]["n_without_answers"] == 1
    result = evaluate_reader(Known(ANSWERS), QUESTIONS, resamples=0)
    assert result.to_json()["intervals"] is None
    told = result.question_to_json("2")
    assert told["citations"] == {"precision": 0.0, "recall": 0.0}
    assert "f1" not in told


def test_intervals_are_wilsons_for_shares_and_need_ten_questions() -> None:
    questions = QuestionSet(
        questions=tuple(
            Question(
                id=str(n),
                text="who",
                answers=("Karl Renner" if n < 9 else "Karl Hall",),
                gold={"a": 1} if n % 2 else {},
            )
            for n in range(12)
        )
    )
    total = evaluate_reader(Known(ANSWERS), questions).total
    assert total.intervals is not None
    assert total.means["exact_match", "squad"] == 9 / 12
    assert total.intervals["exact_match", "squad"] == wilson_interval(9, 12)
    low, high = total.intervals["f1", "squad"].to_json()
    assert total.means["f1", "squad"] == pytest.approx((9 + 3 * 2 / 4) / 12)
    assert low < 10.5 / 12 < high
    assert ("evidence", "recall") in total.means
    assert ("evidence", "recall") not in total.intervals  # six questions have gold
    calls = total.spreads["calls"].interval
    assert calls is not None
    assert calls.to_json() == [3.0, 3.0]


@pytest.mark.parametrize("threads", [1, 3, 8])
def test_answers_come_in_the_order_of_the_questions_whoever_is_first(threads: int) -> None:
    ids = [f"q{n}" for n in range(9)]
    questions = QuestionSet(questions=tuple(Question(id=id, text=id, answers=(id,)) for id in ids))
    slow = {id: 0.02 * (n % 3 == 0) + 0.005 for n, id in enumerate(ids)}
    reader = Known({id: answer(id) for id in ids}, slow=slow)
    news: list[tuple[int, int]] = []
    result = evaluate_reader(
        reader, questions, threads=threads, progress=lambda read, of: news.append((read, of)), resamples=100
    )
    assert list(result.answers) == ids
    assert [found.text for found in result.answers.values()] == ids
    assert news == [(n, 9) for n in range(1, 10)]
    assert reader.most_at_work <= threads
    assert result.threads == threads
    without = {name: value for name, value in result.to_json().items() if name not in {"seconds", "threads"}}
    alone = evaluate_reader(reader, questions, resamples=100).to_json()
    assert without == {name: value for name, value in alone.items() if name not in {"seconds", "threads"}}


def test_as_many_are_read_at_a_time_as_there_are_threads() -> None:
    class Meeting(Known):
        def told(self, question: str) -> Answer:
            together.wait(timeout=20)
            return super().told(question)

    ids = [f"q{n}" for n in range(6)]
    questions = QuestionSet(questions=tuple(Question(id=id, text=id, answers=(id,)) for id in ids))
    # Nobody goes on before three are there.
    together = threading.Barrier(3)
    result = evaluate_reader(Meeting({id: answer(id) for id in ids}), questions, threads=3)
    assert result.total.means["exact_match", "squad"] == 1


def test_what_concerns_every_question_ends_it() -> None:
    ids = [f"q{n}" for n in range(40)]
    questions = QuestionSet(questions=tuple(Question(id=id, text=id, answers=(id,)) for id in ids))
    answers: dict[str, Answer | Exception] = {id: answer(id) for id in ids}
    reader = Known(answers | {"q1": ModelError("a wrong key")}, slow=dict.fromkeys(ids, 0.005))
    result = evaluate_reader(reader, questions, threads=2)
    assert len(reader.asked) < 20
    # All that was read is kept, the question at which it showed with what was found until then.
    assert list(result.answers) == [id for id in ids if id in reader.asked]
    assert [(failure.id, failure.error) for failure in result.failures] == [("q1", "a wrong key")]
    assert (result.answers["q1"].outcome, result.answers["q1"].usage.calls) == ("failed", 1)
    assert (result.error, result.n_not_read) == ("a wrong key", 40 - len(reader.asked))
    assert (result.total.n, result.n_left_out) == (len(reader.asked), 0)
    assert result.total.means["exact_match", "squad"] == pytest.approx(1 - 1 / len(reader.asked))
    told = result.to_json()
    assert (told["error"], told["n_not_read"]) == (result.error, result.n_not_read)


def test_an_error_is_raised_if_nothing_could_be_read() -> None:
    ids = [f"q{n}" for n in range(8)]
    questions = QuestionSet(questions=tuple(Question(id=id, text=id, answers=(id,)) for id in ids))
    for threads in (1, 3):
        reader = Known(dict.fromkeys(ids, ModelError("a wrong key")))
        with pytest.raises(ModelError, match="a wrong key"):
            evaluate_reader(reader, questions, threads=threads)
        assert len(reader.asked) <= threads


def test_gold_may_be_parts_of_documents() -> None:
    questions = QuestionSet(
        questions=(
            Question(id="1", text="who", gold={"d#1": 1, "e": 1}),
            Question(id="2", text="why", gold={"f": 1}),
        )
    )
    reader = Known(
        {
            "who": answer("", step("retrieve", "d#2", "e#4", "d#1"), cites=["d#2", "e#4", "e#5"]),
            "why": answer("", step("retrieve", "f#1"), cites=["f#1", "f#2"]),
        }
    )
    result = evaluate_reader(reader, questions)
    assert result.unit == "passage"
    assert result.per_question["evidence", "recall"] == {"1": 1.0, "2": 1.0}
    # d#2 is another part; e#4 and e#5 are the one document e.
    assert result.per_question["citations", "precision"] == {"1": 1 / 2, "2": 1.0}
    assert result.per_question["citations", "recall"] == {"1": 1 / 2, "2": 1.0}
    whole = QuestionSet(questions=(Question(id="1", text="who", gold={"d": 1, "e": 1}),))
    assert evaluate_reader(reader, whole).unit == "document"


@given(st.lists(st.tuples(st.sampled_from(["retrieve", "think"]), st.lists(st.sampled_from("abcde"), max_size=3))))
def test_evidence_only_grows(parts: list[tuple[str, list[str]]]) -> None:
    read = answer("", *(step(kind, *ids) for kind, ids in parts))
    gathered = [[passage.id for passage in found] for found in evidence_by_look_up(read)]
    for before, after in pairwise(gathered):
        assert after[: len(before)] == before
    everything = [id for _, ids in parts for id in ids]
    assert gathered[-1] == list(dict.fromkeys(everything))
    look_ups = sum(kind == "retrieve" for kind, _ in parts)
    assert look_ups <= len(gathered) <= max(1, look_ups + 1)


def test_what_is_found_and_not_shown_counts_apart() -> None:
    looked = answer(
        "", step("retrieve", "a", "x"), step("retrieve", "b"), step("note", "x", "b"), step("note", "b", "y")
    )
    assert [passage.id for passage in passages_shown(looked)] == ["x", "b", "y"]
    questions = QuestionSet(questions=(Question(id="1", text="who", gold={"a": 1, "b": 1}),))
    total = evaluate_reader(Known({"who": looked}), questions).total
    assert total.means["evidence", "recall"] == 1
    assert total.means["evidence", "shown_recall"] == 1 / 2
    assert (total.spreads["found"].mean, total.spreads["shown"].mean) == (4, 3)


def test_summaries_are_neither_passages_nor_gold() -> None:
    summary = Hit(passage=Passage(id="semantic-1", document="", text="..."), score=1.0)
    looked = Step(kind="retrieve", query="?", hits=(summary, *step("retrieve", "a").hits))
    questions = QuestionSet(questions=(Question(id="1", text="who", gold={"a": 1, "b": 1}),))
    result = evaluate_reader(Known({"who": answer("", looked)}), questions)
    assert result.total.spreads["found"].mean == result.total.spreads["shown"].mean == 1
    assert result.total.means["evidence", "recall"] == 1 / 2


def test_refusals() -> None:
    reader = Known(ANSWERS)
    with pytest.raises(InputError, match="none of the 1 questions has answers or gold"):
        evaluate_reader(reader, QuestionSet(questions=(Question(id="1", text="who"),)))
    with pytest.raises(InputError, match="threads is 0"):
        evaluate_reader(reader, QUESTIONS, threads=0)
    with pytest.raises(InputError, match="1 gold ids are not in the index: 'e'"):
        evaluate_reader(reader, QUESTIONS, known=set("abcd"))
    assert reader.asked == []


def test_as_many_questions_at_a_time_as_the_model_takes() -> None:
    assert threads_for(None) == 1
    assert threads_for(ScriptedModel(answers=[], concurrency=3)) == 3
    assert threads_for(ScriptedModel(answers=[], concurrency=64)) == 8


def some(right: Sequence[bool], *, found: str = "a") -> tuple[Known, QuestionSet]:
    questions = tuple(Question(id=f"q{n}", text=f"q{n}", answers=("yes",), gold={"a": 1}) for n in range(len(right)))
    answers = {
        f"q{n}": answer("yes" if is_right else "no", step("retrieve", found)) for n, is_right in enumerate(right)
    }
    return Known(answers), QuestionSet(questions=questions)


def test_readers_are_compared_question_by_question() -> None:
    rights = {"one": [True] * 4 + [False] * 8, "two": [True] * 11 + [False], "three": [False] * 12}
    results = {name: evaluate_reader(*some(right), resamples=1000) for name, right in rights.items()}
    compared = compare_readers(results, resamples=1000)
    assert compared.baseline == "one"
    assert compared.primary == ("f1", "squad")
    two = compared.differences["two"]["exact_match", "squad"]
    apart = np.array([[b - a] for a, b in zip(map(float, rights["one"]), map(float, rights["two"]), strict=True)])
    assert two.mean == 7 / 12
    assert two.p_value == randomization_test(apart, resamples=1000)[0] == 2 / 2**7
    assert two.adjusted == 2 * two.p_value
    assert two.interval is not None
    assert 0 < two.interval.low < two.mean < two.interval.high
    assert compared.differences["three"]["exact_match", "squad"].adjusted == 0.125
    assert compared.differences["two"]["evidence", "recall"].p_value == 1
    value = json.loads(json.dumps(compared.to_json()))
    assert "difference" not in value["one"]
    assert value["two"]["difference"]["baseline"] == "one"
    assert value["two"]["difference"]["primary"] == "f1.squad"
    assert value["two"]["difference"]["f1"]["musique"]["mean"] == pytest.approx(7 / 12)
    assert "by_look_up" not in value["two"]["difference"]["evidence"]
    turned = compare_readers(results, baseline="two", resamples=1000)
    assert turned.differences["one"]["f1", "squad"].mean == -7 / 12
    assert compare_readers({"one": results["one"]}).differences == {}


def test_only_the_same_questions_compare() -> None:
    one = evaluate_reader(*some([True] * 3))
    with pytest.raises(InputError, match="'two' has read 4 questions"):
        compare_readers({"one": one, "two": evaluate_reader(*some([True] * 4))})
    with pytest.raises(InputError, match="the baseline 'two' is not among"):
        compare_readers({"one": one}, baseline="two")
    without = QuestionSet(questions=(Question(id="1", text="why", gold={"c": 1}),))
    both = {name: evaluate_reader(Known(ANSWERS), without) for name in "ab"}
    assert compare_readers(both).primary == ("evidence", "recall")
    other = QuestionSet(questions=(Question(id="1", text="why", answers=("c",)),))
    with pytest.raises(InputError, match="not all the same"):
        compare_readers({"a": both["a"], "b": evaluate_reader(Known(ANSWERS), other)})
