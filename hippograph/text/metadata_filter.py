"""Filters over the metadata of documents: a small typed language, parsed by hand and never run as code.

::

    filter     = both { "or" both }
    both       = negation { "and" negation }
    negation   = "not" negation | "(" filter ")" | condition
    condition  = key                                    the document has the key
               | key ( "=" | "!=" ) value
               | key ( "<" | "<=" | ">" | ">=" ) value
               | key "~" value                          the text contains the value, in any case
               | key "in" "(" value { "," value } ")"   it equals one of them
    key, value = word | text in "double" or 'single' quotes

For example ``year >= 2020 and (lang in (de, fr) or not draft = true)``.

**Words** run up to a space or one of ``( ) , = < > ~ !=``, and do not begin with ``!``. Anything else must be quoted;
within quotes, a backslash stands before a quote or a backslash that is meant. ``and``, ``or``, ``not`` and ``in`` may
be written in any case; a key or value that reads so is quoted.

**Keys** are those of the metadata, to the letter. Where a document's metadata lack them, ``id``, ``source`` and
``title`` are those of the document, as texts; an empty source or title counts as missing.

**Values** have a type, and are compared with metadata of that type:

* a word that is a number (``2020``, ``-1.5``, ``2e6``) with numbers, and with texts that are a number (``"2020"``, as
  read from a CSV file);
* the words ``true`` and ``false`` with truth values, and with the texts ``true`` and ``false`` in any case;
* anything else, and all that is quoted, with texts, character by character: ISO dates compare as they should. A bare
  year is a number, so compare dates as ``date >= "2020"`` or ``date >= 2020-01-01``.

A value and metadata of types that do not go together are not equal, and neither is less: ``year != 2020`` holds for the
year ``"unknown"``, ``year < 2020`` does not. For ``id``, ``source`` and ``title`` of the document, and for ``~``, a
value is the text that it is written as.

**A missing key** fulfils no comparison, not even ``!=``; ``not key = value`` is fulfilled without the key, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from hippograph.errors import InputError
from hippograph.text.filter_conditions import (
    ORDERS,
    RESERVED,
    AllOf,
    AnyOf,
    Condition,
    Contains,
    Equal,
    Facts,
    Not,
    Ordered,
    Present,
    Unequal,
    Value,
    ends_word,
)
from hippograph.types import Scalar

__all__ = ["MetadataFilter", "parse_filter"]

_MOST_TOKENS: Final = 20_000
_DEEPEST: Final = 50
_SHOWN: Final = 60
_SIGNS: Final = ("!=", "<=", ">=", "=", "<", ">", "~", "(", ")", ",")
# Signs of other languages, and what is written here instead; the longest first.
_FOREIGN: Final = {
    "!==": "!=", "==": "=", "=>": ">=", "=<": "<=", "<>": "!=", "=~": "~", "&&": "and", "||": "or",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class MetadataFilter:
    """Tells whether a document is wanted; made by `parse_filter`.

    Equal filters are written the same by `str`, so either may be the key of a cache.

    Examples
    --------
    >>> recent = parse_filter("year>=2020 AND (NOT 'lang'=de)")
    >>> recent.matches({"year": 2021, "lang": "fr"}, id="1", source="", title="")
    True
    >>> str(recent), recent == parse_filter(str(recent))
    ('year >= 2020 and not lang = de', True)
    """

    _root: Condition

    def matches(self, metadata: Mapping[str, Scalar], *, id: str, source: str, title: str) -> bool:
        """Decide about one document.

        Parameters
        ----------
        metadata
            Its metadata.
        id, source, title
            Its own fields, which the filter may name where the metadata do not.
        """
        return self._root.holds(Facts(metadata, {"id": id, "source": source, "title": title}))

    def __str__(self) -> str:
        return str(self._root)


def parse_filter(expression: str) -> MetadataFilter:
    """Parse a filter, in the language that the head of this module describes.

    Parameters
    ----------
    expression
        At most 20,000 words and signs, nested at most 50 deep.

    Raises
    ------
    InputError
        If it is not in the language; the message names the place and what was expected there.

    Examples
    --------
    >>> parse_filter("year >= 2020").matches({"year": "2021"}, id="1", source="", title="")
    True
    >>> parse_filter("year >= ")
    Traceback (most recent call last):
    hippograph.errors.InputError: the filter 'year >= ' cannot be read at character 9: expected a value, found the end
    """
    if not isinstance(expression, str):
        raise InputError(f"the filter is {expression!r}, not a text; write it like 'year >= 2020'")
    return MetadataFilter(_Parser(expression).parsed())


class _Token(NamedTuple):
    """A part of an expression; the kind is `word`, `text`, `end`, a sign, or a reserved word."""

    kind: str
    text: str
    start: int


class _Parser:
    """Reads an expression from left to right, one token ahead."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = self._scan()
        self._next = next(self._tokens)
        self._depth = 0

    def parsed(self) -> Condition:
        condition = self._any_of()
        if self._next.kind != "end":
            raise self._unexpected("`and`, `or` or the end")
        return condition

    def _any_of(self) -> Condition:
        parts: list[Condition] = []
        while not parts or self._take("or"):
            part = self._all_of()
            parts.extend(part.parts if isinstance(part, AnyOf) else (part,))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _all_of(self) -> Condition:
        parts: list[Condition] = []
        while not parts or self._take("and"):
            part = self._negation()
            parts.extend(part.parts if isinstance(part, AllOf) else (part,))
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _negation(self) -> Condition:
        start = self._next.start
        if self._next.kind not in ("not", "("):
            return self._condition()
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._fault(start, f"it is nested deeper than {_DEEPEST}; write it flatter")
        part: Condition
        if self._take("not"):
            part = Not(self._negation())
        else:
            self._expect("(")
            part = self._any_of()
            self._expect(")")
        self._depth -= 1
        return part

    def _condition(self) -> Condition:
        key = self._word("a key, `not` or `(`").text
        if self._take("="):
            return Equal(key, (self._value(),))
        if self._take("!="):
            return Unequal(Equal(key, (self._value(),)))
        if self._take("~"):
            return Contains(key, self._value())
        if self._take("in"):
            return Equal(key, self._values())
        operator = self._next.kind
        return Ordered(key, operator, self._value()) if operator in ORDERS and self._take(operator) else Present(key)

    def _values(self) -> tuple[Value, ...]:
        self._expect("(")
        values = [self._value()]
        while self._take(","):
            values.append(self._value())
        self._expect(")")
        return tuple(values)

    def _value(self) -> Value:
        token = self._word("a value")
        return Value(token.text, token.text) if token.kind == "text" else Value.word(token.text)

    def _word(self, expected: str) -> _Token:
        token = self._next
        if token.kind not in ("word", "text"):
            raise self._unexpected(expected)
        self._next = next(self._tokens)
        return token

    def _expect(self, kind: str) -> None:
        if not self._take(kind):
            raise self._unexpected(f"`{kind}`")

    def _take(self, kind: str) -> bool:
        if self._next.kind != kind:
            return False
        self._next = next(self._tokens)
        return True

    def _scan(self) -> Iterator[_Token]:
        text, at = self._expression, 0
        for _ in range(_MOST_TOKENS + 1):
            while at < len(text) and text[at].isspace():
                at += 1
            if at == len(text):
                yield _Token("end", "", at)
                return
            token, at = self._quotation(at) if text[at] in "\"'" else self._bare(at)
            yield token
        raise self._fault(at, f"it has more than {_MOST_TOKENS} words and signs; shorten it")

    def _bare(self, start: int) -> tuple[_Token, int]:
        text = self._expression
        for sign in _SIGNS:
            if text.startswith(sign, start):
                return _Token(sign, sign, start), start + len(sign)
        end = start + 1
        while end < len(text) and not ends_word(text, end):
            end += 1
        word = text[start:end]
        if word[0] == "!":
            denied = f"not {_shortened(word[1:])}".strip()
            raise self._fault(start, f"a word begins with !; write `{denied}`, or put it in quotes if it is a text")
        return _Token(word.lower() if word.lower() in RESERVED else "word", word, start), end

    def _quotation(self, start: int) -> tuple[_Token, int]:
        text, quote, at = self._expression, self._expression[start], start + 1
        pieces = []
        while at < len(text) and text[at] != quote:
            if text[at] == "\\":
                at += 1
                if text[at : at + 1] not in ("\\", '"', "'"):
                    raise self._fault(at - 1, "a backslash before neither a quote nor a backslash; write it twice")
            pieces.append(text[at])
            at += 1
        if at == len(text):
            raise self._fault(start, f"the quote {quote} is never closed")
        return _Token("text", "".join(pieces), start), at + 1

    def _unexpected(self, expected: str) -> InputError:
        token = self._next
        if token.kind == "end":
            return self._fault(token.start, f"expected {expected}, found the end")
        return self._fault(token.start, f"expected {expected}, found {_shortened(token.text)!r}; {self._hint(token)}")

    def _hint(self, token: _Token) -> str:
        for sign, ours in _FOREIGN.items():
            if self._expression.startswith(sign, max(0, token.start + len(token.text) - len(sign))):
                return f"write {ours} instead of {sign}"
        if token.kind in RESERVED:
            return "put it in quotes if it is a text"
        return "put texts with spaces or signs in quotes"

    def _fault(self, at: int, what: str) -> InputError:
        return InputError(f"the filter {_shortened(self._expression)!r} cannot be read at character {at + 1}: {what}")


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
