"""What each seed gives, against the walk from that seed alone; what goes around hubs, against the equations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import ConvergenceError, InputError
from hippograph.graph.contributions import contributions, largest_hubs, mass_around
from hippograph.graph.knowledge_graph import KnowledgeGraph, from_edges
from hippograph.graph.pagerank import personalized_pageranks, restart_inflow
from tests.graph.strategies import build, dense_walk, graphs_with_reset

dampings = st.sampled_from([0.0, 0.1, 0.5, 0.85])
GraphAndReset = tuple[KnowledgeGraph, np.ndarray]


@given(graphs_with_reset(), dampings)
def test_what_the_seeds_give_adds_up_to_the_walk(given_parts: GraphAndReset, damping: float) -> None:
    graph, reset = given_parts
    masses = contributions(graph, reset, np.eye(graph.n_nodes), damping=damping)
    assert masses.shape == (graph.n_nodes, np.count_nonzero(reset))
    assert masses.min() >= 0
    np.testing.assert_allclose(masses.sum(axis=1), dense_walk(graph, reset, damping), rtol=1e-6, atol=1e-9)


@given(graphs_with_reset(), dampings)
def test_each_seed_gives_what_the_walk_from_it_alone_has(given_parts: GraphAndReset, damping: float) -> None:
    graph, reset = given_parts
    restart = reset / reset.sum()
    inflow = restart_inflow(graph, restart, damping=damping)
    degrees = graph.adjacency.toarray().sum(axis=0)
    spread = np.linalg.inv(
        np.eye(graph.n_nodes) - damping * graph.adjacency.toarray() / np.where(degrees > 0, degrees, 1.0)
    )
    masses = contributions(graph, reset, np.eye(graph.n_nodes), damping=damping)
    for column, seed in enumerate(np.flatnonzero(reset)):
        np.testing.assert_allclose(masses[:, column], spread[:, seed] * inflow[seed], rtol=1e-6, atol=1e-9)


def test_a_walk_from_each_seed_gives_the_same_on_a_larger_graph() -> None:
    random = np.random.default_rng(3)
    rows, cols = random.integers(0, 900, (2, 4000))
    graph = from_edges(rows, cols, random.random(4000) + 0.1, n_entities=600, n_passages=300)
    reset = np.zeros(900)
    reset[[4, 17, 600, 899]] = [0.4, 0.3, 0.2, 0.1]
    alone = personalized_pageranks(graph, np.eye(900)[:, [4, 17, 600, 899]], damping=0.8, tolerance=1e-13)
    expected = np.stack([walk.mass * share for walk, share in zip(alone, [0.4, 0.3, 0.2, 0.1], strict=True)], axis=1)
    # More readings than are walked at a time.
    targets = np.arange(600, 620)
    masses = contributions(graph, reset, np.eye(900)[targets], damping=0.8)
    np.testing.assert_allclose(masses, expected[targets], rtol=1e-8)


@given(graphs_with_reset(), dampings, st.integers(0, 2**32 - 1))
def test_a_reading_of_several_nodes_adds_what_each_has(given_parts: GraphAndReset, damping: float, seed: int) -> None:
    graph, reset = given_parts
    reading = np.random.default_rng(seed).integers(0, 3, graph.n_nodes)
    together = contributions(graph, reset, reading[None], damping=damping)
    apart = contributions(graph, reset, np.eye(graph.n_nodes), damping=damping)
    np.testing.assert_allclose(together[0], reading @ apart, rtol=1e-6, atol=1e-9)


@given(graphs_with_reset(), dampings, st.integers(0, 4))
def test_what_goes_around_hubs_solves_its_equations(given_parts: GraphAndReset, damping: float, most: int) -> None:
    graph, reset = given_parts
    hubs = largest_hubs(graph, most=most)
    assert len(hubs) <= most
    around = mass_around(graph, reset, hubs, damping=damping, tolerance=1e-12)
    open_ = ~np.isin(np.arange(graph.n_nodes), hubs)
    degrees = graph.adjacency.toarray().sum(axis=0)
    step = open_[:, None] * damping * graph.adjacency.toarray() / np.where(degrees > 0, degrees, 1.0)
    inflow = open_ * restart_inflow(graph, reset / reset.sum(), damping=damping)
    np.testing.assert_allclose(around, np.linalg.solve(np.eye(graph.n_nodes) - step, inflow), atol=1e-10)
    assert np.all(around <= dense_walk(graph, reset, damping) + 1e-10)


def test_hubs_are_entities_and_equal_ones_come_by_number() -> None:
    graph = build(4, 2, [(0, 4, 1.0), (1, 4, 1.0), (2, 5, 9.0), (0, 1, 1.0)])
    assert largest_hubs(graph).tolist() == [0, 1, 2]


def test_what_cannot_be_read_is_refused() -> None:
    graph = build(1, 1, [(0, 1, 1.0)])
    for readings in ([1.0, 0.0], [[1.0]], [[-1.0, 0.0]], [[float("nan"), 0.0]]):
        with pytest.raises(InputError, match="reading"):
            contributions(graph, [1.0, 0.0], readings)


def test_too_few_steps_are_told() -> None:
    graph = build(1, 1, [(0, 1, 1.0)])
    with pytest.raises(ConvergenceError, match="after 3 steps"):
        mass_around(graph, [1.0, 0.0], [], damping=0.9, max_iterations=3)
