"""Bootstrap confidence intervals of means over questions: how far a result hangs on the questions that were asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtr, ndtri

from hippograph.errors import InputError
from hippograph.evaluation.rounding import settled
from hippograph.types import DoubleArray

__all__ = ["CONFIDENCE", "FEWEST", "RESAMPLES", "Interval", "bootstrap_intervals"]

CONFIDENCE: Final = 0.95
"""The customary coverage of an interval."""

RESAMPLES: Final = 10_000
"""How often questions are drawn anew; at the ends of an interval of 95 %, 250 of the draws lie outside."""

FEWEST: Final = 100
"""With fewer draws the ends of an interval are hardly more than noise."""

_DECIMALS: Final = 6  # the draws themselves leave the third one in doubt
_CELLS: Final = 1_000_000  # bounds what is in memory at a time: draws by questions


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A confidence interval.

    Parameters
    ----------
    low, high
        Its ends.
    """

    low: float
    high: float

    def to_json(self) -> list[float]:
        """Return the two ends."""
        return [self.low, self.high]


def bootstrap_intervals(
    values: DoubleArray, *, confidence: float = CONFIDENCE, resamples: int = RESAMPLES, seed: int = 0
) -> list[Interval]:
    """Find a confidence interval of the mean of each column, bias-corrected and accelerated (BCa).

    All columns are measured on the same draws, so that the intervals of two retrievers, and of their difference, are
    of a piece. Values that are all the same give an interval of no width: draws from them cannot tell how far off
    they are.

    Parameters
    ----------
    values
        One row per question, one column per measure; shape (Q, M), Q at least 2, finite.
    confidence
        How often the interval is to cover the mean of all questions there could be, between 0 and 1.
    resamples
        How often Q questions are drawn with replacement, at least 100.
    seed
        Of the draws: the same seed gives the same intervals.

    Returns
    -------
    M intervals, in the order of the columns, their ends rounded to six decimals.

    Raises
    ------
    InputError
        If there are fewer than two questions, or a parameter is out of range.

    References
    ----------
    B. Efron, Better bootstrap confidence intervals, JASA 82(397), 1987, sections 2 and 3.
    T. J. DiCiccio, B. Efron, Bootstrap confidence intervals, Statistical Science 11(3), 1996.

    Examples
    --------
    >>> import numpy as np
    >>> half = np.repeat([[0.0], [1.0]], 50, axis=0)
    >>> bootstrap_intervals(half)
    [Interval(low=0.4, high=0.6)]
    """
    if values.ndim != 2 or len(values) < 2:
        raise InputError(f"values of shape {values.shape} have no spread; give a row for each of two or more questions")
    if not 0 < confidence < 1:
        raise InputError(f"the confidence is {confidence}; give a share between 0 and 1, such as 0.95")
    if resamples < FEWEST:
        raise InputError(f"resamples is {resamples}; give {FEWEST} or more, {RESAMPLES:,} for steady intervals")
    draws = _drawn_means(values, resamples, np.random.default_rng(seed))
    means = settled(values.mean(axis=0))
    levels = _bca_levels(values, draws, means, (1.0 - confidence) / 2.0)
    ends = [np.quantile(draws[:, column], levels[:, column]).tolist() for column in range(values.shape[1])]
    return [Interval(low=round(low, _DECIMALS), high=round(high, _DECIMALS)) for low, high in ends]


def _drawn_means(values: DoubleArray, resamples: int, rng: np.random.Generator) -> DoubleArray:
    """Return the means of the drawn questions, shape (resamples, M)."""
    n = len(values)
    chunk = max(1, _CELLS // n)
    means = np.empty((resamples, values.shape[1]))
    for first in range(0, resamples, chunk):
        rows = min(chunk, resamples - first)
        cells = rng.integers(0, n, size=(rows, n), dtype=np.int32) + n * np.arange(rows)[:, np.newaxis]
        often = np.bincount(cells.ravel(), minlength=rows * n).reshape(rows, n)
        means[first : first + rows] = often @ values / n
    return settled(means)


def _bca_levels(values: DoubleArray, draws: DoubleArray, means: DoubleArray, tail: float) -> DoubleArray:
    """Return which quantiles of the draws are the ends, shape (2, M)."""
    below = ((draws < means).sum(axis=0) + (draws <= means).sum(axis=0)) / (2.0 * len(draws))
    # All draws on one side leave the bias unbounded; they tell no more than that it lies beyond one draw.
    bias = ndtri(np.clip(below, 0.5 / len(draws), 1.0 - 0.5 / len(draws)))
    # The jackknife values of a mean lie as the values themselves, mirrored and shrunk, so they need not be computed.
    apart = values - values.mean(axis=0)
    spread = (apart**2).sum(axis=0) ** 1.5
    acceleration = (apart**3).sum(axis=0) / np.where(spread > 0, 6.0 * spread, 1.0)
    shifted = bias + np.array([[ndtri(tail)], [-ndtri(tail)]])
    levels: DoubleArray = ndtr(bias + shifted / (1.0 - acceleration * shifted))
    return levels
