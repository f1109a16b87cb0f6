"""Which passages are about what a question names, and which about what those lead to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from hippograph.readers.extracting.lines import Line, Wording
from hippograph.readers.extracting.question_types import question_type
from hippograph.readers.extracting.word_families import family
from hippograph.text.normalization import fold_diacritics, normalize, strip_qualifier
from hippograph.types import Passage

__all__ = ["Subjects", "near"]

# What kind of thing something is, which a question may say and which leads nowhere.
_GENERIC_WORDS: Final = """
    film movie song album book novel band company city town village people person both same one two first last
    earlier later older younger longer recent come out share kind name place country nationality cause date year
"""
_GENERIC: Final = frozenset(map(family, _GENERIC_WORDS.split()))
# A word's pull falls to a third within so many words.
_REACH: Final = 4.0
_LINKED: Final = 0.1


def near(distances: Sequence[int]) -> float:
    """Turn distances in words into nearness, 0 to 1: 1 for neighbours, 0 if there are none.

    Examples
    --------
    >>> near([5, 1]), near([])
    (1.0, 0.0)
    """
    return math.exp((1 - min(distances)) / _REACH) if distances else 0.0


@dataclass(frozen=True, kw_only=True)
class Subjects:
    """What the passages of a ranking are about.

    A passage whose title is in the question is one of its subjects; one whose title is in such a passage is linked to
    it, and the nearer the title stands there to the words of the question, the more strongly.

    Parameters
    ----------
    wording
        The question.
    passages
        The passages, best first.
    lines
        Their sentences.
    """

    wording: Wording
    passages: Sequence[Passage]
    lines: Sequence[Line]

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """What each passage is about: its title, normalised, without a qualifier and diacritics."""
        return tuple(fold_diacritics(normalize(strip_qualifier(passage.title))) for passage in self.passages)

    @cached_property
    def named(self) -> frozenset[int]:
        """The places of the passages that the question names, but for those whose name is part of another's."""
        places = [place for place, key in enumerate(self.keys) if key and self.wording.names(key)]
        return frozenset(
            place
            for place in places
            if not any(
                self.keys[place] != self.keys[other] and f" {self.keys[place]} " in f" {self.keys[other]} "
                for other in places
            )
        )

    @cached_property
    def relations(self) -> frozenset[str]:
        """What stands for the words of the question that lead from what it names to what it asks about.

        They are written small, and neither name something nor say what is asked for.
        """
        names = {family(word) for place in self.named for word in self.keys[place].split()}
        return (
            self.wording.small
            - self.wording.asked
            - names
            - _GENERIC
            - {family(question_type(self.wording.question).noun)}
        )

    @cached_property
    def leads(self) -> bool:
        """Whether the question asks about something that what it names leads to, and a passage about it was found."""
        return bool(self.relations) and bool(self.linked)

    def ties(self, origin: int, relations: frozenset[str]) -> dict[int, float]:
        """Return the passages linked to one, and how strongly, 0.1 to 1.1."""
        found: dict[int, float] = {}
        for line in self.lines:
            if line.place != origin:
                continue
            words = [fold_diacritics(word.key) for word in line.words]
            text = f" {' '.join(words)} "
            for place, key in enumerate(self.keys):
                if key and place not in self.named and place != origin and f" {key} " in text:
                    strength = _LINKED + _pull(words, key.split(), line.families, relations)
                    found[place] = max(found.get(place, 0.0), strength)
        return found

    @cached_property
    def linked(self) -> dict[int, float]:
        """The places of the passages linked to any that the question names, and how strongly."""
        found: dict[int, float] = {}
        for origin in sorted(self.named):
            for place, strength in self.ties(origin, self.relations).items():
                found[place] = max(found.get(place, 0.0), strength)
        return found

    def link_line(self, place: int) -> Line | None:
        """Return the sentence that leads to a passage: the first of one of the question's that has its title."""
        key = self.keys[place]
        lines = (line for line in self.lines if line.place in self.named and line.place != place)
        return next(
            (line for line in lines if key and f" {key} " in f" {fold_diacritics(normalize(line.text))} "), None
        )


def _pull(words: Sequence[str], key: Sequence[str], families: Sequence[str], relations: frozenset[str]) -> float:
    best = 0.0
    for at in range(len(words) - len(key) + 1):
        if list(words[at : at + len(key)]) == list(key):
            last = at + len(key) - 1
            distances = [min(abs(spot - at), abs(spot - last)) for spot, one in enumerate(families) if one in relations]
            best = max(best, near(distances))
    return best
