"""Clusters by merging neighbours: whole, small enough, the same in any order, and changed only where texts are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from hippograph.errors import InputError
from hippograph.index import clusters
from hippograph.index.clusters import NeighbourMerging, Profiles
from tests.conftest import small_passages
from tests.index.builds import EMBEDDER, built
from tests.index.readers import capitals


def drawn(count: int, *, entities: int, seed: int) -> Profiles:
    rng = np.random.default_rng(seed)
    names = rng.random((count, entities)) * (rng.random((count, entities)) < 0.2)
    lengths = np.linalg.norm(names, axis=1, keepdims=True)
    vectors = rng.normal(size=(count, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Profiles(names=csr_array(names / np.where(lengths, lengths, 1.0)), vectors=vectors)


def part(texts: Profiles, rows: np.ndarray) -> Profiles:
    return Profiles(names=csr_array(texts.names[rows]), vectors=texts.vectors[rows])


def as_sets(groups: list[np.ndarray], rows: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(rows[group].tolist()) for group in groups}


def naive(texts: Profiles, most: int, share: float) -> set[frozenset[int]]:
    """Merge the two nearest clusters, one pair at a time: what average linkage with a limit is."""
    near = (1 - share) * (texts.names @ texts.names.T).toarray() + share * texts.vectors @ texts.vectors.T
    groups = [[row] for row in range(len(texts))]
    while True:
        pairs = [
            (float(np.mean(near[np.ix_(one, other)])), -first, -second)
            for first, one in enumerate(groups)
            for second, other in enumerate(groups[:first])
            if len(one) + len(other) <= most
        ]
        if not pairs:
            return {frozenset(group) for group in groups}
        _, first, second = max(pairs)
        groups[-second] += groups.pop(-first)


@given(count=st.integers(0, 40), most=st.integers(2, 9), seed=st.integers(0, 10**6))
def test_every_text_is_in_one_cluster_that_is_not_too_large(count, most, seed):
    texts = drawn(count, entities=12, seed=seed)
    groups = NeighbourMerging(most=most).clusters(texts)
    assert sorted(np.concatenate([*groups, np.empty(0, int)]).tolist()) == list(range(count))
    sizes = sorted(len(group) for group in groups)
    assert sum(size > most for size in sizes) <= 1
    assert all(size <= most + 1 for size in sizes)
    if count > 1:
        assert sizes[0] > 1
        assert sum(2 * size <= most for size in sizes) <= 1
    assert [min(group) for group in groups] == sorted(min(group) for group in groups)


@settings(max_examples=25)
@given(count=st.integers(2, 14), most=st.integers(2, 6), seed=st.integers(0, 10**6))
def test_it_is_average_linkage_with_a_limit(count, most, seed):
    texts = drawn(count, entities=8, seed=seed)
    found = as_sets(NeighbourMerging(most=most, vector_share=0.3).clusters(texts), np.arange(count))
    expected = naive(texts, most, 0.3)
    alone = [group for group in expected if len(group) == 1]
    if alone:
        # It is in the nearest of the others, which are as they were.
        assert len(found & expected) == len(expected) - 2
    else:
        assert found == expected


@given(seed=st.integers(0, 10**6))
def test_the_order_of_the_texts_does_not_matter(seed):
    texts = drawn(30, entities=12, seed=seed)
    rows = np.random.default_rng(seed).permutation(30)
    here = as_sets(NeighbourMerging().clusters(texts), np.arange(30))
    assert as_sets(NeighbourMerging().clusters(part(texts, rows)), rows) == here


def test_blocks_do_not_matter(monkeypatch):
    texts = drawn(60, entities=20, seed=1)
    whole = NeighbourMerging().clusters(texts)
    monkeypatch.setattr(clusters, "_BLOCK", 60 * 7)
    again = NeighbourMerging().clusters(texts)
    assert [group.tolist() for group in again] == [group.tolist() for group in whole]


def test_what_is_far_away_changes_nothing():
    groups, size = 20, 5
    names = np.kron(np.eye(groups), np.ones((size, 1)))
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(groups * size, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = Profiles(names=csr_array(names), vectors=vectors)
    everything = np.arange(groups * size)
    found = as_sets(NeighbourMerging(most=size).clusters(texts), everything)
    assert found == {frozenset(range(at, at + size)) for at in range(0, groups * size, size)}
    without = everything[size:]
    assert as_sets(NeighbourMerging(most=size).clusters(part(texts, without)), without) == found - {
        frozenset(range(size))
    }


def test_equal_texts_pair_off_at_once(monkeypatch):
    texts = Profiles(names=csr_array(np.ones((7, 1))), vectors=np.ones((7, 1), dtype=np.float32))
    rounds = []
    merge = clusters._Merging.merge_neighbours

    def counted(merging: clusters._Merging) -> bool:
        rounds.append(len(merging.alive))
        return merge(merging)

    monkeypatch.setattr(clusters._Merging, "merge_neighbours", counted)
    groups = NeighbourMerging(most=2).clusters(texts)
    assert [sorted(group.tolist()) for group in groups] == [[0, 1], [2, 3], [4, 5, 6]]
    assert rounds == [7, 4]


def test_the_nearest_to_the_middle_comes_first():
    names = np.array([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8]])
    texts = Profiles(names=csr_array(names), vectors=np.ones((3, 1), dtype=np.float32))
    assert [group.tolist() for group in NeighbourMerging(most=3).clusters(texts)] == [[1, 2, 0]]


def test_profiles_are_of_rare_names_and_have_length_one():
    snapshot = built([(passage, capitals(passage)) for passage in small_passages()])
    texts = Profiles.of(snapshot)
    lengths = np.sqrt(texts.names.multiply(texts.names).sum(axis=1))
    assert len(texts) == len(snapshot.passages)
    assert np.allclose(lengths, 1.0)
    assert texts.vectors.shape == (len(texts), EMBEDDER.dimension)


def test_impossible_settings_are_refused():
    with pytest.raises(InputError, match="most is 1"):
        NeighbourMerging(most=1)
    with pytest.raises(InputError, match=r"vector_share is 1\.5"):
        NeighbourMerging(vector_share=1.5)
