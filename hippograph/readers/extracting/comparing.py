"""Questions about two things at once: which of them, and whether both."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from hippograph.readers.extracting.countries import countries_in
from hippograph.readers.extracting.lines import Line, Wording
from hippograph.readers.extracting.mentions import dates_in, life_role, numbers_in, written_mentions
from hippograph.readers.extracting.question_types import QuestionType
from hippograph.readers.extracting.subjects import Subjects
from hippograph.readers.extracting.word_families import family
from hippograph.text.normalization import fold_diacritics, normalize, strip_qualifier

__all__ = ["Verdict", "compared"]

_Moment: TypeAlias = tuple[int, int, int]
_Trait: TypeAlias = Literal["birth", "death", "life", "date", "number"]

_TRAITS: Final[tuple[tuple[str, _Trait, bool], ...]] = (
    (r"\b(?:lived|live) (?:longer|longest)\b|\blonger li[fv]e", "life", True),
    (r"\b(?:lived|live) shorter\b", "life", False),
    (r"\byoung(?:er|est)\b|\bborn (?:later|last|more recently|after)\b", "birth", True),
    (r"\bold(?:er|est)\b|\bborn (?:first|earlier|before|earliest)\b|\bfirst(?:-| )born\b", "birth", False),
    (r"\b(?:died|die) (?:later|last|more recently|after)\b|\boutlived\b", "death", True),
    (r"\b(?:died|die) (?:first|earlier|before|earliest)\b", "death", False),
    (r"\b(?:later|latest|recent|recently|newer|newest|last)\b", "date", True),
    (r"\b(?:first|earlier|earliest|before|oldest|prior)\b", "date", False),
    (r"\b(?:fewer|less|smaller|shorter|lower|least|fewest|smallest|shortest|lowest)\b", "number", False),
    (r"\b(?:more|most|larger|largest|longer|longest|higher|highest|bigger|biggest|taller|tallest|greater)\b", "number",
     True),
)  # fmt: skip
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# What leads to a person, or is asked of one; other things are compared by what is told of themselves.
_OF_PEOPLE: Final = frozenset({"birth", "death", "life"})
_SAME: Final = re.compile(r"(?i)\b(?:same|share|shared|common)\b")
_OF_COUNTRY: Final = re.compile(r"(?i)\b(?:country|nation|nationality|citizenship)\b")
# A trait is told early in a text about its bearer, if it is told.
_EARLY: Final = 3
_TWO: Final = 2


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What comes of a comparison.

    Parameters
    ----------
    text
        The answer.
    lines
        The sentences that it rests on.
    reason
        Why, for people.
    sure
        Whether something was found about both.
    """

    text: str
    lines: tuple[Line, ...]
    reason: str
    sure: bool


def compared(type: QuestionType, wording: Wording, subjects: Subjects) -> Verdict | None:
    """Answer a question about two things; None if there is nothing to tell them apart by.

    Parameters
    ----------
    type
        The question's type: `choice` or `yes or no`.
    wording
        Its words.
    subjects
        What the passages are about.
    """
    places: Sequence[int | None] = [_place_of(choice, subjects) for choice in type.choices]
    if type.kind == "yes or no" and (not places or None in places or len(set(places)) < _TWO):
        places = _two_named(wording, subjects)
    if type.kind == "choice":
        return _chosen(type, wording, subjects, places)
    known = [place for place in places if place is not None]
    return _both(wording, subjects, known) if len(known) == _TWO else None


def _two_named(wording: Wording, subjects: Subjects) -> list[int]:
    """Return the two passages that a question names: first those that it names with their qualifiers."""
    asked = f" {normalize(wording.question)} "
    whole = {place: f" {normalize(subjects.passages[place].title)} " in asked for place in subjects.named}
    found: dict[str, int] = {}
    for place in sorted(subjects.named, key=lambda place: (not whole[place], place)):
        found.setdefault(subjects.keys[place], place)
    if len(found) < _TWO:
        return []
    return [*found.values()][:_TWO]


def _place_of(choice: str, subjects: Subjects) -> int | None:
    """Return the passage about something: the one whose title has most words in common with it, at least half."""
    words = set(fold_diacritics(normalize(strip_qualifier(choice))).split())
    best, place = 0.5, None
    for at, key in enumerate(subjects.keys):
        title = set(key.split())
        likeness = len(words & title) / len(words | title) if words | title else 0.0
        whole = set(fold_diacritics(normalize(subjects.passages[at].title)).split())
        exact = 0.01 if whole == set(fold_diacritics(normalize(choice)).split()) else 0.0
        if likeness + exact > best:
            best, place = likeness + exact, at
    return place


def _path(place: int, subjects: Subjects, *, others: Sequence[int | None]) -> tuple[int, ...]:
    """Return a passage and, if the question asks about what it leads to, the passage about that."""
    leads = subjects.relations - _COMPARING
    known = {one for line in subjects.lines if line.place in others for one in line.families}
    ties = {to: tie for to, tie in subjects.ties(place, leads & known).items() if to not in others}
    if not leads & known or not ties:
        return (place,)
    return place, min(ties, key=lambda to: (-ties[to], to))


_COMPARING_WORDS: Final = """
    born birth die death older younger lived live longer released release nationality country citizen located
    established founded formed published opened built came came started began film films director's whose have has
    recently originate same state city place
"""
_COMPARING: Final = frozenset(map(family, _COMPARING_WORDS.split()))


def _chosen(type: QuestionType, wording: Wording, subjects: Subjects, places: Sequence[int | None]) -> Verdict | None:
    trait = next(((kind, most) for words, kind, most in _TRAITS if re.search(words, wording.question, re.I)), None)
    if trait is None:
        return None
    kind, most = trait
    values, lines = [], []
    for place in places:
        path: tuple[int, ...] = () if place is None else (place,)
        if place is not None and kind in _OF_PEOPLE:
            path = _path(place, subjects, others=places)
        line, value = _value(kind, wording, subjects, path[-1]) if path else (None, None)
        values.append(value)
        lines += [*_first_lines(subjects, path[:-1]), *([line] if line else [])]
    told = [value for value in values if value is not None]
    if len(told) < _TWO or told[0] == told[1]:
        return None
    best = (max if most else min)(range(2), key=lambda at: told[at])
    reason = f"{kind} of each: {_shown(told[0])} and {_shown(told[1])}"
    return Verdict(text=type.choices[best], lines=tuple(lines), reason=reason, sure=True)


def _shown(value: _Moment | float) -> str:
    return "-".join(str(part) for part in value if part) if isinstance(value, tuple) else f"{value:g}"


def _first_lines(subjects: Subjects, places: Sequence[int]) -> list[Line]:
    return [line for line in subjects.lines if line.place in places and line.number == 0]


def _value(
    kind: _Trait, wording: Wording, subjects: Subjects, place: int
) -> tuple[Line | None, _Moment | float | None]:
    lines = [line for line in subjects.lines if line.place == place]
    if kind == "number":
        return _number(wording, lines)
    if kind == "date":
        return _date(subjects.relations | _BEGINNINGS, lines)
    if kind == "life":
        born, died = _life(lines, "birth"), _life(lines, "death")
        if born is None or died is None:
            return None, None
        days = [365.25 * at[0] + 30.4 * at[1] + at[2] for at in (born[1], died[1])]
        return born[0], days[1] - days[0]
    found = _life(lines, kind)
    return found or (None, None)


def _life(lines: Sequence[Line], role: str) -> tuple[Line, _Moment] | None:
    for line in lines:
        for date in dates_in(line.text):
            if life_role(line.text, date.start, date.end) == role:
                return line, _moment(line.text[date.start : date.end])
    return None


def _date(wanted: frozenset[str], lines: Sequence[Line]) -> tuple[Line | None, _Moment | None]:
    """Return the first date in a sentence that speaks of what is asked, or of a beginning; else the first of all."""
    first: tuple[Line | None, _Moment | None] = (None, None)
    for line in lines:
        for date in dates_in(line.text):
            moment = _moment(line.text[date.start : date.end])
            if first[0] is None:
                first = line, moment
            if wanted & set(line.families):
                return line, moment
    return first


_BEGINNINGS_WORDS: Final = """
    released founded built started published
"""
_BEGINNINGS: Final = frozenset(map(family, _BEGINNINGS_WORDS.split()))


def _number(wording: Wording, lines: Sequence[Line]) -> tuple[Line | None, float | None]:
    for line in lines:
        if not wording.families & set(line.families):
            continue
        for number in numbers_in(line.text):
            digits = re.sub(r"[^\d.]", "", line.text[number.start : number.end].replace(",", ""))
            if digits.strip("."):
                return line, float(digits.strip("."))
    return None, None


def _moment(text: str) -> _Moment:
    """Return year, month and day; 0 for what is not told."""
    iso = re.fullmatch(r"(\d{4})-(\d{2})-(\d{2})", text)
    if iso:
        return int(iso[1]), int(iso[2]), int(iso[3])
    century = re.match(r"(\d{1,2})(?:st|nd|rd|th) century", text)
    if century:
        return 100 * (int(century[1]) - 1), 0, 0
    year = re.findall(r"(?<!\d)\d{3,4}(?!\d)", text)
    month = next((at for at, name in enumerate(_MONTHS, 1) if name in text.lower()), 0)
    day = re.search(r"(?<!\d)(\d{1,2})(?!\d)", text)
    return int(year[-1]) if year else 0, month, int(day[1]) if day else 0


def _both(wording: Wording, subjects: Subjects, places: Sequence[int]) -> Verdict | None:
    if _OF_COUNTRY.search(wording.question):
        paths = [_path(place, subjects, others=places) for place in places]
        lines = tuple(line for path in paths for line in _first_lines(subjects, path))
        found = [_countries(subjects, path[-1]) for path in paths]
        sure = all(found)
        same = bool(found[0] & found[1])
        told = " and ".join(" or ".join(sorted(names)) or "none told" for names in found)
        return Verdict(text="yes" if same else "no", lines=lines, reason=f"country of each: {told}", sure=sure)
    lines = tuple(_first_lines(subjects, places))
    if _SAME.search(wording.question):
        names = [_names(subjects, place) for place in places]
        shared = sorted(names[0] & names[1])
        reason = f"named with both: {', '.join(shared) or 'nothing'}"
        return Verdict(text="yes" if shared else "no", lines=lines, reason=reason, sure=True)
    wanted = sorted(subjects.relations | (wording.asked - _own(subjects)))
    lacking = [
        one for place in places for one in wanted if one not in _families(subjects, place) and one not in _GENERIC_ASKED
    ]
    reason = f"not told of both: {', '.join(dict.fromkeys(lacking))}" if lacking else "told of both"
    return Verdict(text="no" if lacking else "yes", lines=lines, reason=reason, sure=True)


_GENERIC_ASKED_WORDS: Final = """
    both same also located situated type kind considered
"""
_GENERIC_ASKED: Final = frozenset(map(family, _GENERIC_ASKED_WORDS.split()))


def _own(subjects: Subjects) -> frozenset[str]:
    return frozenset(family(word) for place in subjects.named for word in subjects.keys[place].split())


def _early(subjects: Subjects, place: int, test: Callable[[Line], bool]) -> Line | None:
    return next((line for line in subjects.lines if line.place == place and test(line)), None)


def _countries(subjects: Subjects, place: int) -> frozenset[str]:
    """Return the countries of the first sentence that names any."""
    line = _early(subjects, place, lambda line: bool(countries_in(line.text)))
    return frozenset(country for _, _, country in countries_in(line.text)) if line else frozenset()


def _names(subjects: Subjects, place: int) -> frozenset[str]:
    lines = [line for line in subjects.lines if line.place == place and line.number < _EARLY]
    runs = (line.text[run.start : run.end] for line in lines for run in written_mentions([line.text])[0])
    own = set(" ".join(subjects.keys).split())
    return frozenset(
        key for run in runs if (key := normalize(run)) and not set(key.split()) <= own and not countries_in(run)
    )


def _families(subjects: Subjects, place: int) -> frozenset[str]:
    return frozenset(one for line in subjects.lines if line.place == place for one in line.families)
