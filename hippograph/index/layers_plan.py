"""What is to be summarised: the shape of both layers, and a key for each summary, before a single one is made.

The shape is a function of the passages alone, not of what the summaries say. So what a run will cost is known
beforehand, a model that fails changes nothing but what is lacking, and an index that grew has the layers that it would
have if it were built anew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import pairwise
from math import floor, log2
from typing import Final

import numpy as np

from hippograph.errors import InputError
from hippograph.index.clusters import NeighbourMerging, Profiles
from hippograph.store.layers_manifest import LayerName
from hippograph.store.schema import digest_of_texts
from hippograph.store.snapshot import Snapshot
from hippograph.types import IntArray

__all__ = ["LayerShape", "Plan", "PlannedSummary", "document_order", "window_size"]

# ComoRAG's `TimelineSummarizer`: the most passages of an index for which so many make a window.
_WINDOWS: Final = ((5, 2), (20, 3), (50, 5), (100, 8), (200, 10))
_SMALLEST: Final = 10
_LARGEST: Final = 20
_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSummary:
    """A summary that the index should have.

    Parameters
    ----------
    layer, level
        Where it belongs; the lowest level is 1.
    key
        Condenses who summarises, the layer, and the children in their order, 32 hexadecimal digits. That of a passage
        is the digest of its title and text.
    children
        What is summarised, in the order in which it is read: rows of passages on level 1, above that places in the
        plan.
    passages
        The rows of all passages below it, in the order of documents.
    """

    layer: LayerName
    level: int
    key: str
    children: tuple[int, ...]
    passages: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All summaries of an index, each after what it is made of.

    Parameters
    ----------
    summaries
        The semantic ones first, from the lowest level up; within a level, and in the episodic layer, in the order of
        their first passages.
    order
        The rows of all passages in the order of documents.
    """

    summaries: tuple[PlannedSummary, ...]
    order: IntArray


@dataclass(frozen=True, kw_only=True)
class LayerShape:
    """How passages are brought together.

    Parameters
    ----------
    merging
        Makes the clusters of the semantic layer.
    levels
        Levels of clusters at most; RAPTOR and ComoRAG have 5.
    window
        Passages of an episode at most; None takes ComoRAG's number for the size of the index.
    fixed
        Whether every window is as long as it may be, as ComoRAG's. Otherwise it ends, when it is at least half as long,
        after a passage that ends a document if there is one, and there where the digest of a passage is smallest: so a
        passage that comes or goes moves the windows around it, and not all that follow.

    Raises
    ------
    InputError
        If `levels` is below 1, or `window` is below 2.

    References
    ----------
    Wang et al., "ComoRAG: A Cognitive-Inspired Memory-Organized RAG for Stateful Long Narrative Reasoning", 2025.
    """

    merging: NeighbourMerging = field(default_factory=NeighbourMerging)
    levels: int = 5
    window: int | None = None
    fixed: bool = False

    def __post_init__(self) -> None:
        if self.levels < 1:
            raise InputError(f"levels is {self.levels}; have at least 1")
        if self.window is not None and self.window < 2:
            raise InputError(f"window is {self.window}; take at least 2 passages together")

    @property
    def digest(self) -> str:
        """Condenses the settings and the version of the rules."""
        return blake2b(repr((_VERSION, self)).encode(), digest_size=16).hexdigest()

    def plan(self, snapshot: Snapshot, *, summariser: str) -> Plan:
        """Say what is to be summarised.

        Parameters
        ----------
        snapshot
            The index.
        summariser
            The fingerprint of who will do it.
        """
        order = document_order(snapshot)
        planning = _Planning(snapshot=snapshot, order=order, summariser=summariser)
        if len(order):
            planning.add_clusters(self.merging, levels=self.levels)
            size = window_size(len(order)) if self.window is None else self.window
            planning.add_episodes(size, fixed=self.fixed)
        return Plan(summaries=tuple(planning.summaries), order=order)


def window_size(passages: int) -> int:
    """Return how many passages ComoRAG takes together for an episode of an index of so many.

    Examples
    --------
    >>> [window_size(passages) for passages in (4, 20, 100, 150, 300, 6119)]
    [2, 3, 8, 10, 16, 20]
    """
    for most, size in _WINDOWS:
        if passages <= most:
            return size
    return min(_LARGEST, max(_SMALLEST, floor(2 * log2(passages))))


def document_order(snapshot: Snapshot) -> IntArray:
    """Return the rows of the passages in the order of documents, and as they stand in each.

    Documents are in the order of their ids, in which numbers count as numbers: `chapter-9` comes before `chapter-10`.
    """
    passages = snapshot.passages
    documents, ids = passages.documents.to_list(), passages.ids.to_list()
    ranks = {name: rank for rank, name in enumerate(sorted(set(documents), key=_natural))}
    starts = passages.places[:, 0].tolist()
    rows = sorted(range(len(ids)), key=lambda row: (ranks[documents[row]], starts[row], _natural(ids[row])))
    return np.array(rows, dtype=np.int64)


def _natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part) for part in parts], name


@dataclass(slots=True, kw_only=True, eq=False)
class _Planning:
    """A plan under way."""

    snapshot: Snapshot
    order: IntArray
    summariser: str
    summaries: list[PlannedSummary] = field(default_factory=list)

    def add_clusters(self, merging: NeighbourMerging, *, levels: int) -> None:
        """Plan the semantic layer: cluster until what is left would fit into one cluster."""
        contents = self.snapshot.evidence.contents
        texts = Profiles.of(self.snapshot)
        # What is clustered on this level: its keys, the rows below each, and what its parents call each.
        keys = [bytes(content).hex() for content in contents]
        below: list[tuple[int, ...]] = [(row,) for row in range(len(keys))]
        names = list(range(len(keys)))
        places = np.empty(len(self.order), dtype=np.int64)
        places[self.order] = np.arange(len(self.order))
        for level in range(1, levels + 1):
            clusters = merging.clusters(texts)
            passages = [sorted((row for one in cluster for row in below[one]), key=places.item) for cluster in clusters]
            first = sorted(range(len(clusters)), key=lambda number: places[passages[number][0]])
            clusters, below = [clusters[number] for number in first], [tuple(passages[number]) for number in first]
            keys = [self._key("semantic", [keys[one] for one in cluster]) for cluster in clusters]
            begin = len(self.summaries)
            self.summaries += [
                PlannedSummary(
                    layer="semantic",
                    level=level,
                    key=key,
                    children=tuple(names[one] for one in cluster.tolist()),
                    passages=rows,
                )
                for key, cluster, rows in zip(keys, clusters, below, strict=True)
            ]
            if len(clusters) <= merging.most:
                return
            names = list(range(begin, len(self.summaries)))
            texts = texts.means(clusters)

    def add_episodes(self, size: int, *, fixed: bool) -> None:
        """Plan the episodic layer."""
        contents, documents = self.snapshot.evidence.contents, self.snapshot.passages.documents
        rows = self.order.tolist()
        keys = [bytes(contents[row]).hex() for row in rows]
        ends = [*(documents[one] != documents[other] for one, other in pairwise(rows)), True]
        at = 0
        while at < len(rows):
            end = min(at + size, len(rows))
            if not fixed and end < len(rows):
                end = min(
                    range(at + max(2, (size + 1) // 2), end + 1), key=lambda stop: (not ends[stop - 1], keys[stop - 1])
                )
            children = tuple(rows[at:end])
            self.summaries.append(
                PlannedSummary(
                    layer="episodic",
                    level=1,
                    key=self._key("episodic", keys[at:end]),
                    children=children,
                    passages=children,
                )
            )
            at = end

    def _key(self, layer: LayerName, children: list[str]) -> str:
        return digest_of_texts(self.summariser, layer, *children).hex()
