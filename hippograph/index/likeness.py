"""Likeness of vectors: which of some names are alike to which of others, be they a few pairs or nearly all.

The product of two matrices finds the pairs fast, but the last bits of its elements depend on the shape of the matrices.
A pair's likeness must be its own, so what is kept is summed again, pair by pair, and the product only tells which pairs
are worth that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hippograph.types import DoubleArray, FloatArray, IntArray

__all__ = ["Alike", "FewAlike", "ManyAlike", "compare"]

_PAIRS: Final = 8192
# So many pairs of each name are summed again without a thought.
_FEW: Final = 16
# More than the rounding errors of products in single and double precision: n elements err by n * 2**-24, n * 2**-53.
_ROUNDING: Final = 1e-4
_PRECISE: Final = 1e-11


@dataclass(frozen=True, kw_only=True, eq=False)
class FewAlike:
    """Alike pairs of two lists of names, one by one.

    Parameters
    ----------
    names, partners
        Numbers of the names, ascending; shape (m,), (n,).
    places, beside
        Where the two ends of each pair are in `names` and in `partners`, shape (pairs,).
    cosines
        Of each pair, shape (pairs,).
    """

    names: IntArray
    partners: IntArray
    places: IntArray
    beside: IntArray
    cosines: DoubleArray

    @property
    def counts(self) -> IntArray:
        """How many of `partners` are alike to each of `names`, shape (m,)."""
        return np.bincount(self.places, minlength=len(self.names))

    def nearest(self) -> tuple[IntArray, IntArray, DoubleArray]:
        """List numbers of names, of partners alike to them, and cosines: the nearest ones of each name, or more."""
        return self.names[self.places], self.partners[self.beside], self.cosines

    def turned(self) -> FewAlike:
        """Exchange names and partners."""
        return FewAlike(
            names=self.partners, partners=self.names, places=self.beside, beside=self.places, cosines=self.cosines
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class ManyAlike:
    """Alike pairs of two lists of names, so many that only those that may be the nearest of a name are looked at.

    Parameters
    ----------
    names, partners
        Numbers of the names, ascending; shape (m,), (n,).
    vectors
        The vectors of all names.
    most
        How many are the nearest ones.
    alike
        Which pairs are alike, shape (m, n).
    about
        Cosines but for rounding, shape (m, n).
    leading_names, leading_partners
        Which of them may be anyone's nearest, shape (m,), (n,).
    """

    names: IntArray
    partners: IntArray
    vectors: FloatArray
    most: int
    alike: NDArray[np.bool_]
    about: DoubleArray
    leading_names: NDArray[np.bool_]
    leading_partners: NDArray[np.bool_]

    @property
    def counts(self) -> IntArray:
        """How many of `partners` are alike to each of `names`, shape (m,)."""
        counts: IntArray = np.count_nonzero(self.alike, axis=1)
        return counts

    def nearest(self) -> tuple[IntArray, IntArray, DoubleArray]:
        """List numbers of names, of partners alike to them, and cosines: the nearest ones of each name, or more."""
        about = np.where(self.alike & self.leading_partners, self.about, -np.inf)
        floors = np.zeros(len(self.names))
        if len(self.partners) > self.most:
            floors = np.maximum(floors, np.partition(about, -self.most, axis=1)[:, -self.most])
        places, beside = np.nonzero(about >= floors[:, np.newaxis] - 2 * _PRECISE)
        names, partners = self.names[places], self.partners[beside]
        return names, partners, _cosines(self.vectors, names, partners)

    def turned(self) -> ManyAlike:
        """Exchange names and partners."""
        return ManyAlike(
            names=self.partners, partners=self.names, vectors=self.vectors, most=self.most, alike=self.alike.T,
            about=self.about.T, leading_names=self.leading_partners, leading_partners=self.leading_names,
        )  # fmt: skip


Alike: TypeAlias = FewAlike | ManyAlike


def compare(
    vectors: FloatArray, codes: IntArray, names: IntArray, partners: IntArray, *, threshold: float, most: int
) -> Alike:
    """Find the alike pairs of two lists of names; memory is that of some matrices of their lengths.

    Parameters
    ----------
    vectors
        Unit vectors of all names, shape (E, d).
    codes
        Names with different ones are never alike, shape (E,).
    names, partners
        Numbers of the names to compare, ascending; shape (m,), (n,). No name is alike to itself.
    threshold
        Smallest cosine of a pair.
    most
        How many of a name's pairs matter to `nearest`: those with the largest cosines, of equal ones the first.

    Examples
    --------
    >>> vectors = np.array([[1, 0], [0.6, 0.8], [0.995, 0.0999]], dtype=np.float32)
    >>> everyone = np.arange(3)
    >>> alike = compare(vectors, np.zeros(3, dtype=np.int64), everyone, everyone, threshold=0.9, most=1)
    >>> alike.counts.tolist(), [ends.tolist() for ends in alike.nearest()[:2]]
    ([1, 0, 1], [[0, 2], [2, 0]])
    """
    close = vectors[names] @ vectors[partners].T >= threshold - _ROUNDING
    few = _FEW * (len(names) + len(partners))
    if np.count_nonzero(close) > few:
        # Sorted out before they are listed: of n numbered names ("ticket 1", "ticket 2") all n * n pairs are alike.
        close &= codes[names][:, np.newaxis] == codes[partners]
        close &= names[:, np.newaxis] != partners
        if np.count_nonzero(close) > few:
            return _many(vectors, codes, names, partners, close=close, threshold=threshold, most=most)
    places, beside = np.divmod(np.flatnonzero(close), max(1, len(partners)))
    one, other = names[places], partners[beside]
    allowed = (one != other) & (codes[one] == codes[other])
    places, beside = places[allowed], beside[allowed]
    cosines = _cosines(vectors, names[places], partners[beside])
    alike = cosines >= threshold
    return FewAlike(names=names, partners=partners, places=places[alike], beside=beside[alike], cosines=cosines[alike])


def _many(
    vectors: FloatArray, codes: IntArray, names: IntArray, partners: IntArray,
    *, close: NDArray[np.bool_], threshold: float, most: int,
) -> ManyAlike:  # fmt: skip
    about = vectors[names].astype(np.float64) @ vectors[partners].astype(np.float64).T
    alike = close & (about >= threshold)
    doubtful = np.nonzero(close & (np.abs(about - threshold) <= _PRECISE))
    alike[doubtful] = _cosines(vectors, names[doubtful[0]], partners[doubtful[1]]) >= threshold
    return ManyAlike(
        names=names, partners=partners, vectors=vectors, most=most, alike=alike, about=about,
        leading_names=_leading(vectors[names], codes[names], most),
        leading_partners=_leading(vectors[partners], codes[partners], most),
    )  # fmt: skip


def _leading(vectors: FloatArray, codes: IntArray, most: int) -> NDArray[np.bool_]:
    """Tell which names may be anyone's nearest: of those with the same vector, a few more than that come first."""
    parts: list[NDArray[Any]] = [np.ascontiguousarray(vectors), codes[:, np.newaxis]]
    rows = np.hstack([part.view(np.uint8) for part in parts])
    same = np.unique(rows.view(np.dtype((np.void, rows.shape[1]))).ravel(), return_inverse=True)[1]
    order = np.argsort(same, kind="stable")
    ordered = same[order]
    leading = np.empty(len(same), dtype=np.bool_)
    # One more than the nearest, for a name is not its own partner.
    leading[order] = np.arange(len(order)) - np.searchsorted(ordered, ordered, side="left") <= most
    return leading


def _cosines(vectors: FloatArray, one: IntArray, other: IntArray) -> DoubleArray:
    cosines = np.empty(len(one), np.float64)
    for at in range(0, len(one), _PAIRS):
        pairs = slice(at, at + _PAIRS)
        cosines[pairs] = np.multiply(vectors[one[pairs]], vectors[other[pairs]], dtype=np.float64).sum(axis=1)
    return cosines
