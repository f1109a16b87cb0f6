"""The phrase graph: what HippoRAG and HippoRAG 2 walk, be it made of an index's own entities or as they make it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from hippograph.graph.knowledge_graph import KnowledgeGraph
from hippograph.store.ragged import indptr_of
from hippograph.store.snapshot import Snapshot
from hippograph.text.normalization import normalize
from hippograph.types import FloatArray, IntArray, Triple

__all__ = ["PhraseGraph", "own_phrases"]


@dataclass(frozen=True, kw_only=True, eq=False)
class PhraseGraph:
    """Phrases, the facts that join them and the passages that state those: F phrases, X facts, P passages.

    Parameters
    ----------
    graph
        Phrase nodes 0..F-1, then one node per passage.
    names
        The phrases; length F.
    phrase_vectors
        Shape (F, d), rows of length 1.
    occurrences
        How much each phrase counts for each passage; shape (P, F), positive where it occurs.
    facts
        The facts; length X.
    subjects, objects
        The phrases they join; shape (X,).
    fact_vectors
        Shape (X, d), rows of length 1.
    normalized
        Puts a name in the form of `names`, or of what they are embedded as.
    """

    graph: KnowledgeGraph
    names: Sequence[str]
    phrase_vectors: FloatArray
    occurrences: csr_array
    facts: Sequence[Triple]
    subjects: IntArray
    objects: IntArray
    fact_vectors: FloatArray
    normalized: Callable[[str], str]

    @cached_property
    def spread(self) -> IntArray:
        """In how many passages each phrase occurs; shape (F,)."""
        return np.bincount(self.occurrences.indices, minlength=len(self.names)).astype(np.int64)

    @cached_property
    def phrases_alone(self) -> KnowledgeGraph:
        """The graph without the edges of passages, which are isolated nodes of it."""
        graph, phrases = self.graph, self.graph.n_entities
        owners = np.repeat(np.arange(graph.n_nodes), np.diff(graph.indptr))
        among = (owners < phrases) & (graph.indices < phrases)
        return KnowledgeGraph(
            indptr=indptr_of(np.bincount(owners[among], minlength=graph.n_nodes)),
            indices=graph.indices[among],
            weights=graph.weights[among],
            n_entities=phrases,
        )


def own_phrases(snapshot: Snapshot) -> PhraseGraph:
    """Make a phrase graph of an index's own entities, triples and edges.

    A phrase counts for a passage as often as the passage mentions it: the matrix P of HippoRAG's paper, section 2.3.

    Parameters
    ----------
    snapshot
        The index; its arrays are shared, not copied.
    """
    evidence, shape = snapshot.evidence, (snapshot.graph.n_passages, snapshot.graph.n_entities)
    counts = evidence.mention_counts.astype(np.float64)
    return PhraseGraph(
        graph=snapshot.graph,
        names=snapshot.entity_names,
        phrase_vectors=snapshot.entity_vectors,
        occurrences=csr_array((counts, evidence.mention_entities, evidence.mention_indptr), shape=shape),
        facts=snapshot.triples,
        subjects=snapshot.triples.subjects,
        objects=snapshot.triples.objects,
        fact_vectors=snapshot.triple_vectors,
        normalized=normalize,
    )
