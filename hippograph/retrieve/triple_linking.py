"""Linking queries to triples: which facts of the index a query is near to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isnan

import numpy as np

from hippograph.errors import InputError
from hippograph.retrieve.linking import EntityLink
from hippograph.retrieve.nearest import top
from hippograph.store.ragged import places_of
from hippograph.store.snapshot import Snapshot
from hippograph.types import FloatArray, IntArray, LinkedTriple, Recognition, Triple

__all__ = ["NearTriples", "TripleLinker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NearTriples:
    """The triples nearest to a query.

    Parameters
    ----------
    numbers
        Their numbers, nearest first.
    similarities
        Their cosines to the query.
    kept
        Which of them seed the walk.
    """

    numbers: tuple[int, ...]
    similarities: tuple[float, ...]
    kept: tuple[bool, ...]

    def kept_triples(self, snapshot: Snapshot) -> list[Triple]:
        """List the facts that are kept, nearest first."""
        return [snapshot.triples[number] for number, kept in zip(self.numbers, self.kept, strict=True) if kept]

    def recognised(self, verdict: Recognition) -> NearTriples:
        """Keep only those that were recognised; all of them if nobody knows.

        Parameters
        ----------
        verdict
            What was said of `kept_triples`.

        Examples
        --------
        >>> near = NearTriples(numbers=(4, 7, 2), similarities=(0.9, 0.8, 0.7), kept=(True, False, True))
        >>> near.recognised(Recognition(status="done", kept=(1,))).kept
        (False, False, True)
        >>> near.recognised(Recognition(status="failed", error="no answer")).kept
        (True, False, True)
        """
        if verdict.status in {"invalid", "failed"}:
            return self
        judged = [place for place, kept in enumerate(self.kept) if kept]
        chosen = {judged[place] for place in verdict.kept}
        return replace(self, kept=tuple(place in chosen for place in range(len(self.numbers))))

    def told(self, snapshot: Snapshot) -> list[LinkedTriple]:
        """Say of each fact whether it was kept."""
        return [
            LinkedTriple(triple=snapshot.triples[number], similarity=similarity, kept=kept)
            for number, similarity, kept in zip(self.numbers, self.similarities, self.kept, strict=True)
        ]

    def links(self, snapshot: Snapshot) -> list[EntityLink]:
        """List the entities of the facts that are kept, each once."""
        links: dict[int, EntityLink] = {}
        for number, similarity, kept in zip(self.numbers, self.similarities, self.kept, strict=True):
            if kept:
                for end in (int(snapshot.triples.subjects[number]), int(snapshot.triples.objects[number])):
                    link = EntityLink(entity=end, confidence=min(max(similarity, 0.0), 1.0), reason="triple")
                    links.setdefault(end, link)
        return list(links.values())


@dataclass(frozen=True, kw_only=True)
class TripleLinker:
    """Links queries to triples by vectors (HippoRAG 2, section 3.2: query to triple).

    Parameters
    ----------
    most
        How many triples to look at; 0 leaves them out. HippoRAG 2 takes 5 and lets a language model drop some;
        unfiltered, fewer do better.
    threshold
        Smallest cosine of a triple that is kept.
    passages
        Only triples between names that so many passages, the nearest to the query, mention are compared with it; 0
        compares all, which takes time in proportion to the index and finds the same in 98 of 100 cases.

    Raises
    ------
    InputError
        If `most` or `passages` is below 0, or `threshold` is no number.
    """

    most: int = 3
    threshold: float = 0.6
    passages: int = 100

    def __post_init__(self) -> None:
        if self.most < 0:
            raise InputError(f"most {self.most} is below 0; 0 leaves triples out")
        if self.passages < 0:
            raise InputError(f"passages {self.passages} is below 0; 0 compares all triples")
        if isnan(self.threshold):
            raise InputError(f"threshold is {self.threshold}; give the smallest cosine that is near enough")

    def near(self, query_vector: FloatArray, similarities: FloatArray, snapshot: Snapshot) -> NearTriples:
        """Find the triples near a query.

        Parameters
        ----------
        query_vector
            The embedded query, shape (d,).
        similarities
            Cosine of every passage to the query, shape (P,).
        snapshot
            The index.
        """
        numbers = self._compared(similarities, snapshot) if self.most else np.empty(0, np.int64)
        cosines = snapshot.triple_vectors[numbers] @ query_vector if len(numbers) else np.empty(0, np.float32)
        best = top(cosines, k=self.most)
        found = [float(cosine) for cosine in cosines[best]]
        return NearTriples(
            numbers=tuple(numbers[best].tolist()),
            similarities=tuple(found),
            kept=tuple(cosine >= self.threshold for cosine in found),
        )

    def _compared(self, similarities: FloatArray, snapshot: Snapshot) -> IntArray:
        """Return the numbers of the triples to compare, ascending."""
        if not self.passages or self.passages >= len(similarities):
            return np.arange(len(snapshot.triples))
        graph = snapshot.graph
        nearest = top(similarities, k=self.passages) + graph.n_entities
        _, places = places_of(graph.indptr, nearest)
        mentioned = np.zeros(graph.n_nodes, dtype=bool)
        mentioned[graph.indices[places]] = True
        return np.flatnonzero(mentioned[snapshot.triples.subjects] & mentioned[snapshot.triples.objects])
