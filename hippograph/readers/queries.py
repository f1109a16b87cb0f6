"""What of that which a model would look up can be looked up, and was not before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hippograph.readers.tasks import one_line
from hippograph.text.function_words import is_grammar, reads_as_name
from hippograph.text.normalization import normalize, tokens

__all__ = ["as_query", "new_queries"]

# Ours: no question of the sets that are measured on is longer, and what runs on is no question.
_LONGEST: Final = 300


def as_query(text: str) -> str:
    r"""Return a text as it can be looked up: in one line of at most 300 characters, cut at a word.

    It is empty if there is nothing to look for: words of English grammar alone, unless they are written as a name, or
    no letter or digit at all.

    Examples
    --------
    >>> as_query(" Where is\nOslo? "), as_query("at"), as_query("Who is it?"), as_query("The Who"), as_query("北京")
    ('Where is Oslo?', '', '', 'The Who', '北京')
    >>> len(as_query("Where is Oslo? " * 99))
    299
    """
    line = one_line(text)
    if len(line) > _LONGEST:
        whole, space, _ = line[: _LONGEST + 1].rpartition(" ")
        line = whole if space else line[:_LONGEST]
    words = tokens(line)
    has_meaning = not all(is_grammar(word.key) for word in words) or reads_as_name(line, words)
    return line if has_meaning and any(letter.isalnum() for letter in line) else ""


def new_queries(wanted: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return what of it can be looked up and was not asked before, case, punctuation and spaces aside, each once.

    Examples
    --------
    >>> new_queries(["Where is Oslo?", "where is oslo", " ", "at", "Larvik?"], ["larvik"])
    ['Where is Oslo?']
    """
    said = {normalize(query) for text in known for query in (text, as_query(text))}
    found = []
    for query in map(as_query, wanted):
        key = normalize(query)
        if query and key not in said:
            said.add(key)
            found.append(query)
    return found
