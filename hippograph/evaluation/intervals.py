"""Confidence intervals of measures: of shares, of values that are all the same, and of all others."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from scipy.special import ndtri

from hippograph.evaluation.bootstrap import CONFIDENCE, RESAMPLES, Interval, bootstrap_intervals
from hippograph.types import DoubleArray

__all__ = ["FEWEST_QUESTIONS", "mean_intervals", "uniform_interval", "wilson_interval"]

FEWEST_QUESTIONS: Final = 10
"""With fewer questions there is no interval: a bootstrap of them covers the mean far less often than it says."""

_SQUARE: Final = float(ndtri((1.0 + CONFIDENCE) / 2.0)) ** 2
_DECIMALS: Final = 6


def mean_intervals(values: DoubleArray, *, resamples: int = RESAMPLES) -> list[Interval] | None:
    """Find a 95 % confidence interval of the mean of each measure.

    Values that are all 0 or 1 have Wilson's; others that are all the same the one of `uniform_interval`; the rest that
    of the bootstrap.

    Parameters
    ----------
    values
        One row per question, one column per measure; shape (Q, M), 0 to 1.
    resamples
        How many draws the bootstrap rests on, at least 100.

    Returns
    -------
    M intervals within 0 to 1, in the order of the columns; None if there are fewer than `FEWEST_QUESTIONS`.

    Raises
    ------
    InputError
        If there are too few resamples.

    Examples
    --------
    >>> import numpy as np
    >>> mean_intervals(np.ones((25, 1)))
    [Interval(low=0.866808, high=1.0)]
    """
    n = len(values)
    if n < FEWEST_QUESTIONS:
        return None
    found = bootstrap_intervals(values, resamples=resamples)
    shares = ((values == 0) | (values == 1)).all(axis=0)
    for column, value in enumerate(values.T):
        if shares[column]:
            found[column] = wilson_interval(int(value.sum()), n)
        elif np.ptp(value) == 0:
            found[column] = uniform_interval(float(value[0]), n)
    return found


def wilson_interval(successes: int, n: int) -> Interval:
    """Find a 95 % confidence interval of a share, which covers it also near 0 and 1.

    Parameters
    ----------
    successes, n
        How many of how many.

    References
    ----------
    E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22(158), 1927.
    L. D. Brown, T. T. Cai, A. DasGupta, Interval estimation for a binomial proportion, Statistical Science 16(2), 2001.

    Examples
    --------
    >>> wilson_interval(24, 25)
    Interval(low=0.804559, high=0.992904)
    """
    share = successes / n
    middle = (share + _SQUARE / (2 * n)) / (1 + _SQUARE / n)
    reach = math.sqrt(_SQUARE * (share * (1 - share) / n + _SQUARE / (4 * n * n))) / (1 + _SQUARE / n)
    return _interval(middle - reach, middle + reach, lowest=0.0)


def uniform_interval(value: float, n: int, *, lowest: float = 0.0) -> Interval:
    """Bound the mean when all questions that were asked have one value.

    By Wilson's interval for none of n, as many as z² / (n + z²) of all questions may have another value; at worst they
    all have the lowest, or the highest.

    Parameters
    ----------
    value
        What they have.
    n
        How many were asked.
    lowest
        The lowest value there could be; the highest is 1.

    Examples
    --------
    >>> uniform_interval(0.0, 25, lowest=-1.0)
    Interval(low=-0.133192, high=0.133192)
    """
    unseen = _SQUARE / (n + _SQUARE)
    return _interval(value + unseen * (lowest - value), value + unseen * (1.0 - value), lowest=lowest)


def _interval(low: float, high: float, *, lowest: float) -> Interval:
    return Interval(low=round(max(lowest, low), _DECIMALS), high=round(min(1.0, high), _DECIMALS))
