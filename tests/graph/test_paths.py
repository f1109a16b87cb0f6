"""Strongest paths against all simple paths of small graphs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.graph.contributions import contributions
from hippograph.graph.knowledge_graph import KnowledgeGraph, from_edges
from hippograph.graph.pagerank import restart_inflow
from hippograph.graph.paths import WalkPath, strongest_paths
from tests.graph.strategies import build, graphs_with_reset

GraphAndReset = tuple[KnowledgeGraph, np.ndarray]


def all_paths(graph: KnowledgeGraph, reset: np.ndarray, end: int, damping: float, edges: int) -> Iterator[WalkPath]:
    inflow = restart_inflow(graph, reset / reset.sum(), damping=damping)
    queue: list[tuple[tuple[int, ...], float]] = [((int(seed),), float(inflow[seed])) for seed in np.flatnonzero(reset)]
    while queue:
        nodes, mass = queue.pop()
        if nodes[-1] == end:
            yield WalkPath(nodes=nodes, mass=mass)
        elif len(nodes) <= edges:
            for following, weight in zip(*graph.neighbours(nodes[-1]), strict=True):
                if following not in nodes:
                    step = damping * float(weight) / float(graph.degrees[nodes[-1]])
                    queue.append(((*nodes, int(following)), mass * step))


@given(graphs_with_reset(), st.data(), st.sampled_from([0.3, 0.8]), st.integers(1, 4), st.integers(1, 6))
def test_no_path_is_stronger(
    given_parts: GraphAndReset, data: st.DataObject, damping: float, edges: int, most: int
) -> None:
    graph, reset = given_parts
    end = data.draw(st.integers(0, graph.n_nodes - 1))
    found = strongest_paths(graph, reset, np.eye(graph.n_nodes)[end], damping=damping, most=most, edges=edges)
    every = list(all_paths(graph, reset, end, damping, edges))
    assert len(found) == min(most, len(every))
    strongest = sorted((path.mass for path in every), reverse=True)[:most]
    assert [path.mass for path in found] == pytest.approx(strongest, rel=1e-9)
    assert len({path.nodes for path in found}) == len(found)
    known = {path.nodes: path.mass for path in every}
    assert all(path.mass == pytest.approx(known[path.nodes], rel=1e-9) for path in found)


@given(graphs_with_reset(), st.data())
def test_all_paths_together_carry_at_most_the_mass(given_parts: GraphAndReset, data: st.DataObject) -> None:
    graph, reset = given_parts
    reading = np.eye(graph.n_nodes)[data.draw(st.integers(0, graph.n_nodes - 1))]
    found = strongest_paths(graph, reset, reading, damping=0.7, most=1000, edges=5)
    mass = contributions(graph, reset, reading[None], damping=0.7).sum()
    assert sum(path.mass for path in found) <= mass * (1 + 1e-9) + 1e-9


def test_equal_paths_come_in_the_order_of_their_nodes() -> None:
    graph = build(4, 1, [(0, 1, 1.0), (0, 2, 1.0), (0, 3, 1.0), (1, 4, 1.0), (2, 4, 1.0), (3, 4, 1.0)])
    found = strongest_paths(graph, [1, 0, 0, 0, 0], [0, 0, 0, 0, 1], most=2)
    assert [path.nodes for path in found] == [(0, 1, 4), (0, 2, 4)]


def test_a_path_ends_where_it_is_read_first() -> None:
    graph = build(3, 0, [(0, 1, 1.0), (1, 2, 1.0)])
    found = strongest_paths(graph, [1, 0, 0], [0, 2.0, 1.0], damping=0.5)
    assert [(path.nodes, path.mass) for path in found] == [((0, 1), 0.5)]


def test_a_crowd_before_a_place_that_no_more_paths_lead_to_ends_the_search() -> None:
    crowd = 9_000
    graph = from_edges(
        [0] * crowd + [0], [*range(2, crowd + 2), 1], [1.0] * (crowd + 1), n_entities=1, n_passages=crowd + 1
    )
    reset = np.zeros(graph.n_nodes)
    reset[2] = 1.0
    found = strongest_paths(graph, reset, np.eye(1, graph.n_nodes, 1)[0], edges=4)
    assert [path.nodes for path in found] == [(2, 0, 1)]


def test_unusable_requests_are_refused() -> None:
    graph = build(1, 1, [(0, 1, 1.0)])
    for wrong in ({"most": 0}, {"edges": 0}, {"reading": [1.0]}):
        with pytest.raises(InputError):
            strongest_paths(graph, [1.0, 0.0], **({"reading": [0.0, 1.0]} | wrong))
