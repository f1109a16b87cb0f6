"""Graph retrieval: link the query, seed, walk, rank. The default retriever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from hippograph.errors import InputError
from hippograph.graph.certified_top import certified_top
from hippograph.graph.pagerank import personalized_pagerank
from hippograph.protocols import Embedder
from hippograph.retrieve.linking import EntityLinker, TripleLinker
from hippograph.retrieve.nearest import cosines, top
from hippograph.retrieve.ranked import Stopwatch, check_request, hits
from hippograph.retrieve.seeding import Reset, Seeding
from hippograph.store.snapshot import Snapshot
from hippograph.types import DoubleArray, Evidence, FloatArray, IntArray, Ranking, WalkReport

__all__ = ["PageRankRetriever"]


@dataclass(frozen=True, kw_only=True)
class PageRankRetriever:
    """Ranks passages by Personalized PageRank from what the query mentions and means.

    The query's names are linked to entities and the query itself to triples; the walk restarts from those entities,
    from the passages they are the titles of, and from the passages nearest to the query. Scores are shares of the
    walk's time, 0 to 1. The defaults hold for all corpora; `docs/design.md` tells how they were chosen.

    Parameters
    ----------
    snapshot
        The index.
    embedder
        The embedder it was built with.
    entities
        How names are linked.
    triples
        How facts are linked.
    seeding
        How the restart distribution is divided.
    damping
        Probability of following an edge, 0 to 1 exclusive. HippoRAG uses 0.5; with mention edges weighted by rarity a
        longer walk pays.
    engine
        `exact` iterates over the whole graph to `tolerance`; `push` pushes mass locally until the order of the hits
        is proved (or its limits are reached, see `certified_top`), which pays above some 100,000 nodes.
    tolerance
        L1 change at which `exact` stops.

    References
    ----------
    Gutiérrez et al., HippoRAG (NeurIPS 2024), section 2; From RAG to Memory (ICML 2025), section 3.
    """

    snapshot: Snapshot
    embedder: Embedder
    entities: EntityLinker = field(default_factory=EntityLinker)
    triples: TripleLinker = field(default_factory=TripleLinker)
    seeding: Seeding = field(default_factory=Seeding)
    damping: float = 0.8
    engine: Literal["exact", "push"] = "exact"
    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        if self.engine not in {"exact", "push"}:
            raise InputError(f"engine {self.engine!r} is not one of exact, push")

    def retrieve(self, queries: Sequence[str], *, k: int = 5) -> list[Ranking]:
        """Rank passages for each query.

        Raises
        ------
        InputError
            If `k` is below 1 or a query is blank.
        ConvergenceError
            If the walk does not reach its tolerance.
        """
        check_request(queries, k)
        watch = Stopwatch()
        vectors = self.embedder.embed(queries, role="query")
        watch.lap("embed")
        embedding = watch.timings["embed"] / max(1, len(queries))
        return [self._rank(query, vector, k, embedding) for query, vector in zip(queries, vectors, strict=True)]

    def _rank(self, query: str, vector: FloatArray, k: int, embedding: float) -> Ranking:
        watch = Stopwatch()
        similarities = cosines(self.snapshot.passage_vectors, vector)
        watch.lap("dense")
        mentioned = self.entities.link(query, self.snapshot, self.embedder)
        watch.lap("link entities")
        facts, stated = self.triples.link(vector, self.snapshot)
        watch.lap("link triples")
        known = {link.entity for link in mentioned}
        links = mentioned + [link for link in stated if link.entity not in known]
        reset = self.seeding.reset(links, similarities, self.snapshot)
        watch.lap("seed")
        rows, scores, report = self._walk(reset, k)
        watch.lap("walk")
        found = hits(rows.tolist(), scores.tolist(), self.snapshot)
        evidence = Evidence(seeds=reset.seeds(self.snapshot), triples=tuple(facts), walk=report)
        watch.lap("rank")
        return Ranking(query=query, hits=found, evidence=evidence, timings={"embed": embedding} | watch.timings)

    def _walk(self, reset: Reset, k: int) -> tuple[IntArray, DoubleArray, WalkReport | None]:
        """Return the best passage rows, their scores, and how the walk ended."""
        graph = self.snapshot.graph
        if not graph.n_passages:
            return np.empty(0, np.int64), np.empty(0, np.float64), None
        if self.engine == "push":
            best = certified_top(graph, reset.weights, k=k, damping=self.damping)
            return best.nodes - graph.n_entities, best.scores, best.walk.report
        walk = personalized_pagerank(graph, reset.weights, damping=self.damping, tolerance=self.tolerance)
        mass = walk.mass[graph.n_entities :]
        rows = top(mass, k=k)
        return rows, mass[rows], walk.report
