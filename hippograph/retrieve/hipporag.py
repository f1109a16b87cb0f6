"""HippoRAG: from the names in a query to phrases, from there a walk, and from the phrases to their passages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from hippograph.errors import InputError
from hippograph.graph.pagerank import Walk, check_damping, restart_distribution
from hippograph.protocols import Embedder
from hippograph.retrieve.blocks import blocks
from hippograph.retrieve.nearest import cosines, nearest, top
from hippograph.retrieve.phrase_graph import PhraseGraph, own_phrases
from hippograph.retrieve.phrase_walk import min_max, named_seeds, walks
from hippograph.retrieve.query_names import NO_NAMES, QueryNames, written_names
from hippograph.retrieve.ranked import Stopwatch, check_request, hits, stage_of_hits
from hippograph.retrieve.trace import Trace
from hippograph.store.snapshot import Snapshot
from hippograph.types import DoubleArray, Evidence, FloatArray, Ranking

__all__ = ["HippoRAGRetriever"]


@dataclass(frozen=True, kw_only=True)
class HippoRAGRetriever:
    """Ranks passages as HippoRAG does: by the phrases that a walk from the names of the query reaches.

    Each name is linked to the phrase most like it, which seeds the walk with its specificity: one divided by the
    number of passages it occurs in. The walk goes along relations and synonyms only; a passage scores the sum of the
    mass of its phrases, scaled to the range from 0 to 1.

    Parameters
    ----------
    snapshot
        The index.
    embedder
        The embedder it was built with.
    phrases
        What is walked: `PhraseGraphs.reference` makes what the authors' program would. None for the index's own
        entities, triples and synonyms.
    query_entities
        Finds the names in queries, as `extracted_names` does; the authors ask a language model. None takes
        capitalised words.
    damping
        Probability of following an edge; 0.5 in the paper's scripts, where the program's own default is 0.1.
    several
        What a phrase that several names are linked to weighs: their `sum`, or what the `last` of them gives it, as in
        the authors' program.
    nameless
        How passages rank where a query has no names, or the index no phrases: by their likeness to the query,
        `dense`, or all the same, `uniform`, as in the authors' program. The only stage of the evidence is then called
        `no names: dense` or `no names`.
    tolerance
        Change of the mass, in sum, at which the walk stops; see `personalized_pagerank`.

    Raises
    ------
    InputError
        If a parameter is out of its range.

    References
    ----------
    Gutiérrez et al., HippoRAG: Neurobiologically Inspired Long-Term Memory for Large Language Models (NeurIPS 2024),
    section 2.
    """

    snapshot: Snapshot
    embedder: Embedder
    phrases: PhraseGraph | None = None
    query_entities: QueryNames | None = None
    damping: float = 0.5
    several: Literal["sum", "last"] = "sum"
    nameless: Literal["dense", "uniform"] = "dense"
    tolerance: float = 1e-9

    def __post_init__(self) -> None:
        check_damping(self.damping)
        if self.several not in {"sum", "last"}:
            raise InputError(f"several {self.several!r} is not one of sum, last")
        if self.nameless not in {"dense", "uniform"}:
            raise InputError(f"nameless {self.nameless!r} is not one of dense, uniform")

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

        The walk does not enter passages, so they are nodes without edges of the graph that was walked.

        Raises
        ------
        InputError, ConvergenceError
            As for `retrieve`.
        """
        [(ranking, link)] = self._ranked([query], k)
        return Trace(
            ranking=ranking,
            graph=self._phrases.phrases_alone,
            entity_names=self._phrases.names,
            passage_ids=self.snapshot.passages.ids,
            reset=self._reset(link),
            reasons=link.reasons,
            damping=self.damping,
            readings=self._phrases.occurrences,
        )

    @cached_property
    def _phrases(self) -> PhraseGraph:
        return self.phrases or own_phrases(self.snapshot)

    def _ranked(self, queries: Sequence[str], k: int) -> list[tuple[Ranking, _Link]]:
        check_request(queries, k)
        graph, links = self._phrases.phrases_alone, self._linked(queries)
        ranked: list[tuple[Ranking, _Link]] = []
        for block in blocks(len(links), n_nodes=graph.n_nodes):
            watch = Stopwatch()
            resets = [self._reset(link) for link in links[block]]
            watch.lap("seed")
            walked = walks(graph, resets, damping=self.damping, tolerance=self.tolerance)
            watch.lap("walk")
            shares = {step: time / len(resets) for step, time in watch.timings.items()}
            for link, reset, walk in zip(links[block], resets, walked, strict=True):
                ranked.append((self._ranking(link, reset, walk, k, shares), link))
        return ranked

    def _linked(self, queries: Sequence[str]) -> list[_Link]:
        """Link the names in each query to phrases, and embed the queries where that comes to nothing."""
        watch, phrases = Stopwatch(), self._phrases
        written = (self.query_entities or written_names)(queries)
        watch.lap("find names")
        # Without phrases, no name leads anywhere.
        keys = [[key for name in names if (key := phrases.normalized(name))] for names in written]
        keys = keys if len(phrases.names) else [[] for _ in queries]
        vectors = self.embedder.embed([key for several in keys for key in several], role="entity")
        watch.lap("embed")
        closest = iter([int(best[0]) for best in nearest(phrases.phrase_vectors, vectors, k=1)])
        linked = [[(key, next(closest)) for key in several] for several in keys]
        watch.lap("link entities")
        astray = [place for place, pairs in enumerate(linked) if not pairs and self.nameless == "dense"]
        meanings = dict(
            zip(astray, self.embedder.embed([queries[place] for place in astray], role="query"), strict=True)
        )
        watch.lap("embed")
        timings = {step: time / max(1, len(queries)) for step, time in watch.timings.items()}
        return [
            _Link(
                query=query,
                weights=self._weights([phrase for _, phrase in pairs]),
                reasons={phrase: self._reason(key, phrase) for key, phrase in pairs},
                vector=meanings.get(place),
                timings=timings,
            )
            for place, (query, pairs) in enumerate(zip(queries, linked, strict=True))
        ]

    def _weights(self, linked: Sequence[int]) -> dict[int, float]:
        """Weigh the phrases that the names of a query are linked to."""
        weights: dict[int, float] = {}
        for phrase in linked:
            specificity = 1.0 / max(1, int(self._phrases.spread[phrase]))
            weights[phrase] = specificity + (weights.get(phrase, 0.0) if self.several == "sum" else 0.0)
        return weights

    def _reason(self, key: str, phrase: int) -> str:
        return "mention" if self._phrases.normalized(self._phrases.names[phrase]) == key else "similar name"

    def _reset(self, link: _Link) -> DoubleArray | None:
        if not link.weights:
            return None
        reset = np.zeros(self._phrases.graph.n_nodes)
        reset[list(link.weights)] = list(link.weights.values())
        return restart_distribution(self._phrases.graph, reset)

    def _scores(self, link: _Link, walk: Walk | None) -> DoubleArray:
        if walk is not None:
            reached: DoubleArray = self._phrases.occurrences @ walk.mass[: self._phrases.graph.n_entities]
            return min_max(reached)
        if link.vector is not None:
            return min_max(cosines(self.snapshot.passage_vectors, link.vector))
        return np.ones(self._phrases.graph.n_passages)

    def _ranking(
        self, link: _Link, reset: DoubleArray | None, walk: Walk | None, k: int, shares: dict[str, float]
    ) -> Ranking:
        watch = Stopwatch()
        scores = self._scores(link, walk)
        rows = top(scores, k=k)
        found = hits(rows.tolist(), scores[rows].tolist(), self.snapshot)
        evidence = Evidence(
            seeds=named_seeds(reset, link.reasons, self._phrases, self.snapshot.passages),
            walk=None if walk is None else walk.report,
            stages=(stage_of_hits(_step(link, walk), found),),
        )
        watch.lap("rank")
        return Ranking(query=link.query, hits=found, evidence=evidence, timings=link.timings | shares | watch.timings)


def _step(link: _Link, walk: Walk | None) -> str:
    if walk is not None:
        return "walk"
    return NO_NAMES if link.vector is None else f"{NO_NAMES}: dense"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Link:
    """A query, the phrases its names are linked to, what they weigh and why; its vector if it is linked to none."""

    query: str
    weights: dict[int, float]
    reasons: dict[int, str]
    vector: FloatArray | None
    timings: dict[str, float]
