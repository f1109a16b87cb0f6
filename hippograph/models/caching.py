"""A language model that asks nothing twice: answers are kept, and equal questions under way share one answer."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from threading import RLock
from typing import Final, Protocol
from uuid import uuid4

from hippograph.completions import Completion, ModelRequest
from hippograph.errors import HippographError
from hippograph.models.answers import answer_of, record_of, request_key, spent_on
from hippograph.protocols import LanguageModel
from hippograph.types import Usage

__all__ = ["CachingModel", "Responses"]

_log: Final = logging.getLogger("hippograph.models.caching")


class Responses(Protocol):
    """Keeps texts by key, and in which run's books they stand: `hippograph.store.responses.ResponseStore`."""

    def load(self, key: str) -> str | None:
        """Return the text of a key, or None if there is none."""
        ...

    def save(self, key: str, value: str, *, run: str) -> None:
        """Keep a text, as one that a run was given and has not booked yet."""
        ...

    def claim(self, key: str, *, run: str) -> bool:
        """Tell whether another run was given a text and has not booked it; then it is this one's now."""
        ...

    def settle(self, *, run: str) -> None:
        """Note that all that a run was given is booked."""
        ...


@dataclass(frozen=True, kw_only=True)
class CachingModel:
    """Asks a model what it was not asked before.

    Answers that are `done` are kept, before their futures end; what is `invalid` or `failed` is asked again next time.
    But of an answer that was cut off for its length, at a temperature of 0, it is kept that it was, for it would be so
    again. A kept answer is held against the request's schema again; one that does not fit is as good as none. It is
    there as soon as `submit` returns. Of several equal requests under way at once, one is made, unless a later one
    allows more attempts.

    What an answer has cost is told once: to who asks for it first, and again to who finds it in the store if that one
    has never called `settle`, because it died or failed; but to nobody whose request does not allow as many calls. What
    a reused answer has once cost is told by its `first_usage`.

    Parameters
    ----------
    model
        Who is asked.
    responses
        Where the answers are kept. If they cannot be looked for, the futures raise why; if one cannot be kept, it is
        given all the same, and a warning is logged once.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from hippograph.completions import Message
    >>> from hippograph.store.responses import ResponseStore
    >>> from hippograph.testing.scripted import ScriptedModel
    >>> request = ModelRequest(messages=(Message("user", "Where is Oslo?"),))
    >>> with TemporaryDirectory() as folder:
    ...     store = ResponseStore(Path(folder) / "responses.sqlite")
    ...     model = CachingModel(model=ScriptedModel(answers=["In Norway."]), responses=store)
    ...     one, two = model.submit(request).result(), model.submit(request).result()
    ...     model.close()
    >>> one.text == two.text, one.usage.calls, two.usage.calls, two.usage.reused
    (True, 1, 0, 1)
    """

    model: LanguageModel
    responses: Responses
    _under_way: _UnderWay = field(init=False, repr=False, compare=False, default_factory=lambda: _UnderWay())
    _run: _Run = field(init=False, repr=False, compare=False, default_factory=lambda: _Run())

    @property
    def fingerprint(self) -> str:
        """That of the model."""
        return self.model.fingerprint

    @property
    def concurrency(self) -> int:
        """That of the model."""
        return self.model.concurrency

    def submit(self, request: ModelRequest) -> Future[Completion]:
        """Take a request, and answer it at once if the answer is known."""
        shared, waiting, is_first = self._under_way.join(request_key(self.fingerprint, request), request.attempts)
        if not is_first:
            return waiting
        try:
            known = self._load(shared.key, request)
            if known is not None:
                self._under_way.end(shared, known)
                return waiting
            shared.asked = self.model.submit(request)
        except HippographError as error:
            self._under_way.end(shared, error)
            return waiting
        except BaseException as error:
            self._under_way.end(shared, error)
            raise
        shared.asked.add_done_callback(lambda asked: self._end(shared, request, asked))
        return waiting

    def settle(self) -> None:
        """Note that what was spent so far stands in books that last; who keeps them calls this.

        That it cannot be noted is logged: it may then be counted twice, which is better than not at all.
        """
        try:
            self.responses.settle(run=self._run.token)
            settle: Callable[[], None] | None = getattr(self.model, "settle", None)
            if settle is not None:
                settle()
        except HippographError as error:
            _log.warning("what was spent may be counted again by another run: %s", error)

    def reopen(self) -> None:
        """Have what was spent and not settled counted again when it is asked for again; for books that were lost."""
        self._run.token = uuid4().hex

    def close(self) -> None:
        """Close the model and the store of answers, as far as they can be closed."""
        for part in (self.model, self.responses):
            close = getattr(part, "close", None)
            if close is not None:
                close()

    def _load(self, key: str, request: ModelRequest) -> Completion | None:
        kept = self.responses.load(key)
        if kept is None:
            return None
        try:
            record: object = json.loads(kept)
        except ValueError:
            return None
        known = answer_of(record, request)
        if known is None or not isinstance(record, dict) or not _is_kept(known, request):
            return None
        spent = spent_on(record)
        if spent == Usage() or not _covers(request.attempts, spent.calls) or not self._claim(key):
            return known
        return replace(known, usage=spent)

    def _claim(self, key: str) -> bool:
        try:
            return self.responses.claim(key, run=self._run.token)
        except HippographError as error:
            self._run.complain(error)
            return False

    def _end(self, shared: _Shared, request: ModelRequest, asked: Future[Completion]) -> None:
        """Keep an answer and pass it on; runs where the model ends its futures."""
        outcome = _outcome(asked)
        if isinstance(outcome, Completion) and _is_kept(outcome, request):
            kept = outcome if outcome.status == "done" else replace(outcome, text="")
            try:
                self.responses.save(shared.key, json.dumps(record_of(kept), sort_keys=True), run=self._run.token)
            except HippographError as error:
                # It was paid for: who asked for it shall have it.
                self._run.complain(error)
            except BaseException as error:
                self._under_way.end(shared, error)
                raise
        self._under_way.end(shared, outcome)


@dataclass(slots=True)
class _Run:
    """Whose answers are whose, and whether it was said that they cannot be kept."""

    token: str = field(default_factory=lambda: uuid4().hex)
    has_complained: bool = False

    def complain(self, error: HippographError) -> None:
        """Say once why answers are not kept."""
        if not self.has_complained:
            self.has_complained = True
            _log.warning("answers are used and not kept: %s", error)


class _Waiting(Future[Completion]):
    """What one caller waits for; cancelling it cancels the request only if nobody else waits for that."""

    def __init__(self, shared: _Shared, under_way: _UnderWay, attempts: int | None) -> None:
        super().__init__()
        self.shared = shared
        self.under_way = under_way
        self.attempts = attempts
        # Whether it is settled how it ends; guarded by the lock, which must be free when it does end, for
        # its callbacks are somebody else's code.
        self.is_claimed = False

    def running(self) -> bool:
        """Tell whether the model works on the request."""
        asked = self.shared.asked
        return not self.done() and asked is not None and asked.running()

    def cancel(self) -> bool:
        """Cancel the request if it has not begun, or leave it to the others that wait for it."""
        if self.under_way.claim_to_cancel(self):
            self.end(None)
        return self.cancelled()

    def end(self, outcome: Completion | BaseException | None) -> None:
        """Pass on an answer or an error, or that it was cancelled."""
        if outcome is None:
            super().cancel()
            # Only with this do those notice who wait for several futures at once.
            self.set_running_or_notify_cancel()
        elif isinstance(outcome, Completion):
            self.set_result(outcome)
        else:
            self.set_exception(outcome)


@dataclass(slots=True, eq=False)
class _Shared:
    """A request under way, and who waits for it."""

    key: str
    attempts: int | None = None
    waiting: list[_Waiting] = field(default_factory=list)
    asked: Future[Completion] | None = None
    is_being_cancelled: bool = False


@dataclass(slots=True)
class _UnderWay:
    """The requests under way, by key."""

    # Cancelling the model's future calls back in the same thread, while that holds the lock.
    lock: RLock = field(default_factory=RLock)
    requests: dict[str, _Shared] = field(default_factory=dict)

    def join(self, key: str, attempts: int | None) -> tuple[_Shared, _Waiting, bool]:
        """Wait for a request that may be made as often at least, and tell whether nobody did before."""
        with self.lock:
            known = self.requests.get(key)
            # Who may try more often must not fail because another may not.
            is_first = known is None or not _covers(known.attempts, attempts)
            shared = _Shared(key, attempts) if known is None or is_first else known
            self.requests[key] = shared
            waiting = _Waiting(shared, self, attempts)
            shared.waiting.append(waiting)
        return shared, waiting, is_first

    def end(self, shared: _Shared, outcome: Completion | BaseException | None) -> None:
        """Pass the outcome on to all who wait; the first of them that allows as many calls bears the cost.

        There is none if those who did have given up; the cost is then lost as that of other requests given up is.
        """
        calls = outcome.usage.calls if isinstance(outcome, Completion) else 0
        with self.lock:
            if shared.is_being_cancelled and outcome is None:
                return
            self._forget(shared)
            waiting = [one for one in shared.waiting if not one.is_claimed]
            for one in waiting:
                one.is_claimed = True
        bearer = next((one for one in waiting if _covers(one.attempts, calls)), None)
        for one in waiting:
            one.end(outcome if one is bearer else _at_no_cost(outcome))

    def claim_to_cancel(self, waiting: _Waiting) -> bool:
        """Settle that one who waits is cancelled, unless it has begun or ended."""
        shared = waiting.shared
        with self.lock:
            if waiting.is_claimed:
                return False
            if all(other is waiting or other.is_claimed for other in shared.waiting):
                shared.is_being_cancelled = True
                is_cancelled = shared.asked is not None and shared.asked.cancel()
                shared.is_being_cancelled = False
                if not is_cancelled:
                    return False
                self._forget(shared)
            waiting.is_claimed = True
        return True

    def _forget(self, shared: _Shared) -> None:
        if self.requests.get(shared.key) is shared:
            del self.requests[shared.key]


def _covers(allowed: int | None, calls: int | None) -> bool:
    """Whether as many calls are allowed; None stands for any number."""
    return allowed is None or (calls is not None and calls <= allowed)


def _is_kept(answer: Completion, request: ModelRequest) -> bool:
    """Whether an answer is worth keeping: asked again, the model would say the same."""
    if answer.status == "invalid":
        return answer.finish_reason == "length" and request.sampling.temperature == 0
    return answer.status == "done"


def _outcome(asked: Future[Completion]) -> Completion | BaseException | None:
    """Return what came of a future that has ended; None if it was cancelled."""
    if asked.cancelled():
        return None
    return asked.exception() or asked.result()


def _at_no_cost(outcome: Completion | BaseException | None) -> Completion | BaseException | None:
    """Return what came of a request to one who did not make it."""
    if not isinstance(outcome, Completion):
        return outcome
    usage = Usage(items=1, reused=1) if outcome.status == "done" else Usage()
    return replace(outcome, usage=usage, first_usage=outcome.worth, seconds=0.0, attempts=0)
