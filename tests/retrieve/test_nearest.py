import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hippograph.retrieve.nearest import nearest, top


@given(
    arrays.arrays(np.float64, st.integers(0, 30), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0])), st.integers(1, 35)
)
def test_top_is_the_sorted_beginning_with_ties_by_place(scores, k):
    assert top(scores, k=k).tolist() == sorted(range(len(scores)), key=lambda at: (-scores[at], at))[:k]


def test_a_query_does_not_depend_on_its_neighbours():
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(500, 48)).astype(np.float32)
    queries = rng.normal(size=(5, 48)).astype(np.float32)
    together = nearest(vectors, queries, k=10)
    for query, found in zip(queries, together, strict=True):
        assert np.array_equal(nearest(vectors, query[np.newaxis], k=10)[0], found)


def test_nothing_is_near_where_nothing_is():
    assert nearest(np.zeros((0, 3), np.float32), np.ones((1, 3), np.float32), k=4)[0].tolist() == []
