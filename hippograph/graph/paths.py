"""The strongest single ways of a walk: those that carry the most mass from a seed to a place."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from hippograph.errors import InputError
from hippograph.graph.knowledge_graph import KnowledgeGraph
from hippograph.graph.pagerank import check_damping, restart_distribution, restart_inflow
from hippograph.types import DoubleArray

__all__ = ["WalkPath", "strongest_paths"]

_LOOKS: Final = 5_000
"""Partial paths looked at before giving up: only a place with few ways to it and a crowd before it comes near."""

_Partial: TypeAlias = tuple[float, tuple[int, ...], bool, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkPath:
    """One way of the walk.

    Parameters
    ----------
    nodes
        From the seed to where it is read, no node twice.
    mass
        What reaches the end on this way alone: part of the mass that is read.
    """

    nodes: tuple[int, ...]
    mass: float


def strongest_paths(
    graph: KnowledgeGraph, reset: ArrayLike, reading: ArrayLike, *, damping: float = 0.5, most: int = 5, edges: int = 4
) -> list[WalkPath]:
    """List the paths that carry the most mass from any seed to a place, the strongest first.

    The walker begins at a seed as often as it restarts there, and takes an edge with the probability `damping` times
    the edge's share of the node's weight; a path carries the product. This is Dijkstra's search with the negative
    logarithms of those for lengths, guided by the exact strength of the best rest of the way, so that paths come in
    their order without looking at all others. Equally strong ones are ordered by their nodes.

    Parameters
    ----------
    graph
        The graph.
    reset
        As for `personalized_pagerank`; a seed is a node with a positive value.
    reading
        Where paths end, and how much of the mass there counts: 1 at a node for paths to that node; shape (N,). A path
        ends at the first such node.
    damping
        Probability of following an edge rather than restarting.
    most
        How many paths.
    edges
        The longest path, in edges; 1 or more. A walk that is read where it restarts is a path without edges.

    Raises
    ------
    InputError
        If an argument is unusable.

    References
    ----------
    Hart, Nilsson, Raphael: A Formal Basis for the Heuristic Determination of Minimum Cost Paths (1968).

    Examples
    --------
    >>> from hippograph.graph.knowledge_graph import from_edges
    >>> square = from_edges([0, 0, 1, 2], [1, 2, 3, 3], [3.0, 1.0, 3.0, 1.0], n_entities=3, n_passages=1)
    >>> for path in strongest_paths(square, [1, 0, 0, 0], [0, 0, 0, 1], damping=0.5, most=2):
    ...     print(path.nodes, path.mass)
    (0, 1, 3) 0.046875
    (0, 2, 3) 0.015625
    """
    check_damping(damping)
    ends = np.asarray(reading, dtype=np.float64)
    if ends.shape != (graph.n_nodes,):
        raise InputError(f"the reading has shape {ends.shape}; it must be ({graph.n_nodes},)")
    if most < 1 or edges < 1:
        raise InputError(f"most is {most} and edges {edges}; ask for at least 1 path of at least 1 edge")
    inflow = restart_inflow(graph, restart_distribution(graph, reset), damping=damping)
    rests = _best_rests(graph, ends, damping, edges)
    found = islice(_search(graph, inflow, rests, damping), most)
    return sorted(found, key=lambda path: (-path.mass, path.nodes))


def _best_rests(graph: KnowledgeGraph, ends: DoubleArray, damping: float, edges: int) -> list[DoubleArray]:
    """Return the strength of the best way on from every node, in at most 0, 1, ... `edges` edges."""
    starts = graph.indptr[:-1]
    rows = np.flatnonzero(starts < graph.indptr[1:])
    rests = [ends]
    for _ in range(edges):
        further = rests[-1].copy()
        if len(rows):
            best = np.maximum.reduceat(rests[-1][graph.indices] * graph.weights, starts[rows])
            further[rows] = np.maximum(further[rows], damping * best / graph.degrees[rows])
        rests.append(further)
    return rests


def _search(graph: KnowledgeGraph, inflow: DoubleArray, rests: list[DoubleArray], damping: float) -> Iterator[WalkPath]:
    """Yield paths as they prove to be the strongest left."""
    edges = len(rests) - 1
    promised = inflow * rests[edges]
    queue: list[_Partial] = [
        (-float(promised[seed]), (int(seed),), False, float(inflow[seed])) for seed in promised.nonzero()[0]
    ]
    heapq.heapify(queue)
    for _ in range(_LOOKS):
        if not queue:
            return
        _, nodes, ended, strength = heapq.heappop(queue)
        last, left = nodes[-1], edges - len(nodes) + 1
        if ended:
            yield WalkPath(nodes=nodes, mass=strength)
        elif rests[0][last] > 0:
            mass = strength * float(rests[0][last])
            heapq.heappush(queue, (-mass, nodes, True, mass))
        elif left:
            neighbours, weights = graph.neighbours(last)
            steps = strength * damping * weights / graph.degrees[last]
            promises = steps * rests[left - 1][neighbours]
            for place in promises.nonzero()[0].tolist():
                following = int(neighbours[place])
                if following not in nodes:
                    heapq.heappush(queue, (-float(promises[place]), (*nodes, following), False, float(steps[place])))
