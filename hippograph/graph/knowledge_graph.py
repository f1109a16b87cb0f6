"""The knowledge graph as three arrays: an undirected, weighted graph in compressed sparse rows.

Nodes are integers: entities `0..E-1`, passages `E..N-1`, so the scores of the passages are one slice of the scores of
the nodes. The arrays may be read-only and memory-mapped; nothing here writes to them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from hippograph.errors import InputError
from hippograph.types import DoubleArray, IntArray

__all__ = ["KnowledgeGraph", "NodeArray", "from_edges"]

NodeArray: TypeAlias = NDArray[np.int32] | NDArray[np.int64]
"""Node ids at rest: int32 where they fit, which halves the memory a walk reads."""

_INT32_MAX = int(np.iinfo(np.int32).max)


@dataclass(frozen=True, kw_only=True, eq=False)
class KnowledgeGraph:
    """An undirected weighted graph of entities and passages.

    Row `v` of the adjacency is `indices[indptr[v]:indptr[v + 1]]`, with the weights at the same places. Each edge is
    stored in both directions; there are no self-loops and no parallel edges. What costs a moment is checked when the
    graph is made; `validate` checks the rest.

    Parameters
    ----------
    indptr
        Where each row begins and the last one ends; shape (N + 1,), int64.
    indices
        The neighbours, ascending within a row; shape (2 * edges,), int32 or int64.
    weights
        The weights of the edges, positive and finite; shape (2 * edges,), float64.
    n_entities
        How many of the nodes are entities; they come first.

    Raises
    ------
    InputError
        If the shapes or types do not fit together, or a neighbour is not a node.

    Examples
    --------
    >>> graph = from_edges([0, 0, 1], [2, 3, 3], [1.0, 2.0, 1.0], n_entities=2, n_passages=2)
    >>> graph.n_nodes, graph.n_entities, graph.n_passages, graph.n_edges
    (4, 2, 2, 3)
    >>> graph.degrees.tolist()
    [3.0, 1.0, 1.0, 3.0]
    """

    indptr: IntArray
    indices: NodeArray
    weights: DoubleArray
    n_entities: int

    def __post_init__(self) -> None:
        for name, array, allowed in (
            ("indptr", self.indptr, (np.int64,)),
            ("indices", self.indices, (np.int32, np.int64)),
            ("weights", self.weights, (np.float64,)),
        ):
            if array.ndim != 1 or array.dtype not in allowed:
                kinds = " or ".join(np.dtype(kind).name for kind in allowed)
                raise InputError(f"{name} is {array.dtype} of shape {array.shape}; give one dimension of {kinds}")
        if len(self.indptr) == 0 or self.indptr[0] != 0 or np.any(self.indptr[1:] < self.indptr[:-1]):
            raise InputError("indptr must begin with 0 and never fall")
        if not len(self.indices) == len(self.weights) == self.indptr[-1]:
            raise InputError(
                f"indptr ends at {self.indptr[-1]}, but there are {len(self.indices)} indices and "
                f"{len(self.weights)} weights; the three must agree"
            )
        if not 0 <= self.n_entities <= self.n_nodes:
            raise InputError(f"n_entities is {self.n_entities}; it must lie between 0 and the {self.n_nodes} nodes")
        if len(self.indices) and not (self.indices.min() >= 0 and self.indices.max() < self.n_nodes):
            raise InputError(
                f"indices range from {self.indices.min()} to {self.indices.max()}; nodes are 0 to {self.n_nodes - 1}"
            )

    @property
    def n_nodes(self) -> int:
        """Number of nodes, N = E + P."""
        return len(self.indptr) - 1

    @property
    def n_passages(self) -> int:
        """Number of passage nodes, P; they are the last ones."""
        return self.n_nodes - self.n_entities

    @property
    def n_edges(self) -> int:
        """Number of edges, each counted once."""
        return len(self.indices) // 2

    @cached_property
    def adjacency(self) -> csr_array:
        """The graph as a SciPy array of shape (N, N) over the same memory."""
        # SciPy copies the indices when they and indptr differ in type; indptr is the small one of the two.
        narrow = self.indices.dtype == np.int32 and len(self.indices) <= _INT32_MAX
        indptr = self.indptr.astype(np.int32) if narrow else self.indptr
        return csr_array((self.weights, self.indices, indptr), shape=(self.n_nodes, self.n_nodes), copy=False)

    @cached_property
    def degrees(self) -> DoubleArray:
        """Sum of the weights of each node's edges; shape (N,), 0 for an isolated node."""
        degrees: DoubleArray = self.adjacency @ np.ones(self.n_nodes)
        degrees.setflags(write=False)
        return degrees

    def neighbours(self, node: int) -> tuple[NodeArray, DoubleArray]:
        """Return the nodes one edge away, ascending, and the weights of those edges.

        Raises
        ------
        InputError
            If there is no such node.

        Examples
        --------
        >>> graph = from_edges([0, 0], [1, 2], [0.5, 2.0], n_entities=1, n_passages=2)
        >>> [values.tolist() for values in graph.neighbours(0)]
        [[1, 2], [0.5, 2.0]]
        """
        if not 0 <= node < self.n_nodes:
            raise InputError(f"there is no node {node}; nodes are 0 to {self.n_nodes - 1}")
        row = slice(int(self.indptr[node]), int(self.indptr[node + 1]))
        return self.indices[row], self.weights[row]

    def drawn_by(self, strengths: DoubleArray) -> KnowledgeGraph:
        """Return the graph whose edges weigh as much more as their two ends are strong.

        Parameters
        ----------
        strengths
            How strongly each node draws a walk; shape (N,), positive.

        Raises
        ------
        InputError
            If there is not one strength for each node.

        Examples
        --------
        >>> graph = from_edges([0, 0], [1, 2], [0.5, 2.0], n_entities=1, n_passages=2)
        >>> graph.drawn_by(np.array([1.0, 4.0, 1.0])).adjacency.toarray()[0].tolist()
        [0.0, 2.0, 2.0]
        """
        if strengths.shape != (self.n_nodes,):
            raise InputError(f"the strengths have shape {strengths.shape}; give one for each of {self.n_nodes} nodes")
        # The product of the two comes first: then both directions of an edge have the same bits.
        both = np.repeat(strengths, np.diff(self.indptr)) * strengths[self.indices]
        return replace(self, weights=self.weights * both)

    def validate(self) -> None:
        """Check everything the walks rely on; takes time proportional to the number of edges.

        Raises
        ------
        InputError
            If a weight is not positive and finite, a row is not strictly ascending, a node is its own neighbour, or
            an edge differs from its other direction.
        """
        if not np.all((self.weights > 0) & np.isfinite(self.weights)):
            place = int(np.flatnonzero(~((self.weights > 0) & np.isfinite(self.weights)))[0])
            raise InputError(f"weight {place} is {self.weights[place]}; weights must be positive and finite")
        rows = np.repeat(np.arange(self.n_nodes, dtype=np.int64), np.diff(self.indptr))
        loops = np.flatnonzero(rows == self.indices)
        if len(loops):
            raise InputError(f"node {rows[loops[0]]} is its own neighbour; leave self-loops out")
        falls = np.flatnonzero((rows[1:] == rows[:-1]) & (self.indices[1:] <= self.indices[:-1]))
        if len(falls):
            raise InputError(f"the neighbours of node {rows[falls[0]]} are not strictly ascending; sort and merge them")
        order = np.lexsort((rows, self.indices))
        mirrored = (
            np.array_equal(self.indices[order], rows)
            and np.array_equal(rows[order], self.indices)
            and np.array_equal(self.weights[order], self.weights)
        )
        if not mirrored:
            raise InputError("an edge differs from its other direction; store both with the same weight")


def from_edges(
    rows: ArrayLike, cols: ArrayLike, weights: ArrayLike, *, n_entities: int, n_passages: int
) -> KnowledgeGraph:
    """Build a graph from a list of undirected edges in any order.

    An edge may come several times and in either direction: its weights are added. Self-loops are dropped. The result
    depends on the multiset of edges alone, bit for bit: parallel weights are added in ascending order.

    Parameters
    ----------
    rows, cols
        The two ends of each edge; shape (M,), integers from 0 to E + P - 1.
    weights
        Shape (M,), positive and finite.
    n_entities, n_passages
        How many nodes there are of each kind, E and P; entities come first.

    Raises
    ------
    InputError
        If the three differ in length, an end is not a node, or a weight (or a sum of weights) is not positive and
        finite.

    Examples
    --------
    >>> graph = from_edges([0, 2, 1, 1], [2, 0, 2, 1], [1.0, 0.5, 1.0, 9.0], n_entities=2, n_passages=1)
    >>> graph.adjacency.toarray().tolist()
    [[0.0, 0.0, 1.5], [0.0, 0.0, 1.0], [1.5, 1.0, 0.0]]
    """
    if n_entities < 0 or n_passages < 0:
        raise InputError(f"n_entities is {n_entities} and n_passages {n_passages}; neither can be below 0")
    n_nodes = n_entities + n_passages
    low, high, values = _canonical_edges(rows, cols, weights, n_nodes=n_nodes)
    first = np.flatnonzero(np.concatenate([[True], (low[1:] != low[:-1]) | (high[1:] != high[:-1])])[: len(low)])
    low, high = low[first], high[first]
    with np.errstate(over="ignore"):
        sums = np.add.reduceat(values, first) if len(first) else values
    if not np.all(np.isfinite(sums)):
        raise InputError("the weights of parallel edges add up to infinity; scale them down")
    indptr, others, both_ways = _both_directions(low, high, sums, n_nodes=n_nodes)
    fits = max(n_nodes, len(others)) <= _INT32_MAX
    indices: NodeArray = others.astype(np.int32) if fits else others
    for array in (indptr, indices, both_ways):
        array.setflags(write=False)
    return KnowledgeGraph(indptr=indptr, indices=indices, weights=both_ways, n_entities=n_entities)


def _both_directions(
    low: IntArray, high: IntArray, weights: DoubleArray, *, n_nodes: int
) -> tuple[IntArray, IntArray, DoubleArray]:
    """Make the lists of neighbours of distinct edges, which come in the order of their lower and their higher ends.

    A node's lower neighbours come first, and both kinds ascend. So nothing needs sorting: transposing the matrix of
    the edges, which takes linear time, gives the lower neighbours in order.
    """
    starts = np.searchsorted(low, np.arange(n_nodes + 1))
    upper = csr_array((weights, high, starts), shape=(n_nodes, n_nodes))
    lower = upper.tocsc()
    above, below = np.diff(starts), np.diff(lower.indptr)
    indptr = np.zeros(n_nodes + 1, dtype=np.int64)
    np.cumsum(above + below, out=indptr[1:])
    others, both_ways = np.empty(2 * len(low), dtype=np.int64), np.empty(2 * len(low), dtype=np.float64)
    first_below, first_above = indptr[:-1] - lower.indptr[:-1], indptr[:-1] + below - starts[:-1]
    for first, lengths, ends, values in (
        (first_below, below, lower.indices, lower.data),
        (first_above, above, high, weights),
    ):
        places = np.arange(len(low)) + np.repeat(first, lengths)
        others[places], both_ways[places] = ends, values
    return indptr, others, both_ways


def _canonical_edges(
    rows: ArrayLike, cols: ArrayLike, weights: ArrayLike, *, n_nodes: int
) -> tuple[IntArray, IntArray, DoubleArray]:
    """Check the edges, drop loops, point each from its lower to its higher end, and sort by ends and weight."""
    heads, tails = _node_array(rows, name="rows"), _node_array(cols, name="cols")
    values = np.asarray(weights, dtype=np.float64)
    if not heads.shape == tails.shape == values.shape or heads.ndim != 1:
        raise InputError(
            f"rows, cols and weights have shapes {heads.shape}, {tails.shape} and {values.shape}; "
            "give one of each per edge"
        )
    for ends in (heads, tails):
        outside = np.flatnonzero((ends < 0) | (ends >= n_nodes))
        if len(outside):
            raise InputError(f"an edge ends at {ends[outside[0]]}; nodes are 0 to {n_nodes - 1}")
    unusable = np.flatnonzero(~((values > 0) & np.isfinite(values)))
    if len(unusable):
        raise InputError(f"an edge weighs {values[unusable[0]]}; weights must be positive and finite")
    proper = heads != tails
    low, high = np.minimum(heads, tails)[proper], np.maximum(heads, tails)[proper]
    values = values[proper]
    order = np.lexsort((values, high, low))
    return low[order], high[order], values[order]


def _node_array(ends: ArrayLike, *, name: str) -> IntArray:
    array = np.asarray(ends)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{name} is of type {array.dtype}; nodes are integers")
    return array.astype(np.int64, copy=False)
