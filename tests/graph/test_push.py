"""The local walk: its invariant, its certificate, its reach."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hippograph.errors import ConvergenceError, InputError
from hippograph.graph.knowledge_graph import KnowledgeGraph, from_edges
from hippograph.graph.push import PushState, forward_push
from tests.graph.strategies import build, dense_walk, graphs_with_reset

dampings = st.sampled_from([0.0, 0.1, 0.5, 0.7, 0.85])
epsilons = st.sampled_from([1.0, 1e-1, 1e-2, 1e-3, 1e-6, 1e-9])
GraphAndReset = tuple[KnowledgeGraph, np.ndarray]
ROUNDING = 1e-13


@given(graphs_with_reset(), dampings, epsilons)
def test_the_certificate_holds_at_every_node(given_parts: GraphAndReset, damping: float, epsilon: float) -> None:
    graph, reset = given_parts
    walk = forward_push(graph, reset, damping=damping, epsilon=epsilon)
    exact = dense_walk(graph, reset, damping)
    assert walk.certificate <= epsilon
    error = exact - walk.mass
    assert error.min() >= -ROUNDING
    assert np.all(error <= walk.certificate * graph.degrees + ROUNDING)
    lower, upper = walk.bounds(np.arange(graph.n_nodes))
    assert np.all(walk.mass <= lower)
    assert np.all(lower <= exact + ROUNDING)
    assert np.all(exact <= upper + ROUNDING)
    assert np.all(upper - walk.mass <= walk.certificate * graph.degrees + ROUNDING)


@given(graphs_with_reset(), dampings, epsilons)
def test_mass_and_the_walk_of_the_residual_make_the_whole(
    given_parts: GraphAndReset, damping: float, epsilon: float
) -> None:
    graph, reset = given_parts
    walk = forward_push(graph, reset, damping=damping, epsilon=epsilon)
    transition = graph.adjacency.toarray() / np.where(graph.degrees > 0, graph.degrees, 1.0)
    rest = np.linalg.solve(np.eye(graph.n_nodes) - damping * transition, (1 - damping) * walk.residual)
    np.testing.assert_allclose(walk.mass + rest, dense_walk(graph, reset, damping), atol=1e-12)
    assert walk.mass.sum() + walk.residual.sum() == pytest.approx(1.0, abs=1e-12)


@given(graphs_with_reset(), dampings, epsilons)
def test_touched_are_the_nodes_that_hold_something(given_parts: GraphAndReset, damping: float, epsilon: float) -> None:
    graph, reset = given_parts
    walk = forward_push(graph, reset, damping=damping, epsilon=epsilon)
    holding = np.flatnonzero((walk.mass > 0) | (walk.residual > 0))
    assert set(holding) <= set(walk.touched)
    assert np.array_equal(walk.touched, np.unique(walk.touched))
    if walk.exhausted:
        exact = dense_walk(graph, reset, damping)
        assert np.all(np.abs(np.delete(exact, walk.touched)) <= ROUNDING)


@given(graphs_with_reset(), dampings)
@example((build(0, 2, [(0, 1, 0.1)]), np.array([1.0, 0.0])), 0.1)
def test_pushing_on_is_as_good_as_pushing_at_once(given_parts: GraphAndReset, damping: float) -> None:
    graph, reset = given_parts
    state = PushState(graph, reset, damping=damping)
    for epsilon in (1e-1, 1e-2, 1e-3, 1e-4):
        state.push_until(epsilon=epsilon, max_pushes=10_000_000)
        assert state.walk().certificate <= epsilon
    at_once = forward_push(graph, reset, damping=damping, epsilon=1e-4)
    assert np.all(np.abs(state.mass - at_once.mass) <= 1e-4 * graph.degrees + ROUNDING)


def test_only_the_neighbourhood_is_touched() -> None:
    n_nodes = 20_000
    chain = from_edges(range(n_nodes - 1), range(1, n_nodes), np.ones(n_nodes - 1), n_entities=0, n_passages=n_nodes)
    reset = np.zeros(n_nodes)
    reset[10_000] = 1.0
    walk = forward_push(chain, reset, damping=0.5, epsilon=1e-6)
    assert 10 < len(walk.touched) < 60
    assert walk.touched.min() > 9_900
    assert walk.touched.max() < 10_100
    assert not walk.exhausted


def test_the_same_bits_every_time() -> None:
    random = np.random.default_rng(3)
    rows, cols = random.integers(0, 500, (2, 2000))
    graph = from_edges(rows, cols, random.random(2000) + 0.1, n_entities=300, n_passages=200)
    reset = random.random(500) ** 30
    one, two = (forward_push(graph, reset, epsilon=1e-7) for _ in range(2))
    assert one.mass.tobytes() == two.mass.tobytes()
    assert one.report == two.report


def test_nodes_without_edges_are_exact_at_once() -> None:
    graph = build(2, 2, [(0, 2, 1.0)])
    walk = forward_push(graph, [0, 3.0, 0, 1.0], damping=0.5)
    assert walk.mass.tolist() == [0, 0.75, 0, 0.25]
    assert walk.exhausted
    assert walk.report.iterations == 0


def test_pushes_used_up_are_an_error_that_names_the_residual() -> None:
    path = build(1, 2, [(0, 1, 1.0), (1, 2, 1.0)])
    with pytest.raises(ConvergenceError, match=r"after 2 pushes .* 0\.405 per unit of degree"):
        forward_push(path, [1, 0, 0], damping=0.9, epsilon=1e-6, max_pushes=2)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"damping": 1.0}, "damping is 1.0"), ({"epsilon": 0.0}, "epsilon is 0.0"), ({"epsilon": float("nan")}, "nan")],
)
def test_unusable_parameters_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        forward_push(build(1, 1, [(0, 1, 1.0)]), [1.0, 0.0], **parameters)


def test_unusable_reset_vectors_are_refused() -> None:
    with pytest.raises(InputError, match="zero everywhere"):
        forward_push(build(1, 1, []), [0.0, 0.0])
