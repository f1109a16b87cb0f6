"""How much of the mass at a place came from each seed, and how much of it went through some nodes.

The walk is linear in what enters by restarting: with the matrix `G = 1 + (d A D^-1) + (d A D^-1)^2 + ...`, a seed that
is entered by `c r_s` gives node `t` the mass `G[t, s] c r_s`. The graph is undirected, so `G[t, s] / D[t]` is
`G[s, t] / D[s]`: one walk that restarts at `t` tells what every seed gives to `t`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from hippograph.errors import ConvergenceError, InputError
from hippograph.graph.knowledge_graph import KnowledgeGraph
from hippograph.graph.pagerank import check_damping, personalized_pageranks, restart_distribution, restart_inflow
from hippograph.types import DoubleArray, IntArray

__all__ = ["contributions", "largest_hubs", "mass_around"]

_COLUMNS: Final = 8
"""Walks at a time, so that memory does not grow with the number of readings."""


def contributions(
    graph: KnowledgeGraph,
    reset: ArrayLike,
    readings: ArrayLike,
    *,
    damping: float = 0.5,
    tolerance: float = 1e-12,
    max_iterations: int = 1000,
) -> DoubleArray:
    """Divide masses of a walk among the seeds they came from.

    Takes one walk per reading, however many seeds there are.

    Parameters
    ----------
    graph
        The graph.
    reset
        As for `personalized_pagerank`; a seed is a node with a positive value.
    readings
        What is read off the walk: how much of each node's mass counts, one reading per row, 0 or more. A row that is 1
        at one node reads that node's mass. Shape (R, N).
    damping, tolerance, max_iterations
        As for `personalized_pagerank`.

    Returns
    -------
    Shape (R, S), the seeds in ascending order: a row adds up to the walk's mass, weighted by the reading.

    Raises
    ------
    InputError, ConvergenceError
        As for `personalized_pagerank`; also if the readings do not fit the graph.

    Examples
    --------
    >>> from hippograph.graph.knowledge_graph import from_edges
    >>> path = from_edges([0, 1], [1, 2], [1.0, 1.0], n_entities=1, n_passages=2)
    >>> contributions(path, [1, 0, 1], [[0, 1, 0], [0, 0, 1]], damping=0.5).round(4).tolist()
    [[0.1667, 0.1667], [0.0417, 0.2917]]
    """
    rows = np.asarray(readings, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != graph.n_nodes:
        raise InputError(f"the readings have shape {rows.shape}; give rows of {graph.n_nodes} values")
    if not np.all((rows >= 0) & np.isfinite(rows)):
        raise InputError("a reading has a value that is negative or not finite; give values of 0 or more")
    check_damping(damping)
    restart = restart_distribution(graph, reset)
    seeds = np.flatnonzero(restart)
    inflow = restart_inflow(graph, restart, damping=damping)[seeds]
    degrees = graph.degrees[seeds]
    # What a node without edges holds is its own; no walk comes or goes.
    masses = np.where(degrees > 0, 0.0, rows[:, seeds] * inflow)
    moving = np.flatnonzero((rows * graph.degrees).sum(axis=1) > 0)
    per_degree = np.divide(inflow, degrees, out=np.zeros(len(seeds)), where=degrees > 0) / (1.0 - damping)
    for start in range(0, len(moving), _COLUMNS):
        block = moving[start : start + _COLUMNS]
        backward = rows[block] * graph.degrees
        walks = personalized_pageranks(
            graph, backward.T, damping=damping, tolerance=tolerance, max_iterations=max_iterations
        )
        for row, scale, walk in zip(block, backward.sum(axis=1), walks, strict=True):
            masses[row] += scale * walk.mass[seeds] * per_degree
    return masses


def largest_hubs(graph: KnowledgeGraph, *, most: int = 10, least: int = 1) -> IntArray:
    """Find the entities with the most edges, the largest first; equal ones by node.

    Parameters
    ----------
    graph
        The graph.
    most
        How many, at most.
    least
        How many edges a hub has, at least; 1 or more.

    Examples
    --------
    >>> from hippograph.graph.knowledge_graph import from_edges
    >>> graph = from_edges([0, 1, 1], [2, 2, 3], [1.0, 1.0, 1.0], n_entities=2, n_passages=2)
    >>> largest_hubs(graph, most=1).tolist()
    [1]
    """
    edges = np.diff(graph.indptr[: graph.n_entities + 1])
    order = np.lexsort((np.arange(len(edges)), -edges))[:most]
    hubs: IntArray = order[edges[order] >= max(least, 1)].astype(np.int64)
    return hubs


def mass_around(
    graph: KnowledgeGraph,
    reset: ArrayLike,
    avoided: ArrayLike,
    *,
    damping: float = 0.5,
    tolerance: float = 1e-9,
    max_iterations: int = 1000,
) -> DoubleArray:
    """Count only what reaches each node by ways around some nodes.

    What the walk has there beyond this came through them.

    Parameters
    ----------
    graph
        The graph.
    reset
        As for `personalized_pagerank`.
    avoided
        The nodes that no way may start in or lead through; shape (H,), integers.
    damping
        As for `personalized_pagerank`.
    tolerance
        Largest error of the sum of all masses.
    max_iterations
        Give up after so many products with the adjacency.

    Returns
    -------
    Shape (N,), at each node at most the walk's mass, and 0 at the avoided ones.

    Raises
    ------
    InputError, ConvergenceError
        As for `personalized_pagerank`.

    Examples
    --------
    >>> from hippograph.graph.knowledge_graph import from_edges
    >>> path = from_edges([0, 1], [1, 2], [1.0, 1.0], n_entities=1, n_passages=2)
    >>> mass_around(path, [1, 0, 1], [0], damping=0.5).round(4).tolist()
    [0.0, 0.1429, 0.2857]
    """
    check_damping(damping)
    open_ = np.ones(graph.n_nodes)
    open_[np.asarray(avoided, dtype=np.int64)] = 0.0
    inflow = open_ * restart_inflow(graph, restart_distribution(graph, reset), damping=damping)
    per_degree = np.divide(damping, graph.degrees, out=np.zeros(graph.n_nodes), where=graph.degrees > 0)
    mass, way = inflow.copy(), inflow
    for _ in range(max_iterations):
        way = open_ * (graph.adjacency @ (way * per_degree))
        mass += way
        # Longer ways carry less and less: what is still to come is a geometric series at most.
        left = float(way.sum()) * damping / (1.0 - damping)
        if left <= tolerance:
            return mass
    raise ConvergenceError(
        f"after {max_iterations} steps ways may still carry {left:.3g}, more than the tolerance {tolerance:.3g}; "
        f"allow more iterations, a larger tolerance or a smaller damping than {damping}"
    )
