"""The words of a query: which of them read as names, and which of them names have been found for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from hippograph.text.function_words import FUNCTION_WORDS
from hippograph.text.normalization import Token, tokens

__all__ = ["Mention", "QueryWords", "best_apart"]

_SEPARATOR: Final = re.compile(r"""[()\[\]{}"“”„«»（）]""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A name that some words of a query are read as.

    Parameters
    ----------
    first, last
        The first word and one past the last.
    entity
        The name's number.
    confidence
        How sure that is, 0 to 1.
    reason
        As in `EntityLink`.
    """

    first: int
    last: int
    entity: int
    confidence: float
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False)
class QueryWords:
    """The words of a query.

    Parameters
    ----------
    text
        The query as asked.
    words
        Its tokens.

    Examples
    --------
    >>> query = QueryWords.of("Who was Zoë's mother?")
    >>> query.capital, query.cased, query.capital_runs()
    ([True, False, True, False], True, [(2, 3)])
    >>> QueryWords.of("who was zoë's mother?").cased, QueryWords.of("Who Was Zoë's Mother?").cased
    (False, False)
    """

    text: str
    words: list[Token]

    @classmethod
    def of(cls, text: str) -> QueryWords:
        """Cut a query into words."""
        return cls(text=text, words=tokens(text))

    @cached_property
    def keys(self) -> list[str]:
        """The normalised words."""
        return [word.key for word in self.words]

    @cached_property
    def grammar(self) -> list[bool]:
        """Which words carry grammar."""
        return [key in FUNCTION_WORDS for key in self.keys]

    @cached_property
    def capital(self) -> list[bool]:
        """Which words begin with a capital letter."""
        return [self.text[word.start].isupper() for word in self.words]

    @cached_property
    def apart(self) -> list[bool]:
        """Which words a bracket or a quotation mark separates from the word before."""
        ends = [0, *(word.end for word in self.words)]
        return [bool(_SEPARATOR.search(self.text, ends[place], word.start)) for place, word in enumerate(self.words)]

    @cached_property
    def cased(self) -> bool:
        """Whether capitals tell names from other words: some words have them, and those of grammar do not."""
        inner = [word for word, capital in zip(self.words[1:], self.capital[1:], strict=True) if capital]
        if not inner:
            return False
        lower = any(self.text[word.start].islower() for word in self.words)
        return lower or not any(self.grammar[1:])

    def whole(self, first: int, last: int) -> bool:
        """Whether no bracket and no quotation mark stands between some words."""
        return not any(self.apart[first + 1 : last])

    def within_name(self, first: int, last: int) -> bool:
        """Whether a word beside some capitalised words is one, too, so that they may be a part of a name only."""
        if not (self.cased and self.capital[first]):
            return False
        before = first > 0 and self._reads_on(first - 1) and not self.apart[first]
        return before or (last < len(self.keys) and self._reads_on(last) and not self.apart[last])

    def _reads_on(self, place: int) -> bool:
        return self.capital[place] and not self.grammar[place]

    def capital_runs(self, known: Iterable[int] = ()) -> list[tuple[int, int]]:
        """Spans of capitalised words, their first and one past their last; without those that are known.

        A single capitalised word at the start of a query is its grammar, not a name.
        """
        skipped = set(known)
        runs: list[tuple[int, int]] = []
        for place, capital in enumerate(self.capital):
            if not capital or place in skipped:
                continue
            if runs and runs[-1][1] == place:
                runs[-1] = (runs[-1][0], place + 1)
            else:
                runs.append((place, place + 1))
        return [run for run in runs if run != (0, 1)]


def best_apart(taken: Sequence[Mention], candidates: Sequence[Mention]) -> list[Mention]:
    """Choose mentions that do not overlap; a candidate takes the place of shorter ones that it holds whole.

    Parameters
    ----------
    taken
        Mentions that do not overlap.
    candidates
        Mentions, the preferred ones first; those that share a span are readings of one, and go together.

    Returns
    -------
    Mentions in the order of the query.
    """
    chosen: list[Mention] = []
    left = list(taken)
    for candidate in candidates:
        span = (candidate.first, candidate.last)
        if any(_overlap(candidate, other) and span != (other.first, other.last) for other in chosen):
            continue
        met = [other for other in left if _overlap(candidate, other)]
        if all(_holds(candidate, other) for other in met):
            left = [other for other in left if other not in met]
            chosen.append(candidate)
    return sorted(left + chosen, key=lambda mention: mention.first)


def _overlap(one: Mention, other: Mention) -> bool:
    return one.first < other.last and other.first < one.last


def _holds(long: Mention, short: Mention) -> bool:
    return long.first <= short.first and short.last <= long.last and long.last - long.first > short.last - short.first
