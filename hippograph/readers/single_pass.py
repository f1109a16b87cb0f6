"""The plainest reader: retrieve once, show the passages to a language model, and take its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hippograph.readers.answering import Loop, answered
from hippograph.readers.clues import first_look
from hippograph.readers.desk import Desk, Draft
from hippograph.readers.model_reader import ModelReader

__all__ = ["SinglePassReader"]


@dataclass(frozen=True, kw_only=True)
class SinglePassReader(ModelReader):
    """Answer a question from the passages of one ranking, in one call; two with `clue`.

    References
    ----------
    HippoRAG 2, "From RAG to Memory" (Gutiérrez et al., ICML 2025), section 3: question answering over the top passages.

    Examples
    --------
    >>> from hippograph.testing.scripted import ScriptedModel
    >>> from hippograph.types import Hit, Passage, Ranking
    >>> class Nearest:
    ...     def retrieve(self, queries, *, k):
    ...         hit = Hit(passage=Passage(id="fram", document="fram", text="The Fram lies in Oslo."), score=1.0)
    ...         return [Ranking(query=query, hits=(hit,)) for query in queries]
    >>> model = ScriptedModel(answers=['{"answer": "Oslo", "support": [1], "sufficient": true}'])
    >>> answer = SinglePassReader(retriever=Nearest(), model=model).read("Where does the Fram lie?")
    >>> answer.text, answer.complete, [passage.id for passage in answer.citations]
    ('Oslo', True, ['fram'])
    """

    name: ClassVar[str] = "single"

    def _loop(self, desk: Desk) -> Loop:
        hits = yield from first_look(desk, k=self.k, clue=self.clue)
        if not hits:
            return Draft(text="")
        return (yield from answered(desk))
