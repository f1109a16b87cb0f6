"""What the fault server's model says: it follows any JSON schema, and reads capitalised words out of passages."""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

__all__ = ["answer", "digest", "found_in", "passage_of", "schema_in", "tokens", "write"]

_NAME: Final = re.compile(r"[^\W\d_]\w*")
_TAGGED: Final = re.compile(r"<(\w[\w-]*)[^<>]*>\s*(.*?)\s*</\1>", re.DOTALL)
_FENCED: Final = re.compile(r"```\w*\n(.*?)\n?```", re.DOTALL)
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

    A passage is the `text` of a JSON object, alone, under `passage` or in a list of `passages`; or what stands between
    tags or in a fence.

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
    try:
        told, _ = json.JSONDecoder().raw_decode(message, max(message.find("{"), 0))
    except json.JSONDecodeError:
        return []
    parts = told.get("passages", [told.get("passage", told)]) if isinstance(told, dict) else []
    return [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]


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


def answer(schema: Mapping[str, Any], passage: str) -> Any:
    """Say what a schema asks for; entities and triples are those of `found_in`, all else is made of the passage."""
    return _Writer(schema, passage).value(schema)


def write(form: str, schema: Mapping[str, Any] | None, passage: str) -> str:
    """Write an answer.

    Parameters
    ----------
    form
        `json_schema` or `json_object`: JSON and nothing else. `text`: JSON in a fence within prose, or only prose if
        there is no schema.
    schema
        What to say, if it is known.
    passage
        What to say it of.
    """
    entities, triples = _found_in(passage)
    if schema is None:
        if form == "text":
            return f"It is about {', '.join(entities) or 'nothing'}."
        return json.dumps({"entities": entities, "triples": triples}, ensure_ascii=False)
    said = json.dumps(answer(schema, passage), ensure_ascii=False)
    return said if form != "text" else f"Here is what I found.\n```json\n{said}\n```\nI hope that this helps!"


class _Writer:
    def __init__(self, schema: Mapping[str, Any], passage: str) -> None:
        self._definitions = schema.get("$defs", schema.get("definitions", {}))
        self._passage = passage
        self._words = _NAME.findall(passage) or ["nothing"]
        self._entities, self._triples = _found_in(passage)
        self._counter = itertools.count()

    def value(self, schema: Mapping[str, Any]) -> Any:
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][self._draw() % len(schema["enum"])]
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = next(each for each in kind if each != "null")
        if kind == "object":
            return {name: self._field(name, part) for name, part in schema.get("properties", {}).items()}
        if kind == "array":
            return self._array(schema)
        return self._scalar(kind, schema)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while True:
            if "$ref" in schema:
                schema = self._definitions[schema["$ref"].rpartition("/")[2]]
            elif choices := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
                schema = next((each for each in choices if each.get("type") != "null"), choices[0])
            else:
                return schema

    def _field(self, name: str, schema: Mapping[str, Any]) -> Any:
        resolved = self._resolved(schema)
        if name not in _READ or resolved.get("type") != "array":
            return self.value(schema)
        items = self._resolved(resolved.get("items", {}))
        rows = self._triples if name == "triples" else [(entity,) for entity in self._entities]
        return [self._row(items, row) for row in rows[: resolved.get("maxItems")]]

    def _row(self, items: Mapping[str, Any], row: tuple[str, ...]) -> Any:
        if items.get("type") == "object":
            given = iter(row)
            properties: Iterator[tuple[str, Any]] = iter(items.get("properties", {}).items())
            return {name: next(given, None) or self.value(part) for name, part in properties}
        return row if items.get("type") == "array" or len(row) > 1 else row[0]

    def _array(self, schema: Mapping[str, Any]) -> list[Any]:
        if "prefixItems" in schema:
            return [self.value(part) for part in schema["prefixItems"]]
        return [self.value(schema.get("items", {})) for _ in range(max(schema.get("minItems", 0), 1))]

    def _scalar(self, kind: str, schema: Mapping[str, Any]) -> Any:
        if kind == "boolean":
            return bool(self._draw() % 2)
        if kind in {"integer", "number"}:
            low = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
            high = schema.get("maximum", schema.get("exclusiveMaximum", low + 10) - 1)
            return min(low + self._draw() % 10, high)
        if kind == "null":
            return None
        word = self._words[self._draw() % len(self._words)]
        return word.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]

    def _draw(self) -> int:
        return int(digest(f"{next(self._counter)} {self._passage}"), 16)
