"""The randomisation test: against scipy's, exact and drawn, and on values worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hippograph.errors import InputError
from hippograph.evaluation import randomization
from hippograph.evaluation.bootstrap import Interval
from hippograph.evaluation.randomization import randomization_intervals, randomization_test
from hippograph.types import DoubleArray

SCIPYS: Any = stats.permutation_test

steps = st.sampled_from([-1.0, -0.5, -1 / 3, 0.0, 0.1, 0.2, 1 / 3, 0.5, 1.0])


def scipys(values: list[float], resamples: float) -> float:
    found = SCIPYS(
        (np.array(values),), np.mean, permutation_type="samples", n_resamples=resamples, rng=np.random.default_rng(1)
    )
    return float(found.pvalue)


@given(st.lists(steps, min_size=2, max_size=9))
@settings(max_examples=60, deadline=None)
def test_all_assignments_give_the_p_value_of_scipy(values: list[float]) -> None:
    (ours,) = randomization_test(np.array(values)[:, np.newaxis], resamples=2**9)
    # Scipy assigns signs also to questions that do not differ, which leaves the share as it is.
    assert ours == pytest.approx(scipys(values, np.inf))


def test_drawn_assignments_come_near_the_p_value_of_scipy() -> None:
    rng = np.random.default_rng(5)
    table = rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0], size=(60, 4), p=[0.1, 0.15, 0.4, 0.15, 0.2])
    ours = randomization_test(table)
    theirs = [scipys(list(column), 9999) for column in table.T]
    assert ours == pytest.approx(np.array(theirs), abs=0.02)
    assert len(set(ours)) == 4


def test_drawn_and_all_assignments_agree() -> None:
    table = np.random.default_rng(6).choice([-1.0, 0.5, 1.0], size=(12, 2))
    drawn = randomization_test(table, resamples=4000)
    assert drawn == pytest.approx(randomization_test(table, resamples=5000), abs=0.03)
    assert set(drawn) != set(randomization_test(table, resamples=5000))


def test_values_by_hand() -> None:
    # Of the eight sums of 1, 2 and 3 with any signs, 6 and -6 are as far from 0 as 6; 4 and -4 too as far as 4.
    assert randomization_test(np.array([[0.1], [0.2], [0.3]])) == pytest.approx(np.array([2 / 8]))
    assert randomization_test(np.array([[-0.1], [0.2], [0.3]])) == pytest.approx(np.array([4 / 8]))
    assert randomization_test(np.zeros((4, 1))) == pytest.approx(np.array([1.0]))


def test_it_is_never_zero_and_the_same_each_time() -> None:
    table = np.ones((200, 1))
    assert randomization_test(table, resamples=999) == pytest.approx(np.array([1 / 1000]))
    mixed = np.random.default_rng(2).normal(0.05, 1.0, size=(50, 2))
    assert randomization_test(mixed).tolist() == randomization_test(mixed).tolist()
    assert randomization_test(mixed).tolist() == pytest.approx(randomization_test(-mixed).tolist())


def test_equal_retrievers_seem_different_as_rarely_as_the_level_says() -> None:
    table = np.random.default_rng(3).choice([-0.5, 0.0, 0.5], size=(40, 500))
    assert 0.02 <= np.mean(randomization_test(table, resamples=1000) <= 0.05) <= 0.07


def test_how_much_fits_into_memory_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.random.default_rng(4).choice([-1.0, 0.5, 1.0], size=(40, 2))
    whole = randomization_test(table, resamples=300).tolist()
    monkeypatch.setattr(randomization, "_CELLS", 400)
    assert randomization_test(table, resamples=300).tolist() == whole


def test_no_draws_are_refused() -> None:
    with pytest.raises(InputError, match="resamples is 0"):
        randomization_test(np.zeros((3, 1)), resamples=0)


def rejected(values: DoubleArray, mean: float, resamples: int, seed: int) -> bool:
    (p_value,) = randomization_test((values - mean)[:, np.newaxis], resamples=resamples, seed=seed)
    return bool(p_value < 0.05)


@given(st.lists(steps, min_size=10, max_size=40), st.sampled_from([100, 1000, 8192]), st.integers(0, 3))
@settings(max_examples=80, deadline=None)
def test_zero_lies_outside_exactly_if_the_test_rejects_it(values: list[float], resamples: int, seed: int) -> None:
    table = np.array(values)[:, np.newaxis]
    (p_value,) = randomization_test(table, resamples=resamples, seed=seed)
    (interval,) = randomization_intervals(table, resamples=resamples, seed=seed)
    outside = not interval.low <= 0 <= interval.high
    if len(set(values)) > 1:
        assert outside == (p_value < 0.05)
    elif outside:
        assert p_value < 0.05
    assert interval.low < interval.high
    assert interval.low - 1e-6 <= np.mean(values) <= interval.high + 1e-6


def test_the_ends_are_where_the_test_of_what_is_left_begins_to_reject() -> None:
    values = np.random.default_rng(8).normal(0.2, 0.3, size=40)
    (interval,) = randomization_intervals(values[:, np.newaxis], resamples=2000, seed=2)
    inside, outside = (interval.low + 1e-5, interval.high - 1e-5), (interval.low - 1e-5, interval.high + 1e-5)
    assert not any(rejected(values, mean, 2000, 2) for mean in inside)
    assert all(rejected(values, mean, 2000, 2) for mean in outside)


def test_few_questions_that_differ_leave_zero_inside() -> None:
    (interval,) = randomization_intervals(np.array([[-1.0]] * 3 + [[0.0]] * 22))
    assert interval.low < -0.2
    assert interval.high == 0
    assert randomization_intervals(np.zeros((25, 1))) == [Interval(low=-0.133192, high=0.133192)]
    assert randomization_intervals(np.full((10, 1), 0.5), resamples=4) == [Interval(low=0.083701, high=0.638766)]
    nothing_to_say = randomization_intervals(np.array([[0.1], [0.2]] * 5), resamples=4)
    assert nothing_to_say == [Interval(low=-1.0, high=1.0)]


def test_the_interval_covers_the_truth_where_many_questions_do_not_differ() -> None:
    rng = np.random.default_rng(9)
    table = rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0], size=(60, 300), p=[0.05, 0.05, 0.8, 0.05, 0.05])
    found = randomization_intervals(table, resamples=1000)
    assert 0.92 <= np.mean([interval.low <= 0 <= interval.high for interval in found]) <= 0.99


def test_intervals_are_the_same_alone_and_whatever_fits_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.random.default_rng(4).choice([-1.0, 0.0, 0.5, 1.0], size=(40, 3))
    whole = randomization_intervals(table, resamples=300)
    assert whole == [randomization_intervals(table[:, [column]], resamples=300)[0] for column in range(3)]
    monkeypatch.setattr(randomization, "_CELLS", 400)
    assert randomization_intervals(table, resamples=300) == whole


def test_too_few_questions_or_draws_have_no_interval() -> None:
    with pytest.raises(InputError, match="9 questions are too few for an interval; give 10"):
        randomization_intervals(np.zeros((9, 1)))
    with pytest.raises(InputError, match="resamples is 0"):
        randomization_intervals(np.zeros((10, 1)), resamples=0)
