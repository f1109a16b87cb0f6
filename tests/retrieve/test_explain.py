"""Explanations of walks and of rankings without one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from hippograph.composition import RETRIEVERS
from hippograph.errors import InputError
from hippograph.graph.pagerank import personalized_pagerank
from hippograph.hippograph import HippoGraph
from hippograph.protocols import Retriever
from hippograph.retrieve import explain as explaining
from hippograph.retrieve.dense import DenseRetriever
from hippograph.retrieve.explain import explain
from hippograph.retrieve.nearest import top
from hippograph.retrieve.pagerank import PageRankRetriever
from hippograph.retrieve.ranked import hits
from hippograph.retrieve.second_look import SecondLook
from hippograph.retrieve.trace import FIRST_WALK, Trace, Traceable
from hippograph.store.snapshot import Snapshot
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder
from hippograph.testing.toy_corpus import toy_passages
from hippograph.types import DoubleArray, Evidence, Explanation, Ranking, Stage
from tests.conftest import small_passages


class Walker:
    """Walks from a reset that it is given; the first stage lists passages backwards."""

    def __init__(self, snapshot: Snapshot, reset: DoubleArray, *, listed: int = 100, readings: csr_array | None = None):
        self.snapshot, self.reset, self.listed, self.readings = snapshot, reset, listed, readings

    def retrieve(self, queries: Sequence[str], *, k: int) -> list[Ranking]:
        return [self.trace(query, k=k).ranking for query in queries]

    def trace(self, query: str, *, k: int) -> Trace:
        graph = self.snapshot.graph
        walked = self.reset.any()
        mass = personalized_pagerank(graph, self.reset, damping=0.7, tolerance=1e-12).mass if walked else self.reset
        mass = mass[graph.n_entities :] if self.readings is None else self.readings @ mass[: graph.n_entities]
        rows = top(mass, k=k).tolist()
        found = hits(rows, mass[rows].tolist(), self.snapshot)
        ids = self.snapshot.passages.ids.to_list()
        dense = Stage(name="dense", passages=tuple((id, 1.0) for id in ids[::-1][: self.listed]))
        walk = Stage(name="walk", passages=tuple((hit.passage.id, hit.score) for hit in found[: self.listed]))
        return Trace(
            ranking=Ranking(query=query, hits=found, evidence=Evidence(stages=(dense, walk)), timings={"walk": 1.0}),
            graph=graph,
            entity_names=self.snapshot.entity_names,
            passage_ids=self.snapshot.passages.ids,
            reset=self.reset,
            reasons={int(node): "mention" if node < graph.n_entities else "dense" for node in self.reset.nonzero()[0]},
            damping=0.7,
            readings=self.readings,
        )


def node(snapshot: Snapshot, name: str) -> int:
    return snapshot.entity_names.to_list().index(name)


def walker(snapshot: Snapshot, *names: str, **options) -> Walker:
    reset = np.zeros(snapshot.graph.n_nodes)
    reset[[node(snapshot, name) for name in names]] = 1.0
    return Walker(snapshot, reset, **options)


def told(explanation: Explanation) -> list[str]:
    return [
        " ".join(f"{'<' * step.inverse}{step.link}> {step.label}" if step.link else step.label for step in path.steps)
        for path in explanation.paths
    ]


def test_a_walk_is_told_from_seeds_to_hits(small):
    snapshot = small.parts.snapshot
    explanation = explain(walker(snapshot, "Fram"), "Fram", snapshot=snapshot, k=2)
    assert explanation.walked
    assert [(seed.node, seed.kind, seed.weight, seed.reason) for seed in explanation.seeds] == [
        ("Fram", "entity", 1.0, "mention")
    ]
    assert [hit.passage.id for hit in explanation.hits] == ["fram", "archer"]
    assert [dict(hit.ranks) for hit in explanation.hits] == [{"dense": 4, "walk": 1}, {"dense": 6, "walk": 2}]
    assert told(explanation)[0].startswith("Fram")
    assert "Fram title of> Fram (ship)" in told(explanation)
    assert "Fram was built by> Colin Archer title of> Colin Archer" in told(explanation)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6, unique=True), st.integers(1, 6))
def test_what_the_seeds_give_adds_up(small_snapshot, places, k):
    snapshot = small_snapshot
    reset = np.zeros(snapshot.graph.n_nodes)
    reset[[place * 7 % snapshot.graph.n_nodes for place in places]] = np.arange(1.0, len(places) + 1.0)
    retriever = Walker(snapshot, reset)
    explanation = explain(retriever, "q", snapshot=snapshot, k=k, passage="gjoa")
    [ranking] = retriever.retrieve(["q"], k=k)
    for hit, found in zip(explanation.hits, ranking.hits, strict=True):
        assert hit.passage == found.passage
        assert hit.mass == pytest.approx(found.score, abs=1e-9)
        assert sum(hit.from_seeds) + hit.from_others == pytest.approx(hit.mass, abs=1e-12)
    for place, seed in enumerate(explanation.seeds):
        assert seed.mass == pytest.approx(sum(hit.from_seeds[place] for hit in explanation.hits), abs=1e-12)
    given = sum(seed.mass for seed in explanation.seeds) + explanation.other_seeds.mass
    assert given == pytest.approx(sum(hit.mass for hit in explanation.hits), abs=1e-12)
    weights = sum(seed.weight for seed in explanation.seeds) + explanation.other_seeds.weight
    assert weights == pytest.approx(1.0)
    assert explanation.passage is not None
    by_passage = {hit.passage.id: hit.mass for hit in (*explanation.hits, explanation.passage)}
    for path in explanation.paths:
        assert path.mass <= by_passage[path.passage] * (1 + 1e-9)
    check_map(explanation, snapshot)


def check_map(explanation: Explanation, snapshot: Snapshot) -> None:
    drawn = explanation.map
    assert len(drawn.nodes) <= 32
    names = [(one.kind, one.node) for one in drawn.nodes]
    assert len(set(names)) == len(names)
    numbers = {("entity", name): place for place, name in enumerate(snapshot.entity_names)}
    first = snapshot.graph.n_entities
    numbers |= {("passage", id): first + place for place, id in enumerate(snapshot.passages.ids)}
    for edge in drawn.edges:
        one, other = (numbers[names[end]] for end in (edge.source, edge.target))
        assert other in snapshot.graph.neighbours(one)[0]
        assert edge.flow >= 0


@pytest.fixture(scope="module")
def small_snapshot(tmp_path_factory):
    place = tmp_path_factory.mktemp("explain") / "small.hippo"
    with HippoGraph(place, extractor=CapitalsExtractor(), embedder=HashingEmbedder()) as hippograph:
        hippograph.index(small_passages())
        yield hippograph.parts.snapshot


@pytest.fixture(scope="module")
def toy_snapshot(tmp_path_factory):
    place = tmp_path_factory.mktemp("explain") / "toy.hippo"
    with HippoGraph(place, extractor=CapitalsExtractor(), embedder=HashingEmbedder()) as hippograph:
        hippograph.index(toy_passages())
        yield hippograph.parts.snapshot


def test_many_near_passages_are_told_in_sum(small_snapshot):
    reset = np.ones(small_snapshot.graph.n_nodes)
    explanation = explain(Walker(small_snapshot, reset), "q", snapshot=small_snapshot, k=1)
    named = sum(seed.kind == "entity" for seed in explanation.seeds)
    assert named == small_snapshot.graph.n_entities
    assert len(explanation.seeds) + explanation.other_seeds.count == small_snapshot.graph.n_nodes


def test_a_passage_that_is_no_hit_is_told_what_it_lacks(small_snapshot):
    explanation = explain(walker(small_snapshot, "Fram"), "q", snapshot=small_snapshot, k=1, passage="beijing")
    asked = explanation.passage
    assert asked is not None
    assert asked.passage.id == "beijing"
    assert asked.place is not None
    assert asked.place > 1
    assert asked.mass == 0
    assert asked.remarks == (
        "It was among the best 1 after no step.",
        "No way leads to it from any seed.",
        "It is no seed itself: it is neither near enough to the query nor titled with what the query names.",
        asked.remarks[-1],
    )
    assert asked.remarks[-1] == "Of the 1 entities that it mentions, none is a seed."
    assert [hit.passage.id for hit in explanation.hits] == ["fram"]
    assert next(one for one in explanation.map.nodes if one.asked).label == "北京"


def test_a_passage_that_is_a_hit_gets_more_paths(small_snapshot):
    plain = explain(walker(small_snapshot, "Fram", "Larvik"), "q", snapshot=small_snapshot, k=2)
    asked = explain(walker(small_snapshot, "Fram", "Larvik"), "q", snapshot=small_snapshot, k=2, passage="fram")
    assert asked.passage == asked.hits[0]
    assert len(asked.paths) > len(plain.paths)


def test_a_rank_beyond_what_a_stage_lists_is_not_known(small_snapshot):
    retriever = walker(small_snapshot, "Fram", listed=1)
    explanation = explain(retriever, "q", snapshot=small_snapshot, k=1, passage="newburgh")
    assert explanation.passage is not None
    assert explanation.passage.ranks == {"dense": 1, "walk": None}
    assert dict(explanation.depths) == {"dense": 1, "walk": 1}
    assert explanation.moves[0].entered == 1


def test_a_walk_that_does_not_enter_passages_is_read_by_their_entities(small_snapshot):
    graph = small_snapshot.graph
    dense = graph.adjacency.toarray()[graph.n_entities :, : graph.n_entities]
    readings = csr_array((dense > 0).astype(float) * 2.0)
    retriever = walker(small_snapshot, "Fram", readings=readings)
    explanation = explain(retriever, "q", snapshot=small_snapshot, k=2)
    for hit in explanation.hits:
        assert hit.mass == pytest.approx(hit.score, abs=1e-9)
    assert all(path.steps[-1].node == path.passage for path in explanation.paths)
    assert "Fram title of> Fram (ship)" in told(explanation)


@pytest.mark.parametrize("name", ["dense", "bm25", "hybrid"])
def test_what_does_not_walk_says_so(small, name):
    explanation = explain(small.parts.retriever(name), "Who built the Fram?", snapshot=small.parts.snapshot, k=2)
    assert not explanation.walked
    assert explanation.hits
    assert (explanation.seeds, explanation.paths, explanation.map.nodes) == ((), (), ())
    assert "explain" in explanation.timings


@pytest.mark.parametrize("name", RETRIEVERS)
def test_every_retriever_is_explained(small, name):
    retriever, snapshot = small.parts.retriever(name), small.parts.snapshot
    explanation = explain(retriever, "Who built the Fram?", snapshot=snapshot, k=2, passage="newburgh")
    [ranking] = retriever.retrieve(["Who built the Fram?"], k=2)
    assert [hit.passage for hit in explanation.hits] == [hit.passage for hit in ranking.hits]
    assert [hit.score for hit in explanation.hits] == [hit.score for hit in ranking.hits]
    assert explanation.walked == (isinstance(retriever, Traceable) and ranking.evidence.walk is not None)
    if explanation.walked:
        assert {path.passage for path in explanation.paths} >= {hit.passage.id for hit in explanation.hits}
        for hit in explanation.hits:
            assert sum(hit.from_seeds) + hit.from_others == pytest.approx(hit.mass)


def test_a_walk_from_nowhere_is_none(small_snapshot):
    explanation = explain(walker(small_snapshot), "q", snapshot=small_snapshot, k=2)
    assert not explanation.walked


@pytest.mark.parametrize(("asked", "depths"), [(False, (4, 10)), (True, (4, 10)), (True, (100, 1000))])
def test_every_rank_is_that_of_its_stage(tmp_path, monkeypatch, asked, depths):
    monkeypatch.setattr(explaining, "_DEPTH", depths[0])
    monkeypatch.setattr(explaining, "_DEPTH_ASKED", depths[1])
    with HippoGraph(tmp_path / "toy.hippo", extractor=CapitalsExtractor(), embedder=HashingEmbedder()) as toy:
        toy.index(toy_passages())
        snapshot = toy.parts.snapshot
        passage = snapshot.passages.ids[-1] if asked else None
        retriever = PageRankRetriever(snapshot=snapshot, embedder=HashingEmbedder(), second_look=SecondLook())
        first = replace(retriever, second_look=None)
        dense = DenseRetriever(snapshot=snapshot, embedder=HashingEmbedder())
        stages: dict[str, Retriever] = {"dense": dense, "walk": first, "second look": retriever}
        for question in ("What did Jorund Hale command?", "Where was the director of Nine Bells born?"):
            explanation = explain(retriever, question, snapshot=snapshot, k=3, passage=passage)
            told = [*explanation.hits, *([explanation.passage] if explanation.passage else [])]
            assert any(FIRST_WALK in seed.reason for seed in explanation.seeds)
            assert any(FIRST_WALK in node.reason for node in explanation.map.nodes)
            for name, alone in stages.items():
                [ranking] = alone.retrieve([question], k=len(snapshot.passages))
                ranks = {hit.passage.id: rank for rank, hit in enumerate(ranking.hits, start=1)}
                for hit in told:
                    true, rank = ranks[hit.passage.id], hit.ranks[name]
                    assert rank == (true if true <= explanation.depths[name] else None)


@pytest.mark.parametrize(("k", "place"), [(20, 19), (21, 20), (21, 0), (40, 25), (40, 40), (30, 71)])
def test_only_the_first_hits_are_accounted_for(toy_snapshot, k, place):
    snapshot = toy_snapshot
    retriever = walker(snapshot, "Jorund Hale", "Aldermere")
    asked = retriever.trace("q", k=72).ranking.hits[place].passage.id
    explanation = explain(retriever, "q", snapshot=snapshot, k=k, passage=asked)
    assert (len(explanation.hits), explanation.accounted) == (k, 20)
    for at, hit in enumerate(explanation.hits):
        assert hit.accounted == (at < 20 or hit.passage.id == asked)
    assert explanation.passage is not None
    assert explanation.passage.accounted
    assert explanation.passage.place == place + 1
    assert (explanation.passage in explanation.hits) == (place < k)
    for hit in explanation.hits:
        assert hit.mass == pytest.approx(hit.score, abs=1e-8)
        assert bool(hit.from_seeds) == hit.accounted
    assert {path.passage for path in explanation.paths} <= {*(hit.passage.id for hit in explanation.hits[:20]), asked}
    given_to_first = sum(hit.mass for hit in explanation.hits[:20])
    assert sum(seed.mass for seed in explanation.seeds) + explanation.other_seeds.mass == pytest.approx(given_to_first)
    [drawn] = [node for node in explanation.map.nodes if node.asked]
    assert drawn.place == (place + 1 if place < k else None)


def test_what_few_name_is_no_hub(small_snapshot):
    explanation = explain(walker(small_snapshot, "Fram"), "q", snapshot=small_snapshot, k=2)
    assert (explanation.hubs, explanation.hub_mass, explanation.through_hubs) == ((), 0.0, 0.0)


def test_hubs_are_told(toy_snapshot):
    explanation = explain(walker(toy_snapshot, "Jorund Hale"), "q", snapshot=toy_snapshot, k=2)
    assert len(explanation.hubs) == 10
    assert min(hub.edges for hub in explanation.hubs) >= 10
    assert [hub.edges for hub in explanation.hubs] == sorted((hub.edges for hub in explanation.hubs), reverse=True)
    assert explanation.hub_mass == pytest.approx(sum(hub.mass for hub in explanation.hubs))
    assert 0 <= explanation.through_hubs <= 1


def test_what_cannot_be_explained_is_refused(small_snapshot):
    retriever: Retriever = walker(small_snapshot, "Fram")
    for arguments in ({"k": 0}, {"passage": "maud"}, {"query": " "}):
        with pytest.raises(InputError):
            explain(retriever, **({"query": "q", "snapshot": small_snapshot} | arguments))
