"""What lies around some nodes."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.graph.knowledge_graph import KnowledgeGraph
from hippograph.graph.neighbourhood import ego
from tests.graph.strategies import build, graphs


@given(graphs(), st.data(), st.integers(0, 3), st.integers(1, 20))
def test_nearest_come_first_and_no_edge_between_them_is_missing(
    graph: KnowledgeGraph, data: st.DataObject, radius: int, max_nodes: int
) -> None:
    centre = data.draw(st.integers(0, graph.n_nodes - 1))
    around = ego(graph, [centre, centre], radius=radius, max_nodes=max_nodes)
    dense = graph.adjacency.toarray()
    distances = nx.single_source_shortest_path_length(nx.from_numpy_array(dense), centre, cutoff=radius)
    nodes = around.nodes.tolist()
    assert nodes[0] == centre
    assert len(nodes) == len(set(nodes)) == min(len(distances), max_nodes)
    assert around.distances.tolist() == [distances[node] for node in nodes]
    assert around.distances.tolist() == sorted(distances.values())[: len(nodes)]
    expected = [[a, b] for a in sorted(nodes) for b in sorted(nodes) if a < b and dense[a, b]]
    assert around.edges.tolist() == expected
    assert around.weights.tolist() == [dense[a, b] for a, b in expected]


def test_heavy_edges_win_and_ties_go_by_id() -> None:
    star = build(1, 5, [(0, 1, 1.0), (0, 2, 5.0), (0, 3, 1.0), (0, 4, 2.0), (4, 5, 9.0)])
    assert ego(star, [0], max_nodes=4).nodes.tolist() == [0, 2, 4, 1]
    assert ego(star, [0], radius=2).nodes.tolist() == [0, 2, 4, 1, 3, 5]
    assert ego(star, [3, 1], radius=0).edges.shape == (0, 2)
    assert ego(star, [], radius=2).nodes.dtype == np.int64


@pytest.mark.parametrize(
    ("nodes", "parameters", "message"),
    [([0], {"radius": -1}, "radius is -1"), ([0, 1], {"max_nodes": 1}, "2 nodes are given"), ([9], {}, "no node 9")],
)
def test_impossible_requests_are_refused(nodes: list[int], parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ego(build(1, 2, []), nodes, **parameters)
