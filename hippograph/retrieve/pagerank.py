"""Graph retrieval: link the query, seed, walk, look again, rank. The default retriever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from hippograph.errors import InputError
from hippograph.graph.certified_top import certified_top
from hippograph.graph.pagerank import check_damping, personalized_pageranks
from hippograph.protocols import Embedder, RecognitionMemory
from hippograph.retrieve.blocks import blocks
from hippograph.retrieve.focus import check_focus, strengths
from hippograph.retrieve.linking import EntityLinker
from hippograph.retrieve.nearest import cosines, top
from hippograph.retrieve.ranked import Stopwatch, check_request, hits, stage
from hippograph.retrieve.second_look import SecondLook
from hippograph.retrieve.seeding import Reset, Seeding
from hippograph.retrieve.trace import FIRST_WALK, Trace
from hippograph.retrieve.triple_linking import NearTriples, TripleLinker
from hippograph.store.snapshot import Snapshot
from hippograph.types import DoubleArray, Evidence, FloatArray, IntArray, LinkedTriple, Ranking, Recognition, WalkReport

__all__ = ["PageRankRetriever"]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Found:
    """What a walk found: the best passages, their shares of the walk's time, and how it ended."""

    rows: IntArray
    mass: DoubleArray
    report: WalkReport | None

    def first(self, k: int) -> _Found:
        return replace(self, rows=self.rows[:k], mass=self.mass[:k])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Asked:
    """A query, and what it was linked to."""

    query: str
    similarities: FloatArray
    triples: tuple[LinkedTriple, ...]
    recognition: Recognition | None
    reset: Reset


@dataclass(frozen=True, kw_only=True, eq=False)
class _Walked:
    """A query's last walk, and what the walks found in turn."""

    reset: Reset
    focus: float
    damping: float
    found: dict[str, _Found]

    @property
    def last(self) -> _Found:
        return list(self.found.values())[-1]


@dataclass(frozen=True, kw_only=True)
class PageRankRetriever:
    """Ranks passages by Personalized PageRank from what the query mentions and means, and once more from what is found.

    The query's names are linked to entities and the query itself to triples; the walk restarts from those entities,
    from the passages they are the titles of, and from the passages nearest to the query, and is drawn towards passages
    near the query. The second look walks again from the best passages of the first. Scores are shares of the walk's
    time, 0 to 1. The defaults hold for all corpora; `docs/design.md` tells how they were chosen.

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
    recognition
        Judges the facts that are; None keeps them all.
    seeding
        How the restart distribution is divided.
    focus
        How strongly passages near the query draw the first walk (`hippograph.retrieve.focus`).
    damping
        Probability of following an edge in the first walk, 0 to 1 exclusive. HippoRAG uses 0.5; with mention edges
        weighted by rarity a longer walk pays.
    second_look
        How the walk goes on from what was found; None ranks by the first walk.
    engine
        `exact` iterates over the whole graph to `tolerance`; `push` pushes mass locally until the order of the hits
        is proved (or its limits are reached, see `certified_top`). With a focus, push has to write the graph out for
        each walk, in time linear in its edges; that is some three products of the dozen and more that `exact` takes.
    tolerance
        L1 change at which `exact` stops; a ten-thousandth of this gave 120 development questions the same ten hits.

    Raises
    ------
    InputError
        If a parameter is out of range.

    References
    ----------
    Gutiérrez et al., HippoRAG (NeurIPS 2024), section 2; From RAG to Memory (ICML 2025), section 3.
    """

    snapshot: Snapshot
    embedder: Embedder
    entities: EntityLinker = field(default_factory=EntityLinker)
    triples: TripleLinker = field(default_factory=TripleLinker)
    recognition: RecognitionMemory | None = None
    seeding: Seeding = field(default_factory=Seeding)
    focus: float = 0.25
    damping: float = 0.8
    second_look: SecondLook | None = field(default_factory=SecondLook)
    engine: Literal["exact", "push"] = "exact"
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        if self.engine not in {"exact", "push"}:
            raise InputError(f"engine {self.engine!r} is not one of exact, push")
        check_focus(self.focus)
        check_damping(self.damping)
        if not self.tolerance > 0:
            raise InputError(f"tolerance is {self.tolerance}; it must be above 0")

    @property
    def calls_per_query(self) -> int:
        """How many calls of a language model its judge of facts makes for a query; 0 without one."""
        return int(getattr(self.recognition, "calls_per_query", 0))

    def retrieve(self, queries: Sequence[str], *, k: int = 5) -> list[Ranking]:
        """Rank passages for each query; many at once are read, judged and walked together, with the same results.

        Raises
        ------
        InputError
            If `k` is below 1 or a query is blank.
        ConvergenceError
            If the walk does not reach its tolerance.
        """
        check_request(queries, k)
        rankings: list[Ranking] = []
        for block in blocks(len(queries), n_nodes=self.snapshot.graph.n_nodes):
            watch = Stopwatch()
            asked = self._ask(queries[block], watch)
            walked = self._walk_all(asked, k, watch)
            made = [self._ranking(one, way, k) for one, way in zip(asked, walked, strict=True)]
            watch.lap("rank")
            rankings += [replace(ranking, timings=watch.shares(len(made))) for ranking in made]
        return rankings

    def trace(self, query: str, *, k: int = 5) -> Trace:
        """Retrieve for one query and return everything that led to the ranking, the last walk above all.

        Raises
        ------
        InputError, ConvergenceError
            As for `retrieve`.
        """
        check_request([query], k)
        watch, graph = Stopwatch(), self.snapshot.graph
        (asked,) = self._ask([query], watch)
        (walked,) = self._walk_all([asked], k, watch)
        ranking = self._ranking(asked, walked, k)
        watch.lap("rank")
        drawn = strengths(asked.similarities, focus=walked.focus, n_entities=graph.n_entities)
        return Trace(
            ranking=replace(ranking, timings=watch.timings),
            graph=graph.drawn_by(drawn),
            entity_names=self.snapshot.entity_names,
            passage_ids=self.snapshot.passages.ids,
            reset=walked.reset.weights if graph.n_passages else None,
            reasons=walked.reset.reasons,
            damping=walked.damping,
        )

    def _ask(self, queries: Sequence[str], watch: Stopwatch) -> list[_Asked]:
        """Find out what queries mention and mean."""
        snapshot = self.snapshot
        vectors = self.embedder.embed(queries, role="query")
        watch.lap("embed")
        similarities = [cosines(snapshot.passage_vectors, vector) for vector in vectors]
        watch.lap("dense")
        mentioned = [self.entities.link(query, snapshot, self.embedder) for query in queries]
        watch.lap("link entities")
        candidates = [
            self.triples.near(vector, near, snapshot) for vector, near in zip(vectors, similarities, strict=True)
        ]
        watch.lap("link triples")
        recognised = self._recognised(queries, candidates)
        if self.recognition is not None:
            watch.lap("recognise")
        asked = []
        for query, near, named, facts, verdict in zip(
            queries, similarities, mentioned, candidates, recognised, strict=True
        ):
            kept = facts if verdict is None else facts.recognised(verdict)
            known = {link.entity for link in named}
            links = named + [link for link in kept.links(snapshot) if link.entity not in known]
            reset = self.seeding.reset(links, near, snapshot)
            told = tuple(kept.told(snapshot))
            asked.append(_Asked(query=query, similarities=near, triples=told, recognition=verdict, reset=reset))
        watch.lap("seed")
        return asked

    def _recognised(self, queries: Sequence[str], candidates: Sequence[NearTriples]) -> list[Recognition | None]:
        """Ask which of the facts near each query bear on it; where there are none, nobody is asked."""
        verdicts: list[Recognition | None] = [None] * len(queries)
        facts = [near.kept_triples(self.snapshot) for near in candidates]
        judged = [place for place, near in enumerate(facts) if near]
        if self.recognition is not None and judged:
            said = self.recognition.recognise([queries[place] for place in judged], [facts[place] for place in judged])
            for place, verdict in zip(judged, said, strict=True):
                verdicts[place] = verdict
        return verdicts

    def _walk_all(self, asked: Sequence[_Asked], k: int, watch: Stopwatch) -> list[_Walked]:
        """Walk from what queries mention and mean, and again from what is found."""
        if not self.snapshot.graph.n_passages:
            nothing = _Found(rows=np.empty(0, np.int64), mass=np.empty(0), report=None)
            return [_Walked(reset=one.reset, focus=0.0, damping=0.0, found={"walk": nothing}) for one in asked]
        look = self.second_look
        resets = [one.reset for one in asked]
        # What push finds depends, in the last digits, on how far it looks; the anchors must not depend on k.
        least = 0 if look is None else look.candidates
        depth = least if least and self.engine == "push" else max(k, least)
        first = self._walk(asked, resets, focus=self.focus, damping=self.damping, k=depth)
        watch.lap("walk")
        if look is None:
            return [
                _Walked(reset=reset, focus=self.focus, damping=self.damping, found={"walk": found})
                for reset, found in zip(resets, first, strict=True)
            ]
        again = self._resets_again(look, asked, [found.first(look.candidates) for found in first], watch)
        second = self._walk(asked, again, focus=look.focus, damping=look.damping, k=k)
        watch.lap("second walk")
        return [
            _Walked(
                reset=reset, focus=look.focus, damping=look.damping, found={"walk": one.first(k), "second look": other}
            )
            for reset, one, other in zip(again, first, second, strict=True)
        ]

    def _resets_again(
        self, look: SecondLook, asked: Sequence[_Asked], found: Sequence[_Found], watch: Stopwatch
    ) -> list[Reset]:
        """Let the second walk restart from the best of what the first found."""
        passages = self.snapshot.passages
        read = [[passages[int(row)] for row in one.rows] for one in found] if look.judge else [()] * len(found)
        scores = look.judged([one.query for one in asked], read)
        if look.judge:
            watch.lap("judge")
        resets = []
        for one, first, verdicts in zip(asked, found, scores, strict=True):
            anchors = look.anchored(first.rows, first.mass, verdicts if look.judge else np.zeros(len(first.rows)))
            nodes = anchors.rows + self.snapshot.graph.n_entities
            resets.append(one.reset.shared_with(nodes, anchors.shares, share=look.share, reason=FIRST_WALK))
        watch.lap("seed again")
        return resets

    def _walk(
        self, asked: Sequence[_Asked], resets: Sequence[Reset], *, focus: float, damping: float, k: int
    ) -> list[_Found]:
        """Walk from each reset, and return the best passages."""
        graph = self.snapshot.graph
        drawn = [strengths(one.similarities, focus=focus, n_entities=graph.n_entities) for one in asked]
        if self.engine == "push":
            pushed = [
                certified_top(graph.drawn_by(draws), reset.weights, k=k, damping=damping)
                for draws, reset in zip(drawn, resets, strict=True)
            ]
            return [
                _Found(rows=best.nodes - graph.n_entities, mass=best.scores, report=best.walk.report) for best in pushed
            ]
        walks = personalized_pageranks(
            graph,
            np.stack([reset.weights for reset in resets], axis=1),
            strengths=np.stack(drawn, axis=1) if focus else None,
            damping=damping,
            tolerance=self.tolerance,
        )
        found = []
        for walk in walks:
            mass = walk.mass[graph.n_entities :]
            rows = top(mass, k=k)
            found.append(_Found(rows=rows, mass=mass[rows], report=walk.report))
        return found

    def _ranking(self, asked: _Asked, walked: _Walked, k: int) -> Ranking:
        ids = self.snapshot.passages.ids
        nearest = top(asked.similarities, k=k)
        stages = [stage("dense", nearest, asked.similarities[nearest], ids)]
        stages += [stage(name, found.rows, found.mass, ids) for name, found in walked.found.items()]
        last = walked.last
        evidence = Evidence(
            seeds=walked.reset.seeds(self.snapshot),
            triples=asked.triples,
            walk=last.report,
            recognition=asked.recognition,
            stages=tuple(stages),
        )
        found = hits(last.rows.tolist(), last.mass.tolist(), self.snapshot)
        return Ranking(query=asked.query, hits=found, evidence=evidence)
