"""Dates and places in the parentheses behind a name: "(born 5 May 1950 in Paris)", "(1867 – 1934)".

The parser makes little of these, and their form is fixed enough to be read without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from hippograph.index.noun_phrases import Topic, clean, is_name, phrase

if TYPE_CHECKING:
    from spacy.tokens import Doc, Token

__all__ = ["Lifespan", "lifespans"]

_MONTH: Final = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_ABOUT: Final = r"(?:(?:c\.|ca\.|circa|about|around|before|after)\s*)?"
_DATE: Final = (
    rf"(?:{_ABOUT}(?:\d{{1,2}}(?:st|nd|rd|th)?\s+{_MONTH},?\s+|{_MONTH}\s+(?:\d{{1,2}}(?:st|nd|rd|th)?,?\s+)?)?"
    r"\d{3,4}(?:\s*(?:AD|BC|CE|BCE))?)"
)
_PLACE: Final = r"(?:(?:,|\s+in|\s+at)\s+(?P<{0}>[^\W\d_][^()–;]{{1,60}}?))?"
_BORN: Final = re.compile(
    rf"(?:born|b\.|né|née|geb\.)\s+(?:in\s+|on\s+)?(?P<born>{_DATE}){_PLACE.format('cradle')}\s*(?=[;,)]|$)"
)
_LIVED: Final = re.compile(
    rf"(?:born\s+|b\.\s*)?(?P<born>{_DATE}){_PLACE.format('cradle')}\s*[–—−-]+\s*"
    rf"(?:died\s+|d\.\s*|†\s*)?(?P<died>{_DATE}){_PLACE.format('grave')}\s*(?=[;,)]|$)"
)
_DIED: Final = re.compile(rf"(?:died|d\.|†)\s+(?:in\s+|on\s+)?(?P<died>{_DATE}){_PLACE.format('grave')}\s*(?=[;,)]|$)")
_PARENTHESES: Final = re.compile(r"\(([^()]{3,200})\)")
_DAY: Final = re.compile(rf"\d\D{{0,3}}\s{_MONTH}|{_MONTH}\s+\d{{1,2}}\b")
# A passage on a person names the person among its first tokens.
_START: Final = 12


class Lifespan(NamedTuple):
    """What a parenthesis says: about whom, and between which tokens."""

    name: str
    facts: tuple[tuple[str, str], ...]
    start: int
    end: int


def lifespans(doc: Doc, topic: Topic) -> Iterator[Lifespan]:
    """Read births and deaths out of the parentheses of a passage, as pairs of a relation and a date or place."""
    for parenthesis in _PARENTHESES.finditer(doc.text):
        match = next(filter(None, (rule.search(parenthesis[1]) for rule in (_LIVED, _BORN, _DIED))), None)
        span = doc.char_span(*parenthesis.span(), alignment_mode="expand")
        if match is None or span is None or span.start == 0:
            continue
        before = _before(doc, span.start if span[0].text[:1] == "(" else span.start + 1)
        if match.re is _LIVED and not _may_live(before, match["born"]):
            continue
        name = phrase(before, topic) if is_name(before) else topic.name
        yield Lifespan(name=name, facts=tuple(_facts(match.groupdict())), start=before.i + 1, end=span.end)


def _facts(found: dict[str, str | None]) -> Iterator[tuple[str, str]]:
    for event, date, place in (("born", "born", "cradle"), ("died", "died", "grave")):
        if when := found.get(date):
            yield f"{event} on" if _DAY.search(when) else f"{event} in", when
        where = clean(found.get(place) or "")
        if where[:1].isupper():
            yield f"{event} in", where


def _before(doc: Doc, place: int) -> Token:
    """Return the head of the name that ends before a parenthesis."""
    noun = doc[place - 1]
    while noun.is_punct and noun.i:
        noun = noun.nbor(-1)
    last = noun.i
    while noun.head.i <= last and noun.head is not noun and noun.dep_ in ("compound", "nmod", "pobj", "prep", "appos"):
        if noun.dep_ == "prep" and noun.lower_ != "of":
            break
        noun = noun.head
    return noun


def _may_live(named: Token, born: str) -> bool:
    """Wars and reigns have dates too: a person is known by its label, or by the day at the start of a passage."""
    if named.ent_type_ == "PERSON":
        return True
    return named.ent_type_ != "EVENT" and named.i < _START and _DAY.search(born) is not None
