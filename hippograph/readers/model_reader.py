"""What readers that ask a language model have in common: what they read with, and how they are driven."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from hippograph.completions import Sampling
from hippograph.errors import InputError
from hippograph.protocols import LanguageModel, Retriever
from hippograph.readers.answering import Loop
from hippograph.readers.budget import ReadingBudget
from hippograph.readers.desk import Desk
from hippograph.readers.exhibits import Arrangement
from hippograph.readers.reading import Reading
from hippograph.types import Answer

__all__ = ["ModelReader"]


@dataclass(frozen=True, kw_only=True)
class ModelReader(ABC):
    """A reader that asks a language model.

    Parameters
    ----------
    retriever
        Finds the passages.
    model
        Reads them.
    k
        How many passages are looked up at a time. HippoRAG 2 shows 5 (`qa_top_k`).
    sampling
        How the model chooses its words.
    budget
        What the reading of a question may spend.
    arrangement
        How passages are laid out: `ranked`, best first, or `ends`, the best ones at both ends (Jin et al., Long-Context
        LLMs Meet RAG, ICLR 2025).
    clue
        Whether the model drafts clues that are looked up beside the question (Qian et al., MemoRAG, WWW 2025).

    Raises
    ------
    InputError
        If a number is below 1.
    """

    name: ClassVar[str]

    retriever: Retriever
    model: LanguageModel
    k: int = 5
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=512))
    budget: ReadingBudget = field(default_factory=ReadingBudget)
    arrangement: Arrangement = "ranked"
    clue: bool = False

    def __post_init__(self) -> None:
        if self.k < 1:
            raise InputError(f"k is {self.k}; show the model at least 1 passage")

    def read(self, question: str) -> Answer:
        """Answer a question; the answer says which passages it rests on, and whether they were enough.

        Raises
        ------
        InputError
            If the question is blank.
        ModelError
            If something is wrong that concerns every question: a wrong key, no such model, no server.
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
        desk = Desk(
            question=question,
            retriever=self.retriever,
            model=self.model,
            sampling=self.sampling,
            budget=self.budget,
            arrangement=self.arrangement,
        )
        return Reading(reader=self.name, desk=desk, loop=self._loop(desk))

    @abstractmethod
    def _loop(self, desk: Desk) -> Loop:
        """Read the question of a desk; yield each step, and return what is to be answered."""
