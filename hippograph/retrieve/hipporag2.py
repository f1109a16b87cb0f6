"""HippoRAG 2: from the query to triples, through recognition memory to their phrases, and from there a walk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from hippograph.errors import InputError
from hippograph.graph.pagerank import Walk, check_damping, restart_distribution
from hippograph.protocols import Embedder, RecognitionMemory
from hippograph.retrieve.blocks import blocks
from hippograph.retrieve.nearest import cosines, top
from hippograph.retrieve.phrase_graph import PhraseGraph, own_phrases
from hippograph.retrieve.phrase_walk import min_max, named_seeds, walks
from hippograph.retrieve.ranked import Stopwatch, check_request, hits, stage_of_hits
from hippograph.retrieve.trace import Trace
from hippograph.store.snapshot import Snapshot
from hippograph.types import (
    DoubleArray,
    Evidence,
    FloatArray,
    Hit,
    IntArray,
    LinkedTriple,
    Ranking,
    Recognition,
)

__all__ = ["HippoRAG2Retriever"]


@dataclass(frozen=True, kw_only=True, eq=False)
class HippoRAG2Retriever:
    """Ranks passages as HippoRAG 2 does: the facts nearest to the query and all passages seed one walk.

    Of the facts nearest to the query, recognition memory keeps those that bear on it. Each phrase of a kept fact seeds
    the walk with the fact's score, divided by the number of passages in which the phrase occurs; each passage seeds it
    with a small share of its own likeness to the query. If recognition memory finds that no fact bears on the query,
    or the index has none, passages rank by likeness. If it failed, nobody knows: all facts are kept, and
    `Evidence.recognition` says so.

    Scores are shares of the walk's time; without a walk, cosines scaled to the range from 0 to 1.

    Parameters
    ----------
    snapshot
        The index.
    embedder
        The embedder it was built with.
    phrases
        What is walked: `PhraseGraphs.reference` makes what the authors' program would. None for the index's own
        entities, triples and edges.
    passage_vectors
        What queries are compared with to find passages, shape (P, d), rows of length 1:
        `PhraseGraphs.reference_passages` makes what the authors' program would. None for the index's own.
    recognition
        Judges the facts; None keeps them all.
    linking_top_k
        How many facts are looked at, and how many phrases seed the walk at most.
    passage_weight
        Weight of a passage's scaled cosine beside the weights of phrases; ComoRAG has 0.005.
    damping
        Probability of following an edge.
    occurrences
        What a phrase of several kept facts weighs: the `mean` of what each gives it, or what the `last` one gives it,
        as in ComoRAG.
    tolerance
        Change of the mass, in sum, at which the walk stops; see `personalized_pagerank`.

    Raises
    ------
    InputError
        If a parameter is out of its range.

    References
    ----------
    Gutiérrez et al., From RAG to Memory: Non-Parametric Continual Learning for Large Language Models (ICML 2025),
    section 3; the defaults are those of its program.
    """

    snapshot: Snapshot
    embedder: Embedder
    phrases: PhraseGraph | None = None
    passage_vectors: FloatArray | None = None
    recognition: RecognitionMemory | None = None
    linking_top_k: int = 5
    passage_weight: float = 0.05
    damping: float = 0.5
    occurrences: Literal["mean", "last"] = "mean"
    tolerance: float = 1e-9

    def __post_init__(self) -> None:
        check_damping(self.damping)
        if self.linking_top_k < 0:
            raise InputError(f"linking_top_k {self.linking_top_k} is below 0; 0 looks at no facts")
        if not (np.isfinite(self.passage_weight) and self.passage_weight >= 0):
            raise InputError(f"passage_weight {self.passage_weight} is not a number from 0 upwards")
        if self.occurrences not in {"mean", "last"}:
            raise InputError(f"occurrences {self.occurrences!r} is not one of mean, last")
        if self.passage_vectors is not None and len(self.passage_vectors) != len(self.snapshot.passages):
            raise InputError(
                f"there are {len(self.passage_vectors)} vectors of {len(self.snapshot.passages)} passages; give those "
                "that PhraseGraphs.reference_passages makes of the same snapshot, or None"
            )

    @property
    def calls_per_query(self) -> int:
        """How many calls of a language model its judge of facts makes for a query; 0 without one."""
        return int(getattr(self.recognition, "calls_per_query", 0))

    def retrieve(self, queries: Sequence[str], *, k: int = 5) -> list[Ranking]:
        """Rank passages for each query.

        Raises
        ------
        InputError
            If `k` is below 1 or a query is blank.
        ConvergenceError
            If a walk does not reach its tolerance.
        """
        return [ranking for ranking, _ in self._ranked(queries, k)]

    def trace(self, query: str, *, k: int = 5) -> Trace:
        """Retrieve for one query and return everything that led to the ranking.

        Raises
        ------
        InputError, ConvergenceError
            As for `retrieve`.
        """
        [(ranking, start)] = self._ranked([query], k)
        n_phrases = self._phrases.graph.n_entities
        seeded = [] if start.reset is None else (n_phrases + np.flatnonzero(start.reset[n_phrases:])).tolist()
        return Trace(
            ranking=ranking,
            graph=self._phrases.graph,
            entity_names=self._phrases.names,
            passage_ids=self.snapshot.passages.ids,
            reset=start.reset,
            reasons=start.reasons | dict.fromkeys(seeded, "dense"),
            damping=self.damping,
        )

    @cached_property
    def _phrases(self) -> PhraseGraph:
        return self.phrases or own_phrases(self.snapshot)

    def _ranked(self, queries: Sequence[str], k: int) -> list[tuple[Ranking, _Start]]:
        check_request(queries, k)
        ranked: list[tuple[Ranking, _Start]] = []
        linked = self._linked(queries)
        for block in blocks(len(linked), n_nodes=self._phrases.graph.n_nodes):
            starts = [self._start(link) for link in linked[block]]
            watch = Stopwatch()
            walked = walks(
                self._phrases.graph, [start.reset for start in starts], damping=self.damping, tolerance=self.tolerance
            )
            watch.lap("walk")
            for start, walk in zip(starts, walked, strict=True):
                timings = start.timings | {"walk": watch.timings["walk"] / len(starts)}
                ranked.append((self._ranking(start, walk, k, timings), start))
        return ranked

    def _linked(self, queries: Sequence[str]) -> list[_Link]:
        """Find the facts nearest to each query, and have them judged."""
        watch = Stopwatch()
        vectors = self.embedder.embed(queries, role="query")
        watch.lap("embed")
        phrases, found = self._phrases, []
        for vector in vectors:
            likeness = cosines(phrases.fact_vectors, vector)
            facts = top(likeness, k=self.linking_top_k)
            found.append((facts, min_max(likeness)[facts], likeness[facts]))
        watch.lap("link triples")
        judged = self._judged(queries, [facts for facts, _, _ in found])
        watch.lap("recognise")
        timings = {step: time / max(1, len(queries)) for step, time in watch.timings.items()}
        return [
            _Link(query=query, vector=vector, facts=facts, scores=scores, likeness=near, judged=one, timings=timings)
            for query, vector, (facts, scores, near), one in zip(queries, vectors, found, judged, strict=True)
        ]

    def _judged(self, queries: Sequence[str], found: Sequence[IntArray]) -> list[Recognition | None]:
        """Ask recognition memory about the queries that facts were found for."""
        judged: list[Recognition | None] = [None] * len(queries)
        asked = [place for place, facts in enumerate(found) if len(facts)]
        if self.recognition is None or not asked:
            return judged
        candidates = [[self._phrases.facts[fact] for fact in found[place].tolist()] for place in asked]
        said = self.recognition.recognise([queries[place] for place in asked], candidates)
        for place, recognition in zip(asked, said, strict=True):
            judged[place] = recognition
        return judged

    def _start(self, link: _Link) -> _Start:
        """Decide where the walk for a query restarts, if it is to be walked for."""
        watch = Stopwatch()
        known = self.snapshot.passage_vectors if self.passage_vectors is None else self.passage_vectors
        likeness = cosines(known, link.vector)
        watch.lap("dense")
        graph = self._phrases.graph
        weights = self._phrase_weights(link)
        reset = np.zeros(graph.n_nodes)
        reset[list(weights)] = list(weights.values())
        reset[graph.n_entities :] = self.passage_weight * min_max(likeness)
        walked = bool(len(link.kept)) and graph.n_passages > 0 and bool(reset.any())
        watch.lap("seed")
        return _Start(
            link=link,
            likeness=likeness,
            reset=restart_distribution(graph, reset) if walked else None,
            reasons={phrase: "triple" for phrase, weight in weights.items() if weight > 0} if walked else {},
            timings=link.timings | watch.timings,
        )

    def _phrase_weights(self, link: _Link) -> dict[int, float]:
        """Weigh the phrases of the kept facts, and choose the heaviest."""
        phrases = self._phrases
        given: defaultdict[int, list[float]] = defaultdict(list)
        for place in link.kept:
            fact = int(link.facts[place])
            for phrase in (int(phrases.subjects[fact]), int(phrases.objects[fact])):
                given[phrase].append(float(link.scores[place]) / max(1, int(phrases.spread[phrase])))
        mean = self.occurrences == "mean"
        weights = {phrase: sum(parts) / len(parts) if mean else parts[-1] for phrase, parts in given.items()}
        heaviest = sorted(weights, key=lambda phrase: (-weights[phrase], phrase))[: self.linking_top_k]
        return {phrase: weights[phrase] for phrase in heaviest}

    def _ranking(self, start: _Start, walk: Walk | None, k: int, timings: dict[str, float]) -> Ranking:
        watch = Stopwatch()
        dense = self._hits(min_max(start.likeness), k)
        found, stages = dense, [stage_of_hits("dense", dense)]
        if walk is not None:
            found = self._hits(walk.mass[self._phrases.graph.n_entities :], k)
            stages.append(stage_of_hits("walk", found))
        evidence = Evidence(
            seeds=named_seeds(start.reset, start.reasons, self._phrases, self.snapshot.passages),
            triples=self._told(start.link),
            walk=None if walk is None else walk.report,
            recognition=start.link.judged,
            stages=tuple(stages),
        )
        watch.lap("rank")
        return Ranking(query=start.link.query, hits=found, evidence=evidence, timings=timings | watch.timings)

    def _hits(self, scores: DoubleArray, k: int) -> tuple[Hit, ...]:
        rows = top(scores, k=k)
        return hits(rows.tolist(), scores[rows].tolist(), self.snapshot)

    def _told(self, link: _Link) -> tuple[LinkedTriple, ...]:
        kept = set(link.kept)
        return tuple(
            LinkedTriple(triple=self._phrases.facts[fact], similarity=float(link.likeness[place]), kept=place in kept)
            for place, fact in enumerate(link.facts.tolist())
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Link:
    """A query and the facts nearest to it, nearest first: their numbers, scaled scores and cosines."""

    query: str
    vector: FloatArray
    facts: IntArray
    scores: DoubleArray
    likeness: FloatArray
    judged: Recognition | None
    timings: dict[str, float]

    @property
    def kept(self) -> Sequence[int]:
        """Places of the facts that seed the walk."""
        if self.judged is None or self.judged.status in {"invalid", "failed"}:
            return range(len(self.facts))
        return self.judged.kept


@dataclass(frozen=True, kw_only=True, eq=False)
class _Start:
    """Where the walk for a query restarts, and what is known by then."""

    link: _Link
    likeness: FloatArray
    reset: DoubleArray | None
    reasons: dict[int, str]
    timings: dict[str, float]
