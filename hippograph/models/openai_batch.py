"""Any model behind a batch API like OpenAI's: half the price, and answers within a day."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from hippograph.completions import Completion, ModelRequest
from hippograph.errors import InputError
from hippograph.models.address import Address
from hippograph.models.batch_desk import Answered, BatchDesk
from hippograph.models.batch_ledger import BatchLedger
from hippograph.models.batch_server import BatchTerms, Line
from hippograph.models.chat_answers import ChatAnswer
from hippograph.models.dialect import Dialect, Doubts, too_long
from hippograph.models.endpoint import Endpoint
from hippograph.models.openai_chat import OpenAIChat
from hippograph.models.pacing import Limits
from hippograph.models.prices import Price
from hippograph.models.replies import usage_of
from hippograph.models.server_faults import RefusedError, TransientError
from hippograph.models.structured import Exchange, Rung
from hippograph.types import Usage

__all__ = ["OpenAIBatch"]

_POSITIVE: Final = ("poll_seconds", "gather_seconds", "max_requests", "max_bytes", "patience_seconds")


@dataclass(frozen=True, kw_only=True)
class OpenAIBatch:
    """Ask a model by batches of requests, which the server answers when it has time, and charges less for.

    Requests are gathered until no more come. What was left with the server is in the ledger: if the process ends,
    another one that asks the same comes back to the batches that are under way, and pays for nothing twice. So to end
    it at any moment, with Ctrl-C for instance, loses nothing.

    Answers are given again, with what they cost, to whoever asks next, until `settle` says that they are safe; then
    they stay in the ledger for another 30 days, at no cost. Those that were `invalid` are not kept.

    What a batch leaves unanswered, because it expired or was cancelled or the line failed, is sent again in the next
    one, as often as the limits allow; so are answers that do not follow the schema, once, with what is wrong about
    them. A request that is cancelled after it was sent is paid for; its answer waits in the ledger.

    Parameters
    ----------
    model
        The name by which the server knows it.
    ledger
        A file, made if need be, that one process at a time may use.
    base_url
        Where the API stands, mostly ending in `/v1`; None for OpenAI's own.
    api_key
        The key; None for servers that want none.
    limits
        How files and batches are sent, and how often a request is sent at most.
    price
        What the tokens cost outside of batches; None counts no cost.
    price_share
        What part of that is charged in batches.
    poll_seconds
        How often the server is asked whether a batch is over.
    gather_seconds
        A batch is sent when no request has come for so long, or when it is full.
    window
        How long the server may take; OpenAI knows `24h`.
    max_requests, max_bytes
        When a batch is full. OpenAI takes 50,000 requests and 200 MB.
    patience_seconds
        How long the server may be away while a batch is waited for; then the futures raise `ModelError`, and the
        batch stays in the ledger.
    extra_body
        Fields that are added to every request, for what only one server knows.

    Raises
    ------
    InputError
        If the URL, the key, the name of the model or a number cannot be one.

    References
    ----------
    OpenAI, "Batch API", https://platform.openai.com/docs/guides/batch

    Examples
    --------
    >>> batch = OpenAIBatch(model="gpt-5-mini", ledger=Path("batches.sqlite"), base_url="http://localhost:8000/v1")
    >>> batch.fingerprint, batch.concurrency
    ('gpt-5-mini', 50000)
    """

    model: str
    ledger: Path
    base_url: str | None = field(default=None, repr=False)
    api_key: SecretStr | None = None
    limits: Limits = field(default_factory=Limits)
    price: Price | None = None
    price_share: float = 0.5
    poll_seconds: float = 30.0
    gather_seconds: float = 2.0
    window: str = "24h"
    max_requests: int = 50_000
    max_bytes: int = 190_000_000
    patience_seconds: float = 3600.0
    extra_body: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)
    _endpoint: Endpoint = field(init=False, repr=False, compare=False)
    _place: str = field(init=False, repr=False, compare=False)
    _fingerprint: str = field(init=False, repr=False, compare=False)
    _state: _State = field(default_factory=lambda: _State(), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        chat = OpenAIChat(model=self.model, base_url=self.base_url, api_key=self.api_key, extra_body=self.extra_body)
        for name in _POSITIVE:
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}; give a number above 0")
        endpoint = Endpoint(base_url=self.base_url, api_key=self.api_key, limits=self.limits)
        object.__setattr__(self, "_endpoint", endpoint)
        object.__setattr__(self, "_fingerprint", chat.fingerprint)
        object.__setattr__(self, "_place", Address.of(self.base_url, self.api_key).shown)
        if self.base_url is None:
            # OpenAI's newer models know only this word, and to learn it from a refusal takes a batch.
            self._state.dialect = Dialect(limit="max_completion_tokens")

    @property
    def fingerprint(self) -> str:
        """That of `OpenAIChat` with the same model, for the answers are the same."""
        return self._fingerprint

    @property
    def concurrency(self) -> int:
        """Requests in a batch."""
        return self.max_requests

    @property
    def resumable(self) -> bool:
        """Whether requests that are under way are answered even if this process ends, and found by the next."""
        return True

    def submit(self, request: ModelRequest) -> Future[Completion]:
        """Take a request into the next batch, or come back to the one that it is in.

        Returns
        -------
        The future completion. Its status is `failed` if the server calls the request wrong, or all batches that it was
        in, or may be in by `request.attempts`, have left it unanswered. The future raises `ModelError` if the server
        takes no batches, or the ledger cannot be used.

        Raises
        ------
        InputError
            If this has been closed.
        """
        return self._endpoint.submit(self._answer(request))

    def settle(self) -> None:
        """Note that all answers given so far are safe: they, and what they cost, need not be given again.

        Raises
        ------
        ModelError
            If the ledger cannot be used.
        """
        desk = self._state.desk
        if desk is not None:
            self._endpoint.submit(desk.settle()).result()

    def close(self) -> None:
        """Leave what is under way to the server and the ledger, and close both."""
        self._endpoint.close()
        desk, self._state.desk = self._state.desk, None
        if desk is not None:
            desk.close()

    async def _answer(self, request: ModelRequest) -> Completion:
        desk = self._desk()
        dialect = self._state.dialect
        exchange = Exchange(request, rungs=dialect.rungs)
        bill = _Bill()
        refused: dict[Rung, RefusedError] = {}
        while True:
            rung = exchange.rung if request.schema is not None else None
            line = Line.of(self._body(exchange, request, dialect), place=self._place)
            try:
                answer = await self._ask(desk, line, bill)
            except TransientError as error:
                if bill.failures >= self.limits.attempts or not request.allows(bill.calls):
                    return self._failed(f"{error}; sent in {bill.calls} batches", bill)
            except RefusedError as refusal:
                other = dialect.without(refusal, rung=rung)
                if other is None:
                    return self._failed(str(refusal), bill, reason="length" if too_long(refusal) else "")
                if other.rung != dialect.rung:
                    refused[dialect.rung] = refusal
                    exchange.lower()
                dialect = other
                if not request.allows(bill.calls):
                    # Whether this is understood, the next request finds out; else all would be refused as this was.
                    self._learn(self._state.doubts.settled(dialect, refused, about=request.messages))
                    return self._failed(f"{refusal}; sent in {bill.calls} batches", bill)
            else:
                self._learn(dialect)
                if exchange.take(*answer[:2], refusal=answer.refusal, is_last=not request.allows(bill.calls)):
                    return await self._ended(exchange.completion(), bill, desk)

    async def _ended(self, completion: Completion, bill: _Bill, desk: BatchDesk) -> Completion:
        if completion.status != "done":
            await desk.forget(bill.lines)
        return self._booked(completion, bill)

    def _learn(self, dialect: Dialect) -> None:
        self._state.dialect = self._state.dialect.joined(dialect)

    async def _ask(self, desk: BatchDesk, line: Line, bill: _Bill) -> ChatAnswer:
        try:
            answered = await desk.ask(line)
        except TransientError:
            bill.calls += 1
            bill.failures += 1
            raise
        except RefusedError:
            bill.calls += 1
            raise
        bill.count(answered)
        try:
            answer = ChatAnswer.of(answered.body)
        except TransientError:
            bill.failures += 1
            await desk.forget([line.id])
            raise
        bill.lines.append(line.id)
        return answer

    def _desk(self) -> BatchDesk:
        """Return the desk; on the loop, where alone it is used."""
        if self._state.desk is None:
            terms = BatchTerms(
                window=self.window,
                poll_seconds=self.poll_seconds,
                gather_seconds=self.gather_seconds,
                max_requests=self.max_requests,
                max_bytes=self.max_bytes,
                patience_seconds=self.patience_seconds,
            )
            ledger = BatchLedger(self.ledger, place=self._place)
            self._state.desk = BatchDesk(endpoint=self._endpoint, ledger=ledger, terms=terms)
        return self._state.desk

    def _body(self, exchange: Exchange, request: ModelRequest, dialect: Dialect) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": role, "content": text} for role, text in exchange.messages],
            **dialect.parameters(request.sampling),
        }
        if exchange.response_format is not None:
            body["response_format"] = exchange.response_format
        return body | dict(self.extra_body)

    def _failed(self, error: str, bill: _Bill, *, reason: str = "") -> Completion:
        return self._booked(Completion(status="failed", finish_reason=reason, error=error), bill)

    def _booked(self, completion: Completion, bill: _Bill) -> Completion:
        usage = replace(self._usage(bill.calls, bill.read, bill.written), reused=0 if bill.calls else 1)
        first = None
        if bill.reused:
            first = usage + sum((self._usage(1, *usage_of(body)) for body in bill.reused), Usage())
            first = replace(first, items=1, reused=0)
        return replace(completion, usage=usage, first_usage=first, seconds=bill.seconds, attempts=bill.calls)

    def _usage(self, calls: int, read: int, written: int) -> Usage:
        cost = 0.0 if self.price is None else self.price.cost(read, written) * self.price_share
        return Usage(calls=calls, items=1, input_tokens=read, output_tokens=written, cost=cost)


@dataclass(slots=True)
class _State:
    """What a model has learnt about its server, and where its requests wait."""

    dialect: Dialect = field(default_factory=Dialect)
    doubts: Doubts = field(default_factory=Doubts)
    desk: BatchDesk | None = None


@dataclass(slots=True)
class _Bill:
    """What a request has cost so far, the lines that were answered, and the answers that cost nothing any more."""

    calls: int = 0
    failures: int = 0
    read: int = 0
    written: int = 0
    lines: list[str] = field(default_factory=list)
    reused: list[dict[str, Any]] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since the request was taken."""
        return time.monotonic() - self.began

    def count(self, answered: Answered) -> None:
        """Enter an answer, unless somebody else had it."""
        if answered.is_new:
            read, written = usage_of(answered.body)
            self.calls += 1
            self.read += read
            self.written += written
        else:
            self.reused.append(answered.body)
