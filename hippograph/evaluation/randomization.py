"""The paired randomisation test: how often chance alone would set two retrievers as far apart, and its intervals."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hippograph.errors import InputError
from hippograph.evaluation.bootstrap import CONFIDENCE, RESAMPLES, Interval
from hippograph.evaluation.intervals import FEWEST_QUESTIONS, uniform_interval
from hippograph.evaluation.rounding import settled
from hippograph.types import DoubleArray

__all__ = ["randomization_intervals", "randomization_test"]

_CELLS: Final = 1_000_000  # bounds what is in memory at a time: draws by questions
_DECIMALS: Final = 6
_SLACK: Final = 1e-9  # a share of 5 % is not to become one more draw by the last bit


def randomization_test(differences: DoubleArray, *, resamples: int = RESAMPLES, seed: int = 0) -> DoubleArray:
    """Test whether the mean of each column differs from 0, on both sides.

    If two retrievers were equally good, each question's difference could as well have the other sign. The p-value is
    the share of assignments of signs with a sum at least as far from 0 as the observed one: of all of them, where
    those of the questions that differ are no more than `resamples`, else of so many drawn at random and the observed
    one.

    Parameters
    ----------
    differences
        What one retriever has more than the other; one row per question, one column per measure; shape (Q, M).
    resamples
        How many assignments are drawn, at least 1.
    seed
        Of the draws: the same seed gives the same p-values.

    Returns
    -------
    p-values above 0 and up to 1, shape (M,); 1 where no question differs.

    Raises
    ------
    InputError
        If `resamples` is below 1.

    References
    ----------
    M. D. Smucker, J. Allan, B. Carterette, A comparison of statistical significance tests for information retrieval
    evaluation (CIKM 2007), section 3.1.
    B. Phipson, G. K. Smyth, Permutation p-values should never be zero, Statistical Applications in Genetics and
    Molecular Biology 9(1), 2010: why the observed assignment counts among those drawn.

    Examples
    --------
    >>> import numpy as np
    >>> randomization_test(np.array([[0.5, 0.0], [0.5, 1.0], [1.0, -1.0]]))
    array([0.25, 1.  ])
    """
    if resamples < 1:
        raise InputError(f"resamples is {resamples}; give 1 or more, {RESAMPLES:,} for steady p-values")
    observed = settled(np.abs(differences.sum(axis=0)))
    differing = (differences != 0).sum(axis=0)
    exact = differing <= _most_exact(resamples)
    p_values = np.empty(differences.shape[1])
    for column in np.flatnonzero(exact):
        values = differences[differences[:, column] != 0, column]
        p_values[column] = _as_far(_all_signs(len(values)) @ values, observed[column]) / 2.0 ** len(values)
    drawn = np.flatnonzero(~exact)
    if len(drawn):
        far = _drawn_as_far(differences[:, drawn], observed[drawn], resamples, seed)
        p_values[drawn] = (1.0 + far) / (1.0 + resamples)
    return p_values


def randomization_intervals(differences: DoubleArray, *, resamples: int = RESAMPLES, seed: int = 0) -> list[Interval]:
    """Find the 95 % confidence interval of the mean of each column that the test gives when it is turned around.

    It holds every mean that the test, applied to what the differences are above it, does not reject at 5 %. So 0 lies
    outside exactly if the p-value of the same `resamples` and `seed` is below 0.05. An assignment of signs is as far
    from a mean as the observed one just if the mean lies between the means of the questions that keep their sign and
    of those that change it; hence the ends are order statistics of these, and need no search.

    Parameters
    ----------
    differences, resamples, seed
        As for `randomization_test`; at least `FEWEST_QUESTIONS` rows, values from -1 to 1.

    Returns
    -------
    M intervals, their ends rounded to six decimals. Where all questions differ by the same, so that no mean but that
    is left, the one of `uniform_interval`: it holds 0 if none differs.

    Raises
    ------
    InputError
        If there are fewer questions, or `resamples` is below 1.

    References
    ----------
    J. A. Hartigan, Using subsample values as typical values, JASA 64(328), 1969: the ends.
    P. H. Garthwaite, Confidence intervals from randomization tests, Biometrics 52(4), 1996: turning a test around.

    Examples
    --------
    >>> import numpy as np
    >>> three_lower = np.array([[-1.0]] * 3 + [[0.0]] * 22)
    >>> randomization_test(three_lower), randomization_intervals(three_lower)[0].high
    (array([0.25]), 0.0)
    """
    n = len(differences)
    if n < FEWEST_QUESTIONS:
        raise InputError(f"{n} questions are too few for an interval; give {FEWEST_QUESTIONS} or more")
    if resamples < 1:
        raise InputError(f"resamples is {resamples}; give 1 or more, {RESAMPLES:,} for steady intervals")
    drawn = np.concatenate(list(_drawn(n, resamples, seed)))
    sums = _sums(drawn, differences)
    found = []
    for values, column in zip(differences.T, sums.T, strict=True):
        differing = values != 0
        if np.ptp(values) == 0:
            found.append(uniform_interval(float(values[0]), n, lowest=-1.0))
        elif differing.sum() > _most_exact(resamples):
            found.append(_between(values, drawn, column, observed=1))
        else:
            changes = _completed(differing, drawn)
            found.append(_between(values, changes, _sums(changes, values), observed=0))
    return found


def _most_exact(resamples: int) -> int:
    """Return how many questions may differ for all assignments to be tried."""
    return int(np.log2(resamples))


def _completed(differing: NDArray[np.bool_], drawn: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return all assignments of the questions that differ, equally often, with drawn ones of the others."""
    signs = drawn.copy()
    which = int(differing.sum())
    signs = signs[: len(signs) >> which << which]
    signs[:, differing] = np.arange(len(signs))[:, np.newaxis] >> np.arange(which) & 1
    return signs


def _between(values: DoubleArray, changes: NDArray[np.int8], sums: DoubleArray, *, observed: int) -> Interval:
    """Return what at least 5 % of the assignments, and so many observed ones, hold."""
    changed = changes.sum(axis=1, dtype=np.int64)
    split = (changed > 0) & (changed < len(values))
    changed, sums = changed[split], sums[split]
    means = settled(np.stack([sums / changed, (values.sum() - sums) / (len(values) - changed)]))
    # Assignments that change all signs or none hold every mean.
    whole = len(changes) - len(sums) + observed
    needed = ceil((1.0 - CONFIDENCE) * (len(changes) + observed) - _SLACK) - whole
    if needed < 1:
        return Interval(low=-1.0, high=1.0)
    low, high = np.sort(means.min(axis=0))[needed - 1], np.sort(means.max(axis=0))[-needed]
    return Interval(low=round(float(low), _DECIMALS), high=round(float(high), _DECIMALS))


def _drawn(n: int, resamples: int, seed: int) -> Iterator[NDArray[np.int8]]:
    """Yield which questions change their sign, a part of the draws at a time."""
    rng = np.random.default_rng(seed)
    chunk = max(1, _CELLS // n)
    for first in range(0, resamples, chunk):
        yield rng.integers(0, 2, size=(min(chunk, resamples - first), n), dtype=np.int8)


def _sums(changes: NDArray[np.int8], values: DoubleArray) -> DoubleArray:
    """Return the sums over the questions that change their sign."""
    chunk = max(1, _CELLS // len(values))
    parts = [changes[first : first + chunk] @ values for first in range(0, len(changes), chunk)]
    return np.concatenate(parts)


def _all_signs(n: int) -> DoubleArray:
    bits = np.arange(2**n)[:, np.newaxis] >> np.arange(n) & 1
    return (1 - 2 * bits).astype(np.float64)


def _drawn_as_far(differences: DoubleArray, observed: DoubleArray, resamples: int, seed: int) -> DoubleArray:
    far = np.zeros(differences.shape[1])
    for changes in _drawn(len(differences), resamples, seed):
        far += _as_far((1.0 - 2.0 * changes) @ differences, observed)
    return far


def _as_far(sums: DoubleArray, observed: DoubleArray | np.float64) -> DoubleArray:
    far: DoubleArray = (settled(np.abs(sums)) >= observed).sum(axis=0).astype(np.float64)
    return far
