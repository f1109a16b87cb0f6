"""The proved top k against the exact walk."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.graph.certified_top import certified_top
from hippograph.graph.knowledge_graph import KnowledgeGraph, from_edges
from hippograph.graph.pagerank import personalized_pagerank
from tests.graph.strategies import build, dense_walk, graphs_with_reset

dampings = st.sampled_from([0.0, 0.1, 0.5, 0.7, 0.85])
GraphAndReset = tuple[KnowledgeGraph, np.ndarray]


@given(graphs_with_reset(), dampings, st.integers(1, 8), st.sampled_from([1.0, 1e-2, 1e-5]))
def test_what_is_proved_is_right(given_parts: GraphAndReset, damping: float, k: int, epsilon: float) -> None:
    graph, reset = given_parts
    top = certified_top(graph, reset, k=k, damping=damping, epsilon=epsilon)
    exact = dense_walk(graph, reset, damping)
    passages = np.arange(graph.n_entities, graph.n_nodes)
    assert len(top.nodes) == min(k, len(passages))
    assert len(set(top.nodes.tolist())) == len(top.nodes)
    assert set(top.nodes.tolist()) <= set(passages.tolist())
    if top.proved:
        tolerance = 3e-12
        best = np.sort(exact[passages])[::-1][:k]
        np.testing.assert_allclose(exact[top.nodes], best, atol=tolerance)
        for better, worse in zip(top.nodes, top.nodes[1:], strict=False):
            assert exact[better] > exact[worse] - tolerance


@given(graphs_with_reset(), dampings, st.integers(1, 8))
def test_the_proof_succeeds_when_nothing_stops_it(given_parts: GraphAndReset, damping: float, k: int) -> None:
    graph, reset = given_parts
    assert certified_top(graph, reset, k=k, damping=damping).proved


def test_a_larger_graph_is_proved_and_equals_the_exact_walk() -> None:
    random = np.random.default_rng(11)
    rows, cols = random.integers(0, 4000, 12_000), random.integers(4000, 6000, 12_000)
    graph = from_edges(rows, cols, random.random(12_000) + 0.1, n_entities=4000, n_passages=2000)
    for query in range(10):
        reset = np.zeros(6000)
        reset[random.integers(0, 4000, 5)] = random.random(5)
        top = certified_top(graph, reset, k=20, damping=0.6)
        exact = personalized_pagerank(graph, reset, damping=0.6, tolerance=1e-14).mass[4000:]
        assert top.proved, query
        assert top.nodes.tolist() == (np.argsort(-exact, kind="stable")[:20] + 4000).tolist()


def test_interchangeable_candidates_are_tied_and_ordered_by_id() -> None:
    graph = build(2, 5, [(0, 4, 1.0), (0, 2, 1.0), (0, 6, 1.0), (1, 3, 1.0), (0, 1, 0.3), (1, 5, 2.0)])
    top = certified_top(graph, [1.0, 0, 0, 0, 0, 0, 0], k=2)
    assert top.proved
    assert top.nodes.tolist() == [2, 4]
    everything = certified_top(graph, [1.0, 0, 0, 0, 0, 0, 0], k=9)
    assert everything.nodes.tolist() == [2, 4, 6, 5, 3]
    assert everything.proved


def test_candidates_out_of_reach_come_last_by_id() -> None:
    graph = build(2, 4, [(0, 3, 1.0), (1, 4, 1.0)])
    top = certified_top(graph, [1.0, 0, 0, 0, 0, 0], k=3)
    assert (top.nodes.tolist(), top.proved) == ([3, 2, 4], True)
    assert top.scores[1:].tolist() == [0.0, 0.0]


def test_candidates_are_a_range_of_nodes() -> None:
    graph = build(3, 1, [(0, 1, 1.0), (1, 2, 1.0), (2, 3, 1.0)])
    assert certified_top(graph, [1.0, 0, 0, 0], k=2, candidates=slice(0, 3)).nodes.tolist() == [0, 1]
    assert certified_top(graph, [1.0, 0, 0, 0], k=2, candidates=slice(2, 2)).nodes.tolist() == []
    with pytest.raises(InputError, match="step 1"):
        certified_top(graph, [1.0, 0, 0, 0], k=1, candidates=slice(0, 4, 2))


@pytest.mark.parametrize("limits", [{"min_epsilon": 1e-2, "epsilon": 1e-2}, {"max_pushes": 3}])
def test_a_proof_given_up_is_admitted(limits: dict[str, Any]) -> None:
    random = np.random.default_rng(5)
    rows, cols = random.integers(0, 200, 1000), random.integers(200, 300, 1000)
    graph = from_edges(rows, cols, np.ones(1000), n_entities=200, n_passages=100)
    reset = np.zeros(300)
    reset[:50] = 1.0
    top = certified_top(graph, reset, k=20, **limits)
    assert not top.proved
    assert len(top.nodes) == 20


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"k": 0}, "k is 0"), ({"k": 1, "epsilon": 1e-9, "min_epsilon": 1e-6}, "falling"), ({"k": 1, "damping": 2}, "2")],
)
def test_unusable_parameters_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        certified_top(build(1, 1, [(0, 1, 1.0)]), [1.0, 0.0], **parameters)
