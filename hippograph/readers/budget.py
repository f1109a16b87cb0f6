"""What a reading may spend, and how it is told that there is nothing left."""

from __future__ import annotations

from dataclasses import dataclass

from hippograph.errors import InputError
from hippograph.types import Outcome

__all__ = ["ReadingBudget", "ReadingEndedError"]

# To look something up, and to say what comes of it.
_FEWEST_STEPS = 2


@dataclass(frozen=True, kw_only=True)
class ReadingBudget:
    """What the reading of one question may spend at most; None is no limit.

    What an answer costs counts alike whether the model is asked or the answer is known from before, so that a reading
    that is repeated ends where it ended.

    Parameters
    ----------
    calls
        Requests to the language model, those that are repeated included. Those of a retriever whose judge of facts is a
        language model are counted, too, but their repetitions are not foreseen.
    tokens
        Tokens that the model reads and writes. A request is not made if, by an estimate that learns from the answers so
        far, it might not fit.
    seconds
        Wall time. A model that is still at work then is not waited for; a look-up that has begun is ended.
    steps
        Steps, as `Answer.steps` tells them.

    Raises
    ------
    InputError
        If a number is below 1, the seconds are not above 0, or there are fewer than 2 steps.

    Examples
    --------
    >>> ReadingBudget(calls=8, seconds=30.0).tokens is None
    True
    >>> ReadingBudget(steps=1)
    Traceback (most recent call last):
    hippograph.errors.InputError: a budget of 1 steps is too small; give 2 or more
    """

    calls: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        for name, fewest in (("calls", 1), ("tokens", 1), ("steps", _FEWEST_STEPS)):
            given = getattr(self, name)
            if given is not None and given < fewest:
                raise InputError(f"a budget of {given} {name} is too small; give {fewest} or more")
        if self.seconds is not None and not self.seconds > 0:
            raise InputError(f"a budget of {self.seconds} seconds is too small; give more than 0")


class ReadingEndedError(Exception):
    """A loop cannot go on; whoever drives it makes the best of what there is.

    Parameters
    ----------
    outcome
        `budget` if something is spent, `failed` if the model did not answer.
    reason
        Why, for people.
    """

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
