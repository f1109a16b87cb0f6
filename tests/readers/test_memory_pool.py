from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.readers.memory_nearness import nearness
from hippograph.readers.memory_pool import LAYERS, MemoryPool, in_story_order, taken_in_turns
from hippograph.testing.doubles import HashingEmbedder
from hippograph.text.token_estimate import estimate_tokens
from hippograph.types import Hit, MemoryKind, MemoryNode, Passage

KINDS: st.SearchStrategy[MemoryKind] = st.sampled_from(get_args(MemoryKind))
NODES = st.lists(
    st.tuples(KINDS, st.sampled_from([0.1, 0.2, 0.2, 0.7, -0.5])).map(
        lambda pair: (MemoryNode(probe="?", kind=pair[0], cue="!"), pair[1])
    ),
    max_size=12,
)


def pool_of(pairs):
    return MemoryPool().remember([node for node, _ in pairs], [near for _, near in pairs])


@given(pairs=NODES, more=NODES)
def test_what_is_remembered_stays_where_it_is(pairs, more):
    pool = pool_of(pairs)
    grown = pool.remember([node for node, _ in more], [near for _, near in more])
    assert grown.nodes[: len(pool)] == pool.nodes
    assert len(grown) == len(pairs) + len(more)


@given(pairs=NODES, first=st.integers(0, 14))
def test_the_nearer_half_is_recalled(pairs, first):
    pool = pool_of(pairs)
    old = min(first, len(pairs))
    half = pool.nearest_half(first)
    assert len(half) == (max(1, old // 2) if old else 0)
    assert list(half) == sorted(set(half))
    left = set(range(1, old + 1)) - set(half)
    assert all(pool.nearness[chosen - 1] >= pool.nearness[other - 1] for chosen in half for other in left)
    fusions = [number for number in range(1, old + 1) if pool.nodes[number - 1].kind == "fusion"]
    assert set(pool.recalled(first)) == {*half, *fusions[-1:]}


def test_nodes_and_cosines_belong_together():
    with pytest.raises(ValueError, match="there are 1 nodes and 0 cosines"):
        MemoryPool().remember([MemoryNode(probe="?", kind="fusion", cue="!")], [])


def test_layers_are_seen_apart():
    hit = Hit(passage=Passage(id="a", document="a", text="..."), score=1.0)
    pool = MemoryPool().see("veridical", [hit])
    assert sorted(pool.seen_in("veridical")) == ["a"]
    assert not pool.seen_in("episodic")


HITS = [
    Hit(passage=Passage(id=f"p{place}", document="d", text="word " * (1 + place * 3)), score=1.0) for place in range(9)
]
RANKINGS = st.lists(st.permutations(HITS).flatmap(lambda hits: st.integers(0, 9).map(lambda n: hits[:n])), max_size=4)
SEEN = st.sets(st.sampled_from([hit.passage.id for hit in HITS]))


@given(rankings=RANKINGS, seen=SEEN, tokens=st.integers(1, 60))
def test_evidence_is_dealt_out_once_and_fits(rankings, seen, tokens):
    taken = taken_in_turns(rankings, seen=seen, tokens=tokens)
    assert len(taken) == len(rankings)
    ids = [hit.passage.id for hits in taken for hit in hits]
    assert len(ids) == len(set(ids))
    assert not seen & set(ids)
    for hits, ranking in zip(taken, rankings, strict=True):
        costs = [estimate_tokens(hit.passage.headed_text) for hit in hits]
        assert sum(costs) <= tokens or len(costs) == 1
        places = [ranking.index(hit) for hit in hits]
        assert places == sorted(places)
    # Nothing new is left out where there is anything to take.
    if any(hit.passage.id not in seen for ranking in rankings for hit in ranking):
        assert ids


def test_a_passage_goes_to_the_probe_that_ranks_it_higher():
    a, b, c, d = HITS[:4]
    taken = taken_in_turns([[a, b, c], [c, a, d]], seen=(), tokens=1000)
    assert [[hit.passage.id for hit in hits] for hits in taken] == [["p0", "p1"], ["p2", "p3"]]


@given(hits=st.permutations(HITS), layer=st.sampled_from(LAYERS))
def test_the_order_of_a_story_loses_nothing(hits, layer):
    assert sorted(hit.passage.id for hit in in_story_order(layer, hits)) == sorted(hit.passage.id for hit in hits)


def test_stretches_stand_in_their_order_and_clusters_do_not():
    hits = [
        Hit(passage=Passage(id=f"s{place}", document="", text="...", metadata={"position": place}), score=1.0)
        for place in (2, 0, 1)
    ]
    assert [hit.passage.id for hit in in_story_order("episodic", hits)] == ["s0", "s1", "s2"]
    assert [hit.passage.id for hit in in_story_order("semantic", hits)] == ["s2", "s0", "s1"]


@pytest.mark.parametrize("embedder", [None, HashingEmbedder(dimension=256)])
def test_what_speaks_of_the_question_is_nearer(embedder):
    cues = ["The Fram lies in Oslo.", "Bananas are yellow."]
    nodes = [MemoryNode(probe="Where?", kind="veridical", cue=cue) for cue in cues]
    near, far = nearness("Where does the Fram lie?", nodes, embedder=embedder)
    assert 1 >= near > far >= -1
    assert nearness("Where?", [], embedder=embedder) == []
    assert nearness("Is it?", nodes, embedder=None) == [0.0, 0.0]
