"""Retrieval from a layer of an index: summaries by the cosine of their vectors to the query's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hippograph.errors import IndexMismatchError, InputError
from hippograph.protocols import Embedder
from hippograph.retrieve.nearest import cosines, top
from hippograph.retrieve.ranked import Stopwatch, check_request
from hippograph.store.layers import Layers
from hippograph.store.layers_manifest import LAYER_NAMES, LayerName
from hippograph.store.snapshot import Snapshot
from hippograph.types import FloatArray, Hit, IntArray, Passage, Ranking

__all__ = ["LayerRetriever"]


@dataclass(frozen=True, kw_only=True)
class LayerRetriever:
    """Ranks the summaries of a layer by cosine, those of all levels together; scores are cosines, -1 to 1.

    Hits are passages of no document: the id is the layer and the beginning of the summary's key, the title tells layer,
    level and how many passages it sums up, and the metadata hold the same with the `position` in the layer: the order
    of documents, in the episodic layer. Only summaries are found all of whose passages are in the snapshot as they were
    summarised. So nothing is told of what was deleted or replaced since, nor, with a part of an index, of another part.

    Parameters
    ----------
    snapshot
        The index, or a part of it.
    layers
        Its layers.
    embedder
        The embedder that both were built with.
    layer
        `semantic` or `episodic`.

    Raises
    ------
    InputError
        If there is no such layer.
    IndexMismatchError
        If the layers were built with another embedder.

    References
    ----------
    RAPTOR (Sarthi et al., ICLR 2024), section 3, collapsed tree: summaries of all levels are ranked together.
    """

    snapshot: Snapshot
    layers: Layers
    embedder: Embedder
    layer: LayerName

    def __post_init__(self) -> None:
        if self.layer not in LAYER_NAMES:
            raise InputError(f"there is no layer {self.layer!r}; choose {' or '.join(LAYER_NAMES)}")
        built, given = self.layers.manifest.embedder, self.embedder.fingerprint
        if built != given:
            raise IndexMismatchError(
                f"the summaries were embedded with {built!r}, not {given!r}; replace their vectors with: "
                "hippograph reembed"
            )

    def retrieve(self, queries: Sequence[str], *, k: int = 5) -> list[Ranking]:
        """Rank summaries for each query; equal scores are ordered by their place in the layer.

        Raises
        ------
        InputError
            If `k` is below 1 or a query is blank.
        """
        check_request(queries, k)
        watch = Stopwatch()
        vectors = self.embedder.embed(queries, role="query")
        watch.lap("embed")
        embedding = watch.shares(max(1, len(queries)))
        rankings = []
        for query, vector in zip(queries, vectors, strict=True):
            watch = Stopwatch()
            similarities = cosines(self._vectors, vector)
            best = top(similarities, k=k)
            hits = tuple(Hit(passage=self._hit(int(self._rows[one])), score=float(similarities[one])) for one in best)
            watch.lap("rank")
            rankings.append(Ranking(query=query, hits=hits, timings=embedding | watch.timings))
        return rankings

    def sources(self, hit: str) -> tuple[str, ...]:
        """Return the ids of the passages that a summary sums up, in the order of documents.

        Parameters
        ----------
        hit
            The id of a hit of this retriever.

        Raises
        ------
        InputError
            If there is no such summary in the layer, or it may not be shown.
        """
        row = self._places.get(hit)
        if row is None:
            raise InputError(f"there is no summary {hit!r} in the {self.layer} layer; give the id of one of its hits")
        return self.layers.passages_below(row)

    @cached_property
    def _rows(self) -> IntArray:
        rows = self.layers.rows(self.layer)
        return np.flatnonzero(self.layers.founded(self.snapshot)[rows.start : rows.stop]) + rows.start

    @cached_property
    def _vectors(self) -> FloatArray:
        rows = self.layers.rows(self.layer)
        if len(self._rows) == len(rows):
            return self.layers.vectors[rows.start : rows.stop]
        return self.layers.vectors[self._rows]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {self.layers.names[row]: row for row in self._rows.tolist()}

    def _hit(self, row: int) -> Passage:
        level = int(self.layers.levels[row])
        passages = int(self.layers.passage_indptr[row + 1] - self.layers.passage_indptr[row])
        position = row - self.layers.rows(self.layer).start
        return Passage(
            id=self.layers.names[row],
            document="",
            title=f"{self.layer} summary, level {level}, of {passages} passage{'s' if passages != 1 else ''}",
            text=self.layers.texts[row],
            metadata={"layer": self.layer, "level": level, "passages": passages, "position": position},
        )
