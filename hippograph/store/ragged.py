"""Lists end to end in one array, and tables of strings: rows taken out, put together, merged, renumbered.

A *ragged* array holds one list per row: the elements of all lists end to end, and `indptr`, where each list begins and
the last one ends. Everything here is linear in what it touches and free of Python loops over rows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hippograph.store.arrays import StringTable
from hippograph.types import IntArray

__all__ = [
    "Merge",
    "Selection",
    "append_strings",
    "find_strings",
    "indptr_of",
    "merge_strings",
    "occurring",
    "places_of",
    "renumbering",
    "take_strings",
]

# A search reads some 20 strings of a mapped table; a table is read whole once that is less.
_READ_WHOLE: Final = 20


def indptr_of(lengths: NDArray[np.integer[Any]]) -> IntArray:
    """Tell where lists of given lengths begin and the last one ends, shape (n + 1,).

    Examples
    --------
    >>> indptr_of(np.array([2, 0, 3])).tolist()
    [0, 2, 2, 5]
    """
    indptr = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=indptr[1:])
    return indptr


def places_of(indptr: IntArray, rows: IntArray, *, skip: IntArray | None = None) -> tuple[IntArray, IntArray]:
    """Find the elements of some of the lists.

    Parameters
    ----------
    indptr
        Where the lists begin and the last one ends, shape (n + 1,).
    rows
        The lists wanted, in any order, shape (m,).
    skip
        How many elements to leave out at the beginning of each list wanted, shape (m,).

    Returns
    -------
    Where the lists wanted begin when they stand end to end, shape (m + 1,), and the place of each of their elements.

    Examples
    --------
    >>> values = np.array([7, 8, 9])
    >>> indptr, places = places_of(np.array([0, 2, 2, 3]), np.array([2, 0]))
    >>> indptr.tolist(), values[places].tolist()
    ([0, 1, 3], [9, 7, 8])
    """
    starts = indptr[rows] if skip is None else indptr[rows] + skip
    lengths = indptr[rows + 1] - starts
    wanted = indptr_of(lengths)
    places = np.arange(wanted[-1], dtype=np.int64) + np.repeat(starts - wanted[:-1], lengths)
    return wanted, places


def renumbering(kept: NDArray[np.bool_]) -> IntArray:
    """Give numbers from 0 on to what is kept, and -1 to the rest.

    Examples
    --------
    >>> renumbering(np.array([True, False, True])).tolist()
    [0, -1, 1]
    """
    return np.where(kept, np.cumsum(kept) - 1, -1)


def occurring(length: int, *numbers: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Tell which of so many numbers occur; those below 0 stand for nothing.

    Examples
    --------
    >>> occurring(4, np.array([2, -1, 2]), np.array([0])).tolist()
    [True, False, True, False]
    """
    there = np.zeros(length, dtype=np.bool_)
    for several in numbers:
        there[several[several >= 0]] = True
    return there


def take_strings(table: StringTable, rows: IntArray) -> StringTable:
    """Take rows of a table of strings, in any order.

    Examples
    --------
    >>> take_strings(StringTable.of(["Oslo", "Rome", "Bergen"]), np.array([2, 0])).to_list()
    ['Bergen', 'Oslo']
    """
    offsets, blob = table.offsets, table.blob
    taken = indptr_of(offsets[rows + 1] - offsets[rows])
    if not len(rows):
        return StringTable(np.empty(0, dtype=np.uint8), taken)
    # Neighbours are copied together: a table that loses or gains a few rows is a few long copies.
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    firsts, lasts = rows[np.concatenate([[0], breaks])], rows[np.concatenate([breaks - 1, [len(rows) - 1]])]
    pieces = zip(offsets[firsts].tolist(), offsets[lasts + 1].tolist(), strict=True)
    return StringTable(np.concatenate([blob[start:end] for start, end in pieces]), taken)


def append_strings(table: StringTable, strings: Iterable[str]) -> StringTable:
    """Put strings after those of a table.

    Examples
    --------
    >>> append_strings(StringTable.of(["Oslo"]), ["Rome"]).to_list()
    ['Oslo', 'Rome']
    """
    more = StringTable.of(strings)
    if not len(more):
        return table
    if not len(table):
        return more
    offsets = np.concatenate([table.offsets, more.offsets[1:] + table.offsets[-1]])
    return StringTable(np.concatenate([table.blob, more.blob]), offsets)


@dataclass(frozen=True, kw_only=True, eq=False)
class Merge:
    """Strings put into an ascending table.

    Parameters
    ----------
    table
        The strings of both, ascending, each once.
    former
        The number in `table` of each string of the former table.
    numbers
        The number in `table` of each string that was put in.
    fresh
        Those of `numbers` that the former table did not hold, ascending.
    """

    table: StringTable
    former: IntArray
    numbers: dict[str, int]
    fresh: IntArray


def merge_strings(table: StringTable, strings: Iterable[str]) -> Merge:
    """Put strings into an ascending table, whatever their order, repeated ones once.

    Examples
    --------
    >>> merge = merge_strings(StringTable.of(["Bergen", "Rome"]), ["Oslo", "Rome"])
    >>> merge.table.to_list(), merge.former.tolist(), merge.numbers, merge.fresh.tolist()
    (['Bergen', 'Oslo', 'Rome'], [0, 2], {'Oslo': 1, 'Rome': 2}, [1])
    """
    wanted = sorted(set(strings))
    sorted_strings: Sequence[str] = table.to_list() if len(wanted) * _READ_WHOLE > len(table) else table
    places: list[int] = []
    low = 0
    for text in wanted:
        low = bisect_left(sorted_strings, text, low)
        places.append(low)
    known = [place < len(table) and sorted_strings[place] == text for place, text in zip(places, wanted, strict=True)]
    new = [text for text, there in zip(wanted, known, strict=True) if not there]
    before = np.array([place for place, there in zip(places, known, strict=True) if not there], dtype=np.int64)
    fresh = before + np.arange(len(before))
    former = np.arange(len(table)) + np.searchsorted(before, np.arange(len(table)), side="right")
    order = np.empty(len(table) + len(new), dtype=np.int64)
    order[former] = np.arange(len(table))
    order[fresh] = len(table) + np.arange(len(new))
    numbers: dict[str, int] = {}
    added = iter(fresh.tolist())
    for text, place, there in zip(wanted, places, known, strict=True):
        numbers[text] = int(former[place]) if there else next(added)
    merged = take_strings(append_strings(table, new), order) if new else table
    return Merge(table=merged, former=former, numbers=numbers, fresh=fresh)


def find_strings(table: StringTable, strings: Sequence[str]) -> IntArray:
    """Look up strings in an ascending table; -1 for those it does not hold.

    Parameters
    ----------
    table
        The table.
    strings
        What to look up, ascending; shape (n,).

    Examples
    --------
    >>> find_strings(StringTable.of(["Bergen", "Oslo"]), ["Oslo", "Rome"]).tolist()
    [1, -1]
    """
    held: Sequence[str] = table.to_list() if len(strings) * _READ_WHOLE > len(table) else table
    found = np.full(len(strings), -1, dtype=np.int64)
    low = 0
    for number, text in enumerate(strings):
        low = bisect_left(held, text, low)
        if low < len(held) and held[low] == text:
            found[number] = low
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """Rows chosen from a table and from rows that are put behind it.

    Parameters
    ----------
    rows
        The rows chosen, in the order wanted: from 0 on those of the table, then those put behind it; shape (n,).

    Examples
    --------
    >>> selection = Selection(rows=np.array([3, 0]))
    >>> selection.numbers(np.array([5, 6, 7]), [8]).tolist()
    [8, 5]
    >>> indptr, places = selection.lists(np.array([0, 2, 2, 3]), [2])
    >>> indptr.tolist(), np.concatenate([np.array([1, 2, 3]), np.array([4, 5])])[places].tolist()
    ([0, 2, 4], [4, 5, 1, 2])
    """

    rows: IntArray

    def numbers(self, table: NDArray[Any], behind: NDArray[Any] | Sequence[int]) -> NDArray[Any]:
        """Choose elements, or rows of a matrix."""
        return np.concatenate([table, np.asarray(behind, dtype=table.dtype).reshape(-1, *table.shape[1:])])[self.rows]

    def lists(self, indptr: IntArray, lengths: Sequence[int]) -> tuple[IntArray, IntArray]:
        """Choose lists: tell where each begins, and the places of their elements in those of both, end to end."""
        behind = indptr_of(np.asarray(lengths, dtype=np.int64))[1:] + indptr[-1]
        return places_of(np.concatenate([indptr, behind]), self.rows)
