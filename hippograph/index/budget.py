"""What a run may spend, and whether it may go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from threading import Event, Lock
from time import monotonic
from typing import Final, Literal, TypeAlias

from hippograph.errors import InputError
from hippograph.types import Usage

__all__ = ["Allowance", "Budget", "RunEndedError", "Stop", "Stopped"]

Stop: TypeAlias = Callable[[], bool] | Event
"""Says that a run is to end as soon as what is under way is finished; may be asked often."""

Stopped: TypeAlias = Literal["", "max-tokens", "max-cost", "max-minutes", "interrupted"]
"""What has ended a run before everything was done; empty if nothing has."""

_NOTHING: Final = Usage()
# Sums of floats are off by less.
_SLACK: Final = 1.0 + 1e-9


class RunEndedError(Exception):
    """A run was interrupted, or had spent its budget, before its work could be published; what is done is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a run may spend; None sets no limit.

    Parameters
    ----------
    max_tokens
        Tokens that models which are asked over an API may read and write.
    max_cost
        US dollars; it takes models whose price is known.
    max_seconds
        Time after which no further passage is begun.

    Raises
    ------
    InputError
        If a limit is not above 0.

    Examples
    --------
    >>> Budget(max_tokens=0)
    Traceback (most recent call last):
    hippograph.errors.InputError: max_tokens is 0; give a number above 0, or None for no limit
    """

    max_tokens: int | None = None
    max_cost: float | None = None
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("max_tokens", "max_cost", "max_seconds"):
            limit = getattr(self, name)
            if limit is not None and not (limit > 0 and isfinite(limit)):
                raise InputError(f"{name} is {limit}; give a number above 0, or None for no limit")


class Allowance:
    """What is left of a budget while a run goes on; threads may share it.

    What a passage under way will cost is taken to be the mean of those that are finished, so that a limit is kept
    without waiting for one passage after the other. Only before the first ones are finished is nothing known.

    Parameters
    ----------
    budget
        What may be spent from now on.
    stop
        Says that the run is to end.

    Examples
    --------
    >>> allowance = Allowance(Budget(max_tokens=250))
    >>> while allowance.may_begin():
    ...     allowance.finish(Usage(input_tokens=90, output_tokens=10))
    >>> allowance.spent.tokens, allowance.stopped
    (200, 'max-tokens')
    """

    def __init__(self, budget: Budget | None = None, *, stop: Stop | None = None) -> None:
        self._budget = budget or Budget()
        self._stop = stop.is_set if isinstance(stop, Event) else stop
        self._began = monotonic()
        self._lock = Lock()
        self._under_way = 0
        self._finished = 0
        self._reading = Usage()
        self._spent = Usage()
        self._stopped: Stopped = ""

    @property
    def spent(self) -> Usage:
        """What was spent up to now."""
        return self._spent

    @property
    def stopped(self) -> Stopped:
        """What has ended the run, as far as it was asked whether it may go on."""
        return self._stopped

    def may_begin(self) -> bool:
        """Ask whether another passage may be begun, and take note of it if so; once it may not, no other may."""
        with self._lock:
            late = self._budget.max_seconds is not None and monotonic() - self._began >= self._budget.max_seconds
            self._stopped = self._stopped or self._interrupted() or ("max-minutes" if late else self._exceeded())
            if self._stopped:
                return False
            self._under_way += 1
            return True

    def finish(self, usage: Usage) -> None:
        """Take note of what a passage has cost that was begun."""
        with self._lock:
            self._under_way -= 1
            self._finished += 1
            if usage != _NOTHING:
                self._reading += usage
                self._spent += usage

    def spend(self, usage: Usage) -> None:
        """Take note of what something else has cost."""
        with self._lock:
            self._spent += usage

    def go_on(self, *, paid: bool = False) -> None:
        """Ask whether what follows the reading may be done.

        If the reading was stopped for its cost, it may, though that adds a little: what was read is of no use before it
        is embedded, and would be paid for in vain if every run ended there.

        Parameters
        ----------
        paid
            Whether it costs tokens.

        Raises
        ------
        RunEndedError
            If it may not.
        """
        with self._lock:
            exhausted = self._exhausted() if paid and not self._stopped else ""
            self._stopped = self._interrupted() or self._stopped or exhausted
            if self._stopped == "interrupted" or exhausted:
                raise RunEndedError(self._stopped)

    def _interrupted(self) -> Stopped:
        return "interrupted" if self._stop is not None and self._stop() else ""

    def _exceeded(self) -> Stopped:
        """Tell which limit would be exceeded if one more passage were begun."""
        expected = (self._under_way + 1) / self._finished if self._finished else 0.0
        for limit, spent, reading, name in self._limits():
            if limit is not None and spent + expected * reading > limit * _SLACK:
                return name
        return ""

    def _exhausted(self) -> Stopped:
        return next((name for limit, spent, _, name in self._limits() if limit is not None and spent >= limit), "")

    def _limits(self) -> tuple[tuple[float | None, float, float, Stopped], ...]:
        """Return each limit, what was spent of it, and what of that on reading."""
        return (
            (self._budget.max_tokens, self._spent.tokens, self._reading.tokens, "max-tokens"),
            (self._budget.max_cost, self._spent.cost, self._reading.cost, "max-cost"),
        )
