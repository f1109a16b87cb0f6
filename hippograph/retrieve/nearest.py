"""Nearest rows by cosine: exhaustive search over memory-mapped vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hippograph.types import FloatArray, IntArray

__all__ = ["cosines", "nearest", "top"]


def cosines(vectors: FloatArray, query: FloatArray) -> FloatArray:
    """Compare unit vectors with a query's; none at all, of whatever width, compare to nothing.

    Parameters
    ----------
    vectors
        Shape (n, d).
    query
        Shape (d,).

    Returns
    -------
    Shape (n,).
    """
    compared: FloatArray = vectors @ query if len(vectors) else np.zeros(0, np.float32)
    return compared


def top(scores: NDArray[np.floating[Any]], *, k: int) -> IntArray:
    """Return the places of the largest scores, largest first; equal scores in ascending order of place.

    Parameters
    ----------
    scores
        Shape (n,).
    k
        How many; all of them if there are fewer, none if it is below 1.

    Examples
    --------
    >>> top(np.array([0.1, 0.7, 0.3, 0.7]), k=3).tolist()
    [1, 3, 2]
    """
    if k < 1:
        return np.empty(0, np.int64)
    places = np.arange(len(scores))
    if k < len(scores):
        # Everything that ties with the last place stays in, so that the cut among equals is by place too.
        smallest = np.partition(scores, len(scores) - k)[len(scores) - k]
        places = np.flatnonzero(scores >= smallest)
    return places[np.lexsort((places, -scores[places]))][:k]


def nearest(vectors: FloatArray, queries: FloatArray, *, k: int) -> list[IntArray]:
    """Return the rows of `vectors` with the largest dot products, nearest first, for each query.

    Parameters
    ----------
    vectors
        Shape (n, d).
    queries
        Shape (Q, d).
    k
        How many rows for each query.
    """
    # A query at a time: the last bits of a product depend on its shape, and a query must not depend on its neighbours.
    return [top(cosines(vectors, query), k=k) for query in queries]
