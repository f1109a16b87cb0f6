"""Chat and embeddings as the OpenAI API has them, with what goes wrong."""

import base64
import json
import re
import struct
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import shake_128
from time import monotonic
from typing import Any

from hippograph.text.token_estimate import estimate_tokens
from tests.servers.answers import digest, passage_of, schema_in, seed_of, tokens, write
from tests.servers.ledger import Entry, Ledger
from tests.servers.plan import Plan

__all__ = ["Outcome", "Speaker", "events", "mistake"]

_PIECE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a request, before it is sent.

    Parameters
    ----------
    entry
        Its line in the ledger, which names the fault.
    status, value
        The response.
    wait
        Seconds after which to try again, if anything is said about it.
    """

    entry: Entry
    status: int
    value: dict[str, Any]
    wait: float | None = None


def mistake(message: str, *, code: str | None = None, kind: str = "invalid_request_error") -> dict[str, Any]:
    """Write an error as the OpenAI API does."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


class Speaker:
    """The model: answers requests, well or badly as planned.

    Parameters
    ----------
    plan
        What is to happen.
    ledger
        Where it is written down.
    """

    def __init__(self, plan: Plan, ledger: Ledger) -> None:
        self.plan = plan
        self.ledger = ledger
        self._answered: deque[float] = deque()

    def chat(self, body: Mapping[str, Any], *, kind: str = "chat") -> Outcome:
        """Answer `/v1/chat/completions`."""
        messages = [(str(each.get("role")), _text(each.get("content"))) for each in body.get("messages", ())]
        said = [text for role, text in messages if role == "user"]
        seed = seed_of(messages)
        entry = self.ledger.open(kind, seed, self.topic(said))
        form = body.get("response_format") or {"type": "text"}
        read = sum(tokens(text) for _, text in messages)
        if refusal := self._refusal(entry, str(body.get("model", "")), read, form["type"]):
            return refusal
        if failure := self.failure(entry):
            return failure
        schema = form["json_schema"]["schema"] if form["type"] == "json_schema" else None
        if schema is None:
            schema = schema_in([text for _, text in messages])
        content, reason = write(form["type"], schema, said, seed=seed), "stop"
        content, reason = _spoiled(entry.fault, content, schema)
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        if limit and tokens(content) > limit:
            content, reason = content[: 4 * (limit - 1)], "length"
        message = {"role": "assistant", "content": content, "refusal": None}
        value: dict[str, Any] = {
            "id": f"chatcmpl-{entry.digest}-{entry.attempt}",
            "object": "chat.completion",
            "created": 1,
            "model": body.get("model"),
            "choices": [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}],
        }
        if entry.fault == "no-choices":
            value["choices"] = []
        self._bill(entry, value, [text for _, text in messages], [content])
        return Outcome(entry=entry, status=200, value=value)

    def embeddings(self, body: Mapping[str, Any], *, kind: str = "embeddings") -> Outcome:
        """Answer `/v1/embeddings`."""
        given = body.get("input", "")
        texts: list[str] = [given] if isinstance(given, str) else [str(each) for each in given]
        entry = self.ledger.open(kind, digest(json.dumps(texts)), self.topic(texts))
        if refusal := self._refusal(entry, str(body.get("model", "")), max(map(tokens, texts), default=0), "text"):
            return refusal
        if failure := self.failure(entry):
            return failure
        dimension = int(body.get("dimensions") or self.plan.dimension) - (entry.fault == "length")
        vectors = [_vector(text, dimension) for text in texts]
        packed = body.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": at, "embedding": _packed(vector) if packed else vector}
            for at, vector in enumerate(vectors)
        ]
        if entry.fault in {"truncated", "wrong-schema"}:
            del data[-1]
        elif entry.fault == "no-choices":
            data.clear()
        value: dict[str, Any] = {"object": "list", "model": body.get("model"), "data": data}
        if entry.fault == "prose":
            value = {"result": "I am sorry, but I cannot help with that."}
        self._bill(entry, value, texts, [])
        return Outcome(entry=entry, status=200, value=value)

    def topic(self, said: Sequence[str]) -> str:
        """Say what messages are about: what the plan's pattern finds last, or the digest of the passage."""
        if self.plan.topic:
            for text in reversed(said):
                if found := re.findall(self.plan.topic, text):
                    return str(found[-1])
        return digest(passage_of(said))

    def _refusal(self, entry: Entry, model: str, read: int, form: str) -> Outcome | None:
        plan = self.plan
        if plan.models and model not in plan.models:
            return _failed(entry, 404, mistake(f"The model `{model}` does not exist", code="model_not_found"))
        if (wait := self._wait()) > 0:
            return _failed(entry, 429, mistake("Too many requests", code="rate_limit_exceeded"), wait=wait)
        if plan.context and read > plan.context:
            told = f"This model's maximum context length is {plan.context} tokens; your messages have {read} tokens."
            return _failed(entry, 400, mistake(told, code="context_length_exceeded"))
        if (form == "json_schema" and plan.refuse_json_schema) or (form == "json_object" and plan.refuse_json_object):
            return _failed(entry, 400, mistake(f"'response_format.type' : '{form}' is not supported by this server."))
        return None

    def _wait(self) -> float:
        limit, window, now = self.plan.requests_per_window, self.plan.window, monotonic()
        if not limit:
            return 0.0
        while self._answered and self._answered[0] <= now - window:
            self._answered.popleft()
        if len(self._answered) >= limit:
            return self._answered[0] + window - now
        self._answered.append(now)
        return 0.0

    def failure(self, entry: Entry) -> Outcome | None:
        entry.fault = self.plan.fault(entry.kind, entry.digest, entry.attempt)
        if entry.fault in {"429", "429-after"}:
            wait = self.plan.retry_after if entry.fault == "429-after" else None
            return _failed(entry, 429, mistake("Slow down", code="rate_limit_exceeded", kind="requests"), wait=wait)
        if entry.fault == "500":
            return _failed(entry, 500, mistake("The server had an error", kind="server_error"))
        if entry.fault == "503":
            return _failed(entry, 503, mistake("The engine is overloaded", kind="server_error"))
        if entry.fault in {"html", "html-200"}:
            return _failed(entry, 502 if entry.fault == "html" else 200, {})
        return None

    def _bill(self, entry: Entry, value: dict[str, Any], said: Sequence[str], answered: Sequence[str]) -> None:
        entry.status = 200
        if entry.fault == "no-usage":
            entry.prompt_estimate = sum(map(estimate_tokens, said))
            entry.completion_estimate = sum(map(estimate_tokens, answered))
            return
        read, written = sum(map(tokens, said)), sum(map(tokens, answered))
        entry.prompt_tokens, entry.completion_tokens = read, written
        value["usage"] = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _failed(entry: Entry, status: int, value: dict[str, Any], *, wait: float | None = None) -> Outcome:
    entry.status = status
    return Outcome(entry=entry, status=status, value=value, wait=wait)


def _text(content: object) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return str(content or "")


def _spoiled(fault: str, content: str, schema: Mapping[str, Any] | None) -> tuple[str, str]:
    if fault in {"truncated", "length"}:
        return content[: len(content) * 3 // 5], "length" if fault == "length" else "stop"
    if fault == "prose":
        return "I am sorry, but I cannot help with that.", "stop"
    if fault == "wrong-schema":
        names = (schema or {}).get("properties", {"result": None})
        return json.dumps({name: {"wrong": True} for name in names}), "stop"
    return content, "stop"


def _vector(text: str, dimension: int) -> list[float]:
    raw = [each - 127.5 for each in shake_128(text.encode("utf-8", "surrogatepass")).digest(dimension)]
    length = sum(each * each for each in raw) ** 0.5
    return [each / length for each in raw]


def _packed(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def events(value: Mapping[str, Any], *, usage: bool) -> list[bytes]:
    """Write a chat completion as server-sent events."""
    base = {name: value[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    parts: list[dict[str, Any]] = []
    for choice in value["choices"]:
        content = choice["message"]["content"]
        deltas = [{"role": "assistant", "content": ""}]
        deltas += [{"content": content[at : at + _PIECE]} for at in range(0, len(content), _PIECE)]
        parts += [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        parts.append({"choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    if usage and "usage" in value:
        parts.append({"choices": [], "usage": value["usage"]})
    return [b"data: %s\n\n" % json.dumps(base | part).encode() for part in parts] + [b"data: [DONE]\n\n"]
