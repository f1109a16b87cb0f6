"""Facts near a query, worked out by hand.

Facts and their cosines to any query: 0 (Ada, met, Bo) 0.5, 1 (Bo, lives in, Cork) 0.75, 2 (Cork, hosts, Ada) 0.5,
3 (Di, knows, Ed) 1.0.
"""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.hippograph import HippoGraph
from hippograph.retrieve.triple_linking import NearTriples, TripleLinker
from hippograph.store.snapshot import Snapshot
from hippograph.testing.doubles import HashingEmbedder
from hippograph.types import Passage, Recognition, Triple
from tests.retrieve.tiny import GivenExtractor

COSINES = {
    Triple("Ada", "met", "Bo"): 0.5,
    Triple("Bo", "lives in", "Cork"): 0.75,
    Triple("Cork", "hosts", "Ada"): 0.5,
    Triple("Di", "knows", "Ed"): 1.0,
}
QUERY = np.array([1.0, 0.0], dtype=np.float32)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    extractor = GivenExtractor({"p": list(COSINES)})
    with HippoGraph(tmp_path_factory.mktemp("triples"), extractor=extractor, embedder=HashingEmbedder()) as hippograph:
        hippograph.index([Passage(id="p", document="p", text="Who knows.")])
        made = hippograph.parts.snapshot
        cosines = [COSINES[triple] for triple in made.triples]
        vectors = np.array([[cosine, (1 - cosine**2) ** 0.5] for cosine in cosines], dtype=np.float32)
        return dataclasses.replace(made, triple_vectors=vectors)


def near(snapshot, **parameters):
    similarities = np.zeros(snapshot.graph.n_passages, dtype=np.float32)
    return TripleLinker(**parameters).near(QUERY, similarities, snapshot)


def facts(near, snapshot):
    return [(*fact.triple, fact.similarity, fact.kept) for fact in near.told(snapshot)]


def names(near, snapshot):
    return [(snapshot.entity_names[link.entity], link.confidence, link.reason) for link in near.links(snapshot)]


def test_the_nearest_come_first_and_equals_by_number(snapshot):
    found = near(snapshot, most=4, threshold=0.6)
    assert facts(found, snapshot) == [
        ("Di", "knows", "Ed", 1.0, True),
        ("Bo", "lives in", "Cork", 0.75, True),
        *((*triple, 0.5, False) for triple in snapshot.triples if COSINES[triple] == 0.5),
    ]
    assert found.numbers[2] < found.numbers[3]
    assert [triple.subject for triple in found.kept_triples(snapshot)] == ["Di", "Bo"]


def test_each_entity_is_linked_once_by_the_nearest_fact_that_is_kept(snapshot):
    assert names(near(snapshot, most=4, threshold=0.6), snapshot) == [
        ("Di", 1.0, "triple"),
        ("Ed", 1.0, "triple"),
        ("Bo", 0.75, "triple"),
        ("Cork", 0.75, "triple"),
    ]
    everything = names(near(snapshot, most=4, threshold=0.5), snapshot)
    assert everything[:4] == names(near(snapshot, most=2, threshold=0.6), snapshot)
    assert everything[4:] == [("Ada", 0.5, "triple")]


def test_a_cosine_that_rounding_lifts_above_one_is_no_more_than_sure(snapshot):
    lifted = dataclasses.replace(snapshot, triple_vectors=snapshot.triple_vectors * np.float32(1.5))
    assert names(near(lifted, most=1), lifted) == [("Di", 1.0, "triple"), ("Ed", 1.0, "triple")]


def test_a_fact_that_points_away_and_is_kept_all_the_same_weighs_nothing(snapshot):
    away = dataclasses.replace(snapshot, triple_vectors=-snapshot.triple_vectors)
    found = near(away, most=1, threshold=-1.0)
    assert facts(found, away)[0][3:] == (-0.5, True)
    assert [confidence for _, confidence, _ in names(found, away)] == [0.0, 0.0]


@pytest.mark.parametrize(("most", "found"), [(0, 0), (1, 1), (4, 4), (9, 4)])
def test_as_many_are_looked_at_as_are_asked_for_and_there(snapshot, most, found):
    assert len(near(snapshot, most=most).numbers) == found


def test_the_threshold_itself_is_enough(snapshot):
    assert near(snapshot, most=4, threshold=0.5).kept == (True, True, True, True)
    assert near(snapshot, most=4, threshold=0.75).kept == (True, True, False, False)
    assert near(snapshot, most=4, threshold=1.1).kept == (False, False, False, False)
    assert near(snapshot, most=4, threshold=-1.0).kept == (True, True, True, True)


def test_an_index_without_facts_has_none_near():
    empty = Snapshot.empty()
    found = near(empty)
    assert (found.numbers, found.kept_triples(empty), found.told(empty), found.links(empty)) == ((), [], [], [])


@pytest.mark.parametrize("status", ["done", "empty", "invalid", "failed"])
def test_a_verdict_that_nobody_gave_drops_nothing(snapshot, status):
    found = near(snapshot, most=4, threshold=0.6)
    told = found.recognised(Recognition(status=status, error="" if status in {"done", "empty"} else "why"))
    assert told.kept == ((False,) * 4 if status in {"done", "empty"} else found.kept)
    assert (told.numbers, told.similarities) == (found.numbers, found.similarities)


@given(st.lists(st.booleans(), max_size=8), st.data())
def test_what_is_kept_was_kept_before_and_recognised(kept, data):
    found = NearTriples(numbers=tuple(range(len(kept))), similarities=(0.5,) * len(kept), kept=tuple(kept))
    shown = [number for number, was in enumerate(kept) if was]
    chosen = data.draw(st.lists(st.sampled_from(range(len(shown))), unique=True) if shown else st.just([]))
    verdict = Recognition(status="done" if chosen else "empty", kept=tuple(chosen))
    now = found.recognised(verdict).kept
    assert {number for number, is_kept in enumerate(now) if is_kept} == {shown[place] for place in chosen}


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [({"most": -1}, "most -1 is below 0"), ({"threshold": float("nan")}, "threshold is nan")],
)
def test_parameters_out_of_range_are_refused(parameters, complaint):
    with pytest.raises(InputError, match=complaint):
        TripleLinker(**parameters)


def test_only_triples_between_names_of_the_nearest_passages_are_compared(tmp_path):
    stated = {"a": [Triple("Ada", "met", "Bo")], "b": [Triple("Di", "knows", "Ed")]}
    texts = {"a": "Ada met Bo.", "b": "Di knows Ed."}
    passages = [Passage(id=id, document=id, text=text) for id, text in texts.items()]
    with HippoGraph(tmp_path, extractor=GivenExtractor(stated), embedder=HashingEmbedder()) as hippograph:
        hippograph.index(passages)
        snapshot = hippograph.parts.snapshot
        query = snapshot.triple_vectors[0]
        for similarities, subject in (([0.9, 0.1], "Ada"), ([0.1, 0.9], "Di")):
            cosines = np.array(similarities, dtype=np.float32)
            near = TripleLinker(passages=1, threshold=-1.0).near(query, cosines, snapshot)
            assert [fact.triple.subject for fact in near.told(snapshot)] == [subject]
        everything = TripleLinker(passages=0, threshold=-1.0).near(query, cosines, snapshot)
        assert len(everything.numbers) == 2
    with pytest.raises(InputError, match="passages -1"):
        TripleLinker(passages=-1)
