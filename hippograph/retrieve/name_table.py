"""All names of an index by what their spellings have in common, for names that a query writes otherwise.

Nothing of this is stored: it follows from the snapshot, is made when a query first needs it, and is dropped with the
snapshot. Names are looked up by hashes of their forms, words by the pairs of letters they hold; what is found that way
is compared letter by letter before it counts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hippograph.retrieve.word_index import WordIndex
from hippograph.store.postings import Postings
from hippograph.store.snapshot import Snapshot
from hippograph.text.normalization import fold_diacritics
from hippograph.text.spelling import ARTICLES, singular, word_form
from hippograph.types import IntArray

__all__ = ["LONGEST_NAME", "NameTable", "SpanHash", "is_in", "name_table"]

LONGEST_NAME: Final = 16
"""Names of more words are found as they are written only."""

_MULTIPLIER: Final = 0x9E3779B97F4A7C15
_ALL: Final = (1 << 64) - 1

Hashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class SpanHash:
    """The hash of a form and what the hash of a form put before it is multiplied with."""

    value: int = 0
    shift: int = 1

    @classmethod
    def of(cls, form: str) -> SpanHash:
        """Hash a form.

        Examples
        --------
        >>> SpanHash.of("spider").then(SpanHash.of("man")) == SpanHash.of("spiderman")
        True
        """
        value, shift = 0, 1
        for letter in form:
            value = (value * _MULTIPLIER + ord(letter)) & _ALL
            shift = shift * _MULTIPLIER & _ALL
        return cls(value, shift)

    def then(self, other: SpanHash) -> SpanHash:
        """Hash this form and another one behind it."""
        return SpanHash((self.value * other.shift + other.value) & _ALL, self.shift * other.shift & _ALL)


@dataclass(frozen=True, kw_only=True, eq=False)
class NameTable:
    """The names of a snapshot by what their spellings have in common.

    Parameters
    ----------
    keys
        The normalised names, ascending; length E.
    words
        All normalised tokens of texts and names, ascending.
    passages
        How many passages mention each name, shape (E,).
    titles
        Whether each name is a title, shape (E,).
    token_words
        The words of all passages, end to end, as numbers in `words`.
    postings
        Where terms stand in the passages.
    hashes, entities
        Hashes of the names' forms in the singular, ascending, and the names; shape (n,).
    spoken
        The words that names consist of, numbers in `words`, ascending; shape (W,).
    name_indptr, names
        The names that hold each of those words, ascending; ragged, W lists.
    alike
        Those words by their letters.
    """

    keys: Sequence[str]
    words: Sequence[str]
    passages: IntArray
    titles: NDArray[np.bool_]
    token_words: NDArray[np.int32]
    postings: Postings
    hashes: Hashes
    entities: IntArray
    spoken: IntArray
    name_indptr: IntArray
    names: NDArray[np.integer[Any]]
    alike: WordIndex

    @classmethod
    def of(cls, snapshot: Snapshot) -> NameTable:
        """Make the table, in time proportional to the letters of all names.

        Parameters
        ----------
        snapshot
            The index.
        """
        evidence = snapshot.evidence
        indptr, name_words = np.asarray(evidence.name_indptr), np.asarray(evidence.name_words)
        said = np.bincount(name_words, minlength=len(evidence.words)) > 0
        spoken = np.flatnonzero(said)
        local = (np.cumsum(said) - 1)[name_words]
        written = [word for word, counts in zip(evidence.words, said.tolist(), strict=True) if counts]
        forms = [singular(word_form(word)) for word in written]
        articles = np.array([word in ARTICLES for word in written], dtype=np.bool_)
        hashes, entities = _hash_names(indptr, local, forms, articles)
        name_indptr, names = _names_by_word(indptr, local, len(spoken))
        return cls(
            keys=snapshot.entity_keys,
            words=evidence.words,
            passages=snapshot.entity_passages,
            titles=_marked(snapshot.title_entities, len(snapshot.entity_keys)),
            token_words=evidence.token_words,
            postings=snapshot.postings,
            hashes=hashes,
            entities=entities,
            spoken=spoken,
            name_indptr=name_indptr,
            names=names,
            alike=WordIndex.of([fold_diacritics(word) for word in written]),
        )

    def is_word(self, word: str) -> bool:
        """Whether the index knows a normalised word, in a text or a name."""
        return is_in(word, self.words)

    def number(self, key: str) -> int | None:
        """Return the number of a normalised name; None if there is none."""
        at = bisect_left(self.keys, key)
        return at if at < len(self.keys) and self.keys[at] == key else None

    def spelt_like(self, hashes: Sequence[int]) -> list[IntArray]:
        """List the names that have the forms with given hashes, for each.

        Parameters
        ----------
        hashes
            `SpanHash.value` of the forms, in the singular, of the words of a name without its article.
        """
        wanted = np.array(hashes, dtype=np.uint64)
        starts = np.searchsorted(self.hashes, wanted, side="left").tolist()
        ends = np.searchsorted(self.hashes, wanted, side="right").tolist()
        return [self.entities[start:end] for start, end in zip(starts, ends, strict=True)]

    def names_with(self, word: str) -> NDArray[np.integer[Any]]:
        """List the names that hold a normalised word, ascending."""
        number = bisect_left(self.words, word)
        if number == len(self.words) or self.words[number] != word:
            return self.names[:0]
        at = int(np.searchsorted(self.spoken, number))
        if at == len(self.spoken) or self.spoken[at] != number:
            return self.names[:0]
        return self.names[self.name_indptr[at] : self.name_indptr[at + 1]]

    def frequency(self, word: str) -> int:
        """Count a normalised word in the passages, whatever its diacritics."""
        return len(self.postings.places(fold_diacritics(word)))

    def similar_words(self, word: str, *, most: int) -> list[tuple[str, int]]:
        """List the words of names that are few letters away from a word.

        Parameters
        ----------
        word
            A normalised word.
        most
            The greatest distance.

        Returns
        -------
        Normalised words and their distances, nearest first, and the word itself not among them.
        """
        found = self.alike.similar(fold_diacritics(word), most=most)
        return [(self.words[int(self.spoken[place])], distance) for place, distance in found if distance]


_tables: WeakKeyDictionary[Snapshot, NameTable] = WeakKeyDictionary()
_making = Lock()


def name_table(snapshot: Snapshot) -> NameTable:
    """Return the table of a snapshot, made at the first call and kept as long as the snapshot is.

    Parameters
    ----------
    snapshot
        The index.
    """
    with _making:
        table = _tables.get(snapshot)
        if table is None:
            table = _tables[snapshot] = NameTable.of(snapshot)
        return table


def is_in(text: str, table: Sequence[str]) -> bool:
    """Whether a text is one of an ascending list, which may lie on disk.

    Examples
    --------
    >>> is_in("oslo", ["oslo", "rome"]), is_in("paris", ["oslo", "rome"])
    (True, False)
    """
    at = bisect_left(table, text)
    return at < len(table) and table[at] == text


def _marked(entities: IntArray, count: int) -> NDArray[np.bool_]:
    marks = np.zeros(count, dtype=np.bool_)
    marks[entities[entities >= 0]] = True
    return marks


def _names_by_word(indptr: IntArray, words: IntArray, n_words: int) -> tuple[IntArray, NDArray[np.integer[Any]]]:
    """List the names that hold each word, ascending; a ragged array."""
    shape = (len(indptr) - 1, n_words)
    holds = csr_array((np.ones(len(words), dtype=np.int8), words, indptr), shape=shape, copy=True)
    # A word may stand in a name twice; what is summed is summed in place, hence the copy.
    holds.sum_duplicates()
    by_word = holds.tocsc()
    return by_word.indptr.astype(np.int64), by_word.indices


def _hash_names(
    indptr: IntArray, words: IntArray, forms: Sequence[str], articles: NDArray[np.bool_]
) -> tuple[Hashes, IntArray]:
    """Hash all names, as `SpanHash` does; names that begin with an article without it."""
    lengths = np.array([len(form) for form in forms], dtype=np.int64)
    powers = _powers(int(lengths.max(initial=0)) * LONGEST_NAME)
    values = _hash_forms(forms, lengths, powers)
    counts = np.diff(indptr)
    firsts = indptr[:-1]
    wanted = np.flatnonzero((counts > 0) & (counts <= LONGEST_NAME))
    dropped = np.zeros(len(words), dtype=np.bool_)
    several = wanted[counts[wanted] > 1]
    dropped[firsts[several]] = articles[words[firsts[several]]]
    totals = np.concatenate([[0], np.cumsum(np.where(dropped, 0, lengths[words]))])
    after = np.repeat(totals[indptr[1:]], counts) - totals[1:]
    # Rows that are too long are looked at, too, and their values thrown away: they wrap, which does no harm.
    terms = np.where(dropped, np.uint64(0), values[words] * powers[np.minimum(after, len(powers) - 1)])
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(terms, dtype=np.uint64)])
    hashes = sums[indptr[1:]] - sums[firsts]
    filled = wanted[totals[indptr[1:]][wanted] > totals[firsts][wanted]]
    order = np.argsort(hashes[filled], kind="stable")
    return hashes[filled][order], filled[order]


def _powers(most: int) -> Hashes:
    factors = np.full(most + 1, _MULTIPLIER, dtype=np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)


def _hash_forms(forms: Sequence[str], lengths: IntArray, powers: Hashes) -> Hashes:
    letters = np.frombuffer("".join(forms).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    ends = np.cumsum(lengths)
    after = np.repeat(ends, lengths) - 1 - np.arange(len(letters))
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(letters * powers[after], dtype=np.uint64)])
    hashed: Hashes = sums[ends] - sums[ends - lengths]
    return hashed
