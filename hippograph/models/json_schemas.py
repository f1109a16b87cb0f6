"""JSON schemas as servers take them: with nothing in them that OpenAI's strict mode refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from pydantic import BaseModel

__all__ = ["response_format", "schema_text", "strict_schema"]

# Says nothing that the answer depends on, or is refused.
_DROPPED: Final = frozenset({"title", "default", "examples", "discriminator", "uniqueItems"})
# Schemas by name; the names are not keywords.
_NAMED: Final = ("properties", "$defs")
_UNNAMEABLE: Final = re.compile(r"[^a-zA-Z0-9_-]")


@lru_cache(maxsize=256)
def strict_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of a pydantic model as OpenAI's structured outputs want it [1]_.

    All properties are required and no others allowed; references are replaced by what they refer to, unless they
    refer to themselves; tuples become arrays of a fixed length. Not to be changed: it is made once for each model.

    References
    ----------
    .. [1] OpenAI, "Structured model outputs", section "Supported schemas".

    Examples
    --------
    >>> from pydantic import BaseModel
    >>> class Facts(BaseModel):
    ...     names: list[str] = []
    >>> strict_schema(Facts)["required"], strict_schema(Facts)["additionalProperties"]
    (['names'], False)
    """
    whole = schema.model_json_schema()
    definitions: Mapping[str, Any] = whole.pop("$defs", {})
    strict = _Strict(definitions)
    result = strict.made(whole, ())
    if not isinstance(result, dict):
        raise TypeError(f"the JSON schema of {schema.__name__} is {result!r}, not an object")
    if strict.recursive:
        # The definitions of what refers to itself may refer to others that do.
        kept: dict[str, Any] = {}
        while missing := sorted(strict.recursive - kept.keys()):
            kept |= {name: strict.made(definitions[name], (name,)) for name in missing}
        result["$defs"] = kept
    return result


@lru_cache(maxsize=256)
def schema_text(schema: type[BaseModel]) -> str:
    """Return the strict JSON schema as one line, for a model to read."""
    return json.dumps(strict_schema(schema), ensure_ascii=False, separators=(",", ":"))


@lru_cache(maxsize=256)
def response_format(schema: type[BaseModel]) -> dict[str, Any]:
    """Return what asks a chat endpoint for answers of this schema; not to be changed."""
    name = _UNNAMEABLE.sub("_", schema.__name__)[:64] or "answer"
    return {"type": "json_schema", "json_schema": {"name": name, "schema": strict_schema(schema), "strict": True}}


class _Strict:
    """Rewrites schemas, and remembers which definitions refer to themselves."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self.recursive: set[str] = set()

    def made(self, schema: object, within: tuple[str, ...]) -> object:
        """Rewrite a schema that stands within these definitions."""
        if isinstance(schema, list):
            return [self.made(part, within) for part in schema]
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            return self._resolved(schema, within)
        if len(schema.get("allOf", ())) == 1:
            rest = {key: value for key, value in schema.items() if key != "allOf"}
            return self.made({**schema["allOf"][0], **rest}, within)
        result: dict[str, Any] = {}
        for key, value in schema.items():
            if key in _NAMED:
                result[key] = {name: self.made(part, within) for name, part in value.items()}
            elif key in ("enum", "const"):
                result[key] = value
            elif key not in _DROPPED:
                result["anyOf" if key == "oneOf" else key] = self.made(value, within)
        return _closed(_without_tuples(result))

    def _resolved(self, schema: dict[str, Any], within: tuple[str, ...]) -> object:
        name = schema["$ref"].rpartition("/")[2]
        if name in within:
            self.recursive.add(name)
            return {"$ref": f"#/$defs/{name}"}
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return self.made({**self._definitions[name], **rest}, (*within, name))


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    if "properties" in schema:
        schema["required"] = list(schema["properties"])
        schema["additionalProperties"] = False
    return schema


def _without_tuples(schema: dict[str, Any]) -> dict[str, Any]:
    if "prefixItems" in schema:
        items = schema.pop("prefixItems")
        different = [item for at, item in enumerate(items) if item not in items[:at]]
        schema["items"] = different[0] if len(different) == 1 else {"anyOf": different}
    return schema
