"""Any model behind a chat API like OpenAI's: hosted, or a server of one's own (vLLM, llama.cpp, Ollama, LM Studio)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from pydantic import SecretStr

from hippograph.completions import Completion, ModelRequest
from hippograph.errors import InputError
from hippograph.models.chat_answers import ChatAnswer, ChatPieces
from hippograph.models.dialect import Dialect, Doubts, too_long
from hippograph.models.endpoint import Endpoint
from hippograph.models.pacing import Limits
from hippograph.models.prices import Price
from hippograph.models.replies import Tally
from hippograph.models.server_faults import RefusedError, UnansweredError
from hippograph.models.structured import Exchange, Rung

__all__ = ["OpenAIChat"]

_PATH: Final = "/chat/completions"
# Bytes of UTF-8 to a token, for pacing alone: what was really used is put in its place afterwards.
_BYTES_PER_TOKEN: Final = 4


@dataclass(frozen=True, kw_only=True)
class OpenAIChat:
    """Ask a model over the chat API of OpenAI, which most servers of language models speak.

    JSON is asked for by schema; from a server that does not know that, as any JSON object; from one that knows neither,
    in words. What a server does not understand is found out at the first requests and not said again.

    The tokens of answers without usage are estimated, so that budgets hold with every server.

    The object is usable as soon as it is constructed, connects at the first use, and may be shared by threads.

    Parameters
    ----------
    model
        The name by which the server knows it.
    base_url
        Where the API stands, mostly ending in `/v1`; None for OpenAI's own.
    api_key
        The key; None for servers that want none.
    limits
        How much is asked at a time and in a minute, and how patiently.
    price
        What its tokens cost; None counts no cost.
    stream
        Have answers sent in pieces: `limits.timeout` is then the longest silence, and not all the time an answer takes.
    extra_body
        Fields that are added to every request, for what only one server knows.

    Raises
    ------
    InputError
        If the URL, the key or the name of the model cannot be one.

    Examples
    --------
    >>> chat = OpenAIChat(model="qwen3:8b", base_url="http://localhost:11434/v1")
    >>> chat.fingerprint, chat.concurrency
    ('qwen3:8b', 16)
    """

    model: str
    base_url: str | None = field(default=None, repr=False)
    api_key: SecretStr | None = None
    limits: Limits = field(default_factory=Limits)
    price: Price | None = None
    stream: bool = False
    extra_body: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)
    _endpoint: Endpoint = field(init=False, repr=False, compare=False)
    _learnt: list[Dialect] = field(default_factory=lambda: [Dialect()], init=False, repr=False, compare=False)
    _doubts: Doubts = field(default_factory=Doubts, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise InputError(f"the model is {self.model!r}; give the name by which the server knows it")
        endpoint = Endpoint(base_url=self.base_url, api_key=self.api_key, limits=self.limits)
        object.__setattr__(self, "_endpoint", endpoint)

    @property
    def fingerprint(self) -> str:
        """The name of the model, and a digest of the extra fields if there are any."""
        if not self.extra_body:
            return self.model
        extra = json.dumps(dict(self.extra_body), sort_keys=True, default=str)
        return f"{self.model}+{sha256(extra.encode()).hexdigest()[:12]}"

    @property
    def concurrency(self) -> int:
        """Requests in flight at a time."""
        return self.limits.concurrency

    def submit(self, request: ModelRequest) -> Future[Completion]:
        """Ask, and return at once.

        Returns
        -------
        The future completion. Its status is `failed` if all attempts were in vain or the server calls the request
        wrong; if it is too long for the model, the finish reason is then `length`. Where `request.attempts` ends it, it
        is what it is by then: `failed` or `invalid`. The future raises `ModelError` if
        the key, the address or the name of the model is wrong, or the server cannot be reached. It can be cancelled at
        any time, also when the request is under way.

        Raises
        ------
        InputError
            If this has been closed.
        """
        return self._endpoint.submit(self._answer(request))

    def close(self) -> None:
        """Cancel what is under way and close the connections; closing again does nothing."""
        self._endpoint.close()

    async def _answer(self, request: ModelRequest) -> Completion:
        tally = Tally()
        dialect = self._learnt[0]
        exchange = Exchange(request, rungs=dialect.rungs)
        refused: dict[Rung, RefusedError] = {}
        while True:
            rung = exchange.rung if request.schema is not None else None
            body = self._body(exchange, request, dialect)
            try:
                answer = await self._send(body, request, tally)
            except UnansweredError as error:
                return self._failed(str(error), tally)
            except RefusedError as refusal:
                other = dialect.without(refusal, rung=rung)
                if other is None:
                    self._endpoint.count_failed(str(refusal))
                    return self._failed(str(refusal), tally, reason="length" if too_long(refusal) else "")
                if other.rung != dialect.rung:
                    refused[dialect.rung] = refusal
                    exchange.lower()
                dialect = other
                if request.allows(tally.calls):
                    continue
                # Whether this is understood, the next request finds out; else every one would be refused as this was.
                self._learn(request, dialect, refused)
                return self._failed(f"{refusal}; {tally.calls} attempts", tally)
            if request.schema is not None:
                self._doubts.dispel(dialect.rung, schema=request.schema)
            self._learn(request, dialect, refused)
            if exchange.take(*answer[:2], refusal=answer.refusal, is_last=not request.allows(tally.calls)):
                return exchange.completion(usage=tally.usage(self.price), seconds=tally.seconds, attempts=tally.calls)

    def _learn(self, request: ModelRequest, dialect: Dialect, refused: dict[Rung, RefusedError]) -> None:
        """Give up for good what was refused."""
        taught = self._doubts.settled(dialect, refused, about=request.messages, schema=request.schema)
        self._learnt[0] = self._learnt[0].joined(taught)

    async def _send(self, body: Mapping[str, Any], request: ModelRequest, tally: Tally) -> ChatAnswer:
        tokens = 0
        if self.limits.tokens_per_minute is not None:
            length = sum(len(message["content"].encode()) for message in body["messages"])
            tokens = length // _BYTES_PER_TOKEN + request.sampling.max_tokens
        reply = await self._endpoint.post(
            _PATH,
            body,
            tally=tally,
            tokens=tokens,
            check=ChatAnswer.of,
            pieces=ChatPieces if self.stream else None,
            attempts=request.attempts,
        )
        return ChatAnswer.of(reply.json)

    def _body(self, exchange: Exchange, request: ModelRequest, dialect: Dialect) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": role, "content": text} for role, text in exchange.messages],
            **dialect.parameters(request.sampling),
        }
        response_format = exchange.response_format
        if response_format is not None:
            body["response_format"] = response_format
        if self.stream:
            body["stream"] = True
            if "stream_options" not in dialect.left_out:
                body["stream_options"] = {"include_usage": True}
        body.update(self.extra_body)
        return body

    def _failed(self, error: str, tally: Tally, *, reason: str = "") -> Completion:
        return Completion(
            status="failed",
            finish_reason=reason,
            error=error,
            usage=tally.usage(self.price),
            seconds=tally.seconds,
            attempts=tally.calls,
        )
