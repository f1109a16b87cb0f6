"""The contract that every retriever keeps, and what sets each apart."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest

from hippograph.errors import InputError
from hippograph.hippograph import RETRIEVERS
from hippograph.retrieve.pagerank import PageRankRetriever
from hippograph.retrieve.seeding import Seeding
from hippograph.testing.contracts import check_retriever

QUERIES = ["Who built the Fram?", "北京在哪个国家？", "a boat through the Northwest Passage", "qwertz uiop"]


@pytest.mark.parametrize("name", RETRIEVERS)
def test_the_contract(small, name):
    check_retriever(small.retriever(name), queries=QUERIES)


@pytest.mark.parametrize("name", RETRIEVERS)
def test_threads_may_share_a_retriever(small, name):
    retriever = small.retriever(name)
    alone = [ranking.hits for ranking in retriever.retrieve(QUERIES, k=3)]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda query: retriever.retrieve([query], k=3)[0].hits, QUERIES * 10))
    assert together == alone * 10


def test_the_walk_reaches_a_passage_that_shares_no_word_with_the_query(small):
    seeding = Seeding(dense_share=0.05)
    walker = PageRankRetriever(snapshot=small.snapshot, embedder=small.indexer.embedder, seeding=seeding)
    [ranking] = walker.retrieve(["Fram"], k=3)
    assert [hit.passage.id for hit in ranking.hits] == ["fram", "archer", "newburgh"]


def test_both_engines_give_the_same_order(small):
    exact = PageRankRetriever(snapshot=small.snapshot, embedder=small.indexer.embedder, tolerance=1e-12)
    push = dataclasses.replace(exact, engine="push")
    for one, other in zip(exact.retrieve(QUERIES, k=4), push.retrieve(QUERIES, k=4), strict=True):
        assert [hit.passage.id for hit in one.hits] == [hit.passage.id for hit in other.hits]
        assert [hit.score for hit in one.hits] == pytest.approx([hit.score for hit in other.hits], rel=0.05)
        walks = (one.evidence.walk, other.evidence.walk)
        assert [walk.engine for walk in walks if walk is not None] == ["exact", "push"]


def test_the_evidence_tells_where_the_walk_began(small):
    evidence = small.retrieve("Who built the Fram?").evidence
    assert ("Fram", "mention") in [(seed.node, seed.reason) for seed in evidence.seeds]
    assert sum(seed.weight for seed in evidence.seeds) == pytest.approx(1.0)
    assert evidence.triples
    assert evidence.walk is not None
    assert evidence.walk.residual <= 1e-6


def test_every_step_is_timed(small):
    timings = small.retrieve("Who built the Fram?").timings
    assert list(timings) == ["embed", "dense", "link entities", "link triples", "seed", "walk", "rank"]
    assert all(milliseconds >= 0 for milliseconds in timings.values())


def test_bm25_finds_words_and_nothing_else(small):
    assert [hit.passage.id for hit in small.retrieve("HERRING", retriever="bm25").hits] == ["gjoa"]
    assert small.retrieve('"*) OR NEAR(', retriever="bm25").hits == ()


def test_an_unknown_engine_is_refused(small):
    with pytest.raises(InputError, match="walkabout"):
        PageRankRetriever(snapshot=small.snapshot, embedder=small.indexer.embedder, engine="walkabout")  # type: ignore[arg-type]
