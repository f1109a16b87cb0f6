"""Intervals of measures: Wilson's for shares against scipy, and never without width."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hippograph.evaluation.bootstrap import bootstrap_intervals
from hippograph.evaluation.intervals import mean_intervals, uniform_interval, wilson_interval

BINOMIAL_TEST: Any = stats.binomtest


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_shares_have_the_interval_of_scipy(counts: tuple[int, int]) -> None:
    theirs = BINOMIAL_TEST(*counts).proportion_ci(method="wilson")
    ours = wilson_interval(*counts)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


def test_shares_near_one_are_covered_as_often_as_it_says() -> None:
    for n, share in ((25, 0.95), (25, 0.9), (60, 0.97), (200, 0.98)):
        successes = np.arange(n + 1)
        chances = stats.binom.pmf(successes, n, share)
        inside = [wilson_interval(int(s), n).low <= share <= wilson_interval(int(s), n).high for s in successes]
        assert chances[inside].sum() > 0.9


@given(st.floats(0, 1), st.integers(10, 300))
def test_one_value_for_all_leaves_width(value: float, n: int) -> None:
    interval = uniform_interval(value, n)
    assert 0 <= interval.low <= value + 1e-6
    assert value - 1e-6 <= interval.high <= 1
    assert 0.99 * 3.8414 / (n + 3.8414) - 2e-6 <= interval.high - interval.low < 0.28
    for end in (0, n):
        assert wilson_interval(end, n) == uniform_interval(end / n, n)


def test_each_measure_has_the_interval_of_its_kind() -> None:
    rng = np.random.default_rng(3)
    mixed = rng.choice([0.0, 0.5, 1.0], size=40)
    shares = rng.choice([0.0, 1.0], size=40)
    table = np.stack([mixed, shares, np.full(40, 0.5), np.ones(40)], axis=1)
    assert mean_intervals(table) == [
        bootstrap_intervals(mixed[:, np.newaxis])[0],
        wilson_interval(int(shares.sum()), 40),
        uniform_interval(0.5, 40),
        wilson_interval(40, 40),
    ]


def test_below_ten_questions_there_is_none() -> None:
    assert mean_intervals(np.ones((9, 2))) is None
    assert mean_intervals(np.ones((10, 2))) == [wilson_interval(10, 10)] * 2
