"""Abbreviations: names that a query gives by their initials, where a passage says what the initials stand for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from hippograph.retrieve.name_table import NameTable
from hippograph.retrieve.query_words import Mention, QueryWords
from hippograph.text.function_words import FUNCTION_WORDS

__all__ = ["abbreviated", "spells_out"]

_SURE: Final = 0.9
_SHORTEST: Final = 2
_LONGEST: Final = 8
# Words without an initial of their own, as "of" in the name.
_UNCOUNTED: Final = 3
_LOOKED_AT: Final = 200


def spells_out(words: Sequence[str], letters: str) -> bool:
    """Tell whether letters are the initials of some words, those that carry grammar counted or not.

    Examples
    --------
    >>> spells_out(["university", "of", "california"], "uc"), spells_out(["out", "of", "africa"], "ooa")
    (True, True)
    >>> spells_out(["the", "united", "nations"], "un")
    False
    """
    if not words or words[0][0] != letters[0]:
        return False
    counted = [word for word in words if word not in FUNCTION_WORDS]
    return letters in ("".join(word[0] for word in words), "".join(word[0] for word in counted))


def abbreviated(query: QueryWords, table: NameTable, taken: Sequence[Mention]) -> list[Mention]:
    """Add names whose initials the query gives, if a passage has the two side by side: "United Nations (UN)".

    Parameters
    ----------
    query
        The query.
    table
        The names.
    taken
        What was found by then.

    Returns
    -------
    What was found by now, in the order of the query.

    References
    ----------
    A. S. Schwartz, M. A. Hearst, A simple algorithm for identifying abbreviation definitions in biomedical text (2003).
    """
    covered = {place for mention in taken for place in range(mention.first, mention.last)}
    found = list(taken)
    for place, word in enumerate(query.words):
        written = query.text[word.start : word.end]
        if place in covered or not (query.cased and written.isupper() and word.key.isalpha()):
            continue
        name = _stands_for(word.key, table) if _SHORTEST <= len(word.key) <= _LONGEST else None
        if name is not None:
            found.append(Mention(first=place, last=place + 1, entity=name, confidence=_SURE, reason="abbreviation"))
    return sorted(found, key=lambda mention: mention.first)


def _stands_for(letters: str, table: NameTable) -> int | None:
    """Return the name that most passages write beside some letters that are its initials."""
    said: Counter[int] = Counter()
    for at in table.postings.places(letters)[:_LOOKED_AT].tolist():
        passage = int(np.searchsorted(table.postings.passage_indptr, at, side="right")) - 1
        first, last = table.postings.passage_indptr[passage : passage + 2].tolist()
        longest = len(letters) + _UNCOUNTED
        before = _words(table, max(first, at - longest), at)
        after = _words(table, at + 1, min(last, at + 1 + longest))
        spans = [before[-length:] for length in range(len(letters), len(before) + 1)]
        spans += [after[:length] for length in range(len(letters), len(after) + 1)]
        names = {table.number(" ".join(span)) for span in spans if spells_out(span, letters)}
        said.update(name for name in names if name is not None)
    return min(said, key=lambda name: (-said[name], name), default=None)


def _words(table: NameTable, first: int, last: int) -> list[str]:
    return [table.words[number] for number in table.token_words[first:last].tolist()]
