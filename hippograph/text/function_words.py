"""Words that carry grammar: seldom names, and only where their capitals say so.

A parser now and then takes "The" for a name, and a film is called *It*. Looked up in running text regardless of case,
such a name would be mentioned by every passage and every question.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hippograph.text.normalization import Token

__all__ = ["FUNCTION_WORDS", "is_grammar", "reads_as_name"]

_ENGLISH_WORDS: Final = """
    a an the this that these those some any each every no both either neither such all
    i you he she it we they me him her us them my your his its our their mine yours hers ours theirs
    who whom whose which what when where why how there here
    and or but nor so yet if because as than while though although unless until since whether
    of in on at by to from with without for about into over under between among through during before after against
    within along across behind beyond near off out up down upon via per
    be am is are was were been being have has had having do does did doing
    will would shall should can could may might must
    not also then only very too just more most less least other another own same
"""
FUNCTION_WORDS: Final = frozenset(_ENGLISH_WORDS.split())
"""English function words, normalised."""

_LOOK_BACK: Final = 8
_SENTENCE_ENDS: Final = frozenset(".!?…:;\n\"'“”‘’«»([")


def is_grammar(key: str) -> bool:
    """Tell whether a normalised name consists of English function words alone.

    Examples
    --------
    >>> is_grammar("of the"), is_grammar("it"), is_grammar("oslo")
    (True, True, False)
    """
    return all(word in FUNCTION_WORDS for word in key.split(" "))


def reads_as_name(text: str, words: Sequence[Token]) -> bool:
    """Tell whether function words are written as a name: in capitals, or capitalised elsewhere than at a beginning.

    Parameters
    ----------
    text
        The text.
    words
        Some of its tokens, in a row.

    Examples
    --------
    >>> from hippograph.text.normalization import tokens
    >>> [reads_as_name(text, tokens(text)[:2]) for text in ("The Who played.", "The one.", "U.S. troops.", "Who was")]
    [True, False, True, False]
    """
    for word in words:
        written = text[word.start : word.end]
        if written.isupper() and sum(letter.isalpha() for letter in written) > 1:
            return True
        before = text[max(0, word.start - _LOOK_BACK) : word.start].rstrip(" ")
        if written[:1].isupper() and before and before[-1] not in _SENTENCE_ENDS:
            return True
    return False
