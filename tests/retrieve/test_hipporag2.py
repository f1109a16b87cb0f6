"""HippoRAG 2 against values worked out by hand, its switches, and what it does when something is missing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.graph.pagerank import personalized_pagerank
from hippograph.hippograph import HippoGraph
from hippograph.retrieve.hipporag2 import HippoRAG2Retriever
from hippograph.retrieve.phrase_graph import PhraseGraph
from hippograph.retrieve.phrase_graphs import PhraseGraphs
from hippograph.retrieve.trace import Traceable
from hippograph.store.snapshot import Snapshot
from hippograph.testing.contracts import check_retriever
from hippograph.testing.doubles import HashingEmbedder
from hippograph.types import Ranking, Recognition, RecognitionStatus, Triple
from tests.retrieve.tiny import AXES, AxisEmbedder, exact_walk, tiny_index

HALF = Fraction(1, 2)
QUERIES = ["Who built the Fram?", "北京在哪个国家？", "a boat through the Northwest Passage", "qwertz uiop"]


@dataclass(frozen=True)
class Judge:
    """Says of every query what it is told to say, and notes what it was asked."""

    status: RecognitionStatus
    kept: tuple[int, ...] = ()
    asked: list[Sequence[Triple]] = field(default_factory=list)

    def recognise(self, queries: Sequence[str], triples: Sequence[Sequence[Triple]]) -> list[Recognition]:
        self.asked.extend(triples)
        error = "no answer" if self.status in ("invalid", "failed") else ""
        return [Recognition(status=self.status, kept=self.kept, error=error) for _ in queries]


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[HippoGraph]:
    with tiny_index(tmp_path) as hippograph:
        yield hippograph


def reference(hippograph: HippoGraph) -> PhraseGraph:
    parts = hippograph.parts
    return PhraseGraphs().reference(
        parts.snapshot, catalog=parts.place.catalog(), embedder=parts.indexer.embedder, directory=None
    )


def as_published(hippograph: HippoGraph, **switches: Any) -> HippoRAG2Retriever:
    parts = hippograph.parts
    return HippoRAG2Retriever(
        snapshot=parts.snapshot, embedder=parts.indexer.embedder, phrases=reference(hippograph), **switches
    )


def scores(ranking: Ranking) -> dict[str, float]:
    return {hit.passage.id: hit.score for hit in ranking.hits}


def test_the_walk_is_the_one_worked_out_by_hand(tiny: HippoGraph) -> None:
    # Anna =2= Bern =2= Cusco: each stated once, and once in each direction. Passages: p0 - Anna, p0 - Bern,
    # p1 - Bern, p1 - Cusco, each 1. Degrees: Anna 3, Bern 6, Cusco 3, p0 2, p1 2.
    # "Who leads?" has cosine 1 to the first fact and 0 to the second, so S is 1 and 0. Both are among the five.
    # Anna occurs in 1 passage: 1/1. Bern in 2, in both facts: mean of 1/2 and 0/2 is 1/4. Cusco: 0/1.
    # p0 has cosine 1, p1 0, scaled to 1 and 0: 1/20 and 0. The reset is (1, 1/4, 0, 1/20, 0), in sum 26/20.
    reset = [Fraction(1), Fraction(1, 4), Fraction(0), Fraction(1, 20), Fraction(0)]
    # x = r/2 + the half of what flows in, r = (20, 5, 0, 1, 0)/26:
    #   Anna  = 10/26 + (Bern 2/6 + p0 1/2)/2        Bern = 5/52 + (Anna 2/3 + Cusco 2/3 + p0 1/2 + p1 1/2)/2
    #   Cusco = (Bern 2/6 + p1 1/2)/2                p0 = 1/52 + (Anna 1/3 + Bern 1/6)/2
    #   p1 = (Bern 1/6 + Cusco 1/3)/2
    anna, bern, cusco = Fraction(62613, 133952), Fraction(909, 2912), Fraction(8181, 133952)
    p0, p1 = Fraction(1031, 8372), Fraction(303, 8372)
    assert anna == Fraction(10, 26) + HALF * (bern / 3 + p0 / 2)
    assert bern == Fraction(5, 52) + HALF * (2 * anna / 3 + 2 * cusco / 3 + p0 / 2 + p1 / 2)
    assert cusco == HALF * (bern / 3 + p1 / 2)
    assert p0 == Fraction(1, 52) + HALF * (anna / 3 + bern / 6)
    assert p1 == HALF * (bern / 6 + cusco / 3)
    assert anna + bern + cusco + p0 + p1 == 1

    trace = as_published(tiny).trace("Who leads?", k=2)
    assert list(trace.entity_names) == ["anna", "bern", "cusco"]
    assert exact_walk(trace.graph, reset, HALF) == [anna, bern, cusco, p0, p1]
    assert trace.reset is not None
    assert trace.reset.tolist() == pytest.approx([float(one / sum(reset)) for one in reset])
    assert trace.reasons == {0: "triple", 1: "triple", 3: "dense"}
    assert scores(trace.ranking) == pytest.approx({"p0": float(p0), "p1": float(p1)}, abs=1e-8)


def test_one_fact_gives_one_phrase(tiny: HippoGraph) -> None:
    # Only the first fact is looked at, and only one phrase stays: Anna, 1, before Bern, 1/2.
    [ranking] = as_published(tiny, linking_top_k=1).retrieve(["Who leads?"], k=2)
    entities = {seed.node: seed.weight for seed in ranking.evidence.seeds if seed.kind == "entity"}
    assert entities == pytest.approx({"anna": 20 / 21})
    assert [fact.triple for fact in ranking.evidence.triples] == [Triple("anna", "leads", "bern")]


def test_the_last_occurrence_may_count_alone(tiny: HippoGraph) -> None:
    # Of Bern's two facts the last one scores 0: so does Bern.
    trace = as_published(tiny, occurrences="last").trace("Who leads?", k=2)
    assert trace.reset is not None
    assert trace.reset.tolist() == pytest.approx([20 / 21, 0, 0, 1 / 21, 0])


@pytest.mark.parametrize(("weight", "expected"), [(0.005, 0.005), (0.05, 0.05), (0.0, 0.0), (1.0, 1.0)])
def test_the_passages_weigh_what_they_are_told(tiny: HippoGraph, weight: float, expected: float) -> None:
    trace = as_published(tiny, passage_weight=weight).trace("Who leads?", k=2)
    assert trace.reset is not None
    assert trace.reset[3] == pytest.approx(expected / (1.25 + expected))


def test_the_damping_is_the_probability_of_going_on(tiny: HippoGraph) -> None:
    reset = [Fraction(1), Fraction(1, 4), Fraction(0), Fraction(1, 20), Fraction(0)]
    for damping in (Fraction(0), Fraction(1, 10), Fraction(9, 10)):
        retriever = as_published(tiny, damping=float(damping))
        mass = exact_walk(retriever.trace("Who leads?", k=2).graph, reset, damping)
        [ranking] = retriever.retrieve(["Who leads?"], k=2)
        assert scores(ranking) == pytest.approx({"p0": float(mass[3]), "p1": float(mass[4])}, abs=1e-7)


def test_a_kept_fact_of_the_lowest_score_breaks_nothing(tiny: HippoGraph) -> None:
    # The reference stops with an assertion here: the only fact that was kept has S = 0, so no phrase has a weight.
    judge = Judge("done", kept=(1,))
    [ranking] = as_published(tiny, recognition=judge).retrieve(["Who leads?"], k=2)
    assert [(seed.node, seed.weight) for seed in ranking.evidence.seeds] == [("p0", 1.0)]
    assert [(fact.triple.object, fact.kept) for fact in ranking.evidence.triples] == [("bern", False), ("cusco", True)]
    [alone] = as_published(tiny, recognition=judge, passage_weight=0.0).retrieve(["Who leads?"], k=2)
    assert alone.evidence.walk is None
    assert scores(alone) == {"p0": 1.0, "p1": 0.0}


def test_recognition_keeps_the_facts_it_names(tiny: HippoGraph) -> None:
    judge = Judge("done", kept=(0,))
    [ranking] = as_published(tiny, recognition=judge).retrieve(["Who leads?"], k=2)
    assert judge.asked == [[Triple("anna", "leads", "bern"), Triple("bern", "joins", "cusco")]]
    # Bern is weighed by the kept fact alone: 1/2, not 1/4. (1, 1/2, 1/20) in sum 31/20.
    weights = {seed.node: seed.weight for seed in ranking.evidence.seeds}
    assert weights == pytest.approx({"anna": 20 / 31, "bern": 10 / 31, "p0": 1 / 31})
    assert ranking.evidence.recognition == Recognition(status="done", kept=(0,))


def test_where_nothing_bears_on_the_query_passages_rank_by_likeness(tiny: HippoGraph) -> None:
    [ranking] = as_published(tiny, recognition=Judge("empty")).retrieve(["Who joins?"], k=2)
    assert [(hit.passage.id, hit.score) for hit in ranking.hits] == [("p1", 1.0), ("p0", 0.0)]
    assert ranking.evidence.walk is None
    assert ranking.evidence.seeds == ()
    assert [stage.name for stage in ranking.evidence.stages] == ["dense"]
    assert not any(fact.kept for fact in ranking.evidence.triples)
    trace = as_published(tiny, recognition=Judge("empty")).trace("Who joins?", k=2)
    assert trace.reset is None
    assert trace.reasons == {}


@pytest.mark.parametrize("status", ["invalid", "failed"])
def test_a_judge_that_fails_never_looks_as_if_nothing_were_relevant(tiny: HippoGraph, status: Any) -> None:
    [judged] = as_published(tiny, recognition=Judge(status)).retrieve(["Who leads?"], k=2)
    [alone] = as_published(tiny).retrieve(["Who leads?"], k=2)
    assert judged.hits == alone.hits
    assert all(fact.kept for fact in judged.evidence.triples)
    assert judged.evidence.recognition == Recognition(status=status, error="no answer")
    assert alone.evidence.recognition is None


def test_nobody_is_asked_where_there_are_no_facts(tmp_path: Path) -> None:
    judge = Judge("done", kept=(0,))
    with tiny_index(tmp_path, stated={}) as hippograph:
        for phrases in (None, reference(hippograph)):
            retriever = dataclasses.replace(as_published(hippograph, recognition=judge), phrases=phrases)
            [ranking] = retriever.retrieve(["Who joins?"], k=2)
            assert [hit.passage.id for hit in ranking.hits] == ["p1", "p0"]
            assert ranking.evidence.recognition is None
    assert judge.asked == []


def test_an_empty_index_has_no_hits() -> None:
    retriever = HippoRAG2Retriever(snapshot=Snapshot.empty(), embedder=AxisEmbedder(AXES))
    [ranking] = retriever.retrieve(["Who leads?"], k=3)
    assert ranking.hits == ()
    assert retriever.trace("Who leads?", k=3).reset is None


def test_over_the_own_graph_seeds_are_entities(tiny: HippoGraph) -> None:
    parts = tiny.parts
    retriever = HippoRAG2Retriever(snapshot=parts.snapshot, embedder=parts.indexer.embedder)
    [ranking] = retriever.retrieve(["Who leads?"], k=2)
    assert [seed.node for seed in ranking.evidence.seeds] == ["Anna", "Bern", "p0"]
    assert ranking.evidence.triples[0].triple == Triple("Anna", "leads", "Bern")
    assert [hit.passage.id for hit in ranking.hits] == ["p0", "p1"]


def test_it_sees_only_what_a_filter_leaves(tiny: HippoGraph) -> None:
    parts = tiny.parts
    part = parts.part('id = "p1"')
    graphs = PhraseGraphs()
    phrases = graphs.reference(
        part, catalog=parts.place.catalog(), embedder=parts.indexer.embedder, directory=tiny.directory
    )
    assert list(phrases.names) == ["bern", "cusco"]
    retriever = HippoRAG2Retriever(snapshot=part, embedder=parts.indexer.embedder, phrases=phrases)
    [ranking] = retriever.retrieve(["Who leads?"], k=5)
    assert [hit.passage.id for hit in ranking.hits] == ["p1"]


def test_the_trace_leads_to_the_ranking(small: HippoGraph) -> None:
    parts = small.parts
    retriever = HippoRAG2Retriever(snapshot=parts.snapshot, embedder=parts.indexer.embedder)
    assert isinstance(retriever, Traceable)
    for query in QUERIES:
        trace = retriever.trace(query, k=3)
        assert trace.reset is not None
        assert trace.reset.sum() == pytest.approx(1.0)
        assert sorted(trace.reasons) == np.flatnonzero(trace.reset).tolist()
        walk = personalized_pagerank(trace.graph, trace.reset, damping=trace.damping)
        mass = walk.mass[trace.graph.n_entities :]
        for hit in trace.ranking.hits:
            assert hit.score == pytest.approx(mass[list(trace.passage_ids).index(hit.passage.id)], abs=1e-8)
        assert trace.ranking.hits == retriever.retrieve([query], k=3)[0].hits


@pytest.mark.parametrize("own", [True, False])
def test_the_contract(small: HippoGraph, own: bool) -> None:
    parts = small.parts
    phrases = None if own else reference(small)
    check_retriever(
        HippoRAG2Retriever(snapshot=parts.snapshot, embedder=parts.indexer.embedder, phrases=phrases), queries=QUERIES
    )


def test_a_batch_gives_what_single_queries_give(small: HippoGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = small.parts
    retriever = HippoRAG2Retriever(
        snapshot=parts.snapshot, embedder=HashingEmbedder(), recognition=Judge("done", (1, 0))
    )
    alone = [retriever.retrieve([query], k=4)[0] for query in QUERIES]
    # Blocks of one, two and all.
    for numbers in (1, 2 * parts.snapshot.graph.n_nodes, 1 << 22):
        monkeypatch.setattr("hippograph.retrieve.blocks._NUMBERS", numbers)
        together = retriever.retrieve(QUERIES, k=4)
        assert [one.hits for one in together] == [one.hits for one in alone]
        assert [one.evidence for one in together] == [one.evidence for one in alone]


@given(st.integers(0, 3), st.integers(1, 4), st.sampled_from(["mean", "last"]), st.floats(0.0, 0.99))
def test_whatever_the_switches_it_is_deterministic(
    shared: HippoGraph, most: int, k: int, occurrences: Any, damping: float
) -> None:
    parts = shared.parts
    retriever = HippoRAG2Retriever(
        snapshot=parts.snapshot,
        embedder=parts.indexer.embedder,
        linking_top_k=most,
        occurrences=occurrences,
        damping=damping,
        tolerance=1e-6,
    )
    first, second = retriever.retrieve(QUERIES, k=k), retriever.retrieve(QUERIES, k=k)
    assert [one.hits for one in first] == [one.hits for one in second]
    assert all(len(one.hits) == min(k, 2) for one in first)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HippoGraph]:
    with tiny_index(tmp_path_factory.mktemp("shared"), axes=AXES) as hippograph:
        yield hippograph


@pytest.mark.parametrize(
    "wrong", [{"damping": 1.0}, {"linking_top_k": -1}, {"passage_weight": -0.1}, {"occurrences": "median"}]
)
def test_parameters_out_of_range_are_refused(wrong: Any) -> None:
    with pytest.raises(InputError):
        HippoRAG2Retriever(snapshot=Snapshot.empty(), embedder=AxisEmbedder(), **wrong)
