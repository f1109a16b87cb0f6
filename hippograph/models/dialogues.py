"""Many conversations with a language model at once: each goes on as soon as its answers are there.

A *dialogue* is a generator that yields the requests it needs answered next, is sent their completions, and returns what
it has found. It knows nothing of threads, servers and other dialogues, so every loop that asks a model more than once
is written, and tested, as a plain function.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Final, Generic, TypeAlias, TypeVar

from hippograph.completions import Completion, ModelRequest
from hippograph.protocols import LanguageModel

__all__ = ["Dialogue", "ask", "converse"]

T = TypeVar("T")

# Answers that are under way when an error ends it all are paid for; they are waited for as long as this, in seconds.
_GRACE: Final = 30.0

Dialogue: TypeAlias = Generator[Sequence[ModelRequest], list[Completion], T]
"""Yields requests, any number at a time, is sent their completions in the same order, and returns its result."""


def ask(model: LanguageModel, requests: Sequence[ModelRequest]) -> list[Completion]:
    """Ask a model several things at a time, and return the completions in the order of the requests.

    Raises
    ------
    ModelError
        If something is wrong that concerns all requests.
    """
    futures = [model.submit(request) for request in requests]
    return [future.result() for future in futures]


def converse(model: LanguageModel, dialogues: Iterable[Dialogue[T]]) -> Generator[tuple[int, T], None, None]:
    """Lead dialogues, as many at a time as keep the model busy.

    Parameters
    ----------
    model
        Answers the requests.
    dialogues
        Drawn one by one, when the model has room for another.

    Returns
    -------
    The number of each dialogue, in the order drawn, and its result, in the order in which they end. If this is closed
    early, requests that wait are taken back.

    Raises
    ------
    ModelError
        If something is wrong that concerns all requests. Nothing more is asked then; but answers that are under way are
        paid for, so they are waited for, 30 seconds at most, and dialogues that end with them are yielded first.

    Examples
    --------
    >>> from hippograph.completions import Message
    >>> from hippograph.testing.scripted import ScriptedModel
    >>> def count(word):
    ...     [first] = yield [ModelRequest(messages=(Message("user", word),))]
    ...     return len(first.text)
    >>> sorted(converse(ScriptedModel(answers=lambda asked: asked.messages[0].text * 2), map(count, ["a", "bcd"])))
    [(0, 2), (1, 6)]
    """
    # Some more than the model works on, so that it need not wait while an answer is looked at.
    room = model.concurrency + max(4, model.concurrency // 4)
    conversation: _Conversation[T] = _Conversation(model=model)
    numbered = enumerate(dialogues)
    drawn_all = False
    try:
        while True:
            while not drawn_all and not conversation.error and len(conversation.turns) < room:
                drawn = next(numbered, None)
                drawn_all = drawn is None
                if drawn is not None:
                    yield from conversation.go_on(drawn[0], drawn[1], None)
            if not conversation.turns:
                break
            yield from conversation.next_answer()
        if conversation.error is not None:
            raise conversation.error
    finally:
        conversation.cancel()


@dataclass(slots=True, eq=False)
class _Turn(Generic[T]):
    """A dialogue that waits for answers."""

    number: int
    dialogue: Dialogue[T]
    futures: list[Future[Completion]]
    open: int


@dataclass(slots=True)
class _Conversation(Generic[T]):
    """The dialogues that wait, and the answers that have come."""

    model: LanguageModel
    turns: set[_Turn[T]] = field(default_factory=set)
    error: BaseException | None = None
    _answers: SimpleQueue[_Turn[T]] = field(default_factory=SimpleQueue)
    _until: float = 0.0

    def go_on(self, number: int, dialogue: Dialogue[T], answers: list[Completion] | None) -> Iterator[tuple[int, T]]:
        """Tell a dialogue what it has been waiting for; ask what it asks next, or yield its result."""
        while True:
            try:
                requests = next(dialogue) if answers is None else dialogue.send(answers)
            except StopIteration as end:
                yield number, end.value
                return
            if self.error is not None:
                dialogue.close()
                return
            if requests:
                break
            answers = []
        futures = [self.model.submit(request) for request in requests]
        turn = _Turn(number, dialogue, futures, open=len(futures))
        self.turns.add(turn)
        for future in futures:
            future.add_done_callback(lambda _: self._answers.put(turn))

    def next_answer(self) -> Iterator[tuple[int, T]]:
        """Wait until another answer is there; after an error only for so long, then what is still open is given up."""
        try:
            turn = self._answers.get(timeout=None if self.error is None else max(0.0, self._until - monotonic()))
        except Empty:
            self.cancel()
            return
        turn.open -= 1
        if turn.open:
            return
        self.turns.discard(turn)
        try:
            answers = [future.result() for future in turn.futures]
        except Exception as error:  # noqa: BLE001 - raised by `converse`, when all that is paid for has been yielded
            turn.dialogue.close()
            if self.error is None:
                self.error = error
                self._until = monotonic() + _GRACE
            return
        yield from self.go_on(turn.number, turn.dialogue, answers)

    def cancel(self) -> None:
        """Give up all that waits."""
        for turn in self.turns:
            for future in turn.futures:
                future.cancel()
            turn.dialogue.close()
        self.turns.clear()
