"""What a metadata filter is made of: conditions that hold for a document or do not, and how each is written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from operator import ge, gt, le, lt
from typing import Final, NamedTuple, TypeAlias

from hippograph.types import Scalar

__all__ = [
    "ORDERS",
    "RESERVED",
    "AllOf",
    "AnyOf",
    "Condition",
    "Contains",
    "Equal",
    "Facts",
    "Not",
    "Ordered",
    "Present",
    "Unequal",
    "Value",
    "ends_word",
]

Comparable: TypeAlias = Callable[[str | float, str | float], bool]
ORDERS: Final[Mapping[str, Comparable]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
RESERVED: Final = frozenset({"and", "or", "not", "in"})
"""Words that are operators, in any case."""

_ENDS_WORD: Final = frozenset("(),=<>~")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(\.[0-9]*)?|(\.[0-9]+))([eE][+-]?[0-9]+)?")
_LONGEST_NUMBER: Final = 300
_TRUTHS: Final = {"true": True, "false": False}


class Facts(NamedTuple):
    """What is known of a document: its metadata, and its own fields by name, which count where metadata lack them."""

    metadata: Mapping[str, Scalar]
    fields: Mapping[str, str]

    def has(self, key: str) -> bool:
        """Tell whether there is anything under a key; an empty field counts as missing."""
        return key in self.metadata or bool(self.fields.get(key))


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a condition: as written, and what is meant by it."""

    written: str
    meaning: Scalar

    @classmethod
    def word(cls, written: str) -> Value:
        """Read a word that stands without quotes.

        Examples
        --------
        >>> [Value.word(word).meaning for word in ("2020", "TRUE", "2020-01-05")]
        [2020, True, '2020-01-05']
        """
        truth, number = _TRUTHS.get(written.lower()), _number(written)
        return cls(written, truth if truth is not None else number if number is not None else written)

    def __str__(self) -> str:
        return _written(self.written) if isinstance(self.meaning, str) else self.written


@dataclass(frozen=True, slots=True)
class Present:
    """The document has the key."""

    key: str

    def holds(self, facts: Facts) -> bool:
        """Decide about a document."""
        return facts.has(self.key)

    def __str__(self) -> str:
        return _written(self.key)


@dataclass(frozen=True, slots=True)
class Equal:
    """What the document has under the key is one of the values."""

    key: str
    values: tuple[Value, ...]
    _meanings: Mapping[type, frozenset[Scalar]] = field(init=False, repr=False, compare=False)
    _writings: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        meanings: dict[type, set[Scalar]] = {str: set(), bool: set(), float: set()}
        for value in self.values:
            meaning = value.meaning
            kind = type(meaning) if isinstance(meaning, str | bool) else float
            meanings[kind].add(_plain(meaning) if isinstance(meaning, str) else meaning)
        object.__setattr__(self, "_meanings", {kind: frozenset(several) for kind, several in meanings.items()})
        object.__setattr__(self, "_writings", frozenset(_plain(value.written) for value in self.values))

    def holds(self, facts: Facts) -> bool:
        """Decide about a document."""
        if self.key not in facts.metadata:
            own = facts.fields.get(self.key)
            return bool(own) and _plain(own or "") in self._writings
        actual = facts.metadata[self.key]
        if isinstance(actual, bool):
            return actual in self._meanings[bool]
        if not isinstance(actual, str):
            return actual in self._meanings[float]
        texts, truths, numbers = self._meanings[str], self._meanings[bool], self._meanings[float]
        return (
            _plain(actual) in texts
            or (bool(truths) and _TRUTHS.get(actual.strip().lower()) in truths)
            or (bool(numbers) and _number(actual.strip()) in numbers)
        )

    def __str__(self) -> str:
        if len(self.values) == 1:
            return f"{_written(self.key)} = {self.values[0]}"
        return f"{_written(self.key)} in ({', '.join(map(str, self.values))})"


@dataclass(frozen=True, slots=True)
class Unequal:
    """The document has something else under the key."""

    equal: Equal

    def holds(self, facts: Facts) -> bool:
        """Decide about a document."""
        return facts.has(self.equal.key) and not self.equal.holds(facts)

    def __str__(self) -> str:
        return f"{_written(self.equal.key)} != {self.equal.values[0]}"


@dataclass(frozen=True, slots=True)
class Ordered:
    """What the document has under the key comes before or after the value; `operator` is one of `ORDERS`."""

    key: str
    operator: str
    value: Value

    def holds(self, facts: Facts) -> bool:
        """Decide about a document."""
        if not facts.has(self.key):
            return False
        own = self.key not in facts.metadata
        actual: Scalar = facts.fields[self.key] if own else facts.metadata[self.key]
        wanted = self.value.written if own else self.value.meaning
        compare = ORDERS[self.operator]
        if isinstance(wanted, str):
            return isinstance(actual, str) and compare(_plain(actual), _plain(wanted))
        if isinstance(wanted, bool) or isinstance(actual, bool):
            return False
        number = _number(actual.strip()) if isinstance(actual, str) else actual
        return number is not None and compare(number, wanted)

    def __str__(self) -> str:
        return f"{_written(self.key)} {self.operator} {self.value}"


@dataclass(frozen=True, slots=True)
class Contains:
    """What the document has under the key is a text that contains the value as it is written, in any case."""

    key: str
    value: Value

    def holds(self, facts: Facts) -> bool:
        """Decide about a document."""
        if not facts.has(self.key):
            return False
        actual = facts.metadata[self.key] if self.key in facts.metadata else facts.fields[self.key]
        return isinstance(actual, str) and _caseless(self.value.written) in _caseless(actual)

    def __str__(self) -> str:
        return f"{_written(self.key)} ~ {self.value}"


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Condition

    def holds(self, facts: Facts) -> bool:
        """Decide about a document."""
        return not self.part.holds(facts)

    def __str__(self) -> str:
        return f"not ({self.part})" if isinstance(self.part, AllOf | AnyOf) else f"not {self.part}"


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds; none of them is another `AllOf`."""

    parts: tuple[Condition, ...]

    def holds(self, facts: Facts) -> bool:
        """Decide about a document."""
        return all(part.holds(facts) for part in self.parts)

    def __str__(self) -> str:
        return " and ".join(f"({part})" if isinstance(part, AnyOf) else str(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One part or more holds; none of them is another `AnyOf`."""

    parts: tuple[Condition, ...]

    def holds(self, facts: Facts) -> bool:
        """Decide about a document."""
        return any(part.holds(facts) for part in self.parts)

    def __str__(self) -> str:
        return " or ".join(map(str, self.parts))


Condition: TypeAlias = Present | Equal | Unequal | Ordered | Contains | Not | AllOf | AnyOf


def ends_word(text: str, at: int) -> bool:
    """Tell whether a word that stands without quotes ends before a place in a text."""
    return text[at] in _ENDS_WORD or text[at].isspace() or text.startswith("!=", at)


def _written(text: str) -> str:
    """Write a text so that it is read as one: as a word if it can be, else in quotes."""
    readable = text and text[0] not in "\"'!" and text.lower() not in RESERVED
    if (
        readable
        and isinstance(Value.word(text).meaning, str)
        and not any(ends_word(text, at) for at in range(len(text)))
    ):
        return text
    quote = "'" if text.count('"') > text.count("'") else '"'
    escaped = text.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    return f"{quote}{escaped}{quote}"


def _number(text: str) -> int | float | None:
    match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST_NUMBER else None
    if match is None:
        return None
    if not any(match.groups()):
        return int(text)
    number = float(text)
    return number if isfinite(number) else None


def _plain(text: str) -> str:
    # File systems and keyboards differ in how they write an accented letter.
    return unicodedata.normalize("NFC", text)


def _caseless(text: str) -> str:
    return _plain(_plain(text).casefold())
