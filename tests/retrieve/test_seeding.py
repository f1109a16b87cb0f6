import numpy as np
import pytest

from hippograph.errors import InputError
from hippograph.retrieve.linking import EntityLink
from hippograph.retrieve.seeding import Seeding


def entity(hippograph, name):
    return list(hippograph.parts.snapshot.entity_names).index(name)


def reset_of(hippograph, links, seeding=None, similarities=None):
    snapshot = hippograph.parts.snapshot
    if similarities is None:
        similarities = np.linspace(0.1, 0.6, snapshot.graph.n_passages).astype(np.float32)
    return (seeding or Seeding()).reset(links, similarities, snapshot)


def mention(number):
    return EntityLink(entity=number, confidence=1.0, reason="mention")


def test_the_shares_are_as_asked(small):
    reset = reset_of(small, [mention(entity(small, "Fram"))], Seeding(dense_share=0.25, dense_passages=2))
    assert reset.weights.sum() == pytest.approx(1.0)
    dense = sum(reset.weights[node] for node, why in reset.reasons.items() if why == "dense")
    titled = [node for node, why in reset.reasons.items() if "title" in why]
    assert [small.parts.snapshot.passages[node - small.parts.snapshot.graph.n_entities].id for node in titled] == [
        "fram"
    ]
    assert dense == pytest.approx(0.25)


def test_a_query_that_names_nothing_is_all_dense(small):
    reset = reset_of(small, [])
    assert set(reset.reasons.values()) == {"dense"}
    assert reset.weights.sum() == pytest.approx(1.0)


def test_a_rare_name_weighs_more_than_a_common_one(small):
    rare, common = entity(small, "Newburgh"), entity(small, "Larvik")
    counts = small.parts.snapshot.entity_passages
    seeding = Seeding(dense_share=0.0, title=0.0, rarity=1.0)
    weights = reset_of(small, [mention(rare), mention(common)], seeding).weights
    assert weights[rare] * counts[rare] == pytest.approx(weights[common] * counts[common])


def test_an_entity_linked_through_a_triple_weighs_its_share(small):
    number = entity(small, "Larvik")
    stated = EntityLink(entity=number, confidence=1.0, reason="triple")
    other = mention(entity(small, "Newburgh"))
    seeding = Seeding(dense_share=0.0, title=0.0, rarity=0.0, triple=0.25)
    weights = reset_of(small, [stated, other], seeding).weights
    assert weights[number] == pytest.approx(0.25 * weights[other.entity])


def test_sharpness_concentrates_the_dense_share(small):
    flat = reset_of(small, [], Seeding(sharpness=0.0))
    sharp = reset_of(small, [], Seeding(sharpness=5.0))
    assert np.ptp(flat.weights[flat.weights > 0]) == pytest.approx(0.0)
    assert sharp.weights.max() > 2 * flat.weights.max()


def test_equal_similarities_are_shared_equally(small):
    reset = reset_of(small, [], similarities=np.full(small.parts.snapshot.graph.n_passages, 0.5, np.float32))
    assert np.allclose(reset.weights[reset.weights > 0], 1 / small.parts.snapshot.graph.n_passages)


def test_seeds_are_named_heaviest_first(small):
    seeds = reset_of(small, [mention(entity(small, "Fram"))]).seeds(small.parts.snapshot)
    assert [seed.weight for seed in seeds] == sorted((seed.weight for seed in seeds), reverse=True)
    assert {(seed.node, seed.kind) for seed in seeds} >= {("Fram", "entity"), ("fram", "passage")}


@pytest.mark.parametrize(
    "arguments", [{"dense_share": 1.5}, {"dense_passages": 0}, {"title": -1}, {"sharpness": float("nan")}]
)
def test_unusable_settings_are_refused(arguments):
    with pytest.raises(InputError, match=next(iter(arguments))):
        Seeding(**arguments)
