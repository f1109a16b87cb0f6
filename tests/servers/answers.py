"""What the fault server's model says: it follows any JSON schema, and reads capitalised words out of passages."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hippograph.completions import ModelRequest

__all__ = ["answer", "digest", "found_in", "passage_of", "schema_answer", "schema_in", "seed_of", "tokens", "write"]

_NAME: Final = re.compile(r"[^\W\d_]\w*")
_TAGGED: Final = re.compile(r"<(\w[\w-]*)[^<>]*>\s*(.*?)\s*</\1>", re.DOTALL)
_FENCED: Final = re.compile(r"```\w*\n(.*?)\n?```", re.DOTALL)
_NUMBER: Final = re.compile(r'"number": (\d{1,6})\b')
# What contains itself is not drawn any deeper.
_DEEP: Final = 4
_READ: Final = ("entities", "named_entities", "triples")


def digest(text: str) -> str:
    """Name a text by 16 hexadecimal digits."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def tokens(text: str) -> int:
    """Count tokens as this server does: one for four characters, and one more.

    Examples
    --------
    >>> tokens("Colin Archer")
    4
    """
    return len(text) // 4 + 1


def passage_of(said: Sequence[str]) -> str:
    """Return the passage in the last of the user's messages that has one; else the last message.

    A passage is a `text` in a JSON object, however deep; or what stands between tags or in a fence.

    Examples
    --------
    >>> passage_of(["Read this: <passage>Oslo lies there.</passage>", "That was wrong. Again!"])
    'Oslo lies there.'
    >>> passage_of(['{"title": "Oslo", "text": "It lies there."}', "That was wrong. Again!"])
    'It lies there.'
    """
    for text in reversed(said):
        if texts := _texts(text):
            return "\n".join(texts)
        if found := _TAGGED.findall(text):
            return str(found[-1][1])
        if found := _FENCED.findall(text):
            return str(found[-1])
    return said[-1] if said else ""


def _texts(message: str) -> list[str]:
    for start in sorted(max(message.find(bracket), 0) for bracket in "[{"):
        try:
            told, _ = json.JSONDecoder().raw_decode(message, start)
        except json.JSONDecodeError:
            continue
        if texts := list(_texts_in(told)):
            return texts
    return []


def _texts_in(told: object) -> Iterator[str]:
    if isinstance(told, list):
        for part in told:
            yield from _texts_in(part)
    elif isinstance(told, dict):
        for name, part in told.items():
            if name == "text" and isinstance(part, str):
                yield part
            else:
                yield from _texts_in(part)


def found_in(passage: str) -> tuple[list[str], list[list[str]]]:
    """Read runs of capitalised words, each once, and a triple for each two that follow each other.

    Examples
    --------
    >>> found_in("Fridtjof Nansen sailed the Fram.")
    (['Fridtjof Nansen', 'Fram'], [['Fridtjof Nansen', 'sailed the', 'Fram']])
    """
    names, triples = _found_in(passage)
    return list(names), [list(triple) for triple in triples]


@lru_cache(maxsize=4096)
def _found_in(passage: str) -> tuple[tuple[str, ...], tuple[tuple[str, str, str], ...]]:
    runs: list[tuple[int, int]] = []
    for word in _NAME.finditer(passage):
        if word.group()[0].isupper():
            start, end = word.span()
            if runs and passage[runs[-1][1] : start] == " ":
                start = runs.pop()[0]
            runs.append((start, end))
    names = [passage[start:end] for start, end in runs]
    triples = tuple(
        (names[at], " ".join(_NAME.findall(passage[runs[at][1] : runs[at + 1][0]])) or "with", names[at + 1])
        for at in range(len(runs) - 1)
    )
    return tuple(dict.fromkeys(names)), triples


def schema_in(texts: Sequence[str]) -> Mapping[str, Any] | None:
    """Find a JSON schema written out in the messages: the last JSON object that has properties."""
    decoder = json.JSONDecoder()
    for text in reversed(texts):
        at = text.find("{") if '"properties"' in text else -1
        while at >= 0:
            try:
                value, _ = decoder.raw_decode(text, at)
            except json.JSONDecodeError:
                value = None
            if isinstance(value, dict) and "properties" in value:
                return value
            at = text.find("{", at + 1)
    return None


def answer(schema: Mapping[str, Any], said: Sequence[str], *, seed: str = "") -> Any:
    """Say what a JSON schema asks for, whatever that is, the same for the same arguments.

    Entities and triples are those of `found_in`. All else is drawn: texts are a few words of the passages, numbers
    without limits are the passages' own, or one more; of alternatives, `null` among them, any may be chosen. A list has
    something in it. What a `pattern` or a `format` says of a text is not looked at.

    Parameters
    ----------
    schema
        What to say.
    said
        What it is to be said of: the user's messages.
    seed
        Draws something else of the same.

    Examples
    --------
    >>> numbers = {"type": "array", "items": {"type": "integer"}, "minItems": 3, "maxItems": 3}
    >>> answer(numbers, ['[{"number": 1}, {"number": 2}]'])
    [1, 3, 2]
    """
    return _Writer(schema, said, seed).value(schema)


def schema_answer(schema: Mapping[str, Any], request: ModelRequest) -> str:
    """Answer a request by a JSON schema as the fault server does, for models without a server.

    Examples
    --------
    >>> from hippograph.completions import Message, ModelRequest
    >>> schema_answer({"properties": {"sure": {"type": "boolean"}}}, ModelRequest(messages=(Message("user", "Oslo?"),)))
    '{"sure": true}'
    """
    said = [message.text for message in request.messages if message.role == "user"]
    return json.dumps(answer(schema, said, seed=seed_of(request.messages)), ensure_ascii=False)


def seed_of(messages: Iterable[tuple[str, str]]) -> str:
    """Name a conversation, so that each is answered in its own way."""
    return digest(json.dumps([list(message) for message in messages]))


def write(form: str, schema: Mapping[str, Any] | None, said: Sequence[str], *, seed: str = "") -> str:
    """Write an answer.

    Parameters
    ----------
    form
        `json_schema` or `json_object`: JSON and nothing else. `text`: JSON in a fence within prose, or only prose if
        there is no schema.
    schema
        What to say, if it is known.
    said
        What to say it of: the user's messages.
    seed
        As for `answer`.
    """
    if schema is None:
        entities, triples = _found_in(passage_of(said))
        if form == "text":
            return f"It is about {', '.join(entities) or 'nothing'}."
        return json.dumps({"entities": entities, "triples": triples}, ensure_ascii=False)
    written = json.dumps(answer(schema, said, seed=seed), ensure_ascii=False)
    return written if form != "text" else f"Here is what I found.\n```json\n{written}\n```\nI hope that this helps!"


class _Writer:
    def __init__(self, schema: Mapping[str, Any], said: Sequence[str], seed: str) -> None:
        passage = passage_of(said)
        self._definitions = schema.get("$defs", schema.get("definitions", {}))
        self._seed = f"{seed} {digest(passage)}"
        self._words = _NAME.findall(passage) or ["nothing"]
        self._most = max((int(number) for text in said for number in _NUMBER.findall(text)), default=9)
        self._entities, self._triples = _found_in(passage)
        self._counter = itertools.count()

    def value(self, schema: Mapping[str, Any], depth: int = 0) -> Any:
        schema = self._resolved(schema, depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][self._draw(len(schema["enum"]))]
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = next(each for each in kind if each != "null")
        if kind == "object":
            return self._object(schema, depth)
        return self._array(schema, depth) if kind == "array" else self._scalar(kind, schema)

    def _resolved(self, schema: Mapping[str, Any], depth: int) -> Mapping[str, Any]:
        while True:
            if "$ref" in schema:
                schema = self._definitions[schema["$ref"].rpartition("/")[2]]
            elif choices := schema.get("anyOf") or schema.get("oneOf"):
                # What contains itself has to end.
                ends = [each for each in choices if depth > _DEEP and each.get("type") == "null"]
                schema = (ends or choices)[self._draw(len(ends or choices))]
            elif parts := schema.get("allOf"):
                schema = parts[0]
            else:
                return schema

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        made = {name: self._field(name, part, depth + 1) for name, part in schema.get("properties", {}).items()}
        others = schema.get("additionalProperties")
        if isinstance(others, Mapping):
            count = self._count(schema.get("minProperties", 0), schema.get("maxProperties"), depth)
            made |= {f"{self._text({})} {at}": self.value(others, depth + 1) for at in range(count)}
        return made

    def _field(self, name: str, schema: Mapping[str, Any], depth: int) -> Any:
        resolved = self._resolved(schema, depth) if name in _READ else {}
        if resolved.get("type") != "array":
            return self.value(schema, depth)
        items = self._resolved(resolved.get("items", {}), depth)
        rows = self._triples if name == "triples" else [(entity,) for entity in self._entities]
        return [self._row(items, row, depth) for row in rows[: resolved.get("maxItems")]]

    def _row(self, items: Mapping[str, Any], row: tuple[str, ...], depth: int) -> Any:
        if items.get("type") == "object":
            given = iter(row)
            properties: Iterator[tuple[str, Any]] = iter(items.get("properties", {}).items())
            return {name: next(given, None) or self.value(part, depth) for name, part in properties}
        return row if items.get("type") == "array" or len(row) > 1 else row[0]

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        if "prefixItems" in schema:
            return [self.value(part, depth + 1) for part in schema["prefixItems"]]
        count, items = self._count(schema.get("minItems", 0), schema.get("maxItems"), depth), schema.get("items", {})
        if not schema.get("uniqueItems"):
            return [self.value(items, depth + 1) for _ in range(count)]
        made: dict[str, Any] = {}
        for _ in range(10 * count):
            item = self.value(items, depth + 1)
            made |= {json.dumps(item): item} if len(made) < count else {}
        return list(made.values())

    def _count(self, least: int, most: int | None, depth: int) -> int:
        if depth > _DEEP:
            return least
        # A list is asked for to have something in it.
        few = max(least, 1) if most is None else min(max(least, 1), most)
        return few + self._draw(3 if most is None else min(3, most - few + 1))

    def _scalar(self, kind: str, schema: Mapping[str, Any]) -> Any:
        if kind == "boolean":
            return bool(self._draw(2))
        if kind == "integer":
            low = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
            # What is allowed may be far more than was shown.
            near = max(self._most, low) + 1
            high = min(near, schema.get("maximum", schema.get("exclusiveMaximum", near + 1) - 1))
            return low + self._draw(high - low + 1)
        if kind == "number":
            low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
            high = schema.get("maximum", schema.get("exclusiveMaximum", low + 10))
            return low + (high - low) * (1 + self._draw(9)) / 10
        return None if kind == "null" else self._text(schema)

    def _text(self, schema: Mapping[str, Any]) -> str:
        start = self._draw(len(self._words))
        words = " ".join(self._words[start : start + 1 + self._draw(4)])
        return words.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]

    def _draw(self, choices: int) -> int:
        return int(digest(f"{next(self._counter)} {self._seed}"), 16) % choices
