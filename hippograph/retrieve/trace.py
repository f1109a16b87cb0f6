"""A trace: all that a walking retriever knew when it made a ranking, for whoever wants to explain it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from scipy.sparse import csr_array

from hippograph.graph.knowledge_graph import KnowledgeGraph
from hippograph.types import DoubleArray, Ranking

__all__ = ["FIRST_WALK", "Trace", "Traceable"]

FIRST_WALK: Final = "first walk"
"""The reason of a seed from which a second walk begins because the first one found it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """How a retriever walked to a ranking.

    Parameters
    ----------
    ranking
        What the retriever returns for the query.
    graph
        The graph it walked; entity nodes 0..E-1, passage nodes E..N-1.
    entity_names
        What each entity node is called; length E.
    passage_ids
        What each passage node is called; length P.
    reset
        Where the walk restarted; shape (N,), summing to 1; None if the retriever did not walk for this query.
    reasons
        Why each seeded node is one, by node.
    damping
        Probability of following an edge.
    readings
        For a walk that does not enter passages: how much of each entity's mass counts for each passage; shape (P, E).
        None if a passage's mass is what its node has.
    """

    ranking: Ranking
    graph: KnowledgeGraph
    entity_names: Sequence[str]
    passage_ids: Sequence[str]
    reset: DoubleArray | None
    reasons: dict[int, str]
    damping: float
    readings: csr_array | None = None

    def name(self, node: int) -> str:
        """Return what a node is called: an entity's name or a passage's id."""
        n_entities = self.graph.n_entities
        return self.entity_names[node] if node < n_entities else self.passage_ids[node - n_entities]


@runtime_checkable
class Traceable(Protocol):
    """A retriever that can tell how it walked."""

    def trace(self, query: str, *, k: int) -> Trace:
        """Retrieve for one query and return everything that led to the ranking."""
        ...
