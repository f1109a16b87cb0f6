"""Synonyms: pairs of names that mean the same, found by the likeness of their vectors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hippograph.errors import InputError
from hippograph.index.likeness import Alike, compare
from hippograph.store.arrays import StringTable
from hippograph.store.ragged import indptr_of
from hippograph.types import DoubleArray, FloatArray, IntArray

__all__ = ["NearNames", "SynonymLinker", "Synonyms"]

_NUMBER = re.compile(r"\d+")
_BLOCK = 2048
_HELD = 1 << 21


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


@dataclass(frozen=True, kw_only=True, eq=False)
class NearNames:
    """The most alike names of each name.

    Parameters
    ----------
    indptr, entities, cosines
        Numbers of the alike names and their cosines, nearest first, equal ones in ascending order; ragged, E lists.
    counts
        How many names are alike to each, be they in its list or not; shape (E,).
    """

    indptr: IntArray
    entities: IntArray
    cosines: DoubleArray
    counts: IntArray

    @classmethod
    def none(cls) -> NearNames:
        """Make the lists of no names."""
        nothing = np.empty(0, dtype=np.int64)
        return cls(indptr=indptr_of(nothing), entities=nothing, cosines=np.empty(0), counts=nothing)

    @property
    def owners(self) -> IntArray:
        """The name whose list each element is in; shape of `entities`."""
        return np.repeat(np.arange(len(self.counts)), np.diff(self.indptr))


@dataclass(frozen=True, kw_only=True)
class SynonymLinker:
    """Links names whose vectors are alike.

    The comparison is exhaustive, in blocks, so the result is exact and depends on nothing but the names and vectors;
    names that were compared before are compared with new ones only. Names that differ in a number ("Apollo 11",
    "Apollo 12") are never synonyms, however alike their vectors.

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
        """Find the synonyms among names: `near` and `pairs` in one, to try a linker by hand on names of one's own.

        Parameters
        ----------
        keys
            Normalised names, length E.
        vectors
            Their unit vectors, shape (E, d).
        """
        return self.pairs(self.near(keys, vectors))

    def near(
        self,
        keys: Sequence[str],
        vectors: FloatArray,
        *,
        former: NearNames | None = None,
        former_keys: Sequence[str] = (),
        former_vectors: FloatArray | None = None,
        origins: IntArray | None = None,
    ) -> NearNames:
        """Find the most alike names of each name.

        Parameters
        ----------
        keys, vectors
            The names, length E, and their unit vectors, shape (E, d).
        former, former_keys, former_vectors
            What was found among other names before, by the same settings, and those names; nothing by default.
        origins
            The number each name had before, -1 for a new one, ascending but for these; shape (E,).

        Returns
        -------
        The lists; the same, bit for bit, whatever was known before.
        """
        if former is None or origins is None or former_vectors is None:
            former, origins = NearNames.none(), np.full(len(keys), -1, dtype=np.int64)
            former_vectors = vectors[:0]
        codes = _number_codes(keys)
        lists = _Lists(len(keys), most=self.most)
        numbers = np.full(len(former.counts), -1, dtype=np.int64)
        numbers[origins[origins >= 0]] = np.flatnonzero(origins >= 0)
        lists.counts[numbers[numbers >= 0]] = former.counts[numbers >= 0]
        self._forget(
            former, former_keys, former_vectors, gone=np.flatnonzero(numbers < 0), numbers=numbers, lists=lists
        )
        owners, others = numbers[former.owners], numbers[former.entities]
        kept = (owners >= 0) & (others >= 0)
        known = np.bincount(owners[kept], minlength=len(keys))
        # A list that lost a name it was cut off behind does not know who comes next.
        cut_off = np.flatnonzero((known < lists.counts) & (known < self.most) & (origins >= 0))
        kept &= ~np.isin(owners, cut_off)
        lists.hold(owners[kept], others[kept], former.cosines[kept])
        old, fresh = np.flatnonzero(origins >= 0), np.flatnonzero(origins < 0)
        for alike in self._compared(vectors, codes, cut_off, old):
            lists.hold(*alike.nearest())
        for alike in self._compared(vectors, codes, fresh, old):
            lists.add(alike)
            lists.add(alike.turned())
        for alike in self._compared(vectors, codes, fresh):
            lists.add(alike)
        return lists.finished()

    def pairs(self, near: NearNames) -> Synonyms:
        """Make pairs of lists: two names are synonyms if either has the other in its list."""
        owners = near.owners
        left, right = np.minimum(owners, near.entities), np.maximum(owners, near.entities)
        distinct, first = np.unique(left * max(1, len(near.counts)) + right, return_index=True)
        del distinct
        return Synonyms(left=left[first], right=right[first], similarities=near.cosines[first])

    def _forget(
        self,
        former: NearNames,
        keys: Sequence[str],
        vectors: FloatArray,
        *,
        gone: IntArray,
        numbers: IntArray,
        lists: _Lists,
    ) -> None:
        """Take names that are gone off the counts of those that were alike to them."""
        # A list that was cut off can have been alike to a name without holding it.
        cut_off = former.counts > np.diff(former.indptr)
        owners = former.owners
        lost = (numbers[owners] >= 0) & (numbers[former.entities] < 0) & ~cut_off[owners]
        np.subtract.at(lists.counts, numbers[owners[lost]], 1)
        longer = np.flatnonzero(cut_off & (numbers >= 0))
        if not len(longer) or not len(gone):
            return
        among = np.concatenate([gone, longer])
        codes = np.zeros(len(numbers), dtype=np.int64)
        codes[among] = _number_codes([keys[number] for number in among.tolist()])
        for alike in self._compared(vectors, codes, longer, gone):
            lists.counts[numbers[alike.names]] -= alike.counts

    def _compared(
        self, vectors: FloatArray, codes: IntArray, names: IntArray, partners: IntArray | None = None
    ) -> Iterator[Alike]:
        """Compare names with others, or all with each other, a block of both at a time."""
        for start in range(0, len(names), _BLOCK):
            some = names[start : start + _BLOCK]
            others = names[start:] if partners is None else partners
            for at in range(0, len(others), _BLOCK):
                alike = compare(
                    vectors, codes, some, others[at : at + _BLOCK], threshold=self.threshold, most=self.most
                )
                yield alike
                if partners is None and at:
                    yield alike.turned()


class _Lists:
    """The nearest names of each name, while pairs come in."""

    def __init__(self, n_names: int, *, most: int) -> None:
        self.counts = np.zeros(n_names, dtype=np.int64)
        self._most = most
        self._held: list[tuple[IntArray, IntArray, DoubleArray]] = []
        self._waiting = 0

    def add(self, alike: Alike) -> None:
        """Count pairs, and hold the nearest."""
        self.counts[alike.names] += alike.counts
        self.hold(*alike.nearest())

    def hold(self, owners: IntArray, others: IntArray, cosines: DoubleArray) -> None:
        """Hold the nearest of pairs that are counted already."""
        self._held.append((owners, others, cosines))
        self._waiting += len(owners)
        if self._waiting > _HELD:
            self._prune()

    def finished(self) -> NearNames:
        """Return the lists."""
        self._prune()
        [(owners, others, cosines)] = self._held
        lengths = np.bincount(owners, minlength=len(self.counts))
        return NearNames(indptr=indptr_of(lengths), entities=others, cosines=cosines, counts=self.counts)

    def _prune(self) -> None:
        nothing = np.empty(0, dtype=np.int64)
        owners = np.concatenate([nothing, *(part[0] for part in self._held)])
        others = np.concatenate([nothing, *(part[1] for part in self._held)])
        cosines = np.concatenate([np.empty(0), *(part[2] for part in self._held)])
        order = np.lexsort((others, -cosines, owners))
        owners = owners[order]
        ranks = np.arange(len(order)) - np.searchsorted(owners, owners, side="left")
        kept = ranks < self._most
        order = order[kept]
        self._held = [(owners[kept], others[order], cosines[order])]
        # What is left cannot be pruned away, so it does not count towards the next time.
        self._waiting = 0


def _number_codes(keys: Sequence[str]) -> NDArray[np.int64]:
    """Give each combination of numbers in a name a code; 0 for none."""
    table = keys if isinstance(keys, StringTable) else StringTable.of(keys)
    # Most names have no digit, and a look at the bytes tells: digits of other scripts are not ASCII.
    suspicious = (table.blob >= 128) | ((table.blob >= ord("0")) & (table.blob <= ord("9")))
    places = np.flatnonzero(suspicious)
    names = np.unique(np.searchsorted(table.offsets, places, side="right") - 1)
    coded = np.zeros(len(table), dtype=np.int64)
    codes: dict[tuple[str, ...], int] = {(): 0}
    for name in names.tolist():
        coded[name] = codes.setdefault(tuple(_NUMBER.findall(table[name])), len(codes))
    return coded
