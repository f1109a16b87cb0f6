"""Bootstrap intervals: against scipy on the same draws, their coverage, and what may not change them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from hippograph.errors import InputError
from hippograph.evaluation import bootstrap
from hippograph.evaluation.bootstrap import Interval, bootstrap_intervals
from hippograph.types import DoubleArray

SCIPYS: Any = stats.bootstrap

# Means of as many of these as a power of two are exact, so that scipy sees the same ties between draws and the mean.
shares = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


def columns(n: int, m: int = 3, *, seed: int = 3) -> DoubleArray:
    rng = np.random.default_rng(seed)
    return rng.choice([0.0, 0.5, 2 / 3, 1.0], size=(n, m), p=[0.1, 0.2, 0.3, 0.4])


@given(st.sampled_from([2, 4, 16, 64]).flatmap(lambda n: st.lists(shares, min_size=n, max_size=n)), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_the_ends_are_those_of_scipy_on_the_same_draws(values: list[float], seed: int) -> None:
    assume(len(set(values)) > 1)  # scipy gives no numbers then
    table = np.array(values)[:, np.newaxis]
    (ours,) = bootstrap_intervals(table, resamples=500, seed=seed)
    earlier = SimpleNamespace(
        bootstrap_distribution=bootstrap._drawn_means(table, 500, np.random.default_rng(seed))[:, 0]
    )
    theirs = SCIPYS((table[:, 0],), np.mean, method="BCa", n_resamples=0, bootstrap_result=earlier).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


def test_the_draws_are_means_of_as_many_questions_drawn_with_replacement() -> None:
    draws = bootstrap._drawn_means(np.eye(5), 4000, np.random.default_rng(0))
    assert draws.sum(axis=1) == pytest.approx(np.ones(4000))
    assert set(np.unique(np.rint(5 * draws))) == {0, 1, 2, 3, 4, 5}
    assert draws.mean(axis=0) == pytest.approx(np.full(5, 0.2), abs=0.01)
    assert draws.std(axis=0) == pytest.approx(np.full(5, np.sqrt(0.2 * 0.8 / 5)), rel=0.05)


def test_it_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(11)
    many = rng.choice([0.0, 0.5, 1.0], size=(60, 400), p=[0.2, 0.3, 0.5])
    found = bootstrap_intervals(many, resamples=1000)
    covered = np.mean([interval.low <= 0.65 <= interval.high for interval in found])
    assert 0.91 <= covered <= 0.98


def test_more_questions_and_less_confidence_make_it_narrower() -> None:
    def width(n: int, confidence: float) -> float:
        (interval,) = bootstrap_intervals(columns(n, 1), confidence=confidence)
        return interval.high - interval.low

    assert width(400, 0.95) < 0.6 * width(100, 0.95)
    assert width(100, 0.8) < width(100, 0.95) < width(100, 0.99)


def test_the_same_seed_gives_the_same_and_columns_do_not_touch_each_other() -> None:
    table = columns(70)
    together = bootstrap_intervals(table)
    assert together == bootstrap_intervals(table)
    assert together == [bootstrap_intervals(table[:, [column]])[0] for column in range(3)]
    assert together != bootstrap_intervals(table, seed=1)


def test_how_much_fits_into_memory_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    table = columns(70)
    whole = bootstrap_intervals(table, resamples=300)
    monkeypatch.setattr(bootstrap, "_CELLS", 700)
    assert bootstrap_intervals(table, resamples=300) == whole


def test_values_without_spread_have_an_interval_without_width() -> None:
    assert bootstrap_intervals(np.full((9, 1), 0.5)) == [Interval(low=0.5, high=0.5)]


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ((1, 2), {}, r"shape \(1, 2\)"),
        ((5,), {}, r"shape \(5,\)"),
        ((5, 1), {"confidence": 1.0}, r"confidence is 1\.0"),
        ((5, 1), {"resamples": 99}, "resamples is 99"),
    ],
)
def test_what_cannot_be_is_refused(shape: tuple[int, ...], options: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        bootstrap_intervals(np.zeros(shape), **options)  # type: ignore[arg-type]
