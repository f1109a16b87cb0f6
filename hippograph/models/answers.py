"""What names a request, and what is kept of its answer: shared by all stores of answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from hippograph.completions import Completion, ModelRequest
from hippograph.text.token_estimate import estimate_tokens
from hippograph.types import Usage

__all__ = ["answer_of", "canonical_schema", "record_of", "request_key", "spent_on"]

# Raised whenever the same request gets another key.
_KEY_VERSION: Final = 1
_USAGE_FIELDS: Final = frozenset(field.name for field in fields(Usage))


def request_key(fingerprint: str, request: ModelRequest) -> str:
    """Name what decides an answer: the model, the messages, the schema, and every parameter of the sampling.

    How often it may be asked for (`attempts`) is no part of it.

    Parameters
    ----------
    fingerprint
        That of the model.
    request
        What it is asked.

    Returns
    -------
    128 bits of BLAKE2b as 32 hexadecimal digits, the same in every process.

    Examples
    --------
    >>> from hippograph.completions import Message, Sampling
    >>> cold = ModelRequest(messages=(Message("user", "Where is Oslo?"),))
    >>> warm = ModelRequest(messages=cold.messages, sampling=Sampling(temperature=0.7))
    >>> len(request_key("a", cold)), request_key("a", cold) == request_key("a", warm)
    (32, False)
    """
    said = [
        _KEY_VERSION,
        fingerprint,
        [list(message) for message in request.messages],
        canonical_schema(request.schema) if request.schema else None,
        asdict(request.sampling),
    ]
    written = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return blake2b(written.encode("ascii"), digest_size=16).hexdigest()


@lru_cache(maxsize=64)
def canonical_schema(schema: type[BaseModel]) -> str:
    """Write the JSON schema of a model so that equal schemas are equal texts.

    Examples
    --------
    >>> class Place(BaseModel):
    ...     name: str
    >>> canonical_schema(Place)
    '{"properties":{"name":{"title":"Name","type":"string"}},"required":["name"],"title":"Place","type":"object"}'
    """
    return json.dumps(schema.model_json_schema(), sort_keys=True, separators=(",", ":"))


def record_of(completion: Completion) -> dict[str, Any]:
    """Return what is kept of a completion, ready for JSON.

    The object is kept beside the text only if the text does not give it by itself, because it had to be repaired.
    """
    record: dict[str, Any] = {"text": completion.text, "finish_reason": completion.finish_reason}
    if completion.status != "done":
        record |= {"status": completion.status, "error": completion.error}
    value = completion.value
    if value is not None and _validated(type(value), completion.text) != value:
        record["value"] = value.model_dump_json(by_alias=True, round_trip=True)
    record["usage"] = _told(completion.usage)
    if completion.worth != completion.usage:
        record["worth"] = _told(completion.worth)
    return record


def answer_of(record: object, request: ModelRequest) -> Completion | None:
    """Make the completion of a request out of what was kept of it, held against the request's schema anew.

    Nothing is spent on it now: its usage says that an answer was reused. What it once cost is told by `first_usage`;
    where that was not written down, it is one call, and tokens by an estimate.

    Returns
    -------
    The completion, or None if the record is not one, or no longer what the schema describes.
    """
    if not isinstance(record, Mapping) or not _is_record(record):
        return None
    text, status = record["text"], record.get("status", "done")
    value = None
    if status == "done" and request.schema is not None:
        value = _validated(request.schema, record.get("value", text))
        if value is None:
            return None
    return Completion(
        status=status,
        text=text,
        value=value,
        finish_reason=record["finish_reason"],
        error=record.get("error", ""),
        usage=Usage(items=1, reused=1),
        first_usage=_worth_of(record, request),
    )


def spent_on(record: Mapping[str, Any]) -> Usage:
    """Return what was spent on an answer by who kept it.

    Examples
    --------
    >>> spent_on({"text": "Oslo", "usage": {"calls": 1, "input_tokens": 9}}).tokens
    9
    """
    return Usage(**record.get("usage", {}))


def _told(usage: Usage) -> dict[str, Any]:
    return {name: number for name, number in asdict(usage).items() if number}


def _worth_of(record: Mapping[str, Any], request: ModelRequest) -> Usage:
    worth = Usage(**record.get("worth", record.get("usage", {})))
    if worth.calls:
        return worth
    return Usage(
        calls=1,
        items=1,
        input_tokens=worth.input_tokens or sum(estimate_tokens(message.text) for message in request.messages),
        output_tokens=worth.output_tokens or estimate_tokens(record["text"]),
    )


def _is_record(record: Mapping[Any, object]) -> bool:
    texts = [record.get("text"), record.get("finish_reason"), record.get("error", ""), record.get("value", "")]
    status = record.get("status", "done")
    usages = [record.get("usage", {}), record.get("worth", {})]
    return (
        all(isinstance(text, str) for text in texts)
        and status in ("done", "invalid", "failed")
        and (status == "done") == (not record.get("error"))
        and all(map(_is_usage, usages))
    )


def _is_usage(told: object) -> bool:
    return (
        isinstance(told, Mapping)
        and told.keys() <= _USAGE_FIELDS
        and all(isinstance(number, int | float) for number in told.values())
    )


def _validated(schema: type[BaseModel], text: str) -> BaseModel | None:
    try:
        return schema.model_validate_json(text)
    except ValidationError:
        return None
