"""The paired randomisation test: how often chance alone would set two retrievers as far apart."""

from __future__ import annotations

from typing import Final

import numpy as np

from hippograph.errors import InputError
from hippograph.evaluation.bootstrap import RESAMPLES
from hippograph.evaluation.rounding import settled
from hippograph.types import DoubleArray

__all__ = ["randomization_test"]

_CELLS: Final = 1_000_000  # bounds what is in memory at a time: draws by questions


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
    exact = differing <= int(np.log2(resamples))
    p_values = np.empty(differences.shape[1])
    for column in np.flatnonzero(exact):
        values = differences[differences[:, column] != 0, column]
        p_values[column] = _as_far(_all_signs(len(values)) @ values, observed[column]) / 2.0 ** len(values)
    drawn = np.flatnonzero(~exact)
    if len(drawn):
        rng = np.random.default_rng(seed)
        far = _drawn_as_far(differences[:, drawn], observed[drawn], resamples, rng)
        p_values[drawn] = (1.0 + far) / (1.0 + resamples)
    return p_values


def _all_signs(n: int) -> DoubleArray:
    bits = np.arange(2**n)[:, np.newaxis] >> np.arange(n) & 1
    return (1 - 2 * bits).astype(np.float64)


def _drawn_as_far(
    differences: DoubleArray, observed: DoubleArray, resamples: int, rng: np.random.Generator
) -> DoubleArray:
    n = len(differences)
    chunk = max(1, _CELLS // n)
    far = np.zeros(differences.shape[1])
    for first in range(0, resamples, chunk):
        signs = 1.0 - 2.0 * rng.integers(0, 2, size=(min(chunk, resamples - first), n), dtype=np.int8)
        far += _as_far(signs @ differences, observed)
    return far


def _as_far(sums: DoubleArray, observed: DoubleArray | np.float64) -> DoubleArray:
    far: DoubleArray = (settled(np.abs(sums)) >= observed).sum(axis=0).astype(np.float64)
    return far
