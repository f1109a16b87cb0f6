"""A language model that asks nothing twice: answers are kept, and equal questions under way share one answer."""

from __future__ import annotations

import json
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from threading import RLock
from typing import Protocol

from hippograph.completions import Completion, ModelRequest
from hippograph.errors import HippographError
from hippograph.models.answers import answer_of, record_of, request_key
from hippograph.protocols import LanguageModel
from hippograph.types import Usage

__all__ = ["CachingModel", "Responses"]


class Responses(Protocol):
    """Keeps texts by key: `hippograph.store.responses.ResponseStore`, or anything else that does."""

    def load(self, key: str) -> str | None:
        """Return the text of a key, or None if there is none."""
        ...

    def save(self, key: str, value: str) -> None:
        """Keep a text."""
        ...


@dataclass(frozen=True, kw_only=True)
class CachingModel:
    """Asks a model what it was not asked before.

    Only answers that are `done` are kept, before their futures end; what is `invalid` or `failed` is asked again next
    time. A kept answer is held against the request's schema again; one that does not fit is as good as none. It is
    there as soon as `submit` returns. Of several equal requests under way at once, one is made.

    Parameters
    ----------
    model
        Who is asked.
    responses
        Where the answers are kept. What it raises is raised by the futures.

    Examples
    --------
    >>> from hippograph.completions import Message
    >>> from hippograph.testing.scripted import ScriptedModel
    >>> class Kept(dict[str, str]):
    ...     load, save = dict.get, dict.__setitem__
    >>> model = CachingModel(model=ScriptedModel(answers=["In Norway."]), responses=Kept())
    >>> request = ModelRequest(messages=(Message("user", "Where is Oslo?"),))
    >>> one, two = model.submit(request).result(), model.submit(request).result()
    >>> one.text == two.text, one.usage.calls, two.usage.calls, two.usage.reused
    (True, 1, 0, 1)
    """

    model: LanguageModel
    responses: Responses
    _under_way: _UnderWay = field(init=False, repr=False, compare=False, default_factory=lambda: _UnderWay())

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
        shared, waiting, is_first = self._under_way.join(request_key(self.fingerprint, request))
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
        shared.asked.add_done_callback(lambda asked: self._settle(shared, asked))
        return waiting

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
        return known if known is not None and known.status == "done" else None

    def _settle(self, shared: _Shared, asked: Future[Completion]) -> None:
        """Keep an answer and pass it on; runs where the model ends its futures."""
        outcome = _outcome(asked)
        if isinstance(outcome, Completion) and outcome.status == "done":
            try:
                self.responses.save(shared.key, json.dumps(record_of(outcome), sort_keys=True))
            except HippographError as error:
                outcome = error
            except BaseException as error:
                self._under_way.end(shared, error)
                raise
        self._under_way.end(shared, outcome)


class _Waiting(Future[Completion]):
    """What one caller waits for; cancelling it cancels the request only if nobody else waits for that."""

    def __init__(self, shared: _Shared, under_way: _UnderWay) -> None:
        super().__init__()
        self.shared = shared
        self.under_way = under_way
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
    waiting: list[_Waiting] = field(default_factory=list)
    asked: Future[Completion] | None = None
    is_being_cancelled: bool = False


@dataclass(slots=True)
class _UnderWay:
    """The requests under way, by key."""

    # Cancelling the model's future calls back in the same thread, while that holds the lock.
    lock: RLock = field(default_factory=RLock)
    requests: dict[str, _Shared] = field(default_factory=dict)

    def join(self, key: str) -> tuple[_Shared, _Waiting, bool]:
        """Wait for a request, and tell whether nobody did before."""
        with self.lock:
            is_first = key not in self.requests
            shared = self.requests.setdefault(key, _Shared(key))
            waiting = _Waiting(shared, self)
            shared.waiting.append(waiting)
        return shared, waiting, is_first

    def end(self, shared: _Shared, outcome: Completion | BaseException | None) -> None:
        """Pass the outcome on to all who wait; the first of them bears the cost."""
        with self.lock:
            if shared.is_being_cancelled and outcome is None:
                return
            self._forget(shared)
            waiting = [one for one in shared.waiting if not one.is_claimed]
            for one in waiting:
                one.is_claimed = True
        for number, one in enumerate(waiting):
            one.end(_at_no_cost(outcome) if number else outcome)

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
    return replace(outcome, usage=usage, seconds=0.0, attempts=0)
