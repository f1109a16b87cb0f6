"""The exact walk against the solution of its equations."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import ConvergenceError, InputError
from hippograph.graph.knowledge_graph import KnowledgeGraph, from_edges
from hippograph.graph.pagerank import personalized_pagerank, personalized_pageranks
from tests.graph.strategies import build, dense_walk, graphs_with_reset

dampings = st.sampled_from([0.0, 0.1, 0.5, 0.7, 0.85])
GraphAndReset = tuple[KnowledgeGraph, np.ndarray]


@given(graphs_with_reset(), dampings)
def test_the_walk_solves_its_equations(given_parts: GraphAndReset, damping: float) -> None:
    graph, reset = given_parts
    walk = personalized_pagerank(graph, reset, damping=damping, tolerance=1e-13, max_iterations=500)
    np.testing.assert_allclose(walk.mass, dense_walk(graph, reset, damping), atol=1e-12)
    assert walk.mass.sum() == pytest.approx(1.0, abs=1e-12)
    assert walk.mass.min() >= 0
    assert walk.report.residual <= 1e-13


@given(graphs_with_reset(), dampings, st.floats(1e-8, 1e-2))
def test_the_error_is_within_what_the_docstring_promises(
    given_parts: GraphAndReset, damping: float, tol: float
) -> None:
    graph, reset = given_parts
    walk = personalized_pagerank(graph, reset, damping=damping, tolerance=tol)
    error = np.abs(walk.mass - dense_walk(graph, reset, damping)).sum()
    assert error <= tol * damping / (1 - damping) + 1e-13


@given(graphs_with_reset(), dampings, st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_walks_together_are_walks_alone_bit_for_bit(
    given_parts: GraphAndReset, damping: float, count: int, seed: int
) -> None:
    graph, reset = given_parts
    random = np.random.default_rng(seed)
    resets = np.stack([reset, *random.random((count, graph.n_nodes))], axis=1)
    resets[:, 1:] *= random.random(resets[:, 1:].shape) < 0.5
    resets[0, ~resets.any(axis=0)] = 1.0
    together = personalized_pageranks(graph, resets, damping=damping)
    for column, walk in enumerate(together):
        alone = personalized_pagerank(graph, resets[:, column], damping=damping)
        assert walk.mass.tobytes() == alone.mass.tobytes()
        assert walk.report == alone.report


def test_walks_together_are_walks_alone_on_a_larger_graph() -> None:
    random = np.random.default_rng(7)
    rows, cols = random.integers(0, 3000, (2, 9000))
    graph = from_edges(rows, cols, random.random(9000) + 0.1, n_entities=2000, n_passages=1000)
    resets = random.random((3000, 7)) ** 20
    for walk, reset in zip(personalized_pageranks(graph, resets, damping=0.7), resets.T, strict=True):
        assert walk.mass.tobytes() == personalized_pagerank(graph, reset, damping=0.7).mass.tobytes()


@given(graphs_with_reset(), st.randoms(use_true_random=False))
def test_renaming_the_nodes_renames_the_mass(given_parts: GraphAndReset, random: Any) -> None:
    graph, reset = given_parts
    names = list(range(graph.n_nodes))
    random.shuffle(names)
    dense = graph.adjacency.toarray()
    edges = [(names[a], names[b], dense[a, b]) for a, b in zip(*np.nonzero(np.triu(dense)), strict=True)]
    renamed = build(graph.n_entities, graph.n_passages, edges)
    moved = np.zeros(graph.n_nodes)
    moved[names] = reset
    mass = personalized_pagerank(graph, reset, tolerance=1e-13).mass
    np.testing.assert_allclose(personalized_pagerank(renamed, moved, tolerance=1e-13).mass[names], mass, atol=1e-12)


@given(graphs_with_reset())
def test_the_transition_keeps_all_mass(given_parts: GraphAndReset) -> None:
    graph, _ = given_parts
    columns = graph.adjacency.toarray() / np.where(graph.degrees > 0, graph.degrees, 1.0)
    np.testing.assert_allclose(columns.sum(axis=0), graph.degrees > 0, atol=1e-14)


@pytest.mark.parametrize("damping", [0.5, 0.85])
def test_networkx_agrees(damping: float) -> None:
    toy = nx.les_miserables_graph()
    names = sorted(toy)
    place = {name: number for number, name in enumerate(names)}
    edges = [(place[a], place[b], float(weight)) for a, b, weight in toy.edges(data="weight")]
    graph = build(40, len(names) - 40, edges)
    seeds = {"Valjean": 3.0, "Cosette": 1.0}
    reset = np.array([seeds.get(name, 0.0) for name in names])
    walk = personalized_pagerank(graph, reset, damping=damping, tolerance=1e-12)
    expected = nx.pagerank(toy, alpha=damping, personalization=seeds, weight="weight", tol=1e-14, max_iter=1000)
    np.testing.assert_allclose(walk.mass, [expected[name] for name in names], atol=1e-11)


def test_a_walk_that_never_leaves_is_its_reset() -> None:
    graph = build(2, 2, [(0, 2, 1.0)])
    assert personalized_pagerank(graph, [0, 3.0, 0, 1.0]).mass.tolist() == [0, 0.75, 0, 0.25]
    assert personalized_pagerank(graph, [1e-300, 0, 3e-300, 0], damping=0.0).mass.tolist() == [0.25, 0, 0.75, 0]


def test_no_reset_vectors_no_walks() -> None:
    assert personalized_pageranks(build(1, 1, []), np.zeros((2, 0))) == []


def test_a_walk_that_does_not_converge_says_how_far_it_came() -> None:
    path = build(1, 2, [(0, 1, 1.0), (1, 2, 1.0)])
    with pytest.raises(ConvergenceError, match=r"after 3 iterations .* changes by 1\.23"):
        personalized_pagerank(path, [1, 0, 0], damping=0.9, max_iterations=3)


@pytest.mark.parametrize(
    ("reset", "message"),
    [
        ([0.0, 0.0, 0.0], "zero everywhere"),
        ([1.0, -1.0, 0.0], "-1.0 at node 1"),
        ([1.0, 0.0, float("nan")], "nan at node 2"),
        ([float("inf"), 0.0, 0.0], "inf at node 0"),
        ([1.0, 0.0], r"shape \(2,\)"),
        ([[1.0], [0.0], [0.0]], r"shape \(3, 1\)"),
    ],
)
def test_unusable_reset_vectors_are_refused(reset: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        personalized_pagerank(build(1, 2, []), reset)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"damping": 1.0}, "damping is 1.0"),
        ({"damping": -0.1}, "damping is -0.1"),
        ({"tolerance": 0.0}, "tolerance is 0"),
    ],
)
def test_unusable_parameters_are_refused(parameters: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        personalized_pagerank(build(1, 0, []), [1.0], **parameters)  # type: ignore[arg-type]


def test_several_reset_vectors_come_as_columns() -> None:
    with pytest.raises(InputError, match="one column per walk"):
        personalized_pageranks(build(1, 1, []), [1.0, 0.0])


@given(graphs_with_reset(), dampings, st.integers(0, 2**32 - 1))
def test_strengths_walk_the_graph_they_describe(given_parts: GraphAndReset, damping: float, seed: int) -> None:
    graph, reset = given_parts
    strengths = np.exp(np.random.default_rng(seed).normal(size=graph.n_nodes))
    (walk,) = personalized_pageranks(
        graph, reset[:, None], strengths=strengths[:, None], damping=damping, tolerance=1e-12, max_iterations=500
    )
    drawn = graph.drawn_by(strengths)
    drawn.validate()
    np.testing.assert_allclose(walk.mass, dense_walk(drawn, reset, damping), atol=1e-11)


@given(graphs_with_reset(), dampings, st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_drawn_walks_together_are_drawn_walks_alone_bit_for_bit(
    given_parts: GraphAndReset, damping: float, count: int, seed: int
) -> None:
    graph, reset = given_parts
    random = np.random.default_rng(seed)
    resets = np.stack([reset, *random.random((count, graph.n_nodes))], axis=1)
    strengths = np.exp(random.normal(size=resets.shape))
    together = personalized_pageranks(graph, resets, strengths=strengths, damping=damping)
    for column, walk in enumerate(together):
        (alone,) = personalized_pageranks(graph, resets[:, [column]], strengths=strengths[:, [column]], damping=damping)
        assert walk.mass.tobytes() == alone.mass.tobytes()
        assert walk.report == alone.report


@pytest.mark.parametrize(
    "strengths", [np.ones((2, 1)), np.zeros((3, 1)), np.full((3, 1), np.inf), np.full((3, 1), np.nan)]
)
def test_unusable_strengths_are_refused(strengths: np.ndarray) -> None:
    graph = from_edges([0, 0], [1, 2], [1.0, 1.0], n_entities=1, n_passages=2)
    with pytest.raises(InputError, match="strengths"):
        personalized_pageranks(graph, np.ones((3, 1)), strengths=strengths)
