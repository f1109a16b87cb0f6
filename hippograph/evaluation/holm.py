"""Holm's correction: what p-values are worth when several were looked at."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["holm"]


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that rejecting those up to a level errs anywhere with at most that probability.

    The i-th smallest of m, counted from 0, is multiplied by m - i; none falls below a smaller one, or rises above 1.

    Parameters
    ----------
    p_values
        The p-values of all comparisons, 0 to 1.

    Returns
    -------
    The adjusted p-values, in the order given.

    References
    ----------
    S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6(2), 1979.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted
