"""The nodes with the most mass, proved without walking the whole graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hippograph.errors import InputError
from hippograph.graph.knowledge_graph import KnowledgeGraph
from hippograph.graph.push import PushedWalk, PushState
from hippograph.types import DoubleArray, IntArray

__all__ = ["CertifiedTop", "certified_top"]

TIE = 1e-12
"""Masses that differ by no more than this count as equal, and their nodes are ordered by id."""

_ROUNDING = 1e-15
_FACTOR = 4.0


@dataclass(frozen=True, kw_only=True, eq=False)
class CertifiedTop:
    """The best nodes of a walk.

    Parameters
    ----------
    nodes
        The nodes, best first; shape (min(k, candidates),).
    scores
        Lower bounds of their mass.
    proved
        Whether the bounds prove both the set and its order, ties by node id.
    walk
        The walk they were taken from.
    """

    nodes: IntArray
    scores: DoubleArray
    proved: bool
    walk: PushedWalk


def certified_top(
    graph: KnowledgeGraph,
    reset: ArrayLike,
    *,
    k: int,
    damping: float = 0.5,
    candidates: slice | None = None,
    epsilon: float = 1e-4,
    min_epsilon: float = 1e-18,
    max_pushes: int = 10_000_000,
) -> CertifiedTop:
    """Find the `k` candidates with the most mass, and push until the bounds prove them right.

    Epsilon is divided by 4 until no candidate's upper bound reaches over the lower bound of a better one. Candidates
    that are interchangeable in the graph, or whose bounds all lie within 1e-12, are tied and ordered by id.

    Parameters
    ----------
    graph
        The graph.
    reset
        As for `forward_push`.
    k
        How many nodes, 1 or more.
    damping
        Probability of following an edge rather than restarting, 0 to below 1; 0.5 as in HippoRAG.
    candidates
        A range of nodes; the passages by default.
    epsilon
        Where to begin.
    min_epsilon
        Give up the proof below this. At the default the bounds meet, so that equal masses prove to be tied; masses that
        nearly agree can then cost as much as an exact walk.
    max_pushes
        Give up the proof after about so many pushes.

    Raises
    ------
    InputError
        If the reset vector or a parameter is unusable.

    References
    ----------
    Andersen, Chung, Lang: Local Graph Partitioning using PageRank Vectors (FOCS 2006), for the bounds.

    Examples
    --------
    >>> from hippograph.graph.knowledge_graph import from_edges
    >>> star = from_edges([0, 0, 1], [2, 3, 3], [2.0, 1.0, 1.0], n_entities=2, n_passages=2)
    >>> top = certified_top(star, [1, 0, 0, 0], k=2)
    >>> top.nodes.tolist(), top.proved
    ([2, 3], True)
    """
    if k < 1:
        raise InputError(f"k is {k}; ask for at least 1 node")
    if not 0 < min_epsilon <= epsilon:
        raise InputError(f"epsilon is {epsilon} and min_epsilon {min_epsilon}; they must be above 0, in falling order")
    span = _node_range(graph, candidates)
    largest_degree = float(graph.degrees[span.start : span.stop].max(initial=0.0))
    state = PushState(graph, reset, damping=damping)
    while True:
        state.push_until(epsilon=epsilon, max_pushes=max_pushes)
        top = _top(state, span, k=k, largest_degree=largest_degree)
        if top.proved or epsilon <= min_epsilon or state.pushes >= max_pushes:
            return top
        epsilon = max(epsilon / _FACTOR, min_epsilon)


def _node_range(graph: KnowledgeGraph, candidates: slice | None) -> range:
    if candidates is None:
        return range(graph.n_entities, graph.n_nodes)
    span = range(*candidates.indices(graph.n_nodes))
    if span.step != 1:
        raise InputError(f"candidates is {candidates}; give a slice with step 1")
    return span


def _top(state: PushState, span: range, *, k: int, largest_degree: float) -> CertifiedTop:
    """Order the candidates by their lower bounds and see how far the order is proved."""
    walk = state.walk()
    inside = np.searchsorted(walk.touched, [span.start, span.stop])
    nodes = walk.touched[inside[0] : inside[1]]
    lower, upper = walk.bounds(nodes)
    order = np.lexsort((nodes, -lower))
    nodes, lower, upper = nodes[order], lower[order], upper[order] + _ROUNDING
    unseen = 0.0 if walk.exhausted else walk.damping * walk.certificate * largest_degree
    ranked: list[IntArray] = []
    reached, proved = 0, True
    for group, separate in _groups(lower, upper, unseen):
        if reached >= k:
            break
        members = nodes[group]
        tied = upper[group].max() - lower[group].min() <= TIE
        if not separate:
            # Candidates not seen yet may be as good as these, unless all of them are next to nothing.
            proved = proved and bool(tied and unseen <= TIE)
        elif len(members) > 1:
            proved = proved and bool(tied or _interchangeable(state, members))
        ranked.append(np.sort(members) if proved else members)
        reached += len(members)
    if reached < k:
        proved = proved and unseen <= TIE
        others = np.setdiff1d(np.arange(span.start, span.stop), nodes, assume_unique=True)
        ranked.append(others[: k - reached])
    best = np.concatenate(ranked)[:k] if ranked else nodes
    return CertifiedTop(nodes=best, scores=walk.bounds(best)[0], proved=proved, walk=walk)


def _groups(lower: DoubleArray, upper: DoubleArray, unseen: float) -> Iterator[tuple[slice, bool]]:
    """Cut the falling lower bounds wherever no later upper bound reaches over the cut.

    What remains after the last cut comes last, and is said not to be separate from the candidates never seen.
    """
    later = np.append(np.maximum.accumulate(upper[::-1])[::-1], 0.0)[1:]
    start = 0
    for cut in np.flatnonzero(lower > np.maximum(later, unseen)) + 1:
        yield slice(start, int(cut)), True
        start = int(cut)
    if start < len(lower):
        yield slice(start, len(lower)), False


def _interchangeable(state: PushState, members: IntArray) -> bool:
    """Whether swapping the members changes neither graph nor reset vector, so that their masses are equal."""
    indices, weights = state.graph.neighbours(int(members[0]))
    for other in members[1:]:
        other_indices, other_weights = state.graph.neighbours(int(other))
        same = (
            state.restart[other] == state.restart[members[0]]
            and np.array_equal(other_indices, indices)
            and np.array_equal(other_weights, weights)
        )
        if not same:
            return False
    return True
