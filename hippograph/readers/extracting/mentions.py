"""What in a sentence may be an answer: names, dates, numbers and phrases, with their kinds."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from hippograph.text.function_words import is_grammar, reads_as_name
from hippograph.text.normalization import tokens

__all__ = ["Mention", "MentionFinder", "MentionKind", "dates_in", "life_role", "numbers_in", "written_mentions"]

MentionKind: TypeAlias = Literal["person", "place", "organisation", "group", "work", "name", "date", "number", "phrase"]
"""What a mention is; `name` if that is not known."""


class Mention(NamedTuple):
    """A stretch of a text, from its first to its one-past-last character, and what it is."""

    start: int
    end: int
    kind: MentionKind


MentionFinder: TypeAlias = Callable[[Sequence[str]], list[tuple[Mention, ...]]]
"""Returns the names and phrases in each text, in order."""

_MONTH: Final = (
    "(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.)"
)
_YEAR: Final = r"(?:1\d{3}|20\d{2})"
_DATE: Final = re.compile(
    rf"\b\d{{1,2}}(?:st|nd|rd|th)? (?:of )?{_MONTH},? \d{{3,4}}\b"
    rf"|\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{3,4}}\b"
    rf"|\b{_MONTH},? \d{{3,4}}\b|\b\d{{4}}-\d{{2}}-\d{{2}}\b|\b{_YEAR}(?!\d|,\d|\.\d|s\b)"
    r"|(?<=\()\d{3}(?=\s?[–-])|(?:(?<=[–-])|(?<=[–-] ))\d{3}(?=\))"
    r"|\b\d{3}(?= ?(?:AD|BC))|(?:(?<=in )|(?<=died )|(?<=d\. ))\d{3}\b"
    r"|\b\d{1,2}(?:st|nd|rd|th) century\b"
)
_UNITS: Final = (
    "million|billion|trillion|thousand|hundred|percent|per cent|km|kilomet(?:er|re)s?|miles?|met(?:er|re)s?|feet|foot"
    "|inches|inch|years?|acres|hectares|people|square miles|dollars"
)
_NUMBER: Final = re.compile(
    rf"[$€£]?\d+(?:,\d{{3}})*(?:\.\d+)?%?(?:[ -](?:{_UNITS})\b)?"
    r"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred|twice"
    rf"|once|thousand|million)\b(?:[ -](?:{_UNITS})\b)?",
    re.IGNORECASE,
)


def dates_in(text: str) -> list[Mention]:
    """Return the dates and years in a text.

    Examples
    --------
    >>> text = "Nansen (10 October 1861 – 13 May 1930) left in June 1893."
    >>> [text[date.start : date.end] for date in dates_in(text)]
    ['10 October 1861', '13 May 1930', 'June 1893']
    """
    return [Mention(match.start(), match.end(), "date") for match in _DATE.finditer(text)]


def numbers_in(text: str) -> list[Mention]:
    """Return the numbers in a text, with their units, but for those in dates.

    Examples
    --------
    >>> text = "On 3 May 1893 she had 13 men and 1,000 tons aboard, twice as many."
    >>> [text[number.start : number.end] for number in numbers_in(text)]
    ['13', '1,000', 'twice']
    """
    dates = dates_in(text)
    found = (Mention(match.start(), match.end(), "number") for match in _NUMBER.finditer(text))
    return [
        number for number in found if not any(date.start < number.end and number.start < date.end for date in dates)
    ]


_MARKS: Final = re.compile(
    r"(?i)(?P<birth>\bborn\b|\bbirth\b|\bb\.)"
    r"|(?P<death>\bdied\b|\bdeath\b|\bdeceased\b|\bkilled\b|\bd\.|\bmurdered\b|\bexecuted\b)"
)
_LIFE: Final = re.compile(r"\d{3,4}|\bborn\b|\bb\.|\bd\.|\bdied\b")
_UNTIL: Final = re.compile(r"[–—]|\s-|-\s|\d-$")
_LIFE_REACH: Final = 60
_BRACKET_REACH: Final = 40


def life_role(text: str, start: int, end: int) -> Literal["birth", "death", ""]:
    """Tell whether somebody's birth or death is told where a date or place stands in a text.

    It is after a word that says so, or in brackets like those after names in works of reference, where a dash stands
    between birth and death.

    Examples
    --------
    >>> text = "Nansen (10 October 1861, Oslo – 13 May 1930) skied. He died in Lysaker."
    >>> [life_role(text, at, at + 4) for at in (text.index("Oslo"), text.index("1930"), text.index("Lysa"))]
    ['birth', 'death', 'death']
    """
    opened = text.rfind("(", 0, start)
    within = opened > text.rfind(")", 0, start)
    told = [
        match.lastgroup for match in _MARKS.finditer(text[opened if within else max(0, start - _LIFE_REACH) : start])
    ]
    if told:
        return "birth" if told[-1] == "birth" else "death"
    if within and _LIFE.search(text[opened : end + _BRACKET_REACH].partition(")")[0]):
        return "death" if _UNTIL.search(text[opened:start]) else "birth"
    return ""


def written_mentions(texts: Sequence[str]) -> list[tuple[Mention, ...]]:
    """Take runs of capitalised words for names, but for words of grammar that begin them; no model is asked.

    Examples
    --------
    >>> text = "The Fram was built by Colin Archer in Larvik."
    >>> [text[name.start : name.end] for name in written_mentions([text])[0]]
    ['Fram', 'Colin Archer', 'Larvik']
    """
    return [tuple(_runs(text)) for text in texts]


def _runs(text: str) -> list[Mention]:
    runs: list[Mention] = []
    last = 0
    for word in tokens(text):
        capital = text[word.start : word.end][:1].isupper()
        joined = bool(runs) and runs[-1].end == last and text[last : word.start] in {" ", "-", ". "}
        if capital and (joined or not is_grammar(word.key) or reads_as_name(text, [word])):
            runs = (
                [*runs[:-1], Mention(runs[-1].start, word.end, "name")]
                if joined
                else [*runs, Mention(word.start, word.end, "name")]
            )
        last = word.end
    return runs
