"""What all readers have in common: a question is read at a desk, by a loop, within a budget."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from hippograph.errors import InputError
from hippograph.protocols import Retriever
from hippograph.readers.answering import Loop
from hippograph.readers.budget import ReadingBudget
from hippograph.readers.desk import Desk
from hippograph.readers.reading import Reading
from hippograph.types import Answer

__all__ = ["DeskReader"]


@dataclass(frozen=True, kw_only=True)
class DeskReader(ABC):
    """A reader that works at a desk.

    Parameters
    ----------
    retriever
        Finds the passages.
    k
        How many passages are looked up at a time.
    budget
        What the reading of a question may spend.

    Raises
    ------
    InputError
        If `k` is below 1.
    """

    name: ClassVar[str]

    retriever: Retriever
    k: int = 5
    budget: ReadingBudget = field(default_factory=ReadingBudget)

    def __post_init__(self) -> None:
        if self.k < 1:
            raise InputError(f"k is {self.k}; look up at least 1 passage")

    def read(self, question: str) -> Answer:
        """Answer a question; the answer says which passages it rests on, and whether they were enough.

        Raises
        ------
        InputError
            If the question is blank.
        ModelError
            If something is wrong that concerns every question: a wrong key, no such model, no server, no weights.
        MissingExtraError
            If a model of the reader's own is not installed.
        """
        return self.steps(question).answer

    def steps(self, question: str) -> Reading:
        """Read a question step by step: an iterator of steps, which can be stopped, and then has the answer.

        Raises
        ------
        InputError
            If the question is blank.
        """
        if not question.strip():
            raise InputError(f"the question is blank: {question!r}; ask something")
        desk = self._desk(question)
        return Reading(reader=self.name, desk=desk, loop=self._loop(desk))

    def _desk(self, question: str) -> Desk:
        """Make the desk for a question."""
        return Desk(question=question, retriever=self.retriever, budget=self.budget)

    @abstractmethod
    def _loop(self, desk: Desk) -> Loop:
        """Read the question of a desk; yield each step, and return what is to be answered."""
