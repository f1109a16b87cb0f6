"""Names that a query gives in part, or more fully than the index: surnames alone, initials, middle names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hippograph.retrieve.name_table import NameTable
from hippograph.retrieve.query_words import Mention, QueryWords, best_apart
from hippograph.text.function_words import FUNCTION_WORDS

__all__ = ["is_short_for", "partly_named"]

_MIDDLE_NAMES: Final = 0.9
_INITIALS: Final = 0.8
_PART: Final = 0.8
_SINGLE_WORD: Final = 0.6
# A name that is looked at costs 3 microseconds; a word in more names than these says little anyway.
_LOOKED_AT: Final = 1000
_SURNAMES: Final = 30
_READINGS: Final = 3
_MOST_MIDDLE_NAMES: Final = 3
_SHORTEST: Final = 4
_MOST_INITIALS: Final = 4
# How often a single word may stand elsewhere than in the only name that holds it.
_ELSEWHERE: Final = 3


def is_short_for(one: Sequence[str], other: Sequence[str]) -> bool | None:
    """Tell whether two names differ in nothing but middle names and initials.

    The first and the last must be there in both, the first perhaps as an initial.

    Parameters
    ----------
    one, other
        The normalised words of the names.

    Returns
    -------
    None if they do not; otherwise whether an initial stands for a name.

    Examples
    --------
    >>> is_short_for("nikita khrushchev".split(), "nikita sergeyevich khrushchev".split())
    False
    >>> is_short_for("jrr tolkien".split(), "john ronald reuel tolkien".split())
    True
    >>> is_short_for("john smith".split(), "john jones".split()) is None
    True
    """
    if min(len(one), len(other)) < 2 or one[-1] != other[-1] or abs(len(one) - len(other)) > _MOST_MIDDLE_NAMES:
        return None
    if not FUNCTION_WORDS.isdisjoint([*one, *other]):
        return None
    return _same_given_names(tuple(one[:-1]), tuple(other[:-1]), first=True)


def _same_given_names(one: Sequence[str], other: Sequence[str], *, first: bool) -> bool | None:
    if not one or not other:
        return None if first else False
    if one[0] == other[0]:
        return _same_given_names(one[1:], other[1:], first=False)
    for short, long in ((one, other), (other, one)):
        letters = short[0]
        stands = len(letters) <= _MOST_INITIALS and letters == "".join(word[0] for word in long[: len(letters)])
        if stands and _same_given_names(short[1:], long[len(letters) :], first=False) is not None:
            return True
    if first or len(one) == len(other):
        return None
    # Middle names are left out on one side only.
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    return _same_given_names(longer[1:], shorter, first=False)


def partly_named(query: QueryWords, table: NameTable, taken: Sequence[Mention]) -> list[Mention]:
    """Add names of which the query gives a part, or which the index gives in part.

    Parameters
    ----------
    query
        The query.
    table
        The names.
    taken
        What was found by then; a longer name takes the place of those that it holds.

    Returns
    -------
    What was found by now, in the order of the query. Two or three names that a short form fits are all there, each less
    sure; a part must be of one name alone.
    """
    if not query.cased:
        return list(taken)
    covered = {place for mention in taken for place in range(mention.first, mention.last)}
    found: list[Mention] = []
    for first, last in query.capital_runs():
        if not covered.issuperset(range(first, last)):
            # At the beginning, the first word may be grammar.
            starts = (first, first + 1) if first == 0 or query.grammar[first] else (first,)
            for start in starts:
                found += _short_forms(query.keys[start:last], start, table) if last - start > 1 else []
    taken = best_apart(taken, found)
    covered = {place for mention in taken for place in range(mention.first, mention.last)}
    parts: list[Mention] = []
    for first, last in query.capital_runs(covered):
        if not query.within_name(first, last):
            parts += _parts(query.keys[first:last], first, table)
    return best_apart(taken, parts)


def _short_forms(words: Sequence[str], first: int, table: NameTable) -> list[Mention]:
    """List the names that differ from some words in middle names and initials."""
    holders = table.names_with(words[-1])
    if len(holders) > _LOOKED_AT:
        return []
    fits = [(is_short_for(words, table.keys[name].split(" ")), name) for name in holders.tolist()]
    whole = [name for initials, name in fits if initials is False]
    # "World Championship" is no short form of "World Drivers' Championship": surnames are rarer than nouns.
    if whole and len(holders) <= _SURNAMES:
        return _readings(whole, first, first + len(words), _MIDDLE_NAMES, "short form")
    return _readings([name for initials, name in fits if initials], first, first + len(words), _INITIALS, "short form")


def _parts(words: Sequence[str], first: int, table: NameTable) -> list[Mention]:
    """List the names that hold some words in a row."""
    last = first + len(words)
    holders = _holders(words, table)
    if len(holders) == 0 or len(holders) > _LOOKED_AT:
        return []
    phrase = f" {' '.join(words)} "
    names = [name for name in holders.tolist() if phrase in f" {table.keys[name]} "]
    if len(names) != 1:
        return []
    if len(words) > 1:
        return _readings(names, first, last, _PART, "part of a name")
    own = bool(table.titles[names[0]]) and len(words[0]) >= _SHORTEST
    if own and table.frequency(words[0]) <= _ELSEWHERE * (1 + int(table.passages[names[0]])):
        return _readings(names, first, last, _SINGLE_WORD, "part of a name")
    return []


def _holders(words: Sequence[str], table: NameTable) -> NDArray[np.integer[Any]]:
    """List the names that hold all of some words."""
    lists = sorted((table.names_with(word) for word in words), key=len)
    holders = lists[0]
    for more in lists[1:]:
        holders = np.intersect1d(holders, more, assume_unique=True)
    return holders


def _readings(names: Sequence[int], first: int, last: int, sure: float, reason: str) -> list[Mention]:
    if len(names) > _READINGS:
        return []
    return [Mention(first=first, last=last, entity=name, confidence=sure / len(names), reason=reason) for name in names]
