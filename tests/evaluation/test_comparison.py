"""Retrievers side by side: differences by hand, Holm's family, and what cannot be compared."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hippograph.errors import InputError
from hippograph.evaluation.comparison import compare
from hippograph.evaluation.datasets import Question, QuestionSet
from hippograph.evaluation.experiment import evaluate
from hippograph.evaluation.randomization import randomization_intervals, randomization_test
from hippograph.evaluation.results import Evaluation
from tests.evaluation.test_experiment import Listed

N = 12
QUESTIONS = QuestionSet(
    questions=tuple(
        Question(id=f"q{n}", text=f"t{n}", gold={"a": 1}, type="odd" if n % 2 else "even") for n in range(N)
    )
)


def found(right: int, *, questions: QuestionSet = QUESTIONS, ks: tuple[int, ...] = (1, 2)) -> Evaluation:
    """Evaluate a retriever that has the gold first for so many questions, and second for the others."""
    answers = {f"t{n}": ["a", "x"] if n < right else ["x", "a"] for n in range(N)}
    return evaluate(Listed(answers), questions, ks=ks)


def test_differences_by_hand() -> None:
    compared = compare({"worse": found(3), "better": found(9), "same": found(3)})
    assert compared.baseline == "worse"
    assert list(compared.differences) == ["better", "same"]
    first = compared.differences["better"].recall[1]
    assert first.mean == 6 / 12
    assert first.p_value == 2 / 2**6
    assert first.adjusted == 2 * first.p_value
    assert first.interval is not None
    assert 0 < first.interval.low < 0.5 < first.interval.high < 1
    assert compared.differences["better"].mrr.mean == 3 / 12
    nothing = compared.differences["better"].recall[2]
    assert (nothing.mean, nothing.p_value, nothing.adjusted) == (0.0, 1.0, 1.0)
    assert compared.differences["same"].recall[1].p_value == 1.0


def test_it_is_the_interval_and_the_test_of_the_paired_differences() -> None:
    one, other = found(3), found(8)
    ids = list(one.per_question.mrr)
    apart = np.array([[other.per_question.mrr[id] - one.per_question.mrr[id]] for id in ids])
    difference = compare({"one": one, "other": other}).differences["other"].mrr
    assert difference.interval == randomization_intervals(apart)[0]
    assert difference.p_value == randomization_test(apart)[0]


def test_the_order_of_the_questions_does_not_matter() -> None:
    turned = QuestionSet(questions=QUESTIONS.questions[::-1])
    straight = compare({"one": found(3), "other": found(8)}).to_json()["other"]["difference"]
    assert compare({"one": found(3), "other": found(8, questions=turned)}).to_json()["other"]["difference"] == straight


def test_another_baseline_turns_the_signs() -> None:
    both = {"one": found(3), "other": found(8)}
    there, back = compare(both).differences["other"], compare(both, baseline="other").differences["one"]
    assert there.recall[1].mean == -back.recall[1].mean
    assert there.recall[1].p_value == back.recall[1].p_value


def test_json_is_keyed_by_name() -> None:
    value = json.loads(json.dumps(compare({"one": found(3), "other": found(8)}).to_json()))
    assert list(value) == ["one", "other"]
    assert "difference" not in value["one"]
    difference = value["other"]["difference"]
    assert difference["baseline"] == "one"
    assert difference["primary"] == "recall@2"
    assert set(difference) == {"baseline", "primary", "recall", "all_recall", "ndcg", "mrr"}
    assert set(difference["recall"]["1"]) == {"mean", "interval", "p", "p_holm"}
    assert value["other"]["recall"] == {"1": 8 / 12, "2": 1.0}


@pytest.mark.parametrize(("ks", "primary"), [((2, 5, 10), 5), ((1, 4, 6), 4), ((7, 9), 7)])
def test_recall_at_five_decides_or_what_is_next_to_it(ks: tuple[int, ...], primary: int) -> None:
    assert compare({"one": found(3, ks=ks)}).primary == primary


def test_below_ten_questions_there_are_no_intervals() -> None:
    for n, given in ((9, False), (10, True)):
        few = QuestionSet(questions=QUESTIONS.questions[:n])
        compared = compare({"one": found(3, questions=few), "other": found(5, questions=few)})
        assert (compared.evaluations["one"].intervals is not None) == given
        assert (compared.differences["other"].recall[1].interval is not None) == given
        assert all(part.intervals is None for part in compared.evaluations["one"].by_type.values())


def test_a_single_question_has_no_intervals() -> None:
    alone = QuestionSet(questions=QUESTIONS.questions[:1])
    compared = compare({"one": found(0, questions=alone), "other": found(1, questions=alone)})
    difference = compared.differences["other"].recall[1]
    assert (difference.mean, difference.interval, difference.p_value) == (1.0, None, 1.0)
    assert compared.evaluations["one"].intervals is None


def test_one_evaluation_is_compared_with_nothing() -> None:
    assert compare({"one": found(3)}).differences == {}


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(InputError, match="baseline 'third' is not among those evaluated: one, other"):
        compare({"one": found(3), "other": found(8)}, baseline="third")
    with pytest.raises(InputError, match="those evaluated: none"):
        compare({})
    fewer = QuestionSet(questions=QUESTIONS.questions[1:])
    with pytest.raises(InputError, match="'other' was measured on 11 questions"):
        compare({"one": found(3), "other": found(8, questions=fewer)})
    with pytest.raises(InputError, match=r"at depths \[1\], and the baseline on 12 at \[1, 2\]"):
        compare({"one": found(3), "other": found(8, ks=(1,))})
