"""What a run may spend, and whether it may go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
# How much of a limit may be spent where what was read would be of no use without.
_AT_MOST: Final = 1.1
# A run is not drawn out for less than this share of its budget.
_WORTHWHILE: Final = 0.1


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

    What is under way is taken to cost what was expected of it, scaled by what came of what is finished already; where
    nothing is expected, the mean of that. So a limit is kept without waiting for one passage after the other. What was
    expected of a single passage is off by a quarter as a rule; before the first ones are finished, so is their sum.
    What follows the reading, and has a price too, is set aside. What was free, since the answers were known, tells
    nothing of the price of others.

    Parameters
    ----------
    budget
        What may be spent from now on.
    stop
        Says that the run is to end.

    Attributes
    ----------
    foresees
        Whether it matters what is expected: only where tokens or cost are limited.

    Examples
    --------
    >>> allowance = Allowance(Budget(max_tokens=250))
    >>> while allowance.may_begin(Usage(input_tokens=90)):
    ...     allowance.finish(Usage(input_tokens=90, output_tokens=10), expected=Usage(input_tokens=90))
    >>> allowance.spent.tokens, allowance.stopped
    (200, 'max-tokens')
    """

    def __init__(self, budget: Budget | None = None, *, stop: Stop | None = None) -> None:
        self._budget = budget or Budget()
        self._stop = stop.is_set if isinstance(stop, Event) else stop
        self._began = monotonic()
        self._lock = Lock()
        self._finished = False
        self._spent = Usage()
        self._stopped: Stopped = ""
        tokens, cost = self._budget.max_tokens, self._budget.max_cost
        self._accounts = [
            *([] if tokens is None else [_Account(name="max-tokens", what="tokens", limit=tokens)]),
            *([] if cost is None else [_Account(name="max-cost", what="cost", limit=cost)]),
        ]
        self.foresees: Final = bool(self._accounts)

    @property
    def spent(self) -> Usage:
        """What was spent up to now."""
        return self._spent

    @property
    def stopped(self) -> Stopped:
        """What has ended the run, as far as it was asked whether it may go on."""
        return self._stopped

    def reserve(self, usage: Usage) -> None:
        """Set aside what is to be spent when the reading is over."""
        with self._lock:
            for account in self._accounts:
                account.reserved += account.of(usage)

    def may_begin(self, expected: Usage = _NOTHING, *, then: Usage = _NOTHING) -> bool:
        """Ask whether another passage may be begun, and take note of it if so; once it may not, no other may.

        Parameters
        ----------
        expected
            What it is expected to cost.
        then
            What is to be set aside for what follows.
        """
        with self._lock:
            late = self._budget.max_seconds is not None and monotonic() - self._began >= self._budget.max_seconds
            exceeded: Stopped = next((one.name for one in self._accounts if one.is_exceeded_by(expected, then)), "")
            self._stopped = self._stopped or self._interrupted() or ("max-minutes" if late else exceeded)
            if self._stopped:
                return False
            for account in self._accounts:
                account.begin(expected, then)
            return True

    def finish(self, usage: Usage, *, expected: Usage = _NOTHING) -> None:
        """Take note of what a passage has cost that was begun, and of which that was expected."""
        with self._lock:
            self._finished = True
            for account in self._accounts:
                account.finish(usage, expected)
            if usage != _NOTHING:
                self._spent += usage

    def resume(self) -> bool:
        """Ask, when nothing is under way, whether to begin anew, as what was begun has cost less than was expected.

        Not for less than a tenth of the budget, nor if nothing was finished since this was last asked.
        """
        with self._lock:
            finished, self._finished = self._finished, False
            stopping = [account for account in self._accounts if account.name == self._stopped]
            if not finished or not stopping or self._interrupted():
                return False
            if not all(account.has_worthwhile_rest for account in self._accounts):
                return False
            self._stopped = ""
            return True

    def spend(self, usage: Usage, *, expected: Usage = _NOTHING) -> None:
        """Take note of what embedding has cost, and of which that was expected."""
        with self._lock:
            self._spent += usage
            for account in self._accounts:
                account.embed(usage, expected)

    def afford(self, expected: Sequence[Usage]) -> int:
        """Tell how many of some texts may be embedded at a price, one after the other.

        The budget may be exceeded by a tenth for it: what was read is of no use before it is embedded.

        Parameters
        ----------
        expected
            What each is expected to cost.

        Raises
        ------
        RunEndedError
            If not even the first may be.
        """
        self.go_on()
        with self._lock:
            for account in self._accounts:
                expected = expected[: account.room(expected)]
                if not expected:
                    self._stopped = self._stopped or account.name
                    raise RunEndedError(account.name)
            return len(expected)

    def go_on(self) -> None:
        """Ask whether what follows the reading may be done; only an interruption keeps it from that.

        Raises
        ------
        RunEndedError
            If it may not.
        """
        with self._lock:
            self._stopped = self._interrupted() or self._stopped
            if self._stopped == "interrupted":
                raise RunEndedError(self._stopped)

    def _interrupted(self) -> Stopped:
        return "interrupted" if self._stop is not None and self._stop() else ""


@dataclass(slots=True, kw_only=True)
class _Account:
    """One limit: what was spent of it, and what is expected to be."""

    name: Stopped
    what: Literal["tokens", "cost"]
    limit: float
    spent: float = 0.0
    reserved: float = 0.0
    # Passages that are begun: how many, and what was expected of them.
    begun: int = 0
    under_way: float = 0.0
    # Those that have cost something: how many, how much, and what was expected.
    paid: int = 0
    paid_for: float = 0.0
    foreseen: float = 0.0
    # Texts that were embedded: what they have cost, and what was expected.
    embedded_for: float = 0.0
    embedding_foreseen: float = 0.0

    def of(self, usage: Usage) -> float:
        return usage.tokens if self.what == "tokens" else usage.cost

    def is_exceeded_by(self, expected: Usage, then: Usage) -> bool:
        amount = self.under_way + self.of(expected)
        if self.paid:
            each = self.paid_for / self.paid
            amount = amount * self.paid_for / self.foreseen if self.foreseen else (self.begun + 1) * each
        return self.spent + amount + self.reserved + self.of(then) > self.limit * _SLACK

    def begin(self, expected: Usage, then: Usage) -> None:
        self.begun += 1
        self.under_way += self.of(expected)
        self.reserved += self.of(then)

    def finish(self, usage: Usage, expected: Usage) -> None:
        self.begun -= 1
        # Without a rest of rounding when nothing is under way.
        self.under_way = self.under_way - self.of(expected) if self.begun else 0.0
        if usage.tokens or usage.cost:
            self.spent += self.of(usage)
            self.paid += 1
            self.paid_for += self.of(usage)
            self.foreseen += self.of(expected)

    def embed(self, usage: Usage, expected: Usage) -> None:
        self.spent += self.of(usage)
        self.embedded_for += self.of(usage)
        self.embedding_foreseen += self.of(expected)

    def room(self, expected: Sequence[Usage]) -> int:
        """Tell how many of some texts fit in."""
        scale = self.embedded_for / self.embedding_foreseen if self.embedding_foreseen else 1.0
        total = self.spent
        if total >= self.limit * _AT_MOST:
            return 0
        for place, one in enumerate(expected):
            total += scale * self.of(one)
            if total > self.limit * _AT_MOST * _SLACK:
                return place
        return len(expected)

    @property
    def has_worthwhile_rest(self) -> bool:
        return self.limit - self.spent - self.reserved > _WORTHWHILE * self.limit
