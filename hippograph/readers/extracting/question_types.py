"""What kind of thing a question asks for, told from its English words alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from hippograph.text.function_words import FUNCTION_WORDS
from hippograph.text.normalization import tokens

__all__ = ["AnswerKind", "QuestionType", "question_type"]

AnswerKind: TypeAlias = Literal[
    "person", "place", "country", "date", "year", "number", "name", "phrase", "reason", "choice", "yes or no", "unknown"
]
"""What is asked for; `unknown` for questions that are not in English, or ask in no way that is known."""

_AUXILIARIES: Final = "is|are|was|were|do|does|did|has|have|had|can|could|will|would|should"
_YES_NO: Final = re.compile(rf"(?i)(?:^|[.,;] )(?:{_AUXILIARIES})\s[^.?]*\??\s*$")
_BEGINS: Final = re.compile(rf"(?i)(?:{_AUXILIARIES})\s")
_WH: Final = re.compile(r"(?i)\b(?:who|whom|whose|what|which|where|when|why|how)\b|\bname (?=the |an? )")
_CHOICE: Final = re.compile(r"^(?P<asked>.*?)(?:[,:;–-] | between | out of | of )(?P<one>\S.*?),? or (?P<two>.+)$")
_RUN: Final = r"[^\W_a-z][^\s,]*(?:,? (?:(?:of|the|and|de|von|van|in|for|to|a|on|from|&) ){0,3}\(?[^\W_a-z][^\s,]*)*"
_RUNS: Final = re.compile(rf"(?P<one>{_RUN}),? or (?:the |a )?(?P<two>{_RUN})")
_PAIR: Final = re.compile(rf"(?P<one>{_RUN}),? and (?:the |a )?(?P<two>{_RUN})")
_ASKS: Final = re.compile(
    r"\b(?:which|who|what|whose|was|were|is|are|did|does|do|has)\b|first|earlier|later|older|younger|longer|more", re.I
)
# Each is matched where the asking word stands; up to three words may stand before what is asked for.
_WHAT: Final = r"(?:what|which|name)\b(?: (?:is|was|are|were))?(?: (?:the|his|her|its))? (?:[\w'-]+ ){0,3}?"
_NUMBER: Final = re.compile(
    r"(?i)how (?:many|much|old|long|far|tall|high|big|large|deep|wide|often|fast|heavy)\b"
    rf"|{_WHAT}(?:number|percentage|percent|amount|population|area|height|length|size|rate|cost|price|distance|age|total"
    r"|snowfall|temperature|speed|weight|elevation)\b"
)
_YEAR: Final = re.compile(rf"(?i){_WHAT}years?\b")
_DATE: Final = re.compile(rf"(?i)when\b|{_WHAT}(?:date|day|month|century|decade|era|birthday)\b")
_PLACE: Final = re.compile(rf"(?i){_WHAT}(?:place of|birthplace\b)")
_COUNTRY: Final = re.compile(rf"(?i){_WHAT}(?:nationality|country|nation|countries|citizenship)\b")
_PLACES_WORDS: Final = """
    place city town village county state province district region continent island location area neighborhood
    borough capital hometown birthplace municipality territory suburb site venue stadium cities states
"""
_PLACES: Final = frozenset(_PLACES_WORDS.split())
_PERSONS_WORDS: Final = """
    person man woman actor actress actresses actors director singer president king queen emperor politician author
    writer poet artist composer musician rapper player athlete scientist general captain coach minister mayor
    governor senator star comedian model journalist producer designer architect philosopher monarch pope bishop
    saint leader father mother wife husband spouse son daughter child brother sister sibling parent grandfather
    grandmother uncle aunt nephew niece founder ceo chairman professor jumper footballer guitarist drummer
"""
_PERSONS: Final = frozenset(_PERSONS_WORDS.split())
_PERSON_ENDINGS: Final = ("ist", "man", "woman", "ress", "ician")
_NAMED_WORDS: Final = """
    film movie song album book novel play band group company organization organisation team club university college
    school award prize show series magazine newspaper station network record label league party language religion
    river mountain lake ocean sea war battle event studio game franchise single title name airport museum church
    army agency institution government ship aircraft currency family tribe breed program festival channel airline
"""
_NAMED: Final = frozenset(_NAMED_WORDS.split())
_AFTER_WH: Final = re.compile(
    r"(?i)(?:what|which|name)\b(?: (?:is|was|are|were))?(?: (?:the|an?|[A-Z][\w]*'s))*((?: [\w'-]+){1,5})"
)
_STOPS: Final = FUNCTION_WORDS | {"s"}
# Words that may stand before the one that asks: "In which", "And from what".
_LEAD: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionType:
    """What a question asks for.

    Parameters
    ----------
    kind
        What kind of thing.
    choices
        The two that are compared or asked about; empty if the question has none.
    noun
        What the thing is called in the question, normalised (`city`, `actress`); empty if it is not.
    """

    kind: AnswerKind
    choices: tuple[str, ...] = ()
    noun: str = ""


def question_type(question: str) -> QuestionType:
    """Tell what a question asks for.

    Examples
    --------
    >>> question_type("Who was older, Roald Amundsen or Fridtjof Nansen?")
    QuestionType(kind='choice', choices=('Roald Amundsen', 'Fridtjof Nansen'), noun='')
    >>> [question_type(text).kind for text in ("When did he die?", "In which city is it?", "Are both ships?", "Wo?")]
    ['date', 'place', 'yes or no', 'unknown']
    """
    plain = " ".join(question.split()).rstrip(" ?.!")
    choices = _choices(plain)
    if choices:
        return QuestionType(kind="choice", choices=choices)
    asked = _asking_part(plain)
    if asked is None:
        pair = _PAIR.search(plain, plain.find(" ") + 1)
        kind: AnswerKind = "yes or no" if _BEGINS.match(plain) or _YES_NO.search(plain) else "unknown"
        return QuestionType(kind=kind, choices=_trimmed(pair) if pair and kind == "yes or no" else ())
    noun = _noun(asked)
    return QuestionType(kind=_kind(asked, noun), noun=noun)


def _asking_part(plain: str) -> str | None:
    """Return the question from the word on that asks: the first if it begins the question, else the last."""
    words = list(_WH.finditer(plain))
    if not words or _BEGINS.match(plain):
        return None
    begins = len(plain[: words[0].start()].split()) <= _LEAD
    return plain[(words[0] if begins else words[-1]).start() :]


def _choices(plain: str) -> tuple[str, ...]:
    if " or " not in plain:
        return ()
    match = _CHOICE.match(plain)
    if match and _ASKS.search(match["asked"]):
        return _trimmed(match)
    runs = _RUNS.search(plain, plain.find(" "))
    return _trimmed(runs) if runs and _ASKS.search(plain) else ()


def _trimmed(match: re.Match[str]) -> tuple[str, ...]:
    return match["one"].strip(" ,"), match["two"].strip(" ,")


def _noun(asked: str) -> str:
    """Return the word that says what is asked for: one that is known, or the last of those that can be it."""
    match = _AFTER_WH.match(asked)
    words: list[str] = []
    for token in tokens(match[1]) if match else ():
        if token.key in _STOPS or (words and token.key.endswith(("ed", "ing"))):
            break
        words.append(token.key)
    return next((word for word in words if _known(word)), words[-1] if words else "")


def _known(word: str) -> bool:
    return word in _PLACES or word in _PERSONS or word in _NAMED


def _kind(asked: str, noun: str) -> AnswerKind:
    for pattern, kind in _PATTERNS:
        if pattern.match(asked):
            return kind
    kinds: tuple[tuple[frozenset[str], AnswerKind], ...] = ((_PLACES, "place"), (_PERSONS, "person"), (_NAMED, "name"))
    for nouns, kind in kinds:
        if noun in nouns:
            return kind
    word = asked.split()[0].lower()
    if word in _BY_WORD:
        return _BY_WORD[word]
    return "person" if noun.endswith(_PERSON_ENDINGS) else "phrase"


_BY_WORD: Final[dict[str, AnswerKind]] = {
    "who": "person", "whom": "person", "whose": "person", "where": "place", "why": "reason",
}  # fmt: skip
_PATTERNS: Final[tuple[tuple[re.Pattern[str], AnswerKind], ...]] = (
    (_NUMBER, "number"),
    (_YEAR, "year"),
    (_PLACE, "place"),
    (_DATE, "date"),
    (_COUNTRY, "country"),
)
