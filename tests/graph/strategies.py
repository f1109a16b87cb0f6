"""Random graphs and reset vectors for the tests of this folder."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from hippograph.graph.knowledge_graph import KnowledgeGraph, from_edges

Edge = tuple[int, int, float]

weight_values = st.one_of(st.sampled_from([0.1, 0.2, 0.3, 1.0, 5.0]), st.floats(1e-3, 1e3))


@st.composite
def edge_lists(draw: st.DrawFn) -> tuple[int, int, list[Edge]]:
    """Numbers of entities and passages, and edges with repeats, both directions and self-loops among them."""
    n_entities, n_passages = draw(st.integers(0, 7)), draw(st.integers(0, 7))
    n_nodes = n_entities + n_passages
    if not n_nodes:
        return 0, 0, []
    nodes = st.integers(0, n_nodes - 1)
    return n_entities, n_passages, draw(st.lists(st.tuples(nodes, nodes, weight_values), max_size=30))


def build(n_entities: int, n_passages: int, edges: list[Edge]) -> KnowledgeGraph:
    return from_edges(
        [edge[0] for edge in edges],
        [edge[1] for edge in edges],
        [edge[2] for edge in edges],
        n_entities=n_entities,
        n_passages=n_passages,
    )


@st.composite
def graphs(draw: st.DrawFn) -> KnowledgeGraph:
    """Small graphs with isolated nodes and disconnected parts among them, never empty."""
    return build(*draw(edge_lists().filter(lambda parts: parts[0] + parts[1] > 0)))


@st.composite
def graphs_with_reset(draw: st.DrawFn) -> tuple[KnowledgeGraph, np.ndarray]:
    """A graph and a non-negative, non-zero vector over its nodes, often sparse."""
    graph = draw(graphs())
    values = st.one_of(st.just(0.0), st.floats(1e-3, 10.0))
    reset = np.array(draw(st.lists(values, min_size=graph.n_nodes, max_size=graph.n_nodes)))
    if not reset.any():
        reset[draw(st.integers(0, graph.n_nodes - 1))] = 1.0
    return graph, reset


def dense_walk(graph: KnowledgeGraph, reset: np.ndarray, damping: float) -> np.ndarray:
    """The walk by solving its equations: x = (1 - d) r + d (A D^-1 + r 1_dangling^T) x."""
    restart = reset / reset.sum()
    degrees = graph.adjacency.toarray().sum(axis=0)
    transition = graph.adjacency.toarray() / np.where(degrees > 0, degrees, 1.0)
    transition[:, degrees == 0] = restart[:, None]
    return np.linalg.solve(np.eye(graph.n_nodes) - damping * transition, (1 - damping) * restart)
