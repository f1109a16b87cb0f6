"""The forms in which a language model answers an extractor: what is taken, what is dropped, what is wrong."""

from __future__ import annotations

import re
from math import isfinite
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from hippograph.types import Triple

__all__ = ["Names", "NamesAndTriples", "Triples"]

_LONGEST: Final = 300
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]+")
_PARTS: Final = 3
_LARGEST: Final = 10**18
# More than any passage holds: a model that counts, or was told to, must not fill the graph.
_MOST: Final = 500

_OneTriple = Annotated[list[str], Field(json_schema_extra={"minItems": _PARTS, "maxItems": _PARTS})]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Names(_Answer):
    """The names in a passage.

    Parameters
    ----------
    entities
        Each once, in the order given, without what is blank or too long to be a name, and no more than 500. Numbers are
        taken for the texts that they are written as: small models write years so.
    """

    entities: list[str]

    @field_validator("entities", mode="before")
    @classmethod
    def _read_numbers(cls, entities: object) -> object:
        return [_text(entity) for entity in entities] if isinstance(entities, list) else entities

    @field_validator("entities")
    @classmethod
    def _clean(cls, entities: list[str]) -> list[str]:
        return list(dict.fromkeys(phrase for entity in entities if (phrase := _phrase(entity))))[:_MOST]


class Triples(_Answer):
    """The facts in a passage.

    Parameters
    ----------
    triples
        Subject, relation and object of each, each once, in the order given. Triples of more or fewer parts, and those
        with a part that is blank or too long, are dropped, and so are those after the first 500; if none is left of
        several, the answer is wrong.
    """

    triples: list[_OneTriple]

    @field_validator("triples", mode="before")
    @classmethod
    def _usable(cls, triples: object) -> object:
        if not isinstance(triples, list) or not triples:
            return triples
        cleaned = [triple for one in triples if (triple := _triple(one)) is not None]
        if not cleaned:
            raise ValueError("each triple must be a list of three strings: [subject, relation, object]")
        return [list(triple) for triple in dict.fromkeys(cleaned)][:_MOST]

    def as_triples(self) -> tuple[Triple, ...]:
        """Return the facts as triples."""
        return tuple(Triple(*triple) for triple in self.triples)


class NamesAndTriples(Triples, Names):
    """The names and the facts in a passage, in one answer."""


def _phrase(text: str) -> str:
    phrase = " ".join(_CONTROL.sub(" ", text).split())
    return phrase if len(phrase) <= _LONGEST else ""


def _triple(parts: object) -> tuple[str, ...] | None:
    if not isinstance(parts, list | tuple) or len(parts) != _PARTS:
        return None
    texts = [_text(part) for part in parts]
    phrases = tuple(_phrase(text) if isinstance(text, str) else "" for text in texts)
    return phrases if all(phrases) else None


def _text(value: object) -> object:
    """Write a number as a text; nothing else, and no number that is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, float):
        return f"{value:g}" if isfinite(value) else value
    # Python refuses to write integers of thousands of digits.
    return str(value) if abs(value) < _LARGEST else value
