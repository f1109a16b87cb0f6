"""BM25 over postings: how well each passage fits the words of a query."""

from __future__ import annotations

from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hippograph.store.postings import Postings, TokenNumbers
from hippograph.text.search_terms import Phrase, query_phrases
from hippograph.types import DoubleArray, IntArray

__all__ = ["bm25"]

# Of a term that more than half of the passages have: it may break ties, and no more.
_LEAST_IDF = 1e-6


def bm25(
    postings: Postings, query: str, *, k1: float = 1.2, b: float = 0.75, title_weight: float = 1.0
) -> tuple[IntArray, DoubleArray]:
    """Score the passages that have a term of a query, however often the query names it.

    Words match without regard to case and diacritics. Of scripts written without spaces each two neighbours are looked
    up as a phrase, within the title or within the text.

    Parameters
    ----------
    postings
        Where the terms stand.
    query
        What to look for.
    k1, b, title_weight
        As for `lexical.BM25Retriever`.

    Returns
    -------
    The passages, ascending, and their scores, all above 0; both of shape (m,).

    References
    ----------
    Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009), section 3.2; the inverse
    document frequency is that of SQLite's FTS5, whose scores of plain words these are.
    """
    n_passages = len(postings.title_tokens)
    scores = np.zeros(n_passages)
    mean = postings.passage_indptr[-1] / n_passages if n_passages else 0.0
    for phrase in query_phrases(query):
        found = _occurrences(postings, phrase)
        rows = found.rows
        if not len(rows):
            continue
        idf = log((n_passages - len(rows) + 0.5) / (len(rows) + 0.5))
        frequencies = title_weight * found.in_title + found.in_text
        lengths = postings.passage_indptr[rows + 1] - postings.passage_indptr[rows]
        # A word of a title that weighs nothing would divide 0 by 0 where k1 is 0 as well.
        weights = np.divide(
            frequencies * (k1 + 1.0),
            frequencies + k1 * (1.0 - b + b * lengths / mean),
            out=np.zeros(len(rows)),
            where=frequencies > 0,
        )
        scores[rows] += max(idf, _LEAST_IDF) * weights
    rows = np.flatnonzero(scores)
    return rows, scores[rows]


class _Occurrences(NamedTuple):
    """The passages that have a phrase, ascending, and how often their titles and their texts have it."""

    rows: IntArray
    in_title: IntArray
    in_text: IntArray


def _occurrences(postings: Postings, phrase: Phrase) -> _Occurrences:
    if len(phrase) == 1:
        return _counted(postings, postings.places(phrase[0]))
    first, second = (postings.places(term) for term in phrase)
    return _counted(postings, _unbroken(postings, _followed(first, second)))


def _followed(first: TokenNumbers, second: TokenNumbers) -> TokenNumbers:
    """Return the tokens of `first` that one of `second` comes next to."""
    shorter, longer, step = (first, second, 1) if len(first) <= len(second) else (second, first, -1)
    found: TokenNumbers = shorter[_are_among(shorter + step, longer)]
    return found if step == 1 else found - 1


def _are_among(wanted: TokenNumbers, ascending: TokenNumbers) -> NDArray[np.bool_]:
    places = np.searchsorted(ascending, wanted)
    there: NDArray[np.bool_] = ascending[np.minimum(places, len(ascending) - 1)] == wanted
    return there


def _unbroken(postings: Postings, pairs: TokenNumbers) -> TokenNumbers:
    """Leave out the pairs that stand across the end of a title or of a passage."""
    rows = _passages_of(postings, pairs)
    starts = postings.passage_indptr[rows]
    after = pairs + 1
    unbroken: TokenNumbers = pairs[
        (after < postings.passage_indptr[rows + 1]) & (after != starts + postings.title_tokens[rows])
    ]
    return unbroken


def _counted(postings: Postings, tokens: TokenNumbers) -> _Occurrences:
    """Count tokens, which ascend, by passage and field: through the tokens or through the passages, as is less work."""
    if len(tokens) < len(postings.title_tokens):
        passages = _passages_of(postings, tokens)
        firsts = np.flatnonzero(np.diff(passages, prepend=-1))
        rows, counts = passages[firsts], np.diff(firsts, append=len(tokens))
        before_text = tokens < postings.passage_indptr[passages] + postings.title_tokens[passages]
        in_title = np.add.reduceat(before_text, firsts, dtype=np.int64) if len(firsts) else counts
    else:
        # In the type of the tokens: NumPy would convert all of them to that of the passages.
        bounds = postings.passage_indptr.astype(tokens.dtype, copy=False)
        before = np.searchsorted(tokens, bounds)
        before_text = np.searchsorted(tokens, bounds[:-1] + postings.title_tokens.astype(tokens.dtype, copy=False))
        counts = np.diff(before)
        rows = np.flatnonzero(counts)
        in_title, counts = (before_text - before[:-1])[rows], counts[rows]
    return _Occurrences(rows, in_title, counts - in_title)


def _passages_of(postings: Postings, tokens: TokenNumbers) -> IntArray:
    passages: IntArray = np.searchsorted(postings.passage_indptr, tokens, side="right") - 1
    return passages
