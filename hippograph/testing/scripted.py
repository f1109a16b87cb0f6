"""A language model that says what it is told to: for tests of what is built on one, without a server."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Final, TypeAlias

from pydantic import BaseModel

from hippograph.completions import Completion, ModelRequest
from hippograph.errors import HippographError, InputError
from hippograph.models.structured import Exchange
from hippograph.types import Usage

__all__ = ["ScriptedAnswer", "ScriptedModel"]

# How long answers wait for others to come back in order with, seconds.
_PATIENCE: Final = 0.2

ScriptedAnswer: TypeAlias = Completion | BaseModel | str | Exception
"""A completion as it is, an object, a text as the model would write it, or an error that the future raises."""


@dataclass(frozen=True, kw_only=True)
class ScriptedModel:
    """Answers from a script, and remembers what it was asked.

    A text is held against the request's schema as a server's answer is: small faults of its JSON are repaired, and if
    it does not fit, it is `invalid`; but it is not asked for again, however many attempts are allowed. Tokens are
    counted in words. What is answered is settled in the order of submission, whatever the order in which the answers
    come back, so that a test gives the same result every time.

    Parameters
    ----------
    answers
        A function of the request, or answers to give in turn. A `HippographError` that the function raises is raised
        by the future.
    name
        Names the model in its fingerprint.
    concurrency
        How many requests it says it works on at a time; and, with `seconds`, works on.
    seconds
        How long an answer takes. 0 answers before `submit` returns.
    order
        In which order answers come back: a permutation of 0 to n - 1, which n requests wait to be answered in. The
        last ones, that are fewer than n, are answered after a fifth of a second, or on `close`.

    Examples
    --------
    >>> from hippograph.completions import Message
    >>> model = ScriptedModel(answers=lambda request: request.messages[-1].text.upper())
    >>> done = model.submit(ModelRequest(messages=(Message("user", "where is oslo"),))).result()
    >>> done.text, done.usage.calls, done.usage.input_tokens, model.calls
    ('WHERE IS OSLO', 1, 3, 1)

    An answer that does not fit the schema is told by the status:

    >>> class Place(BaseModel):
    ...     country: str
    >>> model = ScriptedModel(answers=['{"country": "Norway"}', "Norway"])
    >>> request = ModelRequest(messages=(Message("user", "where is oslo"),), schema=Place)
    >>> model.submit(request).result().value, model.submit(request).result().status
    (Place(country='Norway'), 'invalid')
    """

    answers: Callable[[ModelRequest], ScriptedAnswer] | Sequence[ScriptedAnswer]
    name: str = "1"
    concurrency: int = 4
    seconds: float = 0.0
    order: tuple[int, ...] = ()
    _state: _State = field(init=False, repr=False, compare=False, default_factory=lambda: _State())

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            message = f"concurrency is {self.concurrency}; give at least 1"
            raise InputError(message)
        if sorted(self.order) != list(range(len(self.order))):
            message = f"order is {self.order}; give each number from 0 to {len(self.order) - 1} once"
            raise InputError(message)

    @property
    def fingerprint(self) -> str:
        """Names the double."""
        return f"scripted:{self.name}"

    @property
    def calls(self) -> int:
        """How many requests were answered; those that were cancelled before are not."""
        return self._state.calls

    @property
    def requests(self) -> tuple[ModelRequest, ...]:
        """What it was asked, in the order of submission."""
        return tuple(self._state.requests)

    def submit(self, request: ModelRequest) -> Future[Completion]:
        """Take a request.

        Raises
        ------
        InputError
            By the future, if there are no answers left.
        """
        future: Future[Completion] = Future()
        state = self._state
        with state.lock:
            state.requests.append(request)
            delivery = _Delivery(future, self._answer(request, len(state.requests)))
            if self.order:
                self._gather(delivery)
            elif self.seconds:
                state.threads(self.concurrency).submit(self._deliver, delivery)
        if not (self.order or self.seconds):
            self._deliver(delivery)
        return future

    def close(self) -> None:
        """Wait for the answers that are under way, and end the threads."""
        self._state.close()

    def _answer(self, request: ModelRequest, number: int) -> Completion | Exception:
        try:
            if callable(self.answers):
                answer = self.answers(request)
            elif number <= len(self.answers):
                answer = self.answers[number - 1]
            else:
                message = f"the script has {len(self.answers)} answers and this is request {number}; give more of them"
                raise InputError(message)
        except HippographError as error:
            return error
        return answer if isinstance(answer, Completion | Exception) else _completion(request, answer)

    def _gather(self, delivery: _Delivery) -> None:
        """Let an answer wait for its turn; under the lock."""
        state = self._state
        state.window.append(delivery)
        if len(state.window) == 1:
            state.full = Event()
            state.threads(1).submit(self._deliver_in_order, state.full)
        if len(state.window) == len(self.order):
            state.release()

    def _deliver_in_order(self, full: Event) -> None:
        state = self._state
        complete = full.wait(timeout=_PATIENCE)
        with state.lock:
            # It may have been filled just after the waiting ended.
            if complete or full.is_set():
                window = state.windows.pop(0)
            else:
                window, state.window = state.window, []
        for place in self.order:
            if place < len(window):
                self._deliver(window[place])

    def _deliver(self, delivery: _Delivery) -> None:
        if not delivery.future.set_running_or_notify_cancel():
            return
        if self.seconds:
            time.sleep(self.seconds)
        with self._state.lock:
            self._state.calls += 1
        if isinstance(delivery.answer, Exception):
            delivery.future.set_exception(delivery.answer)
        else:
            delivery.future.set_result(delivery.answer)


@dataclass(frozen=True, slots=True)
class _Delivery:
    """An answer and who waits for it."""

    future: Future[Completion]
    answer: Completion | Exception


@dataclass(slots=True)
class _State:
    """What a scripted model remembers."""

    lock: Lock = field(default_factory=Lock)
    requests: list[ModelRequest] = field(default_factory=list)
    calls: int = 0
    window: list[_Delivery] = field(default_factory=list)
    windows: list[list[_Delivery]] = field(default_factory=list)
    full: Event = field(default_factory=Event)
    pool: ThreadPoolExecutor | None = None

    def threads(self, number: int) -> ThreadPoolExecutor:
        """Return the threads that answer, which end when nobody refers to the model any more."""
        if self.pool is None:
            self.pool = ThreadPoolExecutor(max_workers=number, thread_name_prefix="scripted-model")
        return self.pool

    def release(self) -> None:
        """Let the answers that wait be delivered; under the lock."""
        self.windows.append(self.window)
        self.window = []
        self.full.set()

    def close(self) -> None:
        """End the threads."""
        with self.lock:
            if self.window:
                self.release()
            pool, self.pool = self.pool, None
        if pool is not None:
            pool.shutdown(wait=True)


def _completion(request: ModelRequest, answer: str | BaseModel) -> Completion:
    text = answer if isinstance(answer, str) else answer.model_dump_json()
    usage = Usage(
        calls=1,
        items=1,
        input_tokens=sum(len(message.text.split()) for message in request.messages),
        output_tokens=len(text.split()),
    )
    # Held against the schema by what the real backends do it with, so that a test meets the same answers.
    exchange = Exchange(request, rungs=("json_schema",), again=False)
    exchange.take(text, "stop")
    return exchange.completion(usage=usage, attempts=1)
