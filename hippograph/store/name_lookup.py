"""Known names found in running text: every name looked up in every passage, the longest at each place.

Texts and names are numbers here, tokens of one vocabulary. The names form a trie, and all places of many texts walk
down it together, a level at a time, so a hundred thousand passages take seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hippograph.store.arrays import StringTable
from hippograph.store.ragged import find_strings, indptr_of, places_of
from hippograph.text.function_words import FUNCTION_WORDS
from hippograph.types import IntArray

__all__ = ["LONGEST_NAME", "NameTrie", "Occurrences", "Texts", "trie_of"]

LONGEST_NAME = 16
"""Names of more tokens are not looked up; the extractor may still state them."""

_ROWS_AT_A_TIME = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class Texts:
    """Texts as lists of word numbers.

    Parameters
    ----------
    indptr
        Where each text begins in the arrays, titles included; shape (P + 1,).
    words
        The words' numbers, shape (n,).
    names
        Whether a token is a function word that is written as a name, shape (n,).
    skip
        How many tokens at the beginning of each text are not looked at (those of its title); shape (P,).
    """

    indptr: IntArray
    words: NDArray[np.int32]
    names: NDArray[np.bool_]
    skip: IntArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Occurrences:
    """Where names stand.

    Parameters
    ----------
    rows
        The number of the text, shape (n,), ascending.
    entities
        The number of the name, shape (n,).
    """

    rows: IntArray
    entities: IntArray


@dataclass(frozen=True, kw_only=True, eq=False)
class _Level:
    """One step down the trie: from a node by a word to the next node, as an ascending list of pairs in one number."""

    steps: IntArray
    nodes: IntArray


class NameTrie:
    """Names by their words.

    Parameters
    ----------
    indptr, words
        The words of each name; ragged, E lists, none of them empty.
    n_words
        Size of the vocabulary.
    grammar
        Names that consist of function words alone, which count only where one of their words is written as a name;
        shape (E,).
    entities
        The names to look up; by default all.

    Examples
    --------
    >>> words = ["city", "new", "york"]
    >>> trie = NameTrie(np.array([0, 2, 5]), np.array([1, 2, 1, 2, 0]), n_words=3, grammar=np.zeros(2, bool))
    >>> said = np.array([1, 1, 2, 0, 2, 1, 2], dtype=np.int32)  # new new york city york new york
    >>> texts = Texts(indptr=np.array([0, 7]), words=said, names=np.zeros(7, bool), skip=np.array([0]))
    >>> trie.longest(texts, np.array([0])).entities.tolist()
    [1, 0]
    """

    def __init__(
        self,
        indptr: IntArray,
        words: IntArray,
        *,
        n_words: int,
        grammar: NDArray[np.bool_],
        entities: IntArray | None = None,
    ) -> None:
        lengths = np.diff(indptr)
        wanted = np.arange(len(lengths)) if entities is None else entities
        wanted = wanted[lengths[wanted] <= LONGEST_NAME]
        self._n_words = n_words
        self._grammar = grammar
        self._first = np.full(n_words, -1, dtype=np.int64)
        openings = np.unique(words[indptr[wanted]])
        self._first[openings] = np.arange(len(openings))
        terminals = [np.full(len(openings), -1, dtype=np.int64)]
        here = self._first[words[indptr[wanted]]]
        ends = lengths[wanted] == 1
        terminals[0][here[ends]] = wanted[ends]
        self._levels: list[_Level] = []
        n_nodes = len(openings)
        for depth in range(1, LONGEST_NAME):
            wanted, here = wanted[~ends], here[~ends]
            if not len(wanted):
                break
            steps, place = np.unique(here * n_words + words[indptr[wanted] + depth], return_inverse=True)
            self._levels.append(_Level(steps=steps, nodes=n_nodes + np.arange(len(steps))))
            here = n_nodes + place
            n_nodes += len(steps)
            ends = lengths[wanted] == depth + 1
            terminals.append(np.full(len(steps), -1, dtype=np.int64))
            terminals[-1][place[ends]] = wanted[ends]
        self._terminals = np.concatenate(terminals)
        self._goes_on = np.zeros(n_nodes, dtype=np.bool_)
        for level in self._levels:
            self._goes_on[level.steps // n_words] = True

    def longest(self, texts: Texts, rows: IntArray) -> Occurrences:
        """List the names in texts from left to right, the longest at each place, without overlaps.

        Parameters
        ----------
        texts
            The texts.
        rows
            The numbers of those to look at, ascending.
        """
        found = [
            (block[_row_of(starts, at[kept])], entity[kept])
            for block, starts, words, names in _blocks(texts, rows)
            for at, entity, length in [self._longest_at(starts, words, names)]
            for kept in [_without_overlaps(at, length)]
        ]
        return _joined(found)

    def rows_with_any(self, texts: Texts, rows: IntArray) -> IntArray:
        """List the texts that hold any of the names anywhere, overlapping or not, written as names or not.

        Parameters
        ----------
        texts
            The texts.
        rows
            The numbers of those to look at, ascending.
        """
        found = [np.empty(0, dtype=np.int64)]
        for block, starts, words, _ in _blocks(texts, rows):
            places = [at[self._terminals[nodes] >= 0] for at, nodes, _ in self._walk(starts, words)]
            found.append(block[np.unique(_row_of(starts, np.concatenate(places)))])
        return np.concatenate(found)

    def _walk(self, starts: IntArray, words: NDArray[np.int32]) -> Iterator[tuple[IntArray, IntArray, int]]:
        """Yield, for each length, the places where some name begins with so many words, and the nodes they lead to."""
        ends = np.repeat(starts[1:], np.diff(starts))
        nodes = self._first[words]
        at = np.flatnonzero(nodes >= 0)
        nodes = nodes[at]
        yield at, nodes, 1
        for length, level in enumerate(self._levels, start=2):
            on = self._goes_on[nodes] & (at + length <= ends[at])
            at, nodes = at[on], nodes[on]
            steps = nodes * self._n_words + words[at + length - 1]
            place = np.minimum(np.searchsorted(level.steps, steps), len(level.steps) - 1)
            there = level.steps[place] == steps
            at, nodes = at[there], level.nodes[place[there]]
            yield at, nodes, length

    def _longest_at(
        self, starts: IntArray, words: NDArray[np.int32], names: NDArray[np.bool_]
    ) -> tuple[IntArray, IntArray, IntArray]:
        """Return the places where names begin, the longest name at each, and its length."""
        entity = np.full(len(words), -1, dtype=np.int64)
        lengths = np.zeros(len(words), dtype=np.int64)
        as_names = indptr_of(names.astype(np.int64))
        for at, nodes, length in self._walk(starts, words):
            ending = self._terminals[nodes]
            named = ending >= 0
            at, ending = at[named], ending[named]
            counts = ~self._grammar[ending] | (as_names[at + length] > as_names[at])
            entity[at[counts]] = ending[counts]
            lengths[at[counts]] = length
        places = np.flatnonzero(lengths)
        return places, entity[places], lengths[places]


def trie_of(
    words: StringTable, indptr: IntArray, name_words: IntArray, *, entities: IntArray | None = None
) -> NameTrie:
    """Make a trie of names, telling by itself which of them consist of function words alone.

    Parameters
    ----------
    words
        The vocabulary, ascending.
    indptr, name_words
        The words of each name; ragged, E lists, none of them empty.
    entities
        The names to look up; by default all.

    Examples
    --------
    >>> trie = trie_of(StringTable.of(["oslo", "who"]), np.array([0, 1, 2]), np.array([0, 1]))
    >>> said = np.array([1, 0], dtype=np.int32)  # who oslo
    >>> texts = Texts(indptr=np.array([0, 2]), words=said, names=np.zeros(2, bool), skip=np.array([0]))
    >>> trie.longest(texts, np.array([0])).entities.tolist()
    [0]
    """
    grammar = np.zeros(len(words), dtype=np.bool_)
    places = find_strings(words, sorted(FUNCTION_WORDS))
    grammar[places[places >= 0]] = True
    n_names = len(indptr) - 1
    owners = np.repeat(np.arange(n_names), np.diff(indptr))
    all_grammar = np.bincount(owners, weights=~grammar[name_words], minlength=n_names) == 0
    return NameTrie(indptr, name_words, n_words=len(words), grammar=all_grammar, entities=entities)


def _blocks(texts: Texts, rows: IntArray) -> Iterator[tuple[IntArray, IntArray, NDArray[np.int32], NDArray[np.bool_]]]:
    """Yield some texts at a time: their numbers, where each begins, and their words end to end."""
    for at in range(0, len(rows), _ROWS_AT_A_TIME):
        block = rows[at : at + _ROWS_AT_A_TIME]
        starts, places = places_of(texts.indptr, block, skip=texts.skip[block])
        yield block, starts, texts.words[places], texts.names[places]


def _row_of(starts: IntArray, places: IntArray) -> IntArray:
    return np.searchsorted(starts, places, side="right") - 1


def _without_overlaps(at: IntArray, length: IntArray) -> IntArray:
    """Choose, from left to right, the names that do not begin inside the one chosen before."""
    several = np.flatnonzero(length > 1)
    chosen = []
    reached = 0
    for number, start, end in zip(
        several.tolist(), at[several].tolist(), (at[several] + length[several]).tolist(), strict=True
    ):
        if start >= reached:
            chosen.append(number)
            reached = end
    kept = np.array(chosen, dtype=np.int64)
    # A name of one word covers nothing else, so it stays unless a longer one covers it.
    single = np.flatnonzero(length == 1)
    if len(kept):
        before = np.searchsorted(at[kept], at[single], side="right") - 1
        ends = at[kept] + length[kept]
        single = single[(before < 0) | (at[single] >= ends[before])]
    return np.sort(np.concatenate([kept, single]))


def _joined(found: list[tuple[IntArray, IntArray]]) -> Occurrences:
    nothing = np.empty(0, dtype=np.int64)
    return Occurrences(
        rows=np.concatenate([nothing, *(rows for rows, _ in found)]),
        entities=np.concatenate([nothing, *(entities for _, entities in found)]),
    )
