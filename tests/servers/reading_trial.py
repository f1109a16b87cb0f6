"""Readers tried by fire: questions are read with a model whose server fails, and every one has to come to an end."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hippograph.models.caching import CachingModel
from hippograph.models.openai_chat import OpenAIChat
from hippograph.models.pacing import Limits
from hippograph.store.responses import ResponseStore
from hippograph.types import Answer
from tests.servers.plan import mixed
from tests.servers.running import FaultServer

__all__ = ["End", "Trial", "burning", "model_behind"]

_ENDS: Final = ("answered", "not enough evidence", "budget", "failed", "raised", "hung")


@dataclass(frozen=True, kw_only=True)
class End:
    """How the reading of a question ended.

    Parameters
    ----------
    question
        What was read.
    how
        The outcome of its answer; `raised` if there is none, `hung` if it never came.
    error
        Why.
    calls
        What it was told to have cost.
    """

    question: str
    how: str
    error: str = ""
    calls: int = 0

    @classmethod
    def of(cls, answer: Answer) -> "End":
        """Look at an answer."""
        return cls(question=answer.question, how=answer.outcome, error=answer.error, calls=answer.usage.calls)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Reads questions, several at a time.

    Parameters
    ----------
    at_a_time
        How many.
    patience
        Seconds after which a reading hangs.
    most_calls
        What the reading of a question was allowed, if it was limited.
    """

    at_a_time: int = 4
    patience: float = 120.0
    most_calls: int | None = None

    def run(self, read: Callable[[str], Answer], questions: Sequence[str]) -> list[End]:
        """Read all questions, and return how each ended, in their order; those that hang are left where they are."""
        left, turn = iter(enumerate(questions)), threading.Condition()
        began: dict[int, float] = {}
        ends: dict[int, End] = {}

        def work() -> None:
            while True:
                with turn:
                    drawn = next(left, None)
                    if drawn is None:
                        return
                    began[drawn[0]] = time.monotonic()
                end = _end(read, drawn[1])
                with turn:
                    ends.setdefault(drawn[0], end)
                    turn.notify()

        # Daemons: what hangs must not keep the program from telling that it does.
        def add_one() -> None:
            threading.Thread(target=work, name="reading", daemon=True).start()

        for _ in range(self.at_a_time):
            add_one()
        with turn:
            while len(ends) < len(questions):
                turn.wait(0.1)
                late = time.monotonic() - self.patience
                for at in [at for at, begin in began.items() if at not in ends and begin < late]:
                    ends[at] = End(question=questions[at], how="hung", error=f"for {self.patience:g} seconds")
                    add_one()
            return [ends[at] for at in range(len(questions))]

    def told(self, ends: Sequence[End], *, requests: int) -> str:
        """Say in a line how readings ended and what they cost, by their own account and by the server's."""
        how = Counter(end.how for end in ends)
        counted = ", ".join(f"{how[name]} {name}" for name in (*_ENDS, *sorted(how.keys() - set(_ENDS))))
        calls = [end.calls for end in ends]
        each = sum(calls) / max(1, len(calls))
        return (
            f"{len(ends)} questions: {counted}; calls of a question {each:.2f}, {max(calls, default=0)} at most; "
            f"{sum(calls)} told, {requests} requests came"
        )

    def violations(self, ends: Iterable[End]) -> list[str]:
        """Say what must not be: readings that raised or hung, failures without a reason, calls beyond the budget."""
        found = []
        for end in ends:
            if end.how in ("raised", "hung"):
                found.append(f"{end.question!r} {end.how}: {end.error}")
            elif end.how == "failed" and not end.error:
                found.append(f"{end.question!r} failed without a reason")
            if self.most_calls is not None and end.calls > self.most_calls:
                found.append(f"{end.question!r} took {end.calls} calls, and {self.most_calls} are allowed")
        return found


def burning(faults: float, *, seed: int = 0, latency: float = 0.0) -> FaultServer:
    """Return a server that a share of the requests fails at, in all ways alike."""
    return FaultServer(shares=mixed(faults), seed=seed, latency=latency, slow=0.1)


def model_behind(url: str, folder: Path, *, limits: Limits) -> CachingModel:
    """Return the model of a server, with a memory of its own."""
    chat = OpenAIChat(base_url=url, model="fault-model", limits=limits)
    return CachingModel(model=chat, responses=ResponseStore(folder / "responses.sqlite"))


def _end(read: Callable[[str], Answer], question: str) -> End:
    try:
        return End.of(read(question))
    except Exception as error:  # noqa: BLE001 - that nothing is raised is what is looked at
        return End(question=question, how="raised", error=f"{type(error).__name__}: {error}")
