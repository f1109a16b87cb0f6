import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.graph.knowledge_graph import from_edges
from hippograph.retrieve.activation import Bridge, bridge
from hippograph.retrieve.sentence_graph import SentenceGraph
from hippograph.retrieve.substrings import Substrings
from hippograph.store.arrays import StringTable
from hippograph.store.ragged import indptr_of

ADA, BO, CORK, DEE = range(4)


def graph_of(sentences, n_entities=4):
    """The graph of sentences that are given as lists of entities."""
    holders = [[number for number, held in enumerate(sentences) if entity in held] for entity in range(n_entities)]
    nothing = np.zeros(0, dtype=np.int64)
    return SentenceGraph(
        graph=from_edges([], [], [], n_entities=n_entities, n_passages=0),
        sentences=StringTable.of(str(number) for number in range(len(sentences))),
        sentence_indptr=indptr_of(np.array([len(held) for held in sentences], dtype=np.int64)),
        sentence_entities=np.array([entity for held in sentences for entity in sorted(held)], dtype=np.int64),
        entity_indptr=indptr_of(np.array([len(held) for held in holders], dtype=np.int64)),
        entity_sentences=np.array([number for held in holders for number in held], dtype=np.int64),
        mention_indptr=np.zeros(n_entities + 1, dtype=np.int64),
        mention_passages=nothing,
        mention_counts=nothing,
        texts=Substrings(texts=list),
    )


def activate(sentences, cosines, seeds, *, tiers=3, threshold=0.25, most=1, parity=False):
    values = np.array(cosines, dtype=np.float64)
    return bridge(
        graph_of(sentences),
        seeds,
        lambda numbers: values[numbers],
        tiers=tiers,
        threshold=threshold,
        sentences=most,
        parity=parity,
    )


def test_activation_goes_from_sentence_to_sentence():
    # Ada --0.75-- Bo --0.5-- Cork; what reaches Cork is 0.75 * 0.5.
    found = activate([[ADA, BO], [BO, CORK], [CORK, DEE]], [0.75, 0.5, 1.0], {ADA: 1.0})
    assert found.weights == {ADA: 1.0, BO: 0.75, CORK: 0.375}
    assert found.strengths == found.weights
    assert found.tiers == {ADA: 1, BO: 2, CORK: 3}
    assert found.bridges == [
        Bridge(entity=ADA, sentence=0, similarity=0.75, reached=(BO,)),
        Bridge(entity=BO, sentence=1, similarity=0.5, reached=(CORK,)),
    ]


def test_the_named_entities_alone_are_one_tier():
    found = activate([[ADA, BO]], [0.75], {ADA: 1.0}, tiers=1)
    assert (found.weights, found.bridges) == ({ADA: 1.0}, [])


def test_what_is_below_the_threshold_is_not_passed_on_and_passes_nothing_on():
    assert activate([[ADA, BO]], [0.5], {ADA: 0.5}, threshold=0.26).weights == {ADA: 0.5}
    assert activate([[ADA, BO]], [0.5], {ADA: 0.5}, threshold=0.25).weights == {ADA: 0.5, BO: 0.25}
    weak = activate([[ADA, BO]], [1.0], {ADA: 0.125}, threshold=0.25)
    assert (weak.weights, weak.bridges) == ({ADA: 0.125}, [])


def test_an_entity_chooses_the_sentences_most_like_the_query_and_of_equal_ones_the_first():
    sentences = [[ADA, BO], [ADA, CORK], [ADA, DEE]]
    assert activate(sentences, [0.5, 0.75, 0.75], {ADA: 1.0}, tiers=2).weights == {ADA: 1.0, CORK: 0.75}
    assert activate(sentences, [0.5, 0.75, 0.75], {ADA: 1.0}, tiers=2, most=2).weights == {
        ADA: 1.0,
        CORK: 0.75,
        DEE: 0.75,
    }


def test_a_sentence_is_chosen_once_by_the_strongest():
    # Both hold sentence 0; Bo, the stronger, takes it, and Ada is left with sentence 1.
    found = activate([[ADA, BO, CORK], [ADA, DEE]], [0.75, 0.5], {ADA: 0.5, BO: 1.0}, tiers=2)
    assert found.weights == {ADA: 0.5 + 0.75, BO: 1.0, CORK: 0.75, DEE: 0.25}
    # What Bo gave makes Ada stronger, yet it stays in the first tier.
    assert (found.strengths[ADA], found.tiers[ADA]) == (0.75, 1)
    equal = activate([[ADA, BO, CORK], [ADA, DEE]], [0.75, 0.5], {BO: 1.0, ADA: 1.0}, tiers=2)
    assert [one.entity for one in equal.bridges] == [ADA]


def test_weights_add_up_and_strengths_are_the_largest_part():
    found = activate([[ADA, CORK], [BO, CORK]], [0.75, 0.5], {ADA: 1.0, BO: 1.0}, tiers=2)
    assert (found.weights[CORK], found.strengths[CORK], found.tiers[CORK]) == (1.25, 0.75, 2)


def test_an_entity_passes_on_once():
    # Bo gives back to Ada in the third tier; Ada does not choose again.
    found = activate([[ADA, BO], [BO, ADA], [ADA, DEE]], [1.0, 0.75, 0.5], {ADA: 1.0}, tiers=4)
    assert [one.entity for one in found.bridges] == [ADA, BO]
    assert found.weights == {ADA: 1.75, BO: 1.0}


def test_parity_gives_to_the_giver_and_overwrites():
    # Tier 2: Ada's sentence gives 0.75 to Ada and to Bo. Tier 3: Ada has none left; Bo's sentences give 0.75 * 1.0 to
    # Bo and Cork, then 0.75 * 0.5 to Bo alone, which is the strength that stays.
    found = activate([[ADA, BO], [BO, CORK], [BO]], [0.75, 1.0, 0.5], {ADA: 1.0}, most=2, parity=True)
    assert found.weights == {ADA: 1.75, BO: 0.75 + 0.75 + 0.375, CORK: 0.75}
    assert found.strengths == {ADA: 0.75, BO: 0.375, CORK: 0.75}
    assert found.tiers == {ADA: 2, BO: 3, CORK: 3}


def test_parity_chooses_in_the_order_of_mention():
    found = activate([[ADA, BO]], [0.75], {BO: 0.5, ADA: 1.0}, tiers=2, parity=True)
    assert [(one.entity, one.sentence) for one in found.bridges] == [(BO, 0)]


lists = st.lists(st.sets(st.integers(0, 3), max_size=4), max_size=6)


@given(lists, st.data(), st.integers(1, 5), st.booleans())
def test_activation_follows_the_sentences_and_nothing_is_chosen_twice(sentences, data, tiers, parity):
    cosines = data.draw(st.lists(st.floats(-1, 1), min_size=len(sentences), max_size=len(sentences)))
    seeds = data.draw(st.dictionaries(st.integers(0, 3), st.floats(0.1, 1), min_size=1))
    found = activate(sentences, cosines, seeds, tiers=tiers, most=2, parity=parity)
    assert found.weights.keys() == found.strengths.keys() == found.tiers.keys()
    assert max(found.tiers.values()) <= tiers
    chosen = [one.sentence for one in found.bridges]
    assert len(set(chosen)) == len(chosen)
    for one in found.bridges:
        assert one.entity in sentences[one.sentence]
        assert set(one.reached) <= sentences[one.sentence]
    given = {other for one in found.bridges for other in one.reached}
    assert set(found.weights) == set(seeds) | given
    if not parity:
        assert all(found.strengths[entity] <= found.weights[entity] + 1e-12 for entity in found.weights)
        assert all(found.tiers[entity] == 1 for entity in seeds)
        # The order in which names come is of no importance.
        again = activate(sentences, cosines, dict(sorted(seeds.items())), tiers=tiers, most=2)
        assert again.weights == pytest.approx(found.weights)
