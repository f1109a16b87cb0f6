"""The sentences of passages, and how much of a question each of them speaks of."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from hippograph.readers.extracting.word_families import family
from hippograph.text.function_words import FUNCTION_WORDS
from hippograph.text.normalization import Token, fold_diacritics, normalize, strip_qualifier, tokens
from hippograph.text.sentences import sentence_spans
from hippograph.types import Passage

__all__ = ["Line", "Wording", "asked_words", "coverage", "lines_of"]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A sentence of a passage.

    Parameters
    ----------
    place
        The passage's place in the ranking, from 0.
    number
        The sentence's place in the passage, from 0.
    passage
        The passage.
    start, end
        First and one-past-last character in the passage's text.
    """

    place: int
    number: int
    passage: Passage
    start: int
    end: int

    @cached_property
    def text(self) -> str:
        """The sentence, with single spaces."""
        return " ".join(self.passage.text[self.start : self.end].split())

    @property
    def headed(self) -> str:
        """The sentence under the passage's title: what it speaks of when it says `she`."""
        return f"{self.passage.title}: {self.text}" if self.passage.title else self.text

    @cached_property
    def words(self) -> tuple[Token, ...]:
        """The tokens of the sentence."""
        return tuple(tokens(self.text))

    @cached_property
    def families(self) -> tuple[str, ...]:
        """What stands for each token and the words that say the same."""
        return tuple(family(fold_diacritics(word.key)) for word in self.words)

    @cached_property
    def headed_families(self) -> frozenset[str]:
        """The same of the sentence under its title, each once."""
        title = (family(fold_diacritics(word.key)) for word in tokens(self.passage.title))
        return frozenset(self.families).union(title)


@dataclass(frozen=True, kw_only=True)
class Wording:
    """The words of a question.

    Parameters
    ----------
    question
        The question.
    """

    question: str

    @cached_property
    def keys(self) -> frozenset[str]:
        """All its words, normalised, without diacritics."""
        return frozenset(fold_diacritics(word.key) for word in tokens(self.question))

    @cached_property
    def families(self) -> frozenset[str]:
        """What stands for its words of content."""
        return frozenset(family(key) for key in self.keys if key not in FUNCTION_WORDS)

    @cached_property
    def small(self) -> frozenset[str]:
        """What stands for its words of content that are written small, as no names are."""
        found = (word for word in tokens(self.question) if self.question[word.start].islower())
        return self.families & {family(fold_diacritics(word.key)) for word in found}

    @cached_property
    def asked(self) -> frozenset[str]:
        """What stands for the words of what is asked for, as far as that can be told."""
        return frozenset(family(word) for word in asked_words(self.question))

    def names(self, name: str) -> bool:
        """Whether a name, without a qualifier, is in the question."""
        words = normalize(strip_qualifier(name))
        return bool(words) and f" {fold_diacritics(words)} " in f" {fold_diacritics(normalize(self.question))} "


_RELATION_OF: Final = re.compile(
    r"(?i)^(?:\w+ ){0,2}?(?:who|what|which|when|where)\b[^,]{0,30}?\b(?:is|was|are|were)\b (?:the |an? )?"
    r"(?P<asked>(?:(?:date|place|cause|country|year) of )?[\w-]+(?: [\w-]+)?) (?:of|to|in|at|for)\b"
)
_KIND: Final = re.compile(
    r"(?i)(?:(?:in|on|at|to|of|from|for|by) )?(?:what|which) (?!(?:is|was|are|were|did|does)\b)(?P<asked>\w+)"
)
_DID: Final = re.compile(r"(?i)\b(?:did|does|do)\b")
_POSSESSED: Final = re.compile(r"(?i)['’]s? (?P<asked>[\w-]+(?: [\w-]+){0,2})$")
_LAST: Final = re.compile(r"(?P<asked>[\w-]+)(?: (?:in|at|on|from|of|to|for|with|by))?$")
_SUBJECT: Final = re.compile(
    r"(?i)^(?:who|what|which)(?: (?!is|was|are|were)\w+){0,4}? (?P<asked>\w+(?:ed|s|e|ote|ang))\b"
)


def asked_words(question: str) -> tuple[str, ...]:
    """Return the words that say what of somebody or something is asked for, normalised; empty if it is not clear.

    Examples
    --------
    >>> asked_words("When did Lothair II's mother die?"), asked_words("Who is the father of the director of Fram?")
    (('die',), ('father',))
    >>> asked_words("Who is Amundsen's eldest brother?"), asked_words("Who directed the film with Nansen?")
    (('brother',), ('directed',))
    """
    plain = question.strip().rstrip(" ?.!")
    last = _LAST.search(plain)
    if last and _is_verb(last["asked"], plain):
        return (fold_diacritics(normalize(last["asked"])),)
    kind = _KIND.match(plain)
    if kind:
        return (fold_diacritics(normalize(kind["asked"])),)
    for pattern in (_RELATION_OF, _POSSESSED, _SUBJECT):
        match = pattern.search(plain)
        words = [word.key for word in tokens(match["asked"])] if match else []
        found = [fold_diacritics(word) for word in words if word not in FUNCTION_WORDS]
        if found:
            return (found[-1],)
    return ()


def _is_verb(word: str, plain: str) -> bool:
    """Whether the last word of a question is likely what is said of what stands before."""
    if not word.islower() or word in FUNCTION_WORDS:
        return False
    did = _DID.search(plain)
    return (
        word == "born" or word.endswith("ed") or (did is not None and "'s " not in plain[did.end() :][-len(word) - 3 :])
    )


def lines_of(passages: Sequence[Passage]) -> list[Line]:
    """Cut passages, given best first, into sentences.

    Examples
    --------
    >>> fram = Passage(id="fram", document="fram", title="Fram", text="A ship. She lies in Oslo.")
    >>> [line.headed for line in lines_of([fram])]
    ['Fram: A ship.', 'Fram: She lies in Oslo.']
    """
    return [
        Line(place=place, number=number, passage=passage, start=start, end=end)
        for place, passage in enumerate(passages)
        for number, (start, end) in enumerate(sentence_spans(passage.text))
    ]


def coverage(wording: Wording, lines: Sequence[Line]) -> list[float]:
    """Tell how much of a question's words each sentence has, with its title, 0 to 1; rare words count more.

    Examples
    --------
    >>> fram = Passage(id="fram", document="fram", text="A ship. The Fram lies in Oslo.")
    >>> coverage(Wording(question="Where lies the Fram?"), lines_of([fram]))
    [0.0, 1.0]
    """
    counts = Counter(one for line in lines for one in sorted(line.headed_families))
    worth = {one: math.log1p(len(lines) / counts[one]) for one in sorted(wording.families) if counts[one]}
    whole = sum(worth.values())
    return [
        sum(worth[one] for one in sorted(worth.keys() & line.headed_families)) / whole if whole else 0.0
        for line in lines
    ]
