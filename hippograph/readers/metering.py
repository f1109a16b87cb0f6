"""What is left of a reading's budget: taken before anything is done, and booked when it is."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Final

from hippograph.completions import Completion, ModelRequest
from hippograph.models.json_schemas import schema_text
from hippograph.readers.budget import ReadingBudget, ReadingEndedError
from hippograph.readers.curtailing import size
from hippograph.text.token_estimate import estimate_tokens
from hippograph.types import Usage

__all__ = ["Meter"]

# What a request may be longer than estimated, until answers tell the model's own count.
_DOUBT: Final = 1.1
# An answer shorter than this is not worth asking for, tokens.
_SHORTEST: Final = 48
# What is said around an answer that is asked for again, and around a schema, tokens.
_WORDS_AROUND: Final = 150


@dataclass(kw_only=True)
class Meter:
    """What a reading has spent, and what it may still spend.

    Parameters
    ----------
    budget
        What may be spent in all.

    Examples
    --------
    >>> meter = Meter(budget=ReadingBudget(steps=3))
    >>> meter.take_steps(2, kept_back=1), meter.steps_left(kept_back=1)
    (None, 0)
    """

    budget: ReadingBudget
    _begun: float = field(default_factory=monotonic, init=False)
    _steps: int = field(default=0, init=False)
    _calls: int = field(default=0, init=False)
    _tokens: int = field(default=0, init=False)
    _doubt: float = field(default=_DOUBT, init=False)
    _slowest: float = field(default=0.0, init=False)

    def steps_left(self, *, kept_back: int) -> int | None:
        """Return how many steps may still be taken; None for any number."""
        most = self.budget.steps
        return None if most is None else max(0, most - self._steps - kept_back)

    def take_steps(self, count: int, *, kept_back: int) -> None:
        """Take steps, or end the reading."""
        left = self.steps_left(kept_back=kept_back)
        if left is not None and count > left:
            raise ReadingEndedError("budget", f"the budget of {self.budget.steps} steps is spent")
        self._steps += count

    def calls_left(self, count: int, *, kept_back: int) -> int | None:
        """Return how many calls may still be made, None for any number; end the reading if they are too few."""
        most = self.budget.calls
        if most is None:
            return None
        left = most - self._calls - kept_back
        if left < count:
            raise ReadingEndedError("budget", f"the budget of {most} calls is spent")
        return left

    def check_time(self, *, closing: bool = True) -> None:
        """End the reading if there is no time left; or, unless it is closing, none for this and an answer after it."""
        until = self._until
        if until is not None and monotonic() + (0 if closing else 2 * self._slowest) >= until:
            raise ReadingEndedError("budget", self._out_of_time)

    def fitted(self, requests: Sequence[ModelRequest], *, closing: ModelRequest | None) -> list[ModelRequest]:
        """Let requests be tried as often, and answers be as long, as the budget allows.

        Parameters
        ----------
        requests
            What is to be asked together.
        closing
            The request that something is kept back for; None if these can end the reading themselves.

        Raises
        ------
        ReadingEndedError
            If the budget does not allow them.
        """
        left = self.calls_left(len(requests), kept_back=0 if closing is None else 1)
        asked = self._short_enough(requests, closing=closing)
        if left is None:
            return asked
        each = left // max(1, len(requests))
        return [replace(request, attempts=min(each, request.attempts or each)) for request in asked]

    def awaited(
        self, requests: Sequence[ModelRequest], futures: Sequence[Future[Completion]], *, closing: bool
    ) -> list[Completion]:
        """Wait for answers as long as there is time, and book them; those that are not there by then have failed."""
        until = self._until
        if until is not None and not closing:
            until -= self._slowest
        completions = []
        try:
            for request, future in zip(requests, futures, strict=True):
                try:
                    completion = future.result(timeout=None if until is None else max(0.0, until - monotonic()))
                except TimeoutError:
                    waste = Usage(calls=1, items=1)
                    completion = Completion(status="failed", error=self._out_of_time, usage=waste, attempts=1)
                self._book(request, completion)
                completions.append(completion)
        finally:
            for future in futures:
                future.cancel()
        return completions

    def book(self, usage: Usage) -> None:
        """Book what somebody else has spent for the reading."""
        self._calls += usage.calls
        self._tokens += usage.tokens

    @property
    def is_out_of_time(self) -> bool:
        """Whether there is no time left for anything but to close."""
        return self._until is not None and monotonic() + self._slowest >= self._until

    def _short_enough(self, requests: Sequence[ModelRequest], *, closing: ModelRequest | None) -> list[ModelRequest]:
        most = self.budget.tokens
        if most is None or not requests:
            return list(requests)
        reading = sum(map(self._read, requests))
        left = most - self._tokens - reading
        if closing is not None:
            left -= self._read(closing) + _SHORTEST
        each = left // len(requests)
        if each < _SHORTEST:
            raise ReadingEndedError("budget", f"the budget of {most} tokens is spent")
        fitted = [_shortened(request, each) for request in requests]
        # An answer of the wrong form is asked for again: all is read once more, and the answer with it.
        again = sum(self._read(request) + 3 * request.sampling.max_tokens for request in fitted)
        return fitted if left >= again else [replace(request, attempts=1) for request in fitted]

    def _read(self, request: ModelRequest) -> int:
        """Return how many tokens are read for a request at most, what its server says of the schema included."""
        told = 0 if request.schema is None else estimate_tokens(schema_text(request.schema)) + _WORDS_AROUND
        return int(self._doubt * (size(request) + told)) + 1

    def _book(self, request: ModelRequest, completion: Completion) -> None:
        worth = completion.worth
        # An answer known from before may have cost more than would have been allowed now.
        calls = max(1, worth.calls)
        self._calls += calls if request.attempts is None else min(calls, request.attempts)
        self._tokens += worth.tokens
        self._slowest = max(self._slowest, completion.seconds)
        if worth.calls == 1 and worth.input_tokens:
            self._doubt = max(self._doubt, worth.input_tokens / max(1, size(request)))

    @property
    def _until(self) -> float | None:
        return None if self.budget.seconds is None else self._begun + self.budget.seconds

    @property
    def _out_of_time(self) -> str:
        return f"the budget of {self.budget.seconds:g} seconds is spent"


def _shortened(request: ModelRequest, tokens: int) -> ModelRequest:
    if request.sampling.max_tokens <= tokens:
        return request
    return replace(request, sampling=replace(request.sampling, max_tokens=tokens))
