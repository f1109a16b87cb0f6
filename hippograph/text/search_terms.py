"""What lexical search looks up: the terms that a word of a text is found by, and the phrases of a query.

Both sides come from one rule, so they always meet. A change here changes what an index holds, and so is a change of
`normalization.NORMALIZER_VERSION`.

* A word is found by itself without its diacritics, whole, whatever it holds.
* Korean words carry their particles with them, so a run of Hangul is found by its pairs of syllables.
* Scripts written without spaces give one token per character: a query asks for each two neighbours as a phrase.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from hippograph.text.normalization import fold_diacritics, tokens
from hippograph.text.scripts import UNSPACED_RANGES, within

__all__ = ["Phrase", "query_phrases", "word_terms"]

Phrase = tuple[str, ...]
"""One term, or two that stand side by side."""

_HANGUL = re.compile("[\uac00-\ud7a3]+")


def word_terms(word: str) -> tuple[str, ...]:
    """Return the terms that a normalised word is found by, each once.

    Examples
    --------
    >>> word_terms("dvořák"), word_terms("바르샤바에서"), word_terms("2020년에")
    (('dvorak',), ('바르', '르샤', '샤바', '바에', '에서'), ('2020', '년에'))
    """
    if word.isascii():
        return (word,)
    folded = fold_diacritics(word)
    if _HANGUL.search(folded) is None:
        return (folded,)
    terms: dict[str, None] = {}
    start = 0
    for run in _HANGUL.finditer(folded):
        terms[folded[start : run.start()]] = None
        terms.update(dict.fromkeys(_pairs(run[0])))
        start = run.end()
    terms[folded[start:]] = None
    return tuple(term for term in terms if term)


def query_phrases(query: str) -> list[Phrase]:
    """Return what a query asks for, each phrase once, in the order of the query.

    Examples
    --------
    >>> query_phrases("Antonín Dvořák, ANTONIN")
    [('antonin',), ('dvorak',)]
    >>> query_phrases("居里夫人 镭")
    [('居', '里'), ('里', '夫'), ('夫', '人'), ('镭',)]
    """
    phrases: dict[Phrase, None] = {}
    run: list[str] = []
    end = -1
    for token in tokens(query):
        unspaced = _is_unspaced(token.key)
        if run and not (unspaced and token.start <= end):
            phrases.update(_neighbours(run))
            run = []
        if unspaced:
            run.append(fold_diacritics(token.key))
            end = token.end
        else:
            phrases.update(((term,), None) for term in word_terms(token.key))
    phrases.update(_neighbours(run))
    return list(phrases)


def _is_unspaced(word: str) -> bool:
    return within(ord(word[0]), UNSPACED_RANGES) and unicodedata.category(word[0])[0] == "L"


def _neighbours(run: list[str]) -> dict[Phrase, None]:
    if len(run) == 1:
        return {(run[0],): None}
    return dict.fromkeys(pairwise(run))


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]
