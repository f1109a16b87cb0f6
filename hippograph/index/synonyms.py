"""Synonyms: pairs of names that mean the same, found by the likeness of their vectors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hippograph.errors import InputError
from hippograph.types import DoubleArray, FloatArray, IntArray

__all__ = ["SynonymLinker", "Synonyms"]

_NUMBER = re.compile(r"\d+")
_BLOCK = 2048
_PAIRS = 8192
_ROUNDING = 1e-4


@dataclass(frozen=True, kw_only=True)
class Synonyms:
    """Pairs of entities, each once, sorted.

    Parameters
    ----------
    left, right
        Entity numbers, shape (S,), `left < right`.
    similarities
        Cosine of each pair, shape (S,).
    """

    left: IntArray
    right: IntArray
    similarities: DoubleArray


@dataclass(frozen=True, kw_only=True)
class SynonymLinker:
    """Links names whose vectors are alike.

    The comparison is exhaustive, half of the E x E matrix in blocks, so the result is exact and depends on nothing but
    the names and vectors. Names that differ in a number ("Apollo 11", "Apollo 12") are never synonyms, however
    alike their vectors.

    Parameters
    ----------
    threshold
        Smallest cosine of a pair, 0 to 1. HippoRAG uses 0.8 (HippoRAG, section 3); with bge-small a third of
        the pairs drawn from those above 0.85 were wrong, and hardly one above 0.9 (`docs/design.md`).
    most
        Of its pairs a name keeps the nearest ones; a pair stays if either name keeps it.

    Raises
    ------
    InputError
        If `threshold` is outside (0, 1] or `most` is below 1.

    Examples
    --------
    >>> vectors = np.array([[1, 0], [0.6, 0.8], [0.995, 0.0999]], dtype=np.float32)
    >>> found = SynonymLinker(threshold=0.9).link(["oslo", "rome", "the oslo"], vectors)
    >>> list(zip(found.left.tolist(), found.right.tolist()))
    [(0, 2)]
    """

    threshold: float = 0.9
    most: int = 10

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold <= 1.0:
            raise InputError(f"threshold {self.threshold} is not a cosine above 0 and at most 1; try 0.9")
        if self.most < 1:
            raise InputError(f"most {self.most} keeps no synonyms; give 1 or more")

    def link(self, keys: Sequence[str], vectors: FloatArray) -> Synonyms:
        """Find the synonyms among names.

        Parameters
        ----------
        keys
            Normalised names, length E.
        vectors
            Their unit vectors, shape (E, d).
        """
        codes: dict[tuple[str, ...], int] = {}
        numbers = np.array([codes.setdefault(tuple(_NUMBER.findall(key)), len(codes)) for key in keys], dtype=np.int64)
        left, right, similarity = self._candidates(vectors, numbers)
        kept = self._nearest(left, right, similarity)
        order = np.lexsort((right[kept], left[kept]))
        kept = kept[order]
        return Synonyms(left=left[kept], right=right[kept], similarities=similarity[kept])

    def _candidates(self, vectors: FloatArray, numbers: IntArray) -> tuple[IntArray, IntArray, DoubleArray]:
        lefts, rights = [], []
        for start in range(0, len(vectors), _BLOCK):
            block = vectors[start : start + _BLOCK]
            for other in range(start, len(vectors), _BLOCK):
                rows, columns = np.nonzero(block @ vectors[other : other + _BLOCK].T >= self.threshold - _ROUNDING)
                rows, columns = rows + start, columns + other
                # Sorted out here, not later: of n numbered names ("ticket 1", "ticket 2") all n * n pairs are alike.
                kept = (rows < columns) & (numbers[rows] == numbers[columns])
                lefts.append(rows[kept])
                rights.append(columns[kept])
        if not lefts:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64)
        left, right = np.concatenate(lefts).astype(np.int64), np.concatenate(rights).astype(np.int64)
        # The last bits of a matrix product depend on the shape of its blocks; a pair's likeness must be its own.
        similarity = np.empty(len(left), np.float64)
        for at in range(0, len(left), _PAIRS):
            pairs = slice(at, at + _PAIRS)
            similarity[pairs] = np.multiply(vectors[left[pairs]], vectors[right[pairs]], dtype=np.float64).sum(axis=1)
        alike = similarity >= self.threshold
        return left[alike], right[alike], similarity[alike]

    def _nearest(self, left: IntArray, right: IntArray, similarity: DoubleArray) -> IntArray:
        """Rows of the pairs that at least one of their two names has among its nearest."""
        ends, others = np.concatenate([left, right]), np.concatenate([right, left])
        rows = np.tile(np.arange(len(left)), 2)
        order = np.lexsort((others, -np.tile(similarity, 2), ends))
        ranks = np.arange(len(order)) - np.searchsorted(ends[order], ends[order], side="left")
        return np.unique(rows[order][ranks < self.most])
