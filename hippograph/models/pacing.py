"""How fast requests may follow one another: at a time, per minute, in tokens per minute, and after "not now"."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from hippograph.errors import InputError

__all__ = ["Limits", "Pace", "Turn"]

_MINUTE: Final = 60.0
# What may be spent at once after a rest, in seconds' worth of the limit; the rest of a minute's is spread evenly.
_ALLOWANCE: Final = 3.0
# Shorter sleeps may end where they began, by the rounding of the clock.
_TICK: Final = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is asked of a server at most, and how long one waits for it.

    Parameters
    ----------
    concurrency
        Requests in flight at a time.
    requests_per_minute, tokens_per_minute
        What the server's operator allows, retried requests included; None for no limit. Tokens are those read and
        those written.
    attempts
        How often one request is sent at most, when the server does not answer or says that it cannot now.
    timeout
        Seconds that one attempt may take; for a streamed answer the longest silence between two pieces.
    longest_wait
        Seconds between two attempts at most. A server that names a longer wait itself (`Retry-After`) is obeyed, up
        to ten minutes.

    Raises
    ------
    InputError
        If a limit is not above 0.

    Examples
    --------
    >>> Limits(concurrency=64, requests_per_minute=500).attempts
    6
    >>> Limits(attempts=0)
    Traceback (most recent call last):
    hippograph.errors.InputError: attempts is 0; give a number above 0
    """

    concurrency: int = 16
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    attempts: int = 6
    timeout: float = 180.0
    longest_wait: float = 60.0

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute"):
            _require_positive(name, getattr(self, name), hint=", or None for no limit")
        for name in ("concurrency", "attempts", "timeout", "longest_wait"):
            _require_positive(name, getattr(self, name))


class Turn:
    """The right to send one request; tells the pace what it has cost."""

    __slots__ = ("_expected", "_meter")

    def __init__(self, meter: _Meter | None, expected: _Spent | None) -> None:
        self._meter = meter
        self._expected = expected

    def used(self, tokens: int) -> None:
        """Put the tokens that were counted in the place of those that were expected."""
        if self._meter is not None and self._expected is not None:
            self._meter.correct(self._expected, tokens)


class Pace:
    """Lets requests start, in the order in which they came, as soon as the limits allow.

    To be used on one event loop. Within any minute no more requests start than are allowed, and they are spread over
    it, but for a few seconds' worth that may start at once after a rest. The same holds for tokens as far as they are
    known: an answer's are expected before and counted after. A request that alone exceeds a minute's tokens is let
    through when nothing else was sent in the last one, and the next one waits until that is made up for.

    Parameters
    ----------
    limits
        What is allowed.
    clock
        Seconds that only grow.
    sleep
        Waits for seconds.

    Examples
    --------
    >>> async def send_two():
    ...     pace = Pace(Limits(requests_per_minute=600))
    ...     for text in ("first", "second"):
    ...         async with pace.turn(tokens=300) as turn:
    ...             turn.used(280)
    >>> asyncio.run(send_two())
    """

    def __init__(
        self,
        limits: Limits,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._places = int(limits.concurrency)
        self._waiting: deque[tuple[int, asyncio.Future[Turn]]] = deque()
        self._sleeper: asyncio.Task[None] | None = None
        self._requests = _Meter(limits.requests_per_minute) if limits.requests_per_minute else None
        self._tokens = _Meter(limits.tokens_per_minute) if limits.tokens_per_minute else None
        self._resume = -math.inf

    @asynccontextmanager
    async def turn(self, tokens: int = 0) -> AsyncIterator[Turn]:
        """Wait for a turn, and hold one of the places while the request is in flight.

        Parameters
        ----------
        tokens
            What the request is expected to cost, read and written together.
        """
        granted: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._waiting.append((tokens, granted))
        self._admit()
        try:
            turn = await granted
            yield turn
        finally:
            # Cancelled while it waited, it holds no place; cancelled after its turn was granted, it does.
            if granted.done() and not granted.cancelled():
                self._places += 1
            self._admit()

    def pause(self, seconds: float) -> None:
        """Let no request start before so many seconds have passed."""
        self._resume = max(self._resume, self._clock() + seconds)

    def _admit(self) -> None:
        """Let as many start as may; have this done again when the next one may."""
        while self._places and self._waiting:
            tokens, granted = self._waiting[0]
            if granted.done():
                self._waiting.popleft()
                continue
            wait = self._start_time(tokens) - self._clock()
            if wait > 0:
                if self._sleeper is None:
                    self._sleeper = asyncio.get_running_loop().create_task(self._admit_later(wait))
                return
            self._waiting.popleft()
            self._places -= 1
            granted.set_result(self._start(tokens))

    async def _admit_later(self, wait: float) -> None:
        await self._sleep(max(wait, _TICK))
        self._sleeper = None
        self._admit()

    def _start_time(self, tokens: int) -> float:
        now = self._clock()
        start = self._resume
        if self._requests is not None:
            start = max(start, self._requests.start_time(1, now))
        if self._tokens is not None:
            start = max(start, self._tokens.start_time(tokens, now))
        return start

    def _start(self, tokens: int) -> Turn:
        now = self._clock()
        if self._requests is not None:
            self._requests.spend(1, now)
        return Turn(self._tokens, None if self._tokens is None else self._tokens.spend(tokens, now))


class _Spent:
    """An amount and when it was spent."""

    __slots__ = ("amount", "at")

    def __init__(self, amount: float, at: float) -> None:
        self.amount = amount
        self.at = at


class _Meter:
    """What was spent in the last minute, and when more may be."""

    def __init__(self, per_minute: float) -> None:
        self._limit = per_minute
        self._recent: deque[_Spent] = deque()
        self._total = 0.0
        # When all that was spent so far would be due if it were spent evenly.
        self._due = -math.inf

    def start_time(self, amount: float, now: float) -> float:
        """When so much may be spent, in the clock's seconds; the past for now."""
        while self._recent and self._recent[0].at + _MINUTE <= now:
            self._total -= self._recent.popleft().amount
        return max(self._due - _ALLOWANCE, self._room_time(amount))

    def spend(self, amount: float, now: float) -> _Spent:
        spent = _Spent(amount, now)
        self._recent.append(spent)
        self._total += amount
        self._due = max(self._due, now) + amount * _MINUTE / self._limit
        return spent

    def correct(self, spent: _Spent, amount: float) -> None:
        more = amount - spent.amount
        spent.amount = amount
        self._due += more * _MINUTE / self._limit
        # What has left the window is no part of its total any more.
        if self._recent and self._recent[0].at <= spent.at:
            self._total += more

    def _room_time(self, amount: float) -> float:
        """When enough of the window will have passed; after all of it for what alone is too much."""
        excess = self._total + amount - self._limit
        time = -math.inf
        for spent in self._recent:
            if excess <= 0:
                break
            excess -= spent.amount
            time = spent.at + _MINUTE
        return time


def _require_positive(name: str, value: float | None, *, hint: str = "") -> None:
    if value is not None and not (0 < value < math.inf):
        message = f"{name} is {value}; give a number above 0{hint}"
        raise InputError(message)
