"""Parts of an index: the snapshots that indexes of some of the documents alone would have, made in memory."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Final

import numpy as np

from hippograph.index.revision import GraphSettings, restrict
from hippograph.store.snapshot import Snapshot
from hippograph.text.metadata_filter import MetadataFilter
from hippograph.types import IntArray

__all__ = ["SnapshotParts", "rows_of"]

_KEPT: Final = 4


class SnapshotParts:
    """Makes the part of a snapshot that a filter chooses, and keeps the last few; threads may share it."""

    def __init__(self) -> None:
        self._making = Lock()
        self._made: OrderedDict[MetadataFilter, tuple[Snapshot, Snapshot]] = OrderedDict()

    def of(self, snapshot: Snapshot, filter: MetadataFilter, *, settings: GraphSettings) -> Snapshot:
        """Return the snapshot that an index of the documents which a filter chooses would have.

        Parameters
        ----------
        snapshot
            The whole.
        filter
            Chooses documents.
        settings
            How the graph of the whole was made.
        """
        with self._making:
            whole, part = self._made.pop(filter, (None, snapshot))
            if whole is not snapshot:
                rows = rows_of(snapshot, filter)
                everything = len(rows) == len(snapshot.passages)
                part = snapshot if everything else restrict(snapshot, rows, settings=settings)
            self._made[filter] = (snapshot, part)
            # What belongs to a former snapshot would keep its files.
            for known in [known for known, (of, _) in self._made.items() if of is not snapshot]:
                del self._made[known]
            while len(self._made) > _KEPT:
                self._made.popitem(last=False)
            return part

    def clear(self) -> None:
        """Let go of all parts."""
        with self._making:
            self._made.clear()


def rows_of(snapshot: Snapshot, filter: MetadataFilter) -> IntArray:
    """Find the passages of the documents that a filter chooses, ascending.

    Parameters
    ----------
    snapshot
        The snapshot.
    filter
        Chooses documents.
    """
    passages = snapshot.passages
    chosen: dict[str, bool] = {}
    rows = []
    for row, document in enumerate(passages.documents):
        if document not in chosen:
            passage = passages[row]
            chosen[document] = filter.matches(passage.metadata, id=document, source=passage.source, title=passage.title)
        if chosen[document]:
            rows.append(row)
    return np.array(rows, dtype=np.int64)
