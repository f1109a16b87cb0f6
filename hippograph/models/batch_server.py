"""What is said to a server about batches: a file of requests, the batch, how it stands, and a file of answers."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

from hippograph.errors import ModelError
from hippograph.models.endpoint import Endpoint
from hippograph.models.replies import decoded
from hippograph.models.server_faults import (
    RefusedError,
    TransientError,
    UnansweredError,
    fault_of,
    is_fatal,
    told_by,
)

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["BatchServer", "BatchTerms", "Line", "body_of"]

_log = logging.getLogger("hippograph.models.batches")

_URL: Final = "/v1/chat/completions"
_MARK: Final = "hippograph"
_OVER: Final = frozenset({"completed", "failed", "expired", "cancelled"})

_Result = TypeVar("_Result")
_Files: TypeAlias = list[tuple[str, tuple[str, bytes, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTerms:
    """How batches are made and waited for.

    Parameters
    ----------
    window
        How long the server may take, in its words.
    poll_seconds
        How often it is asked whether a batch is over.
    gather_seconds
        A batch is sent when no request has come for so long, or when it is full.
    max_requests, max_bytes
        When it is full.
    patience_seconds
        How long a server may leave unanswered how a batch stands.
    """

    window: str
    poll_seconds: float
    gather_seconds: float
    max_requests: int
    max_bytes: int
    patience_seconds: float


class Line(NamedTuple):
    """A request as it stands in a batch, and its name there."""

    id: str
    text: str

    @classmethod
    def of(cls, body: Mapping[str, Any], *, place: str) -> Line:
        """Name a request to a server by all that it says, so that it is known again by another process."""
        written = json.dumps(body, sort_keys=True, separators=(",", ":"))
        id = blake2b(f"{place}\n{written}".encode(), digest_size=16).hexdigest()
        return cls(id, json.dumps({"custom_id": id, "method": "POST", "url": _URL, "body": body}) + "\n")


class BatchServer:
    """A server that takes batches.

    Parameters
    ----------
    endpoint
        How it is spoken to.
    terms
        How batches are made and waited for.
    """

    def __init__(self, *, endpoint: Endpoint, terms: BatchTerms) -> None:
        self._endpoint = endpoint
        self._terms = terms

    async def upload(self, token: str, data: bytes) -> str:
        """Send a file of lines, and return what the server calls it."""
        file = ("file", (f"{_MARK}-{token}.jsonl", data, "application/jsonl"))
        return str((await self._post("/files", {"purpose": "batch"}, files=[file]))["id"])

    async def create(self, token: str, file: str) -> str:
        """Make a batch of a file, marked with a token, and return what the server calls it.

        Raises
        ------
        UnansweredError
            If it is not known whether there is one.
        RefusedError
            If the server takes no such batch.
        """
        asked = {
            "input_file_id": file,
            "endpoint": _URL,
            "completion_window": self._terms.window,
            "metadata": {_MARK: token},
        }
        tries = int(self._endpoint.limits.attempts)
        while True:
            tries -= 1
            try:
                return str((await self._post("/batches", asked, attempts=1))["id"])
            except UnansweredError:
                # The server may have taken it and the answer been lost; sent again, it would be paid for twice.
                await asyncio.sleep(self._terms.poll_seconds)
                found = await self._search_again(token)
                if found is not None:
                    return found
                if not tries:
                    raise

    async def _search_again(self, token: str) -> str | None:
        try:
            return await self.search(token)
        except RefusedError as error:
            raise UnansweredError(f"nor does it tell which batches it has: {error}") from None

    async def search(self, token: str) -> str | None:
        """Look among all batches of the account for one that was marked."""
        after = ""
        while True:
            page = await self._get(f"/batches?limit=100{after and f'&after={after}'}")
            batches = [batch for batch in page.get("data", ()) if isinstance(batch, Mapping)]
            for batch in batches:
                if (batch.get("metadata") or {}).get(_MARK) == token:
                    return str(batch["id"])
            if not page.get("has_more") or not batches:
                return None
            after = str(batches[-1]["id"])

    async def end_of(self, id: str) -> dict[str, Any]:
        """Wait until a batch is over, and return what the server says of it.

        Raises
        ------
        RefusedError
            If the server does not know it.
        ModelError
            If the server has not answered for too long.
        """
        before = ""
        while True:
            told = await self._patiently(id, partial(self._get, f"/batches/{id}"))
            stands = _standing(told)
            if stands != before:
                _log.info("batch %s is %s", id, stands)
            before = stands
            if told.get("status") in _OVER:
                return told
            await asyncio.sleep(self._terms.poll_seconds)

    async def _patiently(self, id: str, ask: Callable[[], Awaitable[_Result]]) -> _Result:
        """Ask again and again: a batch takes hours, and a server may be away for minutes."""
        began = time.monotonic()
        while True:
            try:
                return await ask()
            except UnansweredError as error:
                gone = time.monotonic() - began
                if gone > self._terms.patience_seconds:
                    message = (
                        f"the server has not said for {gone / 60:.0f} minutes how batch {id} stands: {error}; what it "
                        "answers is not lost: run the same again when the server is there"
                    )
                    raise ModelError(message) from None
                _log.warning("the answers to batch %s have to wait: %s", id, error)
            await asyncio.sleep(self._terms.poll_seconds)

    async def answers(self, id: str, file: str) -> dict[str, str]:
        """Return what a file of a batch says to its lines, by their names.

        Raises
        ------
        RefusedError
            If the server does not hand out the file.
        ModelError
            If the server has not answered for too long.
        """
        return await self._patiently(id, partial(self._fetch, file))

    async def _post(
        self, path: str, body: Mapping[str, Any], *, files: _Files | None = None, attempts: int | None = None
    ) -> dict[str, Any]:
        async def send(client: AsyncOpenAI) -> dict[str, Any]:
            form: Any = {"headers": {"Content-Type": "multipart/form-data"}} if files else {}
            return _object(await client.post(path, cast_to=bytes, body=body, files=files, options=form))

        return await self._endpoint.ask(path, send, attempts=attempts)

    async def _get(self, path: str) -> dict[str, Any]:
        async def send(client: AsyncOpenAI) -> dict[str, Any]:
            return _object(await client.get(path, cast_to=bytes))

        return await self._endpoint.ask(path, send)

    async def _fetch(self, file: str) -> dict[str, str]:
        path = f"/files/{file}/content"

        async def send(client: AsyncOpenAI) -> dict[str, str]:
            return _answers(await client.get(path, cast_to=bytes))

        return await self._endpoint.ask(path, send)


def _standing(told: Mapping[str, Any]) -> str:
    counts = told.get("request_counts")
    if not isinstance(counts, Mapping) or not counts.get("total"):
        return str(told.get("status"))
    return f"{told.get('status')}, {counts.get('completed', 0)} of {counts['total']} requests answered"


def _object(received: bytes) -> dict[str, Any]:
    value = decoded(received)
    if not isinstance(value, dict):
        raise TransientError(f"the answer is no JSON object but a {type(value).__name__}")
    return value


def _answers(received: bytes) -> dict[str, str]:
    """Read a file of answers by line."""
    answers = {}
    for written in received.split(b"\n"):
        if written.strip():
            line = _object(written)
            answers[str(line.get("custom_id"))] = json.dumps([line.get("response"), line.get("error")])
    return answers


def body_of(answer: str) -> dict[str, Any]:
    """Return the body of an answer, or raise what it says instead.

    Raises
    ------
    TransientError
        If there is none; another batch may bring it.
    RefusedError
        If the server says that the request is wrong.
    ModelError
        If no request can succeed.
    """
    response, error = json.loads(answer)
    if not isinstance(response, Mapping) or not isinstance(response.get("status_code"), int):
        message, code, _ = told_by({"error": error or "no answer"})
        raise TransientError(f"{message} ({code})" if code else message)
    status, body = response["status_code"], response.get("body")
    if status != 200:
        if is_fatal(status, body):
            raise ModelError(
                f"the server answers in a batch: {told_by(body)[0]} (HTTP {status}); check the model's name"
            )
        raise fault_of(status, body, {})
    if not isinstance(body, dict):
        raise TransientError("the answer has no body")
    return body
