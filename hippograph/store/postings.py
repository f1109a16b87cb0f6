"""Postings: where each term stands in the passages, for lexical search."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array

from hippograph.errors import InputError
from hippograph.store.arrays import Bundle, BundleWriter, StringTable, damage
from hippograph.store.ragged import indptr_of, merge_strings, places_of, take_strings
from hippograph.text.search_terms import word_terms
from hippograph.types import IntArray

__all__ = ["Postings", "TokenNumbers", "invert"]

TokenNumbers = NDArray[np.int32] | NDArray[np.int64]
"""Numbers of tokens: 32 bits wide, unless there are more than 2**31 - 1 of them."""

_POSITIONS: Final = "posting_positions"


@dataclass(frozen=True, kw_only=True, eq=False)
class Postings:
    """The places of all terms. Tokens are numbered through all passages, in each those of its title before its text.

    Parameters
    ----------
    terms
        Every term of a passage, ascending; length W.
    indptr
        Where the places of each term begin and the last one's end in `positions`; shape (W + 1,).
    positions
        The tokens that are found by each term, ascending within a term. A word may be found by several terms.
    passage_indptr
        The first token of each passage, and how many tokens there are; shape (P + 1,).
    title_tokens
        How many of a passage's first tokens are its title's; shape (P,).

    Examples
    --------
    >>> postings = invert(
    ...     np.array([0, 1, 1, 0, 1]),
    ...     ["été", "oslo"],
    ...     passage_indptr=np.array([0, 3, 5]),
    ...     title_tokens=np.array([1, 0]),
    ... )
    >>> postings.terms.to_list(), postings.places("ete").tolist(), postings.places("oslo").tolist()
    (['ete', 'oslo'], [0, 3], [1, 2, 4])
    """

    terms: StringTable
    indptr: IntArray
    positions: TokenNumbers
    passage_indptr: IntArray
    title_tokens: IntArray

    @classmethod
    def read(cls, bundle: Bundle, *, passages: int) -> Postings:
        """Map the postings out of a snapshot's files.

        Raises
        ------
        DamagedIndexError
            If a file is missing or does not fit the others.
        """
        terms = bundle.strings("posting_terms")
        postings = cls(
            terms=terms,
            indptr=bundle.array("posting_indptr", np.int64, (len(terms) + 1,)),
            positions=bundle.array(_POSITIONS, (np.int32, np.int64), (-1,)),
            passage_indptr=bundle.array("posting_passage_indptr", np.int64, (passages + 1,)),
            title_tokens=bundle.array("posting_title_tokens", np.int64, (passages,)),
        )
        if not _is_indptr(postings.indptr, len(postings.positions)):
            raise damage(bundle.path("posting_indptr.npy"), f"does not fit {_POSITIONS}.npy")
        if not _is_indptr(postings.passage_indptr, int(postings.passage_indptr[-1])):
            raise damage(bundle.path("posting_passage_indptr.npy"), "does not ascend")
        if not _are_parts(postings.title_tokens, postings.passage_indptr):
            raise damage(bundle.path("posting_title_tokens.npy"), "does not fit posting_passage_indptr.npy")
        return postings

    def write(self, writer: BundleWriter) -> None:
        """Write the postings into a snapshot."""
        writer.write_table("posting_terms", self.terms)
        writer.write_array("posting_indptr", self.indptr)
        writer.write_array(_POSITIONS, self.positions)
        writer.write_array("posting_passage_indptr", self.passage_indptr)
        writer.write_array("posting_title_tokens", self.title_tokens)

    def places(self, term: str) -> TokenNumbers:
        """Return the tokens that are found by a term, ascending; none for a term that no passage has.

        Raises
        ------
        DamagedIndexError
            If one of them is a token that does not exist.
        """
        number = bisect_left(self.terms, term)
        if number == len(self.terms) or self.terms[number] != term:
            return self.positions[:0]
        found = self.positions[int(self.indptr[number]) : int(self.indptr[number + 1])]
        # Looked at when read, and not when opened: checking all of them would read the whole file.
        if len(found) and not (found.min() >= 0 and found.max() < self.passage_indptr[-1]):
            raise damage(Path(f"{_POSITIONS}.npy"), f"names tokens that do not exist, at the term {term!r}")
        return found


def invert(
    token_words: NDArray[np.integer[Any]], words: Sequence[str], *, passage_indptr: IntArray, title_tokens: IntArray
) -> Postings:
    """Make the postings of a stream of tokens, in time linear in their number.

    They depend on what the tokens say alone: a word that no token is leaves no trace.

    Parameters
    ----------
    token_words
        The word of each token, shape (n,).
    words
        Normalised words, ascending, each once; length V.
    passage_indptr
        The first token of each passage, and n; shape (P + 1,).
    title_tokens
        How many of a passage's first tokens are its title's; shape (P,).

    Raises
    ------
    InputError
        If the arrays do not fit together.
    """
    _check(token_words, words, passage_indptr, title_tokens)
    table = words if isinstance(words, StringTable) else StringTable.of(words)
    used = np.bincount(token_words, minlength=len(table)) > 0
    terms, word_indptr, term_numbers = _terms(table, used)
    indptr, positions = _transpose(token_words, word_indptr, term_numbers, n_terms=len(terms))
    return Postings(
        terms=terms, indptr=indptr, positions=positions, passage_indptr=passage_indptr, title_tokens=title_tokens
    )


def _terms(words: StringTable, used: NDArray[np.bool_]) -> tuple[StringTable, IntArray, IntArray]:
    """Find the terms of the words in use, and their numbers as a ragged array, V lists."""
    own = used & _ascii(words)
    others: dict[int, tuple[str, ...]] = {}
    for number in np.flatnonzero(used & ~own).tolist():
        word = words[number]
        terms = word_terms(word)
        if terms == (word,):
            own[number] = True
        else:
            others[number] = terms
    merge = merge_strings(take_strings(words, np.flatnonzero(own)), chain.from_iterable(others.values()))
    lengths = own.astype(np.int64)
    lengths[list(others)] = [len(terms) for terms in others.values()]
    indptr = indptr_of(lengths)
    numbers = np.empty(indptr[-1], dtype=np.int64)
    numbers[indptr[:-1][own]] = merge.former
    places = places_of(indptr, np.array(list(others), dtype=np.int64))[1]
    numbers[places] = [merge.numbers[term] for term in chain.from_iterable(others.values())]
    return merge.table, indptr, numbers


def _ascii(words: StringTable) -> NDArray[np.bool_]:
    """Tell which words are ASCII, which most are in many corpora, without a look at each."""
    beyond = np.zeros(len(words.blob) + 1, dtype=np.int64)
    np.cumsum(words.blob >= 0x80, out=beyond[1:])
    ascii_only: NDArray[np.bool_] = np.diff(beyond[words.offsets]) == 0
    return ascii_only


def _transpose(
    token_words: NDArray[np.integer[Any]], word_indptr: IntArray, term_numbers: IntArray, *, n_terms: int
) -> tuple[IntArray, TokenNumbers]:
    """Turn the terms of each token into the tokens of each term, by a counting sort."""
    lengths = np.diff(word_indptr)
    indptr = indptr_of(lengths[token_words])
    wide = max(int(indptr[-1]), len(token_words)) > np.iinfo(np.int32).max
    narrow = np.dtype(np.int64) if wide else np.dtype(np.int32)
    first = np.zeros(len(lengths), dtype=narrow)
    first[lengths > 0] = term_numbers[word_indptr[:-1][lengths > 0]]
    rows: NDArray[Any] = np.empty(indptr[-1], dtype=narrow)
    rows[indptr[:-1]] = first[token_words]
    several = np.flatnonzero((lengths > 1)[token_words])
    skip = np.ones(len(several), dtype=np.int64)
    more = places_of(word_indptr, token_words[several].astype(np.int64, copy=False), skip=skip)[1]
    rows[places_of(indptr, several, skip=skip)[1]] = term_numbers[more]
    # SciPy turns columns into rows with a counting sort that keeps the order within a row.
    columns: NDArray[Any] = indptr.astype(narrow)
    by_token = csc_array((np.empty(len(rows), dtype=np.int8), rows, columns), shape=(n_terms, len(token_words)))
    by_term = by_token.tocsr()
    return by_term.indptr.astype(np.int64), by_term.indices


def _check(
    token_words: NDArray[np.integer[Any]], words: Sequence[str], passage_indptr: IntArray, title_tokens: IntArray
) -> None:
    if len(token_words) and not (token_words.min() >= 0 and token_words.max() < len(words)):
        raise InputError(
            f"token_words ranges from {token_words.min()} to {token_words.max()}; there are {len(words)} words"
        )
    if not _is_indptr(passage_indptr, len(token_words)):
        raise InputError(f"passage_indptr must ascend from 0 to the number of tokens, {len(token_words)}")
    if len(title_tokens) != len(passage_indptr) - 1 or not _are_parts(title_tokens, passage_indptr):
        raise InputError(f"title_tokens must hold a number for each of the {len(passage_indptr) - 1} passages")


def _is_indptr(indptr: IntArray, end: int) -> bool:
    return len(indptr) > 0 and indptr[0] == 0 and indptr[-1] == end and bool(np.all(indptr[1:] >= indptr[:-1]))


def _are_parts(title_tokens: IntArray, passage_indptr: IntArray) -> bool:
    return bool(np.all((title_tokens >= 0) & (title_tokens <= np.diff(passage_indptr))))
