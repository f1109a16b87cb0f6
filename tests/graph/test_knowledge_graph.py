"""The graph's arrays: canonical, symmetric, order-independent, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.graph.knowledge_graph import KnowledgeGraph, from_edges
from tests.graph.strategies import Edge, build, edge_lists


def parts(**changes: Any) -> dict[str, Any]:
    """The arrays of a path 0 - 1 - 2, some of them replaced."""
    return {
        "indptr": np.array([0, 1, 3, 4]),
        "indices": np.array([1, 0, 2, 1], dtype=np.int32),
        "weights": np.array([1.0, 1.0, 2.0, 2.0]),
        "n_entities": 1,
        **changes,
    }


@given(edge_lists(), st.randoms(use_true_random=False))
def test_order_direction_and_split_do_not_matter(given_parts: tuple[int, int, list[Edge]], random: Any) -> None:
    n_entities, n_passages, edges = given_parts
    shuffled = [(b, a, w) if random.random() < 0.5 else (a, b, w) for a, b, w in edges]
    random.shuffle(shuffled)
    one, other = build(n_entities, n_passages, edges), build(n_entities, n_passages, shuffled)
    for name in ("indptr", "indices", "weights"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


@given(edge_lists())
def test_the_graph_is_the_sum_of_its_edges(given_parts: tuple[int, int, list[Edge]]) -> None:
    n_entities, n_passages, edges = given_parts
    graph = build(n_entities, n_passages, edges)
    graph.validate()
    expected = np.zeros((graph.n_nodes, graph.n_nodes))
    for a, b, weight in edges:
        if a != b:
            expected[a, b] += weight
            expected[b, a] += weight
    dense = graph.adjacency.toarray()
    np.testing.assert_allclose(dense, expected, rtol=1e-12)
    assert np.array_equal(dense, dense.T)
    assert graph.n_edges == np.count_nonzero(expected) // 2
    np.testing.assert_allclose(graph.degrees, expected.sum(axis=1), rtol=1e-12)
    for node in range(graph.n_nodes):
        indices, weights = graph.neighbours(node)
        assert indices.tolist() == np.flatnonzero(expected[node]).tolist()
        np.testing.assert_array_equal(weights, dense[node, indices])


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_the_adjacency_shares_memory_with_read_only_arrays(dtype: type, tmp_path: Path) -> None:
    arrays = {name: np.asarray(array) for name, array in parts().items() if name != "n_entities"}
    arrays["indices"] = arrays["indices"].astype(dtype)
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    mapped: dict[str, Any] = {name: np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in arrays}
    graph = KnowledgeGraph(**mapped, n_entities=1)
    graph.validate()
    assert np.shares_memory(graph.adjacency.data, mapped["weights"])
    assert np.shares_memory(graph.adjacency.indices, mapped["indices"])
    assert graph.adjacency is graph.adjacency
    assert graph.degrees.tolist() == [1.0, 3.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        graph.degrees[0] = 5.0


def test_no_nodes_and_no_edges() -> None:
    graph = from_edges([], [], [], n_entities=0, n_passages=0)
    graph.validate()
    assert (graph.n_nodes, graph.n_edges, len(graph.degrees)) == (0, 0, 0)
    lonely = from_edges([], [], [], n_entities=1, n_passages=2)
    assert lonely.degrees.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"indptr": np.array([0, 1, 3, 4], dtype=np.int32)}, "indptr is int32"),
        ({"indices": np.array([1.0, 0.0, 2.0, 1.0])}, "indices is float64"),
        ({"weights": np.ones(4, dtype=np.float32)}, "weights is float32"),
        ({"weights": np.ones((2, 2))}, "shape"),
        ({"indptr": np.array([], dtype=np.int64)}, "begin with 0"),
        ({"indptr": np.array([1, 1, 3, 4])}, "begin with 0"),
        ({"indptr": np.array([0, 3, 1, 4])}, "never fall"),
        ({"indptr": np.array([0, 1, 3, 5])}, "ends at 5"),
        ({"weights": np.ones(3)}, "3 weights"),
        ({"n_entities": 4}, "n_entities is 4"),
        ({"n_entities": -1}, "n_entities is -1"),
        ({"indices": np.array([1, 0, 3, 1])}, "range from 0 to 3"),
        ({"indices": np.array([1, -1, 2, 1])}, "range from -1"),
    ],
)
def test_malformed_arrays_are_refused_at_once(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        KnowledgeGraph(**parts(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": np.array([1.0, 1.0, -2.0, 2.0])}, "weight 2 is -2.0"),
        ({"weights": np.array([1.0, np.nan, 2.0, 2.0])}, "weight 1 is nan"),
        ({"weights": np.array([1.0, 1.0, 2.0, np.inf])}, "weight 3 is inf"),
        ({"weights": np.array([1.0, 1.0, 2.0, 3.0])}, "other direction"),
        ({"indices": np.array([1, 2, 0, 1])}, "node 1 are not strictly ascending"),
        ({"indices": np.array([1, 0, 0, 1])}, "node 1 are not strictly ascending"),
        ({"indices": np.array([1, 0, 1, 1])}, "node 1 is its own neighbour"),
        ({"indices": np.array([2, 0, 2, 1])}, "other direction"),
    ],
)
def test_validate_finds_what_the_walks_could_not_bear(changes: dict[str, Any], message: str) -> None:
    graph = KnowledgeGraph(**parts(**changes))
    with pytest.raises(InputError, match=message):
        graph.validate()


@pytest.mark.parametrize(
    ("rows", "cols", "weights", "message"),
    [
        ([0], [3], [1.0], "ends at 3"),
        ([-1], [0], [1.0], "ends at -1"),
        ([0], [1], [0.0], "weighs 0.0"),
        ([0], [1], [float("nan")], "weighs nan"),
        ([0, 1], [1], [1.0], "shapes"),
        ([0.5], [1], [1.0], "float64"),
        ([0, 1], [1, 0], [1e308, 1e308], "infinity"),
    ],
)
def test_unusable_edges_are_refused(rows: Any, cols: Any, weights: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_edges(rows, cols, weights, n_entities=1, n_passages=2)


def test_there_are_no_negative_counts_or_nodes() -> None:
    with pytest.raises(InputError, match="n_passages -1"):
        from_edges([], [], [], n_entities=1, n_passages=-1)
    with pytest.raises(InputError, match="no node 3"):
        build(1, 2, []).neighbours(3)
