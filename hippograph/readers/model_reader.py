"""What readers that ask a language model have in common."""

from __future__ import annotations

from dataclasses import dataclass, field

from hippograph.completions import Sampling
from hippograph.protocols import LanguageModel
from hippograph.readers.desk import Desk
from hippograph.readers.desk_reader import DeskReader
from hippograph.readers.exhibits import Arrangement

__all__ = ["ModelReader"]


@dataclass(frozen=True, kw_only=True)
class ModelReader(DeskReader):
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

    model: LanguageModel
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=512))
    arrangement: Arrangement = "ranked"
    clue: bool = False

    def _desk(self, question: str) -> Desk:
        return Desk(
            question=question,
            retriever=self.retriever,
            model=self.model,
            sampling=self.sampling,
            budget=self.budget,
            arrangement=self.arrangement,
        )
