"""Clusters of passages that name the same things, and clusters of those: the shape of the semantic layer.

Neighbours are merged, the nearest first, as long as both together are few enough. It is exact average linkage with a
limit of size: what a cluster holds depends on what is near it and on little else, so that a passage more or less leaves
most clusters as they are, and what was summarised once stays summarised.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from scipy.sparse import csr_array, diags_array

from hippograph.errors import InputError
from hippograph.store.snapshot import Snapshot
from hippograph.types import DoubleArray, FloatArray, IntArray

__all__ = ["NeighbourMerging", "Profiles"]

# Similarities are compared in steps of this, so that how a product was rounded decides nothing.
_STEP: Final = 2.0**-20
_NEVER: Final = -np.inf
# Numbers in a block of similarities, which bounds memory.
_BLOCK: Final = 1 << 24


@dataclass(frozen=True, kw_only=True, eq=False)
class Profiles:
    """What texts are compared by: the names in them, and their vectors. Of several texts together, the means.

    Parameters
    ----------
    names
        How much each text is about each entity; shape (n, E), rows of length 1 or empty.
    vectors
        Shape (n, d), rows of length 1.
    """

    names: csr_array
    vectors: FloatArray

    @classmethod
    def of(cls, snapshot: Snapshot) -> Profiles:
        """Take the passages of an index: their edges in the graph, those to rare names the more, and their vectors."""
        graph = snapshot.graph
        edges = csr_array(graph.adjacency[graph.n_entities :, : graph.n_entities])
        counts = np.bincount(edges.indices, minlength=graph.n_entities)
        rarities = np.log1p(graph.n_passages / np.maximum(1, counts))
        # Square roots: otherwise a passage would be about its title and little else.
        weighted = csr_array((np.sqrt(edges.data) * rarities[edges.indices], edges.indices, edges.indptr), edges.shape)
        lengths = np.sqrt(weighted.multiply(weighted).sum(axis=1))
        lengths[lengths == 0.0] = 1.0
        return cls(names=csr_array(diags_array(1.0 / lengths) @ weighted), vectors=snapshot.passage_vectors)

    def __len__(self) -> int:
        return int(self.names.shape[0])

    def means(self, groups: list[IntArray]) -> Profiles:
        """Return what groups of these have on average."""
        shares = np.concatenate([np.full(len(group), 1.0 / len(group)) for group in groups])
        indptr = np.cumsum([0, *map(len, groups)])
        averaging = csr_array((shares, np.concatenate(groups), indptr), shape=(len(groups), len(self)))
        return Profiles(names=csr_array(averaging @ self.names), vectors=averaging @ self.vectors)


@dataclass(frozen=True, kw_only=True)
class NeighbourMerging:
    """Merges neighbours into clusters of at most so many.

    Of two texts the cosine of their names counts, and a little that of their vectors, for those that share no name. Two
    clusters are as near as their members are on average. Those that are each other's nearest are merged, over and over,
    until no two are small enough. So at most one cluster has fewer than half of the members that it may have; if it has
    but one, that goes to the nearest cluster, which then has one more.

    Parameters
    ----------
    most
        Members of a cluster at most. With 8 it has 7 on average; RAPTOR's have 6.7 [1]_ (appendix C).
    vector_share
        How much the cosine of the vectors counts, 0 to 1.

    Raises
    ------
    InputError
        If `most` is below 2, or `vector_share` is not between 0 and 1.

    References
    ----------
    .. [1] Sarthi et al., "RAPTOR: Recursive Abstractive Processing for Tree-Organized Retrieval", ICLR 2024. It
       clusters with Gaussian mixtures; `docs/design.md` tells how the two compare.

    Examples
    --------
    >>> names = csr_array(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]))
    >>> texts = Profiles(names=names, vectors=np.ones((4, 1), dtype=np.float32))
    >>> [members.tolist() for members in NeighbourMerging(most=2).clusters(texts)]
    [[0, 2], [1, 3]]
    """

    most: int = 8
    vector_share: float = 0.05

    def __post_init__(self) -> None:
        if self.most < 2:
            raise InputError(f"most is {self.most}; let a cluster have at least 2 members")
        if not 0.0 <= self.vector_share <= 1.0:
            raise InputError(f"vector_share is {self.vector_share}; give a number from 0 to 1")

    def clusters(self, texts: Profiles) -> list[IntArray]:
        """Cluster texts.

        Parameters
        ----------
        texts
            What they are compared by. Their order breaks ties and does nothing else.

        Returns
        -------
        The places of the texts in each cluster: the members nearest to the cluster's middle first, clusters in the
        order of their first text.
        """
        if len(texts) < 2:
            return [np.arange(len(texts))] if len(texts) else []
        merging = _Merging.begin(texts, most=self.most, vector_share=self.vector_share)
        while merging.merge_neighbours():
            pass
        merging.place_last_one()
        return merging.clusters(texts)


@dataclass(slots=True, eq=False)
class _Merging:
    """Clusters under way: the row of a cluster is that of its first text; that of one merged into another is gone."""

    names: csr_array
    vectors: DoubleArray
    sizes: IntArray
    owners: IntArray
    alive: IntArray
    most: int
    vector_share: float
    nearest: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    nearness: DoubleArray = field(default_factory=lambda: np.empty(0))

    @classmethod
    def begin(cls, texts: Profiles, *, most: int, vector_share: float) -> _Merging:
        rows = np.arange(len(texts))
        merging = cls(
            names=texts.names,
            vectors=texts.vectors.astype(np.float64),
            sizes=np.ones(len(texts), dtype=np.int64),
            owners=rows.copy(),
            alive=rows,
            most=most,
            vector_share=vector_share,
        )
        merging.nearest, merging.nearness = merging._neighbours(rows, within=most)
        return merging

    def merge_neighbours(self) -> bool:
        """Merge all that are each other's nearest; tell whether there were any."""
        places = np.full(len(self.owners), -1)
        places[self.alive] = np.arange(len(self.alive))
        partners = np.where(self.nearest >= 0, places[self.nearest], -1)
        here = np.arange(len(self.alive))
        mutual = (partners > here) & (partners[partners] == here)
        first = here[mutual]
        if not len(first):
            if not np.any(partners >= 0):
                return False
            # How a product was rounded has each look at another one: then only the two nearest of all are merged.
            first = np.array([np.argmax(self.nearness)])
        self._merge(first, partners[first])
        return True

    def _merge(self, kept: IntArray, gone: IntArray) -> None:
        into = np.arange(len(self.alive))
        into[gone] = kept
        rows, targets = np.unique(into, return_inverse=True)
        weights = self.sizes / np.bincount(targets, self.sizes)[targets]
        averaging = csr_array((weights, (targets, np.arange(len(into)))), shape=(len(rows), len(into)))
        touched = np.zeros(len(into), dtype=np.bool_)
        touched[kept] = touched[gone] = True
        moved = np.arange(len(self.owners))
        moved[self.alive[gone]] = self.alive[kept]
        self.owners = moved[self.owners]
        changed = np.zeros(len(self.owners), dtype=np.bool_)
        changed[self.alive[touched]] = True
        # Whatever is no neighbour of what was merged keeps its own: a mean is never nearer than the nearer of two.
        stale = (touched | ((self.nearest >= 0) & changed[self.nearest]))[rows]
        self.names, self.vectors = csr_array(averaging @ self.names), np.asarray(averaging @ self.vectors)
        self.sizes = np.bincount(targets, self.sizes).astype(np.int64)
        self.alive, self.nearest, self.nearness = self.alive[rows], self.nearest[rows], self.nearness[rows]
        again = np.flatnonzero(stale)
        self.nearest[again], self.nearness[again] = self._neighbours(again, within=self.most)

    def place_last_one(self) -> None:
        """Give a text that found no room to the nearest cluster."""
        alone = np.flatnonzero(self.sizes == 1)
        if len(self.alive) < 2 or not len(alone):
            return
        (nearest,), _ = self._neighbours(alone[:1], within=self.most + 1)
        row = self.alive[alone[0]]
        self.owners[self.owners == max(row, nearest)] = min(row, nearest)

    def clusters(self, texts: Profiles) -> list[IntArray]:
        """Return the texts of each cluster, the ones nearest to its middle first."""
        order = np.argsort(self.owners, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(self.owners[order])) + 1)
        middles = texts.means(groups)
        ranked = []
        for number, group in enumerate(groups):
            named = texts.names[group] @ middles.names[[number]].T
            by_names = (1.0 - self.vector_share) * _dense(named).ravel()
            alike = _stepped(by_names + self.vector_share * (texts.vectors[group] @ middles.vectors[number]))
            ranked.append(group[np.lexsort((group, -alike))])
        return ranked

    def _neighbours(self, places: IntArray, *, within: int) -> tuple[IntArray, DoubleArray]:
        """Find the nearest cluster that one may be merged with: its row, -1 for none, and how near it is."""
        nearest, nearness = np.full(len(places), -1), np.full(len(places), _NEVER)
        for size in np.unique(self.sizes[places]):
            # Those of one size may be merged with the same others, and fewer and fewer are small enough.
            others = np.flatnonzero(self.sizes <= within - size)
            mine = np.flatnonzero(self.sizes[places] == size)
            if not len(others):
                continue
            names = csr_array(self.names[others].T).astype(np.float32)
            vectors = self.vectors[others].T.astype(np.float32)
            step = max(1, _BLOCK // len(others))
            for at in range(0, len(mine), step):
                rows = places[mine[at : at + step]]
                near = _dense(self.names[rows].astype(np.float32) @ names)
                near *= np.float32(1.0 - self.vector_share)
                near += np.float32(self.vector_share) * (self.vectors[rows].astype(np.float32) @ vectors)
                best, found = _nearest(near, rows, others)
                nearest[mine[at : at + step]] = np.where(best >= 0, self.alive[best], -1)
                nearness[mine[at : at + step]] = found
        return nearest, nearness


def _nearest(near: FloatArray, rows: IntArray, others: IntArray) -> tuple[IntArray, DoubleArray]:
    """Choose the nearest of others for each row, never the row itself; -1 where there is no other.

    Of those that are equal but for rounding, it is chosen such that many are each other's choice: then any number of
    equal texts pair off at once.
    """
    own = np.minimum(np.searchsorted(others, rows), len(others) - 1)
    among = np.flatnonzero(others[own] == rows)
    near[among, own[among]] = _NEVER
    found = near.max(axis=1)
    best = others[near.argmax(axis=1)]
    for row in np.flatnonzero(np.count_nonzero(near >= (found - np.float32(_STEP))[:, None], axis=1) > 1):
        equal = others[near[row] >= found[row] - _STEP]
        best[row] = equal[np.argmin(equal ^ rows[row])]
    best[found == _NEVER] = -1
    return best, _stepped(found.astype(np.float64))


def _dense(values: csr_array) -> FloatArray:
    dense: FloatArray = values.toarray()
    return dense


def _stepped(values: DoubleArray) -> DoubleArray:
    rounded: DoubleArray = np.round(values / _STEP) * _STEP
    return rounded
