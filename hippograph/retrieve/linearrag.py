"""LinearRAG: retrieval over a graph without relations, whose entities are bridged by sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from hippograph.errors import InputError
from hippograph.graph.pagerank import Walk, check_damping, restart_distribution
from hippograph.protocols import Embedder
from hippograph.retrieve.activation import Activation, bridge
from hippograph.retrieve.blocks import blocks
from hippograph.retrieve.linking import EntityLinker
from hippograph.retrieve.nearest import cosines, nearest, top
from hippograph.retrieve.phrase_walk import min_max, walks
from hippograph.retrieve.query_names import NO_NAMES, QueryNames, written_names
from hippograph.retrieve.ranked import Stopwatch, check_request, hits
from hippograph.retrieve.seeding import Reset
from hippograph.retrieve.sentence_graph import SentenceGraph
from hippograph.retrieve.trace import Trace
from hippograph.store.snapshot import Snapshot
from hippograph.types import DoubleArray, Evidence, FloatArray, IntArray, Ranking, Stage

__all__ = ["LinearRAGRetriever"]

# All passages are seeded; so many of them, the heaviest, are named in the evidence.
_NAMED_PASSAGES = 100
# A query that all sentences repeat would divide by zero.
_MOST_TYPICAL = 0.99


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearRAGRetriever:
    """Ranks passages as LinearRAG does: no relation, no synonym and no language model is needed.

    The entities that a query names activate others, through the sentences most like the query, tier by tier. The walk
    restarts from all of them and from every passage, which weighs what its vector says and what the entities in it add:
    `passage_weight * (passage_ratio * dense + ln(1 + sum of strength * ln(1 + mentions) / tier))`, `dense` being the
    cosines stretched to 0 to 1. A query that names no entity ranks passages by cosine, and the evidence's only stage is
    called `no names: dense`. Scores are shares of the walk's time, or cosines. The evidence names the entities and the
    100 heaviest passages among the seeds; `trace` has all.

    The reference's configuration and its command line disagree; where they do, the defaults are those of the command
    line, which its README runs: `threshold` 0.4 (the configuration has 0.5), `sentences` 3 (1), `passage_ratio` 2
    (1.5). These thresholds are for an embedder that gives unrelated texts a cosine near 0, which others do not. So a
    sentence's cosine `c` counts as `(c - m) / (1 - m)`, `m` being the mean of all sentences' cosines to the query.

    Parameters
    ----------
    snapshot
        The index, or a part of it.
    embedder
        The embedder it was built with.
    sentence_graph
        Made of the same snapshot, by `SentenceGraph.of`.
    sentence_vectors
        What its `vectors` returns, shape (S, d).
    entities
        How names are linked, but for `parity`.
    query_entities
        With `parity`, finds the names in queries, as `extracted_names` does; the authors take spaCy's named entities.
        None takes capitalised words.
    tiers
        How many tiers of entities there are, the named ones included; 3 in the reference (`max_iterations`).
    threshold
        Activation below it is not passed on, 0 or more.
    sentences
        How many sentences each entity passes its activation on through.
    passage_ratio
        What the cosine of a passage weighs against the entities in it.
    passage_weight
        What passages weigh against entities; 0.05 in the reference.
    damping
        Probability of following an edge; 0.5 in the reference.
    tolerance
        L1 change at which the walk stops.
    parity
        Do as the reference does: each name of the query is linked to the entity with the nearest vector, however far
        that is, and counts as much as that is near; cosines of sentences count as they are; activation follows the
        reference's order and overwrites (see `bridge`); mentions are counted as substrings of the small letters ("art"
        in "party"), text by text. Not repeated: the graph has the index's names, and joins no neighbours that belong to
        different documents.

    Raises
    ------
    InputError
        If a parameter is out of range, or the vectors are not those of the sentences.

    References
    ----------
    Zhuang et al., LinearRAG: Linear Graph Retrieval Augmented Generation on Large-scale Corpora (ICLR 2026), and its
    program, https://github.com/DEEP-PolyU/LinearRAG.
    """

    snapshot: Snapshot
    embedder: Embedder
    sentence_graph: SentenceGraph
    sentence_vectors: FloatArray
    entities: EntityLinker = field(default_factory=EntityLinker)
    query_entities: QueryNames | None = None
    tiers: int = 3
    threshold: float = 0.4
    sentences: int = 3
    passage_ratio: float = 2.0
    passage_weight: float = 0.05
    damping: float = 0.5
    tolerance: float = 1e-6
    parity: bool = False

    def __post_init__(self) -> None:
        own, walked = self.snapshot.graph, self.sentence_graph.graph
        if (own.n_entities, own.n_passages) != (walked.n_entities, walked.n_passages):
            raise InputError(
                f"the sentence graph has {walked.n_entities} entities and {walked.n_passages} passages instead of "
                f"{own.n_entities} and {own.n_passages}; make it of the same snapshot"
            )
        if len(self.sentence_vectors) != len(self.sentence_graph.sentences):
            raise InputError(
                f"there are {len(self.sentence_vectors)} vectors of {len(self.sentence_graph.sentences)} sentences; "
                "give those that sentence_graph.vectors returns"
            )
        for name, least in (("tiers", 1), ("sentences", 1), ("threshold", 0), ("passage_ratio", 0)):
            if not least <= getattr(self, name) < np.inf:
                raise InputError(f"{name} is {getattr(self, name)}; give {least} or more")
        if not 0 < self.passage_weight < np.inf:
            raise InputError(f"passage_weight is {self.passage_weight}; give more than 0")
        check_damping(self.damping)

    def retrieve(self, queries: Sequence[str], *, k: int = 5) -> list[Ranking]:
        """Rank passages for each query.

        Raises
        ------
        InputError
            If `k` is below 1 or a query is blank.
        ConvergenceError
            If the walk does not reach its tolerance.
        """
        return [ranking for _, ranking in self._ranked(queries, k)]

    def trace(self, query: str, *, k: int = 5) -> Trace:
        """Rank passages for one query, and tell all that led there.

        Raises
        ------
        InputError, ConvergenceError
            As for `retrieve`.
        """
        [(plan, ranking)] = self._ranked([query], k)
        graph = self.sentence_graph.graph
        others = {} if plan.reset is None else dict.fromkeys(range(graph.n_entities, graph.n_nodes), "dense")
        return Trace(
            ranking=ranking,
            graph=graph,
            entity_names=self.snapshot.entity_names,
            passage_ids=self.snapshot.passages.ids,
            reset=plan.reset,
            reasons=others | plan.reasons,
            damping=self.damping,
        )

    def _ranked(self, queries: Sequence[str], k: int) -> Iterator[tuple[_Plan, Ranking]]:
        """Yield what was planned and found for each query, walking for as many at a time as memory allows."""
        check_request(queries, k)
        watch = Stopwatch()
        vectors = self.embedder.embed(queries, role="query")
        watch.lap("embed")
        timings = {"embed": watch.timings["embed"] / max(1, len(queries))}
        graph = self.sentence_graph.graph
        for block in blocks(len(queries), n_nodes=graph.n_nodes):
            watch = Stopwatch()
            written = self._written(queries[block])
            if self.parity:
                watch.lap("find names")
            before = timings | watch.shares(len(written))
            asked = zip(queries[block], written, vectors[block], strict=True)
            plans = [self._plan(query, names, vector, before) for query, names, vector in asked]
            watch = Stopwatch()
            walked = walks(graph, [plan.reset for plan in plans], damping=self.damping, tolerance=self.tolerance)
            watch.lap("walk")
            share = {"walk": watch.timings["walk"] / len(plans)}
            for plan, walk in zip(plans, walked, strict=True):
                yield plan, self._ranking(plan, walk, k, share)

    def _written(self, queries: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the names in each query, where they are asked for; the linker finds its own."""
        if not self.parity or not len(self.snapshot.entity_keys):
            return [() for _ in queries]
        return (self.query_entities or written_names)(queries)

    def _plan(self, query: str, written: Sequence[str], vector: FloatArray, timings: Mapping[str, float]) -> _Plan:
        """Decide where the walk for a query restarts."""
        watch = Stopwatch()
        similarities = cosines(self.snapshot.passage_vectors, vector)
        watch.lap("dense")
        named = self._named(query, written)
        watch.lap("link entities")
        if not named:
            return _Plan(query=query, similarities=similarities, timings={**timings, **watch.timings})
        activation = bridge(
            self.sentence_graph,
            {entity: confidence for entity, (confidence, _) in named.items()},
            self._likeness(vector),
            tiers=self.tiers,
            threshold=self.threshold,
            sentences=self.sentences,
            parity=self.parity,
        )
        watch.lap("activate")
        reset, reasons = self._reset(activation, similarities)
        reasons |= {entity: f"tier {tier}" for entity, tier in activation.tiers.items()}
        reasons |= {entity: reason for entity, (_, reason) in named.items()}
        watch.lap("seed")
        return _Plan(
            query=query,
            similarities=similarities,
            reset=reset,
            reasons=reasons,
            timings={**timings, **watch.timings},
        )

    def _named(self, query: str, written: Sequence[str]) -> dict[int, tuple[float, str]]:
        """Return the entities that a query names, how surely, and why."""
        if not len(self.snapshot.entity_keys):
            return {}
        if not self.parity:
            links = self.entities.link(query, self.snapshot, self.embedder)
            return {link.entity: (link.confidence, link.reason) for link in links}
        names = list(dict.fromkeys(name.lower() for name in written))
        vectors = self.embedder.embed(names, role="entity")
        best = [int(row[0]) for row in nearest(self.snapshot.entity_vectors, vectors, k=1)]
        near = [float(self.snapshot.entity_vectors[entity] @ row) for entity, row in zip(best, vectors, strict=True)]
        return {entity: (cosine, "similar name") for entity, cosine in zip(best, near, strict=True) if cosine > 0}

    def _likeness(self, vector: FloatArray) -> Callable[[IntArray], DoubleArray]:
        """Return what tells how like a query some sentences are."""
        typical = 0.0 if self.parity else min(float(self._mean_sentence @ vector), _MOST_TYPICAL)

        def likeness(sentences: IntArray) -> DoubleArray:
            compared = cosines(self.sentence_vectors[sentences], vector).astype(np.float64)
            centred: DoubleArray = (compared - typical) / (1.0 - typical)
            return centred

        return likeness

    @cached_property
    def _mean_sentence(self) -> DoubleArray:
        # Its product with a query is the mean cosine of all sentences to the query.
        if not len(self.sentence_vectors):
            return np.zeros(self.embedder.dimension)
        mean: DoubleArray = self.sentence_vectors.mean(axis=0, dtype=np.float64)
        return mean

    def _reset(self, activation: Activation, similarities: FloatArray) -> tuple[DoubleArray, dict[int, str]]:
        """Return the restart distribution, and why each of the heaviest passages has a share in it."""
        graph = self.sentence_graph.graph
        bonus = np.zeros(graph.n_passages)
        for entity, strength in activation.strengths.items():
            passages, counts = self._mentioning(entity)
            bonus[passages] += strength * np.log1p(counts) / activation.tiers[entity]
        weights = np.zeros(graph.n_nodes)
        weights[list(activation.weights)] = list(activation.weights.values())
        dense = self.passage_ratio * min_max(similarities)
        weights[graph.n_entities :] = self.passage_weight * (dense + np.log1p(bonus))
        heaviest = top(weights[graph.n_entities :], k=_NAMED_PASSAGES).tolist()
        reasons = {graph.n_entities + row: "dense, mention" if bonus[row] > 0 else "dense" for row in heaviest}
        return restart_distribution(graph, weights), reasons

    def _mentioning(self, entity: int) -> tuple[IntArray, IntArray]:
        """Return the passages that mention an entity, and how often; with parity, inside of words too."""
        graph = self.sentence_graph
        return graph.texts.of(self.snapshot.entity_names[entity]) if self.parity else graph.mentions_of(entity)

    def _ranking(self, plan: _Plan, walk: Walk | None, k: int, timings: Mapping[str, float]) -> Ranking:
        watch = Stopwatch()
        scores: FloatArray | DoubleArray = plan.similarities
        evidence = Evidence(stages=(self._stage(f"{NO_NAMES}: dense", scores, k),))
        if plan.reset is not None and walk is not None:
            n_entities = self.sentence_graph.graph.n_entities
            scores = walk.mass[n_entities:]
            seeds = Reset(weights=plan.reset, reasons=plan.reasons).seeds(self.snapshot)
            dense = self._stage("dense", plan.similarities, k)
            stages = (dense, self._stage("seeds", plan.reset[n_entities:], k), self._stage("walk", scores, k))
            evidence = Evidence(seeds=seeds, walk=walk.report, stages=stages)
        rows = top(scores, k=k)
        found = hits(rows.tolist(), scores[rows].tolist(), self.snapshot)
        watch.lap("rank")
        return Ranking(
            query=plan.query, hits=found, evidence=evidence, timings={**plan.timings, **timings, **watch.timings}
        )

    def _stage(self, name: str, scores: FloatArray | DoubleArray, k: int) -> Stage:
        ids = self.snapshot.passages.ids
        return Stage(name=name, passages=tuple((ids[row], float(scores[row])) for row in top(scores, k=k).tolist()))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Plan:
    """Where the walk for a query restarts, and why; without a reset there is no walk."""

    query: str
    similarities: FloatArray
    reset: DoubleArray | None = None
    reasons: dict[int, str] = field(default_factory=dict)
    timings: Mapping[str, float]
