"""HippoRAG against values worked out by hand, its switches, and what it does when something is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.hippograph import HippoGraph
from hippograph.retrieve.hipporag import HippoRAGRetriever
from hippograph.retrieve.phrase_graphs import PhraseGraphs
from hippograph.retrieve.query_names import QueryNames
from hippograph.retrieve.trace import Traceable
from hippograph.store.snapshot import Snapshot
from hippograph.testing.contracts import check_retriever
from hippograph.types import Ranking, Triple
from tests.retrieve.tiny import AxisEmbedder, exact_walk, tiny_index

HALF = Fraction(1, 2)
QUERIES = ["Who built the Fram?", "北京在哪个国家？", "a boat through the Northwest Passage", "qwertz uiop"]

# Three passages state five facts:
THREE = {
    "p0": [Triple("Anna", "leads", "Bern"), Triple("Anna", "likes", "Bern")],
    "p1": [Triple("Bern", "joins", "Cusco")],
}


def naming(*names: str) -> QueryNames:
    def find(queries: Sequence[str]) -> list[tuple[str, ...]]:
        return [names for _ in queries]

    return find


def as_published(hippograph: HippoGraph, names: QueryNames | None, **switches: Any) -> HippoRAGRetriever:
    parts = hippograph.parts
    phrases = PhraseGraphs().reference(
        parts.snapshot, catalog=parts.place.catalog(), embedder=parts.indexer.embedder, directory=None
    )
    return HippoRAGRetriever(
        snapshot=parts.snapshot, embedder=parts.indexer.embedder, phrases=phrases, query_entities=names, **switches
    )


def scores(ranking: Ranking) -> dict[str, float]:
    return {hit.passage.id: hit.score for hit in ranking.hits}


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[HippoGraph]:
    with tiny_index(tmp_path, stated=THREE) as hippograph:
        yield hippograph


def test_the_walk_is_the_one_worked_out_by_hand(tiny: HippoGraph) -> None:
    # Anna =4= Bern =2= Cusco: two facts and one, each once in each direction; passages are not walked.
    # Degrees: Anna 4, Bern 6, Cusco 2. "Anna" is in 1 passage: the reset is 1 there and 0 elsewhere.
    #   Anna = 1/2 + (Bern 4/6)/2     Bern = (Anna + Cusco)/2     Cusco = (Bern 2/6)/2
    anna, bern, cusco = Fraction(11, 16), Fraction(3, 8), Fraction(1, 16)
    anna, bern, cusco = (one / (anna + bern + cusco) for one in (anna, bern, cusco))
    assert anna == HALF + HALF * bern * Fraction(4, 6)
    assert bern == HALF * (anna + cusco)
    assert cusco == HALF * bern * Fraction(2, 6)
    trace = as_published(tiny, naming("Anna")).trace("Who?", k=2)
    assert trace.reset is not None
    assert trace.reset.tolist() == [1, 0, 0, 0, 0]
    assert trace.reasons == {0: "mention"}
    one, nothing = Fraction(1), Fraction(0)
    walked = exact_walk(trace.graph, [one, nothing, nothing, nothing, nothing], HALF)
    assert walked == [anna, bern, cusco, 0, 0]
    # p0 states two facts of Anna and Bern: 2 (Anna + Bern); p1: Bern + Cusco. Scaled, the better one is 1, the other 0.
    phrases = as_published(tiny, None).phrases
    assert phrases is not None
    assert phrases.occurrences.toarray().tolist() == [[2, 2, 0], [0, 1, 1]]
    assert scores(trace.ranking) == {"p0": 1.0, "p1": 0.0}
    assert trace.ranking.evidence.walk is not None


def test_a_passage_scores_what_its_facts_hold(tmp_path: Path) -> None:
    # Anna =2= Bern =2= Cusco and a third passage of no facts, which scores 0, so that nothing is lost in scaling.
    with tiny_index(tmp_path) as hippograph:
        retriever = as_published(hippograph, naming("Anna"))
        mass = exact_walk(retriever.trace("Who?", k=2).graph, [Fraction(1), *[Fraction(0)] * 4], HALF)
        #   Anna = 1/2 + Bern/4     Bern = Anna/2 + Cusco/2     Cusco = Bern/4
        assert mass == [Fraction(7, 12), Fraction(1, 3), Fraction(1, 12), 0, 0]


def test_names_weigh_what_they_are_rare(tiny: HippoGraph) -> None:
    # Anna is in 1 passage, Bern in 2: 1 and 1/2, in sum 3/2.
    trace = as_published(tiny, naming("ANNA", "Bern!")).trace("Who?", k=2)
    assert trace.reset is not None
    assert trace.reset.tolist() == pytest.approx([2 / 3, 1 / 3, 0, 0, 0])


def test_several_names_of_one_phrase_add_up_or_the_last_one_counts(tiny: HippoGraph) -> None:
    # Anna twice, and Bern: 2 and 1/2, or 1 and 1/2.
    added = as_published(tiny, naming("Anna", "Bern", "anna")).trace("Who?", k=2)
    last = as_published(tiny, naming("Anna", "Bern", "anna"), several="last").trace("Who?", k=2)
    assert added.reset is not None
    assert last.reset is not None
    assert added.reset.tolist() == pytest.approx([4 / 5, 1 / 5, 0, 0, 0])
    assert last.reset.tolist() == pytest.approx([2 / 3, 1 / 3, 0, 0, 0])


def test_a_name_that_is_no_phrase_goes_to_the_most_like(tiny: HippoGraph) -> None:
    embedder = AxisEmbedder({**dict(tiny.indexer.embedder.axes), "annie": 2})  # type: ignore[attr-defined]
    retriever = as_published(tiny, naming("Annie"))
    trace = HippoRAGRetriever(
        snapshot=retriever.snapshot, embedder=embedder, phrases=retriever.phrases, query_entities=naming("Annie")
    ).trace("Who?", k=2)
    assert trace.reasons == {0: "similar name"}
    assert [seed.node for seed in trace.ranking.evidence.seeds] == ["anna"]


@pytest.mark.parametrize("names", [(), ("",), ("北京",)])
def test_a_query_without_names_ranks_by_likeness_or_not_at_all(tiny: HippoGraph, names: tuple[str, ...]) -> None:
    [ranking] = as_published(tiny, naming(*names)).retrieve(["Who joins?"], k=2)
    assert [(hit.passage.id, hit.score) for hit in ranking.hits] == [("p1", 1.0), ("p0", 0.0)]
    assert [stage.name for stage in ranking.evidence.stages] == ["no names: dense"]
    assert ranking.evidence.walk is None
    [uniform] = as_published(tiny, naming(*names), nameless="uniform").retrieve(["Who joins?"], k=2)
    assert [(hit.passage.id, hit.score) for hit in uniform.hits] == [("p0", 1.0), ("p1", 1.0)]
    assert [(stage.name, stage.passages) for stage in uniform.evidence.stages] == [
        ("no names", (("p0", 1.0), ("p1", 1.0)))
    ]
    assert as_published(tiny, naming(*names)).trace("Who joins?", k=2).reset is None


def test_an_index_without_triples_ranks_by_likeness(tmp_path: Path) -> None:
    with tiny_index(tmp_path, stated={}) as hippograph:
        [ranking] = as_published(hippograph, naming("Anna")).retrieve(["Who joins?"], k=2)
        assert [hit.passage.id for hit in ranking.hits] == ["p1", "p0"]


def test_an_empty_index_has_no_hits() -> None:
    retriever = HippoRAGRetriever(snapshot=Snapshot.empty(), embedder=AxisEmbedder())
    assert [ranking.hits for ranking in retriever.retrieve(["Who is Anna?"], k=3)] == [()]
    assert retriever.retrieve([], k=3) == []


def test_over_the_own_graph_mentions_count(tiny: HippoGraph) -> None:
    parts = tiny.parts
    retriever = HippoRAGRetriever(
        snapshot=parts.snapshot, embedder=parts.indexer.embedder, query_entities=naming("Cusco")
    )
    trace = retriever.trace("Who joins?", k=2)
    assert isinstance(retriever, Traceable)
    assert [trace.name(node) for node in trace.reasons] == ["Cusco"]
    assert trace.graph.n_passages == 2
    assert scores(trace.ranking) == {"p1": 1.0, "p0": 0.0}


def test_it_sees_only_what_a_filter_leaves(tiny: HippoGraph) -> None:
    parts = tiny.parts
    part = parts.part('id = "p1"')
    retriever = HippoRAGRetriever(snapshot=part, embedder=parts.indexer.embedder, query_entities=naming("Anna", "Bern"))
    [ranking] = retriever.retrieve(["Who?"], k=5)
    assert [hit.passage.id for hit in ranking.hits] == ["p1"]
    assert "Anna" not in [seed.node for seed in ranking.evidence.seeds]


def test_the_contract(small: HippoGraph) -> None:
    parts = small.parts
    check_retriever(HippoRAGRetriever(snapshot=parts.snapshot, embedder=parts.indexer.embedder), queries=QUERIES)
    check_retriever(as_published(small, None), queries=QUERIES)


def test_a_batch_gives_what_single_queries_give(small: HippoGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    retriever = as_published(small, None)
    queries = [*QUERIES, "Who is Colin Archer?", "Where is Newburgh?"]
    alone = [retriever.retrieve([query], k=4)[0] for query in queries]
    assert {ranking.evidence.walk is None for ranking in alone} == {True, False}
    for numbers in (1, 2 * small.parts.snapshot.graph.n_nodes, 1 << 22):
        monkeypatch.setattr("hippograph.retrieve.blocks._NUMBERS", numbers)
        together = retriever.retrieve(queries, k=4)
        assert [one.hits for one in together] == [one.hits for one in alone]
        assert [one.evidence for one in together] == [one.evidence for one in alone]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HippoGraph]:
    with tiny_index(tmp_path_factory.mktemp("shared"), stated=THREE) as hippograph:
        yield hippograph


@given(st.lists(st.sampled_from(["Anna", "Bern", "Cusco", "?"]), max_size=4), st.floats(0.0, 0.99))
def test_whatever_the_names_it_is_deterministic(shared: HippoGraph, names: list[str], damping: float) -> None:
    retriever = as_published(shared, naming(*names), damping=damping, tolerance=1e-6)
    [first], [second] = retriever.retrieve(["Who?"], k=2), retriever.retrieve(["Who?"], k=2)
    assert first.hits == second.hits
    assert first.evidence == second.evidence
    assert {hit.score for hit in first.hits} <= {0.0, 1.0}


@pytest.mark.parametrize("wrong", [{"damping": 1.0}, {"several": "first"}, {"nameless": "random"}])
def test_parameters_out_of_range_are_refused(wrong: Any) -> None:
    with pytest.raises(InputError):
        HippoRAGRetriever(snapshot=Snapshot.empty(), embedder=AxisEmbedder(), **wrong)
