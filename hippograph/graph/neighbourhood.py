"""A small part of the graph around some nodes, to be drawn or read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hippograph.errors import InputError
from hippograph.graph.knowledge_graph import KnowledgeGraph
from hippograph.types import DoubleArray, IntArray

__all__ = ["Neighbourhood", "edges_between", "ego"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Neighbourhood:
    """Some nodes and all edges between them.

    Parameters
    ----------
    nodes
        Node ids in the order in which they were reached, the given ones first; shape (n,).
    distances
        How many edges each is away from the given nodes; shape (n,).
    edges
        Node ids at the two ends, the lower first, ascending; shape (m, 2).
    weights
        Shape (m,).
    """

    nodes: IntArray
    distances: IntArray
    edges: IntArray
    weights: DoubleArray


def ego(graph: KnowledgeGraph, nodes: Sequence[int], *, radius: int = 1, max_nodes: int = 60) -> Neighbourhood:
    """Collect what lies around some nodes, nearest first, and at each distance over the heaviest edges first.

    Nodes reached over edges of equal weight are taken in the order of their ids.

    Parameters
    ----------
    graph
        The graph.
    nodes
        Where to begin; repeats count once.
    radius
        How many edges to go, 0 or more.
    max_nodes
        Stop at so many nodes, the given ones included.

    Raises
    ------
    InputError
        If there is no such node, more are given than `max_nodes`, or the radius is negative.

    Examples
    --------
    >>> from hippograph.graph.knowledge_graph import from_edges
    >>> graph = from_edges([0, 0, 0, 1], [1, 2, 3, 2], [1.0, 3.0, 2.0, 1.0], n_entities=2, n_passages=2)
    >>> around = ego(graph, [0], max_nodes=3)
    >>> around.nodes.tolist(), around.edges.tolist()
    ([0, 2, 3], [[0, 2], [0, 3]])
    """
    if radius < 0:
        raise InputError(f"radius is {radius}; go 0 edges or more")
    given = list(dict.fromkeys(nodes))
    if len(given) > max_nodes:
        raise InputError(f"{len(given)} nodes are given, but max_nodes is {max_nodes}; raise it or give fewer")
    distances = dict.fromkeys(given, 0)
    ring = given
    for distance in range(1, radius + 1):
        ring = _next_ring(graph, ring, distances)[: max_nodes - len(distances)]
        distances.update(dict.fromkeys(ring, distance))
    reached = np.fromiter(distances, dtype=np.int64, count=len(distances))
    edges, weights = edges_between(graph, reached)
    return Neighbourhood(
        nodes=reached,
        distances=np.fromiter(distances.values(), dtype=np.int64, count=len(distances)),
        edges=edges,
        weights=weights,
    )


def _next_ring(graph: KnowledgeGraph, ring: list[int], known: dict[int, int]) -> list[int]:
    """Return the unknown neighbours of a ring, those with the heaviest edge to it first."""
    heaviest: dict[int, float] = {}
    for node in ring:
        indices, weights = graph.neighbours(node)
        for neighbour, weight in zip(indices.tolist(), weights.tolist(), strict=True):
            if neighbour not in known:
                heaviest[neighbour] = max(weight, heaviest.get(neighbour, 0.0))
    return sorted(heaviest, key=lambda node: (-heaviest[node], node))


def edges_between(graph: KnowledgeGraph, nodes: IntArray) -> tuple[IntArray, DoubleArray]:
    """List all edges between some nodes, ascending.

    Parameters
    ----------
    graph
        The graph.
    nodes
        Shape (n,).

    Returns
    -------
    Node ids at the two ends, the lower first, shape (m, 2), and the weights, shape (m,).

    Examples
    --------
    >>> from hippograph.graph.knowledge_graph import from_edges
    >>> graph = from_edges([0, 0, 1], [1, 2, 2], [1.0, 3.0, 2.0], n_entities=2, n_passages=1)
    >>> [values.tolist() for values in edges_between(graph, np.array([2, 0]))]
    [[[0, 2]], [3.0]]
    """
    edges: list[tuple[int, int]] = []
    kept: list[float] = []
    for node in np.sort(nodes).tolist():
        indices, weights = graph.neighbours(node)
        inside = np.isin(indices, nodes) & (indices > node)
        edges.extend((node, other) for other in indices[inside].tolist())
        kept.extend(weights[inside].tolist())
    return np.array(edges, dtype=np.int64).reshape(-1, 2), np.array(kept, dtype=np.float64)
