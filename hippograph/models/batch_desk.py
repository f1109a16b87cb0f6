"""Gathers requests into batches, leaves them with a server, and comes back for the answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import uuid4

from hippograph.errors import ModelError
from hippograph.models.batch_ledger import Batch, BatchLedger
from hippograph.models.batch_server import BatchServer, BatchTerms, Line, body_of
from hippograph.models.endpoint import Endpoint
from hippograph.models.server_faults import RefusedError, TransientError, UnansweredError, told_by

__all__ = ["Answered", "BatchDesk"]

_log = logging.getLogger("hippograph.models.batches")

# Why a batch is turned down as a whole, where another one would be too.
_HOPELESS: Final = frozenset({"model_not_found", "invalid_api_key", "billing_hard_limit_reached", "insufficient_quota"})

_NOT_FOUND: Final = 404
_FILES: Final = ("output_file_id", "error_file_id")
_LATER: Final = "what it answers is not lost: run the same again later"


class Answered(NamedTuple):
    """What a server said to a line.

    Parameters
    ----------
    body
        The body of its answer.
    is_new
        Whether nobody was given it before, but for those who died with it.
    """

    body: dict[str, Any]
    is_new: bool


@dataclass(slots=True, eq=False)
class _Wait:
    """A line that is waited for."""

    line: Line
    ended: asyncio.Future[None]
    waiting: int = 0


@dataclass(slots=True, eq=False)
class _Notes:
    """What is to be written into the ledger next."""

    written: asyncio.Future[None]
    useless: list[str] = field(default_factory=list)


class BatchDesk:
    """Answers lines by batches; everything runs on the loop of its endpoint.

    Parameters
    ----------
    endpoint
        The server.
    ledger
        What was left with it, this process's doing or not.
    terms
        How batches are made.
    """

    def __init__(self, *, endpoint: Endpoint, ledger: BatchLedger, terms: BatchTerms) -> None:
        self._server = BatchServer(endpoint=endpoint, terms=terms)
        self._ledger = ledger
        self._terms = terms
        self._waits: dict[str, _Wait] = {}
        self._queue: dict[str, _Wait] = {}
        self._arrived = asyncio.Event()
        self._following: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._gathering = False
        self._most = terms.max_requests
        self._notes: _Notes | None = None
        self._is_resumed = False
        # Answers that were given and not yet noted as taken: if this process dies, they are to be given again.
        self._given: dict[str, None] = {}

    async def ask(self, line: Line) -> Answered:
        """Wait for the answer to a line, which is sent if it never was.

        Raises
        ------
        TransientError
            If there is none; another batch may bring it.
        RefusedError
            If the server says that the request is wrong.
        ModelError
            If it is of no use to send any.
        """
        self._resume()
        known = self._ledger.find(line.id)
        if known is None or known.answer is None:
            await self._wait(line, is_sent=known is not None)
            known = self._ledger.find(line.id)
        if known is None or known.answer is None:
            raise TransientError("the batch ended without an answer to this request")
        try:
            body = body_of(known.answer)
        except (TransientError, RefusedError, ModelError):
            # Nothing was paid for it, and another time it may be answered.
            await self.forget([line.id])
            raise
        is_new = not known.is_taken and line.id not in self._given
        self._given[line.id] = None
        return Answered(body, is_new)

    async def settle(self) -> None:
        """Note that those who were given answers have them safe."""
        taken = list(self._given)
        if taken:
            self._ledger.settle(taken=taken)
        for id in taken:
            del self._given[id]

    async def forget(self, useless: Sequence[str]) -> None:
        """Strike useless answers out of the ledger, together with all others that are struck out at this moment."""
        if self._notes is None:
            self._notes = _Notes(asyncio.get_running_loop().create_future())
            asyncio.get_running_loop().call_soon(self._write, self._notes)
        self._notes.useless += useless
        await asyncio.shield(self._notes.written)

    def close(self) -> None:
        """Close the ledger; may be called twice."""
        self._ledger.close()

    def _write(self, notes: _Notes) -> None:
        self._notes = None
        try:
            self._ledger.settle(useless=notes.useless)
        except ModelError as error:
            notes.written.set_exception(error)
        else:
            for id in notes.useless:
                self._given.pop(id, None)
            notes.written.set_result(None)

    async def _wait(self, line: Line, *, is_sent: bool) -> None:
        wait = self._waits.get(line.id)
        if wait is None:
            wait = self._waits[line.id] = _Wait(line, asyncio.get_running_loop().create_future())
            if not is_sent:
                self._queue[line.id] = wait
                self._arrived.set()
                self._gather()
        wait.waiting += 1
        try:
            # Whoever gives up does not end it for the others.
            await asyncio.shield(wait.ended)
        finally:
            wait.waiting -= 1
            if not wait.waiting and self._queue.get(line.id) is wait:
                del self._queue[line.id], self._waits[line.id]

    def _resume(self) -> None:
        """Come back to batches that were left with the server, by this process or another."""
        if not self._is_resumed:
            self._is_resumed = True
            for batch in self._ledger.open_batches():
                if batch.token not in self._following:
                    self._follow(batch)

    def _follow(self, batch: Batch) -> None:
        self._following.add(batch.token)
        self._start(self._see_through(batch), batch.token)

    def _gather(self) -> None:
        if not self._gathering:
            self._gathering = True
            self._start(self._send_batches(), None)

    def _start(self, work: Coroutine[Any, Any, None], token: str | None) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._end(done, token))

    def _end(self, task: asyncio.Task[None], token: str | None) -> None:
        """Tell those who wait why they wait in vain, if a task has failed."""
        self._tasks.discard(task)
        if token is None:
            self._gathering = False
        else:
            self._following.discard(token)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._fail(error)
        elif token is None and self._queue:
            self._gather()

    def _fail(self, error: BaseException) -> None:
        waits = list(self._waits.values())
        self._queue.clear()
        self._waits.clear()
        # Batches that are under way still are; who asks again comes back to them.
        self._is_resumed = False
        for wait in waits:
            wait.ended.set_exception(error)
            # Whether or not somebody is still there to hear it.
            wait.ended.exception()

    async def _send_batches(self) -> None:
        while self._queue:
            await self._gathered()
            lines: list[Line] = []
            size = 0
            for wait in list(self._queue.values()):
                size += len(wait.line.text)
                if lines and (len(lines) == self._most or size > self._terms.max_bytes):
                    break
                lines.append(self._queue.pop(wait.line.id).line)
            if lines:
                await self._leave(lines)

    async def _gathered(self) -> None:
        """Wait until no request comes any more, or a batch is full."""
        while len(self._queue) < self._most:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), self._terms.gather_seconds)
            except TimeoutError:
                return
            if sum(len(wait.line.text) for wait in self._queue.values()) >= self._terms.max_bytes:
                return

    async def _leave(self, lines: list[Line]) -> None:
        """Leave a batch with the server; what is there is in the ledger first, whenever this process dies."""
        token = uuid4().hex
        self._following.add(token)
        try:
            self._ledger.prepare(token, [line.id for line in lines])
            batch = await self._submit(token, "".join(line.text for line in lines).encode())
        except BaseException:
            self._following.discard(token)
            raise
        self._ledger.submitted(token, batch)
        seconds = self._terms.poll_seconds
        _log.info("batch %s with %d requests is under way; it is looked at every %g s", batch, len(lines), seconds)
        self._follow(Batch(token, batch))

    async def _submit(self, token: str, data: bytes) -> str:
        try:
            try:
                file = await self._server.upload(token, data)
            except (UnansweredError, ModelError):
                # There is no batch yet. Once there may be one, the ledger keeps it until the server was asked.
                self._ledger.collect(token)
                raise
            return await self._server.create(token, file)
        except UnansweredError as error:
            raise ModelError(f"a batch could not be left with the server: {error}; run the same again") from None
        except RefusedError as error:
            self._ledger.collect(token)
            message = f"the server takes no batches: {error}; check that it has /files and /batches"
            raise ModelError(message) from None

    async def _see_through(self, batch: Batch) -> None:
        """Wait for a batch and fetch its answers."""
        told: dict[str, Any] = {}
        id = batch.id or await self._found(batch.token)
        if id is not None:
            try:
                told = await self._server.end_of(id)
            except RefusedError as error:
                if error.status != _NOT_FOUND:
                    raise ModelError(f"the server does not say how batch {id} stands: {error}; {_LATER}") from None
                _log.warning("batch %s is not known to the server any more, and is sent again: %s", id, error)
            await self._fetch(batch.token, id, told)
        left = self._ledger.collect(batch.token)
        _log.info("batch %s is %s; %d requests have no answer", id, told.get("status", "gone"), left)
        if told.get("status") == "failed":
            await self._learn(told, left)
        self._wake()

    async def _found(self, token: str) -> str | None:
        """Look for a batch of which it is not known whether it was made."""
        try:
            return await self._server.search(token)
        except (RefusedError, UnansweredError) as error:
            raise ModelError(f"the server does not say which batches it has: {error}; {_LATER}") from None

    async def _fetch(self, token: str, id: str, told: Mapping[str, Any]) -> None:
        """Fetch the answers to a batch, each file by itself: what was paid for stays known until it was read."""
        unread = []
        for name in _FILES:
            if told.get(name):
                file = str(told[name])
                try:
                    answers = await self._server.answers(id, file)
                except RefusedError as error:
                    unread.append(f"{file} ({error})")
                else:
                    self._ledger.receive(token, answers)
        if unread:
            # Who waits for what was in the other file has it now.
            self._wake()
            message = (
                f"the answers to batch {id} cannot be fetched: {', '.join(unread)}; run the same again; if the server "
                f"has deleted them, delete {self._ledger.path}, and what it holds is sent, and paid for, again"
            )
            raise ModelError(message)

    async def _learn(self, told: Mapping[str, Any], left: int) -> None:
        """Draw the conclusion from a batch that was turned down as a whole."""
        errors = (told.get("errors") or {}).get("data") or [{}]
        message, code, _ = told_by({"error": errors[0]})
        if code in _HOPELESS:
            text = f"the server turns batches down: {message} ({code}); check the model's name and the account"
            raise ModelError(text)
        if code == "token_limit_exceeded":
            self._most = max(1, min(self._most, left) // 2)
        _log.warning("a batch was turned down: %s (%s); its requests are sent again", message, code)
        await asyncio.sleep(self._terms.poll_seconds)

    def _wake(self) -> None:
        """Have those look who wait for lines that are in no batch any more, or were answered."""
        for id, wait in list(self._waits.items()):
            known = self._ledger.find(id) if id not in self._queue else None
            if id not in self._queue and (known is None or known.answer is not None):
                del self._waits[id]
                wait.ended.set_result(None)
