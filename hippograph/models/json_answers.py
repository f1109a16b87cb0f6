"""Objects out of what language models write when they are asked for JSON: also out of prose, and with slips mended."""

from __future__ import annotations

import json
import logging
import re
import string
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate, islice
from typing import Final, TypeVar

from json_repair import repair_json
from pydantic import BaseModel, ValidationError

__all__ = ["InvalidAnswerError", "clean", "read_answer", "without_thoughts"]

_log = logging.getLogger("hippograph.models.json_answers")

_Schema = TypeVar("_Schema", bound=BaseModel)

_FENCED: Final = re.compile(r"```[\w-]*[ \t]*\r?\n(.*?)```", re.DOTALL)
_THOUGHTS: Final = re.compile(r"\A\s*<(think|thinking|thought)>.*?(?:</\1>|\Z)", re.DOTALL)
# Templates that open the thoughts themselves leave only their end in the answer.
_END_OF_THOUGHTS: Final = re.compile(r"\A.*</(?:think|thinking|thought)>", re.DOTALL)
# An escape that makes half a character or a NUL, which neither databases nor encoders take.
_BAD_ESCAPE: Final = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_MEANT_AS_JSON: Final = re.compile(r"[{\[]\s*[\"'{\[]")
# One that nothing closes reaches to the end, so that no quote is looked at twice.
_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+("?)', re.DOTALL)
_BRACKET: Final = re.compile(r"[{}\[\]]")
_COMMENT: Final = re.compile(
    r'("(?:[^"\\]++|\\.)*+"?)|(?<![^\s,\[\]{}])(?:(?://|\#)[^\n]*\n|/\*.*?\*/)', re.DOTALL | re.VERBOSE
)
_ESCAPE: Final = re.compile(
    r"\\(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL
)
# What a mender makes strings of, and JSON has no other way to write.
_NO_NUMBER: Final = re.compile(r"\b(?:NaN|Infinity)\b|\d{1000}")
# Numbers are written in many ways; what stands before the point stays.
_FRACTION: Final = re.compile(r"(?<=\d)(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+)")
_MARKS: Final = frozenset(string.punctuation + "“”„‘’…") - {"\\"}
# Mending takes time that grows with the square of the length: seconds for so much, minutes for ten times that.
_LONGEST_MENDED: Final = 10_000
# No schema here is nested a tenth as deep; what reads JSON gives up somewhere between 200 and 1,000.
_DEEPEST: Final = 50
_TRIED: Final = 50
_SHOWN_ERRORS: Final = 3
_SHOWN: Final = 300
_TOO_DEEP: Final = f"the JSON is nested more than {_DEEPEST} deep"


class InvalidAnswerError(ValueError):
    """An answer is not what the schema describes; the message can be shown to the model."""


def clean(text: str) -> str:
    r"""Return the text without NUL characters and halves of characters.

    Examples
    --------
    >>> clean("a\0b"), clean("a\ud800b")
    ('ab', 'a?b')
    """
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text.replace("\0", "")


def without_thoughts(text: str) -> str:
    """Return what stands after the thoughts that a reasoning model writes down first.

    Examples
    --------
    >>> without_thoughts("<think>Is it Oslo?</think>Oslo")
    'Oslo'
    >>> without_thoughts("Is it Oslo?</think>Oslo")
    'Oslo'
    """
    if "think" not in text and "thought" not in text:
        return text
    rest = _THOUGHTS.sub("", text)
    return _END_OF_THOUGHTS.sub("", rest) if rest == text else rest


def read_answer(text: str, schema: type[_Schema]) -> _Schema:
    """Read the object that an answer holds.

    What is tried: the whole text; fenced blocks; JSON within prose, of which the longest that follows the schema is
    taken; and then slips are mended (commas, quotes, comments, brackets left open after a whole item). Nothing is
    mended that ends in the middle of an item, or of which anything would go in mending: it would be lost unnoticed.
    Neither is what is longer than 10,000 characters, for the time it takes, or nested more than 50 deep.

    Raises
    ------
    InvalidAnswerError
        If nothing in it follows the schema.

    Examples
    --------
    >>> class Names(BaseModel):
    ...     names: list[str]
    >>> read_answer('Here it is: {"names": ["Nansen",]} Anything else?', Names)
    Names(names=['Nansen'])
    >>> read_answer("Nobody that I know of.", Names)
    Traceback (most recent call last):
    hippograph.models.json_answers.InvalidAnswerError: there is no JSON in it
    """
    text = clean(text)
    if not _BAD_ESCAPE.search(text):
        # By far the most answers; pydantic reads and checks them at once.
        try:
            return _told(schema.model_validate_json(text))
        except (ValueError, RecursionError):
            pass
    text = without_thoughts(text)
    first: InvalidAnswerError | None = None
    for read in (_values, _mended):
        for value in read(text):
            try:
                return _validated(value, schema)
            except InvalidAnswerError as error:
                first = first or error
    raise first or InvalidAnswerError(_why_not(text))


def _told(value: _Schema) -> _Schema:
    # A schema of nothing but defaults would also accept an object that has no part of what was asked for.
    if type(value).model_fields and not value.model_fields_set:
        names = ", ".join(type(value).model_fields)
        raise InvalidAnswerError(f"the JSON has none of the fields {names}")
    return value


def _validated(value: object, schema: type[_Schema]) -> _Schema:
    try:
        return _told(schema.model_validate(_cleaned(value)))
    except InvalidAnswerError:
        raise
    except ValidationError as error:
        raise InvalidAnswerError(_short(error)) from None
    except (ValueError, RecursionError) as error:
        raise InvalidAnswerError(f"the JSON cannot be checked: {error}"[:_SHOWN]) from error


def _short(error: ValidationError) -> str:
    parts = [
        f"{'.'.join(map(str, each['loc'])) or 'the JSON'}: {each['msg']}"
        for each in error.errors(include_url=False, include_context=False, include_input=False)[:_SHOWN_ERRORS]
    ]
    more = error.error_count() - len(parts)
    text = "; ".join(parts) + (f"; and {more} more" if more > 0 else "")
    return text if len(text) <= _SHOWN else text[:_SHOWN] + " …"


def _cleaned(value: object, depth: int = 0) -> object:
    if depth > _DEEPEST:
        raise InvalidAnswerError(_TOO_DEEP)
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(part, depth + 1) for part in value]
    if isinstance(value, dict):
        return {clean(key): _cleaned(part, depth + 1) for key, part in value.items()}
    return value


def _fenced(text: str) -> list[str]:
    return [block[1] for block in islice(_FENCED.finditer(text), _TRIED)]


def _values(text: str) -> Iterator[object]:
    """Yield JSON objects and arrays that stand in the text whole, likely ones first."""
    for block in (text, *_fenced(text)):
        value = _parsed(block)
        # JSON within a JSON string is what models give that were asked for a string once.
        value = _parsed(value) if isinstance(value, str) else value
        if isinstance(value, dict | list):
            yield value
    yield from _within(text)


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _within(text: str) -> Iterator[object]:
    decoder = json.JSONDecoder()
    found: list[tuple[int, object]] = []
    at = _opening(text, 0)
    for _ in range(_TRIED):
        if at < 0:
            break
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            if _MEANT_AS_JSON.match(text, at):
                # What is whole within it is a part of the answer, and not the answer.
                break
            end = at + 1
        else:
            found.append((end - at, value))
        at = _opening(text, end)
    # Sorting keeps the order of those that are equally long.
    for _, value in sorted(found, key=lambda each: -each[0]):
        yield value


def _opening(text: str, start: int) -> int:
    places = [place for place in (text.find("{", start), text.find("[", start)) if place >= 0]
    return min(places, default=-1)


def _mended(text: str) -> Iterator[object]:
    """Yield what a fenced block, or the text, was meant to be."""
    left = _LONGEST_MENDED
    for block in (*_fenced(text), text):
        opening, end = _span(block)
        meant = block[opening:end]
        # Without a quote it is prose in brackets; a mender makes strings even of that.
        if len(meant) > left or '"' not in meant.replace("'", '"') or _is_cut(block):
            continue
        left -= len(meant)
        value = _repaired(meant)
        if isinstance(value, dict | list) and value:
            yield value


def _repaired(meant: str) -> object:
    """Return what a text was meant to be; None if mending fails, or changes or loses what it says."""
    if _deepest(meant) > _DEEPEST or _NO_NUMBER.search(_outside_strings(meant)):
        return None
    # The mender knows neither these two escapes nor pairs that make one character.
    meant = _ESCAPE.sub(lambda found: _unescaped(found) if found[1] in "/f" or found[1][6:] else found[0], meant)
    try:
        value = repair_json(meant, return_objects=True, skip_json_loads=True)
    except Exception:  # noqa: BLE001 - its assertions and its indices fail too on what nobody meant as JSON
        _log.debug("the mender failed", exc_info=True)
        return None
    return value if _content(_as_said(meant)) <= _content("".join(_strings(value))) else None


def _content(text: str) -> Counter[str]:
    return Counter(mark for mark in text.casefold() if mark not in _MARKS and not mark.isspace())


def _as_said(meant: str) -> str:
    """Leave out the comments, replace escapes by what they stand for, and round numbers down."""
    meant = _COMMENT.sub(lambda found: found[1] or " ", meant)
    return _FRACTION.sub("", _ESCAPE.sub(_unescaped, meant))


def _unescaped(escape: re.Match[str]) -> str:
    known = len(escape[1]) > 1 or escape[1] in '"\\/bfnrt'
    return str(json.loads(f'"{escape[0]}"')) if known else escape[1]


def _strings(value: object) -> Iterator[str]:
    rest = [value]
    while rest:
        part = rest.pop()
        if isinstance(part, dict):
            rest.extend(part)
            rest.extend(part.values())
        elif isinstance(part, list):
            rest.extend(part)
        else:
            yield "null none" if part is None else str(part)


def _span(text: str) -> tuple[int, int]:
    """From the first opening bracket to the last closing one; empty if there is none."""
    opening = _opening(text, 0)
    return (0, 0) if opening < 0 else (opening, max(text.rfind("}"), text.rfind("]")) + 1)


def _is_cut(text: str) -> bool:
    """Whether the JSON of a text ends in the middle of an item: brackets are open, and what follows is no bracket."""
    opening, end = _span(text)
    return opening < end and bool(text[end:].strip().strip("`")) and _depth(text[opening:end]) > 0


def _outside_strings(text: str) -> str:
    return _STRING.sub(lambda found: " " if found[1] else found[0], text)


def _depths(text: str) -> list[int]:
    """How many brackets are open after each one."""
    return list(accumulate(1 if mark in "{[" else -1 for mark in _BRACKET.findall(_outside_strings(text))))


def _depth(text: str) -> int:
    return next(reversed(_depths(text)), 0)


def _deepest(text: str) -> int:
    return max(_depths(text), default=0)


def _why_not(text: str) -> str:
    if not text.strip():
        return "it is empty"
    opening, end = _span(text)
    if _opening(text, 0) < 0:
        return "there is no JSON in it"
    if _deepest(text[opening:]) > _DEEPEST:
        return _TOO_DEEP
    if _depth(text[opening:]) > 0:
        return "the JSON ends in the middle"
    if end - opening > _LONGEST_MENDED:
        return f"it is not JSON, and with {end - opening} characters too long to be mended"
    return "it is not JSON, or a part of it would be lost in mending it"
