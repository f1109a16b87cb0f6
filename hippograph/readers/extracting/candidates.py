"""What in the sentences may be the answer, and what speaks for it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from hippograph.readers.extracting.countries import countries_in
from hippograph.readers.extracting.lines import Line, Wording
from hippograph.readers.extracting.mentions import (
    Mention,
    MentionKind,
    dates_in,
    life_role,
    numbers_in,
    written_mentions,
)
from hippograph.readers.extracting.question_types import AnswerKind, QuestionType
from hippograph.readers.extracting.subjects import Subjects, near
from hippograph.readers.extracting.word_families import family
from hippograph.text.normalization import fold_diacritics, normalize

__all__ = ["Candidate", "Scene", "candidates", "features"]

_Kinds = tuple[frozenset[MentionKind], frozenset[MentionKind]]
_NAMES: Final[frozenset[MentionKind]] = frozenset({"person", "place", "group"})
_FIT: Final[dict[AnswerKind, _Kinds]] = {
    "person": (frozenset({"person"}), frozenset({"name", "organisation"})),
    "place": (frozenset({"place"}), frozenset({"name", "organisation"})),
    "country": (frozenset({"group"}), frozenset()),
    "date": (frozenset({"date"}), frozenset()),
    "year": (frozenset({"date"}), frozenset()),
    "number": (frozenset({"number"}), frozenset()),
    "name": (frozenset({"organisation", "work", "name"}), _NAMES),
    "phrase": (frozenset({"phrase", "name", "organisation", "work"}), _NAMES),
    "reason": (frozenset({"phrase"}), frozenset({"name"})),
}
"""What the answers of each kind are, and what they may be taken for."""
_SCHOOLS: Final = frozenset({"study", "work", "teach"})
_ALIEN: Final = -11.0
_BY: Final = re.compile(r"\bby (?:\w+ )?$")
_IN: Final = re.compile(r"\b(?:in|at|near|from) $")
_LOOK_BACK: Final = 40


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A stretch of a sentence that may be the answer.

    Parameters
    ----------
    line
        The sentence.
    start, end
        First and one-past-last character in its text.
    kind
        What it is.
    """

    line: Line
    start: int
    end: int
    kind: MentionKind

    @property
    def text(self) -> str:
        """The words themselves."""
        return self.line.text[self.start : self.end]

    @cached_property
    def key(self) -> str:
        """The words, normalised, without diacritics."""
        return fold_diacritics(normalize(self.text))


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a question is read in.

    Parameters
    ----------
    type
        What it asks for.
    wording
        Its words.
    subjects
        What the passages are about.
    lines
        The sentences that are read closely.
    scores
        What the cross-encoder makes of them, or zeros.
    cover
        How much of the question's words each has.
    """

    type: QuestionType
    wording: Wording
    subjects: Subjects
    lines: Sequence[Line]
    scores: Sequence[float]
    cover: Sequence[float]
    _index: dict[tuple[int, int], int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index = {(line.place, line.number): at for at, line in enumerate(self.lines)}
        object.__setattr__(self, "_index", index)

    def at(self, line: Line) -> int:
        """Return which of the sentences it is."""
        return self._index[line.place, line.number]

    @cached_property
    def best(self) -> float:
        """The best score of a sentence."""
        return max(self.scores, default=_ALIEN)

    @property
    def fitting(self) -> _Kinds:
        """What the answer is, and what it may be taken for; none if spans of the kind are not known."""
        first, second = _FIT.get(self.type.kind, (frozenset(), frozenset()))
        if self.type.kind == "place" and self.wording.asked & _SCHOOLS:
            return frozenset({"organisation", "name"}), frozenset({"place", "person"})
        return first, second


def candidates(scene: Scene, mentions: Sequence[Sequence[Mention]]) -> list[Candidate]:
    """Return what may be the answer: mentions of the kinds that fit, but for the question's own words.

    Parameters
    ----------
    scene
        The question and its sentences.
    mentions
        The names and phrases in each sentence.
    """
    first, second = scene.fitting
    found = []
    for line, known in zip(scene.lines, mentions, strict=True):
        for start, end, kind in _offered(scene.type.kind, line.text, known):
            one = Candidate(line=line, start=start, end=end, kind=kind)
            if kind in first | second and one.key and not set(one.key.split()) <= scene.wording.keys:
                found.append(one)
    return found


def _offered(kind: AnswerKind, text: str, mentions: Sequence[Mention]) -> Sequence[Mention]:
    if kind == "date":
        return dates_in(text)
    if kind == "year":
        spans = [
            (date.start, re.search(r"(?<!\d)\d{3,4}(?!\d)", text[date.start : date.end])) for date in dates_in(text)
        ]
        return [Mention(start + year.start(), start + year.end(), "date") for start, year in spans if year]
    if kind == "number":
        return numbers_in(text)
    if kind == "country":
        return [Mention(start, end, "group") for start, end, _ in countries_in(text)]
    known = {(mention.start, mention.end) for mention in mentions}
    return [*mentions, *(run for run in written_mentions([text])[0] if (run.start, run.end) not in known)]


def features(scene: Scene, found: Sequence[Candidate]) -> list[dict[str, float]]:
    """Tell what speaks for and against each candidate: numbers of the order of 1, most from 0 to 1.

    Parameters
    ----------
    scene
        The question and its sentences.
    found
        The candidates.
    """
    spread: dict[str, set[int]] = {}
    for one in found:
        spread.setdefault(one.key, set()).add(one.line.place)
    return [
        {
            **_of_the_words(scene, one),
            **_of_the_line(scene, one.line),
            **_of_the_passage(scene.subjects, one.line.place),
            "mentioned elsewhere": math.log(len(spread[one.key])),
        }
        for one in found
    ]


def _of_the_words(scene: Scene, one: Candidate) -> Mapping[str, float]:
    first, _ = scene.fitting
    wording, line = scene.wording, one.line
    at = [spot for spot, word in enumerate(line.words) if word.start < one.end and word.end > one.start]
    low, high = (at[0], at[-1]) if at else (0, 0)
    wanted = wording.asked & {"birth", "death"}
    role = life_role(line.text, one.start, one.end)
    before = line.text[max(0, one.start - _LOOK_BACK) : one.start]
    noun = family(scene.type.noun)

    spots = [spot for spot, word in enumerate(line.families) if word in wording.asked]
    return {
        "kind fits": float(one.kind in first),
        "asked before": near([low - spot for spot in spots if spot < low]),
        "birth or death as asked": float(role in wanted),
        "birth or death not as asked": float(bool(wanted) and role != "" and role not in wanted),
        "holds the noun": float(bool(noun) and noun in {family(word) for word in one.key.split()}),
        "behind by": float(bool(_BY.search(before))),
        "behind in": float(bool(_IN.search(before))),
        "words": math.log1p(high - low),
    }


def _of_the_line(scene: Scene, line: Line) -> Mapping[str, float]:
    at = scene.at(line)
    return {
        "asked in sentence": float(bool(scene.wording.asked & set(line.families))),
        "coverage": scene.cover[at],
        "score below best": (scene.scores[at] - scene.best) / 5,
        "first sentence": float(line.number == 0),
    }


def _of_the_passage(subjects: Subjects, place: int) -> Mapping[str, float]:
    return {
        "rank": math.log1p(place),
        "tie": subjects.linked.get(place, 0.0),
        "named": float(place in subjects.named),
        "linked": float(place in subjects.linked),
    }
