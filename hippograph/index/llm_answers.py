"""The forms in which a language model answers an extractor: what is taken, what is dropped, what is wrong."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from hippograph.types import Triple

__all__ = ["Names", "NamesAndTriples", "Triples"]

_LONGEST: Final = 300
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]+")
_PARTS: Final = 3

_OneTriple = Annotated[list[str], Field(json_schema_extra={"minItems": _PARTS, "maxItems": _PARTS})]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Names(_Answer):
    """The names in a passage.

    Parameters
    ----------
    entities
        Each once, in the order given, without what is blank or too long to be a name.
    """

    entities: list[str]

    @field_validator("entities")
    @classmethod
    def _clean(cls, entities: list[str]) -> list[str]:
        return list(dict.fromkeys(phrase for entity in entities if (phrase := _phrase(entity))))


class Triples(_Answer):
    """The facts in a passage.

    Parameters
    ----------
    triples
        Subject, relation and object of each, each once, in the order given. Triples of more or fewer parts, and those
        with a part that is blank or too long, are dropped; if none is left of several, the answer is wrong.
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
        return [list(triple) for triple in dict.fromkeys(cleaned)]

    def as_triples(self) -> tuple[Triple, ...]:
        """Return the facts as triples."""
        return tuple(Triple(*triple) for triple in self.triples)


class NamesAndTriples(Triples, Names):
    """The names and the facts in a passage, in one answer."""


def _phrase(text: str) -> str:
    phrase = " ".join(_CONTROL.sub(" ", text).split())
    return phrase if len(phrase) <= _LONGEST else ""


def _triple(parts: object) -> tuple[str, ...] | None:
    if not isinstance(parts, list | tuple) or len(parts) != _PARTS or not all(isinstance(part, str) for part in parts):
        return None
    phrases = tuple(_phrase(part) for part in parts)
    return phrases if all(phrases) else None
