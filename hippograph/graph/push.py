r"""Personalized PageRank by forward push: a local walk whose error is certified at every node.

The walk is the one of `pagerank`; only the neighbourhood that holds its mass is visited.

**Nodes without edges.** They get no mass over edges, so with `rho` the share of the reset vector on them, the mass they
hold is `m = (1 - d) rho / (1 - d rho)` and the walk is, exactly,

    x = c (1 - d) r                             at nodes without edges,
    x = (1 - d) (I - d A D^-1)^-1 (c r)         elsewhere,     c = 1 / (1 - d rho).

**Invariant.** With `pr(u) = (1 - d) (I - d A D^-1)^-1 u`, a push at `v` moves `(1 - d) residual(v)` to `mass(v)` and
spreads `d residual(v)` over the residuals of its neighbours, which leaves `mass + pr(residual) = x` as it is. At the
start the mass is zero and the residual `c r`.

**Certificate.** The adjacency is symmetric, so `pr(e_u)(v) deg(u) = pr(e_v)(u) deg(v)`, and `pr(e_v)` adds up to 1. If
every residual is at most `epsilon` times the degree of its node, then

    0 <= x(v) - mass(v) = pr(residual)(v) = deg(v) sum_u pr(e_v)(u) residual(u) / deg(u) <= epsilon deg(v).

One term of the sum is known, `(1 - d) residual(v)`; the rest is `d pr(A D^-1 residual)(v)`, and `A D^-1` raises neither
the largest residual per degree nor their sum. Hence the tighter bounds of `PushedWalk.bounds`,

    0 <= x(v) - mass(v) - (1 - d) residual(v) <= d min(epsilon deg(v), sum of the residuals).

References
----------
Andersen, Chung, Lang: Local Graph Partitioning using PageRank Vectors (FOCS 2006), sections 2 and 3; without their lazy
steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hippograph.errors import ConvergenceError, InputError
from hippograph.graph.knowledge_graph import KnowledgeGraph
from hippograph.graph.pagerank import check_damping, restart_distribution
from hippograph.types import DoubleArray, IntArray, WalkReport

__all__ = ["PushState", "PushedWalk", "forward_push"]

# A product with the whole adjacency takes about as long as picking out one edge in so many one by one.
_SWEEP_FROM = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class PushedWalk:
    """A walk known up to a certified error.

    Parameters
    ----------
    graph
        The graph it walks on.
    damping
        Probability of following an edge.
    mass
        A lower bound of the share of time at each node; shape (N,), float64.
    residual
        Mass not yet walked to its end; shape (N,), float64.
    touched
        The nodes where mass or residual is not zero, ascending.
    report
        Rounds of pushes, and the largest residual per unit of degree.
    """

    graph: KnowledgeGraph
    damping: float
    mass: DoubleArray
    residual: DoubleArray
    touched: IntArray
    report: WalkReport

    @property
    def certificate(self) -> float:
        """The epsilon for which `0 <= exact - mass <= epsilon * degree` holds at every node."""
        return self.report.residual

    @property
    def exhausted(self) -> bool:
        """Whether every node that can be reached was; the mass of all others is then exactly zero."""
        return not np.any(self.mass[self.touched] == 0)

    def bounds(self, nodes: IntArray) -> tuple[DoubleArray, DoubleArray]:
        """Return the tightest known lower and upper bounds of the exact mass of some nodes.

        Examples
        --------
        >>> from hippograph.graph.knowledge_graph import from_edges
        >>> path = from_edges([0, 1], [1, 2], [1.0, 1.0], n_entities=1, n_passages=2)
        >>> lower, upper = forward_push(path, [1, 0, 0], damping=0.5, epsilon=1e-3).bounds(np.array([2]))
        >>> bool(lower[0] <= 1 / 12 <= upper[0]), bool(upper[0] - lower[0] < 1e-3)
        (True, True)
        """
        lower = self.mass[nodes] + (1 - self.damping) * self.residual[nodes]
        unwalked = float(self.residual[self.touched].sum())
        slack = self.damping * np.minimum(self.certificate * self.graph.degrees[nodes], unwalked)
        return lower, lower + slack


def forward_push(
    graph: KnowledgeGraph,
    reset: ArrayLike,
    *,
    damping: float = 0.5,
    epsilon: float = 1e-6,
    max_pushes: int = 10_000_000,
) -> PushedWalk:
    """Walk the neighbourhood of the reset vector until every residual is at most `epsilon` times its degree.

    At most `1 / ((1 - damping) epsilon)` units of degree are visited, however large the graph; beyond that only vectors
    of length N are allocated and the reset vector read.

    Parameters
    ----------
    graph
        The graph.
    reset
        How often the walk restarts at each node; shape (N,), non-negative, not all zero; few values above zero make it
        fast.
    damping
        Probability of following an edge rather than restarting, 0 to below 1; 0.5 as in HippoRAG.
    epsilon
        The error to certify, per unit of degree, above 0.
    max_pushes
        Give up after about so many pushes.

    Raises
    ------
    InputError
        If the reset vector or a parameter is unusable.
    ConvergenceError
        If that many pushes are not enough.

    References
    ----------
    Andersen, Chung, Lang: Local Graph Partitioning using PageRank Vectors (FOCS 2006).

    Examples
    --------
    >>> from hippograph.graph.knowledge_graph import from_edges
    >>> path = from_edges([0, 1], [1, 2], [1.0, 1.0], n_entities=1, n_passages=2)
    >>> walk = forward_push(path, [1, 0, 0], damping=0.5, epsilon=1e-6)
    >>> walk.mass.round(4).tolist(), walk.certificate <= 1e-6
    ([0.5833, 0.3333, 0.0833], True)
    """
    state = PushState(graph, reset, damping=damping)
    state.push_until(epsilon=epsilon, max_pushes=max_pushes)
    walk = state.walk()
    if walk.certificate > epsilon:
        raise ConvergenceError(
            f"after {state.pushes} pushes a residual is still {walk.certificate:.3g} per unit of degree, more than the "
            f"epsilon {epsilon:.3g}; allow more pushes or a larger epsilon, or walk exactly"
        )
    return walk


class PushState:
    """A push under way, which can be taken further; its vectors change in place.

    Parameters
    ----------
    graph, reset, damping
        As for `forward_push`.

    Raises
    ------
    InputError
        If the reset vector or the damping is unusable.

    Examples
    --------
    >>> from hippograph.graph.knowledge_graph import from_edges
    >>> path = from_edges([0, 1], [1, 2], [1.0, 1.0], n_entities=1, n_passages=2)
    >>> state = PushState(path, [1, 0, 0], damping=0.5)
    >>> state.walk().certificate
    1.0
    >>> state.push_until(epsilon=1e-3, max_pushes=1000)
    >>> state.walk().certificate <= 1e-3
    True
    """

    def __init__(self, graph: KnowledgeGraph, reset: ArrayLike, *, damping: float) -> None:
        check_damping(damping)
        self.graph = graph
        self.damping = damping
        self.restart = restart_distribution(graph, reset)
        self.mass, self.residual = np.zeros(graph.n_nodes), np.zeros(graph.n_nodes)
        self.pushes = self.rounds = 0
        seeds = np.flatnonzero(self.restart)
        self._seen = np.zeros(graph.n_nodes, dtype=np.bool_)
        self._seen[seeds] = True
        alone, connected = seeds[graph.degrees[seeds] == 0], seeds[graph.degrees[seeds] > 0]
        self._alone, self._touched = alone, [connected]
        scale = 1 / (1 - damping * float(self.restart[alone].sum()))
        self.mass[alone] = scale * (1 - damping) * self.restart[alone]
        self.residual[connected] = scale * self.restart[connected]

    def push_until(self, *, epsilon: float, max_pushes: int) -> None:
        """Push until every residual is at most `epsilon` times its degree, or `max_pushes` are used up.

        All nodes above the threshold are pushed together, round by round; where they hold a good part of all edges, all
        other nodes are pushed with them, for one product with the adjacency is then faster. No round begins after
        `max_pushes`.

        Raises
        ------
        InputError
            If epsilon is not above 0.
        """
        if not epsilon > 0:
            raise InputError(f"epsilon is {epsilon}; it must be above 0")
        touched = np.sort(np.concatenate(self._touched))
        active = touched[self._per_degree(touched) > epsilon]
        while len(active) and self.pushes < max_pushes:
            edges = int((self.graph.indptr[active + 1] - self.graph.indptr[active]).sum())
            reached = self._sweep() if edges * _SWEEP_FROM > len(self.graph.indices) else self._push(active)
            fresh = reached[~self._seen[reached]]
            self._seen[fresh] = True
            self._touched.append(fresh)
            self.rounds += 1
            # A pushed node has no residual left unless a neighbour gave it some, so the next ones are among these.
            active = reached[self._per_degree(reached) > epsilon]

    def walk(self) -> PushedWalk:
        """Return the walk as far as it is known; its vectors are those of this state, not copies."""
        connected = np.concatenate(self._touched)
        largest = float(self._per_degree(connected).max(initial=0.0))
        return PushedWalk(
            graph=self.graph,
            damping=self.damping,
            mass=self.mass,
            residual=self.residual,
            touched=np.sort(np.concatenate([self._alone, connected])),
            report=WalkReport(engine="push", iterations=self.rounds, residual=largest),
        )

    def _per_degree(self, connected: IntArray) -> DoubleArray:
        # Thresholds and certificate must come from the same division, or rounding lets one pass and fail the other.
        quotients: DoubleArray = self.residual[connected] / self.graph.degrees[connected]
        return quotients

    def _push(self, active: IntArray) -> IntArray:
        """Push the active nodes together; return their neighbours, ascending."""
        graph = self.graph
        amount = self.residual[active]
        self.pushes += len(active)
        self.mass[active] += (1 - self.damping) * amount
        self.residual[active] = 0.0
        first = graph.indptr[active]
        counts = graph.indptr[active + 1] - first
        ends = np.cumsum(counts)
        places = np.arange(ends[-1]) + np.repeat(first - (ends - counts), counts)
        reached = graph.indices[places]
        share = self.damping * amount / graph.degrees[active]
        np.add.at(self.residual, reached, graph.weights[places] * np.repeat(share, counts))
        return np.unique(reached).astype(np.int64, copy=False)

    def _sweep(self) -> IntArray:
        """Push every node that has a residual; return those that have one afterwards."""
        degrees = self.graph.degrees
        self.pushes += int(np.count_nonzero(self.residual))
        self.mass += (1 - self.damping) * self.residual
        share = np.divide(self.damping * self.residual, degrees, out=np.zeros_like(degrees), where=degrees > 0)
        self.residual[:] = self.graph.adjacency @ share
        return np.flatnonzero(self.residual)
