"""Personalized PageRank by accelerated power iteration: the exact walk over the whole graph.

A walker starts at a node drawn from the reset vector `r`. At each step it follows an edge with probability `damping`,
`d`, chosen by weight, and otherwise starts again; from a node without edges it always starts again. The mass of a node
is the share of time the walker spends there, the solution of

    x = (1 - d) r + d (A D^-1 x + m r),    m = the mass of the nodes without edges,

where `A` is the adjacency and `D` holds the degrees.

Strengths draw the walk: with a strength `s` for each node, the edge between `u` and `v` weighs `s_u s_v` times its
weight. The graph stays undirected, so everything holds as before, and it need not be written anew for each query.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hippograph.errors import ConvergenceError, InputError
from hippograph.graph.knowledge_graph import KnowledgeGraph
from hippograph.types import DoubleArray, WalkReport

__all__ = [
    "Walk",
    "check_damping",
    "personalized_pagerank",
    "personalized_pageranks",
    "restart_distribution",
    "restart_inflow",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Walk:
    """Where a walk spends its time.

    Parameters
    ----------
    mass
        Share of time at each node; shape (N,), float64, adds up to 1.
    report
        How the iteration ended.
    """

    mass: DoubleArray
    report: WalkReport


def personalized_pagerank(
    graph: KnowledgeGraph,
    reset: ArrayLike,
    *,
    damping: float = 0.5,
    tolerance: float = 1e-9,
    max_iterations: int = 200,
) -> Walk:
    """Walk the whole graph until the mass no longer changes.

    Parameters
    ----------
    graph
        The graph.
    reset
        How often the walk restarts at each node; shape (N,), non-negative, not all zero; scaled to add up to 1.
    damping
        Probability of following an edge rather than restarting, 0 to below 1; 0.5 as in HippoRAG.
    tolerance
        Stop when the mass changes by no more than this in sum; the sum of the errors is then at most
        `damping / (1 - damping)` times as large.
    max_iterations
        Give up after so many products with the adjacency.

    Raises
    ------
    InputError
        If the reset vector or a parameter is unusable.
    ConvergenceError
        If the tolerance is not reached.

    References
    ----------
    Page, Brin, Motwani, Winograd: The PageRank Citation Ranking (1999).
    Golub, Varga: Chebyshev semi-iterative methods, Numerische Mathematik 3 (1961), for the acceleration.
    Gutiérrez et al.: HippoRAG (NeurIPS 2024), section 2.3.

    Examples
    --------
    >>> from hippograph.graph.knowledge_graph import from_edges
    >>> path = from_edges([0, 1], [1, 2], [1.0, 1.0], n_entities=1, n_passages=2)
    >>> walk = personalized_pagerank(path, [1, 0, 0], damping=0.5)
    >>> walk.mass.round(4).tolist()
    [0.5833, 0.3333, 0.0833]
    """
    resets = np.asarray(reset, dtype=np.float64)
    if resets.ndim != 1:
        raise InputError(f"the reset vector has shape {resets.shape}; it must be ({graph.n_nodes},)")
    (walk,) = personalized_pageranks(
        graph, resets[:, None], damping=damping, tolerance=tolerance, max_iterations=max_iterations
    )
    return walk


def personalized_pageranks(
    graph: KnowledgeGraph,
    resets: ArrayLike,
    *,
    strengths: ArrayLike | None = None,
    damping: float = 0.5,
    tolerance: float = 1e-9,
    max_iterations: int = 200,
) -> list[Walk]:
    """Walk from several reset vectors at once, reading the graph once per iteration for all of them.

    Each walk is the same, bit for bit, as it would be alone: it stops when it has converged itself.

    Parameters
    ----------
    graph
        The graph.
    resets
        One reset vector per column; shape (N, Q).
    strengths
        How strongly each node draws each walk; shape (N, Q), positive; None if all do alike.
    damping, tolerance, max_iterations
        As for `personalized_pagerank`.

    Returns
    -------
    One walk per column, in order.

    Raises
    ------
    InputError, ConvergenceError
        As for `personalized_pagerank`.

    Examples
    --------
    >>> from hippograph.graph.knowledge_graph import from_edges
    >>> path = from_edges([0, 1], [1, 2], [1.0, 1.0], n_entities=1, n_passages=2)
    >>> walks = personalized_pageranks(path, [[1, 0], [0, 0], [0, 1]], damping=0.5)
    >>> [walk.mass.round(4).tolist() for walk in walks]
    [[0.5833, 0.3333, 0.0833], [0.0833, 0.3333, 0.5833]]
    """
    check_damping(damping)
    if not tolerance > 0:
        raise InputError(f"tolerance is {tolerance}; it must be above 0")
    columns = np.asarray(resets, dtype=np.float64)
    if columns.ndim != 2:
        raise InputError(f"the reset vectors have shape {columns.shape}; give one column per walk")
    restarts = [restart_distribution(graph, column) for column in columns.T]
    if not restarts:
        return []
    drawn = None if strengths is None else _checked_strengths(strengths, columns)
    return _iterate(graph, np.stack(restarts, axis=1), drawn, damping, tolerance, max_iterations)


def _iterate(
    graph: KnowledgeGraph,
    restart: DoubleArray,
    strengths: DoubleArray | None,
    damping: float,
    tolerance: float,
    max_iterations: int,
) -> list[Walk]:
    """Run the accelerated iteration for the columns of `restart`, each until it has converged itself.

    The walk's matrix has real eigenvalues, from -d to d, because the graph is undirected. That is what Chebyshev's
    weights need: the error shrinks by d / (1 + sqrt(1 - d^2)) per product instead of d, by 0.5 instead of 0.8.
    """
    walks: dict[int, Walk] = {}
    running = np.arange(restart.shape[1])
    per_degree = _per_degree(graph, strengths, damping)
    source = restart_inflow(graph, restart, damping=damping)
    before, mass, weight = restart, restart, 1.0
    change = np.full(len(running), np.inf)
    for iteration in range(1, max_iterations + 1):
        following = graph.adjacency @ (mass * per_degree)
        if strengths is not None:
            following *= strengths
        following += source
        # Whatever the weights, a mass that one step of the walk changes by no more than this is that near its end.
        change = _column_sums(np.abs(following - mass))
        done = change <= tolerance
        for column in np.flatnonzero(done):
            report = WalkReport(engine="exact", iterations=iteration, residual=float(change[column]))
            walks[int(running[column])] = Walk(mass=np.maximum(following[:, column], 0.0), report=report)
        if done.all():
            return [walks[column] for column in range(len(walks))]
        if done.any():
            running, change = running[~done], change[~done]
            before, mass, following, source = (part[:, ~done] for part in (before, mass, following, source))
            if strengths is not None:
                strengths, per_degree = strengths[:, ~done], per_degree[:, ~done]
        before, mass = mass, before + weight * (following - before)
        weight = 1.0 / (1.0 - damping**2 * (0.5 if iteration == 1 else weight / 4.0))
    raise ConvergenceError(
        f"after {max_iterations} iterations the mass still changes by {change.max():.3g}, more than the tolerance "
        f"{tolerance:.3g}; allow more iterations, a larger tolerance or a smaller damping than {damping}"
    )


def restart_distribution(graph: KnowledgeGraph, reset: ArrayLike) -> DoubleArray:
    """Check a reset vector and scale it to add up to 1.

    Raises
    ------
    InputError
        If its shape is not (N,), a value is negative or not finite, or all are zero.
    """
    values = np.asarray(reset, dtype=np.float64)
    if values.shape != (graph.n_nodes,):
        raise InputError(f"the reset vector has shape {values.shape}; it must be ({graph.n_nodes},)")
    unusable = np.flatnonzero(~((values >= 0) & np.isfinite(values)))
    if len(unusable):
        raise InputError(f"the reset vector is {values[unusable[0]]} at node {unusable[0]}; give values of 0 or more")
    largest = values.max(initial=0.0)
    if largest == 0:
        raise InputError("the reset vector is zero everywhere; give it at least one positive value")
    # Dividing by the largest first keeps sums of very large and very small values in range.
    scaled = values / largest
    distribution: DoubleArray = scaled / scaled.sum()
    return distribution


def _per_degree(graph: KnowledgeGraph, strengths: DoubleArray | None, damping: float) -> DoubleArray:
    """Return what each node hands on of its mass, per unit of weight of an edge; shape (N, 1) or (N, Q)."""
    degrees = graph.degrees[:, None] if strengths is None else graph.adjacency @ strengths
    # A node's own strength is in all of its edges, so it cancels out of what it hands on.
    handed: DoubleArray = np.divide(damping, degrees, out=np.zeros(degrees.shape), where=degrees > 0)
    return handed


def _checked_strengths(strengths: ArrayLike, resets: DoubleArray) -> DoubleArray:
    values = np.asarray(strengths, dtype=np.float64)
    if values.shape != resets.shape:
        raise InputError(
            f"the strengths have shape {values.shape}; give one of each node for each walk, {resets.shape}"
        )
    if values.size and not (values.min() > 0 and values.max() < np.inf):
        raise InputError(f"strengths range from {values.min()} to {values.max()}; they must be positive and finite")
    return values


def restart_inflow(graph: KnowledgeGraph, restart: DoubleArray, *, damping: float) -> DoubleArray:
    """Tell what enters each node by restarting, the mass that nodes without edges send back included.

    Such a node is entered by restarting alone, so its mass is in closed form: with the share `R` of the restarts that
    go to such nodes, they hold `(1 - d) R / (1 - d R)`.

    Parameters
    ----------
    graph
        The graph.
    restart
        Restart distributions, adding up to 1; shape (N,), or (N, Q) with one per column.
    damping
        Probability of following an edge rather than restarting.

    Returns
    -------
    Shape as that of `restart`.

    Examples
    --------
    >>> from hippograph.graph.knowledge_graph import from_edges
    >>> lonely = from_edges([0], [1], [1.0], n_entities=2, n_passages=1)
    >>> restart_inflow(lonely, np.array([0.5, 0.0, 0.5]), damping=0.5).round(4).tolist()
    [0.3333, 0.0, 0.3333]
    """
    columns = restart.reshape(graph.n_nodes, -1)
    share = _column_sums(columns[np.flatnonzero(graph.degrees == 0)])
    lost = (1 - damping) * share / (1 - damping * share)
    inflow: DoubleArray = (1 - damping + damping * lost) * columns
    return inflow.reshape(restart.shape)


def check_damping(damping: float) -> None:
    """Raise InputError unless the damping is a probability below 1."""
    if not 0 <= damping < 1:
        raise InputError(f"damping is {damping}; it is the probability of following an edge, from 0 to below 1")


def _column_sums(values: DoubleArray) -> DoubleArray:
    # NumPy adds up contiguous rows in one fixed order, but columns in an order that depends on how many there are.
    sums: DoubleArray = np.ascontiguousarray(values.T).sum(axis=1)
    return sums
