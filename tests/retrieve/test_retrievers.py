"""The contract that every retriever keeps, and what sets each apart."""

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from hippograph.composition import RETRIEVERS
from hippograph.errors import InputError
from hippograph.retrieve.hybrid import HybridRetriever, fuse
from hippograph.retrieve.lexical import BM25Retriever
from hippograph.retrieve.pagerank import PageRankRetriever
from hippograph.retrieve.seeding import Seeding
from hippograph.testing.contracts import check_retriever
from hippograph.types import Document, Hit, Passage, Ranking

QUERIES = ["Who built the Fram?", "北京在哪个国家？", "a boat through the Northwest Passage", "qwertz uiop"]


@pytest.mark.parametrize("name", RETRIEVERS)
def test_the_contract(small, name):
    check_retriever(small.parts.retriever(name), queries=QUERIES)


@pytest.mark.parametrize("name", RETRIEVERS)
def test_threads_may_share_a_retriever(small, name):
    retriever = small.parts.retriever(name)
    alone = [ranking.hits for ranking in retriever.retrieve(QUERIES, k=3)]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda query: retriever.retrieve([query], k=3)[0].hits, QUERIES * 10))
    assert together == alone * 10


def test_the_walk_reaches_a_passage_that_shares_no_word_with_the_query(small):
    seeding = Seeding(dense_share=0.05)
    walker = PageRankRetriever(snapshot=small.parts.snapshot, embedder=small.indexer.embedder, seeding=seeding)
    [ranking] = walker.retrieve(["Fram"], k=3)
    assert [hit.passage.id for hit in ranking.hits] == ["fram", "archer", "newburgh"]


def test_both_engines_give_the_same_order(small):
    exact = PageRankRetriever(snapshot=small.parts.snapshot, embedder=small.indexer.embedder, tolerance=1e-12)
    for look in (None, exact.second_look):
        exact = dataclasses.replace(exact, second_look=look)
        push = dataclasses.replace(exact, engine="push")
        for one, other in zip(exact.retrieve(QUERIES, k=4), push.retrieve(QUERIES, k=4), strict=True):
            assert [hit.passage.id for hit in one.hits] == [hit.passage.id for hit in other.hits]
            walks = (one.evidence.walk, other.evidence.walk)
            assert [walk.engine for walk in walks if walk is not None] == ["exact", "push"]
            if look is None:
                assert [hit.score for hit in one.hits] == pytest.approx([hit.score for hit in other.hits], rel=0.05)


def test_the_evidence_tells_where_the_walk_began(small):
    evidence = small.retrieve("Who built the Fram?").evidence
    assert ("Fram", "mention") in [(seed.node, seed.reason) for seed in evidence.seeds]
    assert sum(seed.weight for seed in evidence.seeds) == pytest.approx(1.0)
    assert evidence.triples
    assert evidence.walk is not None
    assert evidence.walk.residual <= 1e-4
    assert [stage.name for stage in evidence.stages] == ["dense", "walk", "second look"]


def test_every_step_is_timed(small):
    timings = small.retrieve("Who built the Fram?").timings
    linking = ["embed", "dense", "link entities", "link triples", "seed"]
    assert list(timings) == [*linking, "walk", "judge", "seed again", "second walk", "rank"]
    assert all(milliseconds >= 0 for milliseconds in timings.values())


def test_bm25_finds_words_and_nothing_else(small):
    assert [hit.passage.id for hit in small.retrieve("HERRING", retriever="bm25").hits] == ["gjoa"]
    assert small.retrieve('"*) OR NEAR(', retriever="bm25").hits == ()


def test_bm25_needs_nothing_but_the_snapshot_it_has(small):
    retriever = BM25Retriever(snapshot=small.parts.snapshot)
    before = retriever.retrieve(["herring"], k=3)[0].hits
    small.index([Document(id=f"late {n}", text="A herring herring herring boat.") for n in range(20)])
    small.close()
    (small.directory / "catalog.sqlite").unlink()
    assert retriever.retrieve(["herring"], k=3)[0].hits == before
    assert [hit.passage.id for hit in before] == ["gjoa"]
    found = small.retrieve("herring", retriever="bm25", k=3).hits
    assert [hit.passage.id for hit in found] == ["late 0", "late 1", "late 10"]


def test_words_of_a_title_weigh_what_they_are_told_to(small):
    light, heavy = (BM25Retriever(snapshot=small.parts.snapshot, title_weight=weight) for weight in (0.1, 9.0))
    assert light.retrieve(["Newburgh"])[0].hits[0].passage.id == "archer"
    assert heavy.retrieve(["Newburgh"])[0].hits[0].passage.id == "newburgh"
    for wrong in ({"k1": -0.1}, {"k1": float("nan")}, {"b": 1.5}, {"title_weight": float("inf")}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            BM25Retriever(snapshot=small.parts.snapshot, **wrong)


def hit(id):
    return Hit(passage=Passage(id=id, document=id, text=id), score=1.0)


def test_reciprocal_rank_fusion_by_hand():
    one = Ranking(query="q", hits=(hit("a"), hit("b")))
    other = Ranking(query="q", hits=(hit("b"), hit("c")))
    fused = fuse([one, other], k=2, constant=1.0)
    assert [(found.passage.id, found.score) for found in fused] == [("b", 1 / 3 + 1 / 2), ("a", 1 / 2)]


def test_fusion_looks_deeper_than_the_hits_asked_for(small):
    class Asked:
        def retrieve(self, queries: Sequence[str], *, k: int) -> list[Ranking]:
            depths.append(k)
            return [Ranking(query=query, hits=(hit("a"),), timings={"rank": 2.0}) for query in queries]

    depths: list[int] = []
    [ranking] = HybridRetriever(retrievers=(Asked(), Asked()), depth=7).retrieve(["q"], k=2)
    assert depths == [7, 7]
    assert ranking.timings["rank"] == 4.0
    for arguments in ({"depth": 0}, {"constant": -1.0}):
        with pytest.raises(InputError):
            HybridRetriever(retrievers=(), **arguments)


def test_a_query_must_be_text_and_k_a_number(small):
    for query, k in ((None, 3), ("Fram", 2.5), ("Fram", "3")):
        with pytest.raises(InputError):
            small.retrieve(query, k=k)


def test_an_unknown_engine_is_refused(small):
    with pytest.raises(InputError, match="walkabout"):
        PageRankRetriever(snapshot=small.parts.snapshot, embedder=small.indexer.embedder, engine="walkabout")  # type: ignore[arg-type]
