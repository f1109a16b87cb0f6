"""Phrase graphs of snapshots, made once each and kept as long as those."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hippograph.protocols import Embedder
from hippograph.retrieve.per_snapshot import PerSnapshot
from hippograph.retrieve.phrase_graph import PhraseGraph, own_phrases
from hippograph.retrieve.reference_batches import insertion_order, reference_passages
from hippograph.retrieve.reference_graph import ReferenceRules, reference_phrases
from hippograph.store.catalog import Catalog
from hippograph.store.snapshot import Snapshot
from hippograph.types import FloatArray, Triple

__all__ = ["PhraseGraphs", "stated_triples"]


class PhraseGraphs:
    """Makes the phrase graphs that retrievers walk, and keeps each as long as its snapshot; threads may share it."""

    def __init__(self) -> None:
        # One for each kind: nobody waits for phrases to be embedded who does not need it.
        self._own: PerSnapshot[PhraseGraph] = PerSnapshot()
        self._reference: PerSnapshot[PhraseGraph] = PerSnapshot()
        self._passages: PerSnapshot[FloatArray] = PerSnapshot()

    def own(self, snapshot: Snapshot) -> PhraseGraph:
        """Return the phrase graph of a snapshot's own entities.

        Parameters
        ----------
        snapshot
            The index, or a part of it.
        """
        return self._own.of(snapshot, lambda: own_phrases(snapshot))

    def reference(
        self,
        snapshot: Snapshot,
        *,
        catalog: Catalog,
        embedder: Embedder,
        directory: Path | None,
        rules: ReferenceRules | None = None,
    ) -> PhraseGraph:
        """Return the phrase graph that the reference would build of what a snapshot's passages state.

        The first time, all phrases and facts of the index are embedded; that takes as long as embedding its entities
        and triples did. Those of a part are embedded for each `PhraseGraphs`, if the embedder embeds in batches.

        Parameters
        ----------
        snapshot
            The index, or a part of it.
        catalog
            Where the extractions are.
        embedder
            The embedder that the index was built with.
        directory
            The index directory, where vectors are kept; None keeps nothing.
        rules
            How the graph is built; as the reference does by default.

        Raises
        ------
        IndexDirectoryError
            If the catalog no longer holds the extractions that the snapshot was made from.
        """
        rules = rules or ReferenceRules()

        def make() -> PhraseGraph:
            return reference_phrases(
                stated_triples(snapshot, catalog),
                embedder=embedder,
                directory=directory,
                generation=snapshot.generation,
                rules=rules,
                order=insertion_order(snapshot.passages.ids),
            )

        return self._reference.of(snapshot, make, variant=rules)

    def reference_passages(self, snapshot: Snapshot, *, embedder: Embedder, directory: Path | None) -> FloatArray:
        """Return the vectors of passages that the reference would have.

        They are the snapshot's own, unless the embedder can embed in batches, as the reference does; then the first
        time takes as long as embedding the passages did.

        Parameters
        ----------
        snapshot
            The index, or a part of it.
        embedder
            The embedder that the index was built with.
        directory
            The index directory, where vectors are kept; None keeps nothing.

        Returns
        -------
        Shape (P, d), rows of length 1.
        """
        return self._passages.of(snapshot, lambda: reference_passages(snapshot, embedder=embedder, directory=directory))


def stated_triples(snapshot: Snapshot, catalog: Catalog) -> list[tuple[Triple, ...]]:
    """Return the triples that were extracted from each passage, word for word; length P.

    Parameters
    ----------
    snapshot
        The index, or a part of it.
    catalog
        Where the extractions are.

    Raises
    ------
    IndexDirectoryError
        If the catalog no longer holds one of them.
    """
    evidence = snapshot.evidence
    stated: list[tuple[Triple, ...]] = [()] * len(evidence.contents)
    for number, extractor in enumerate(snapshot.manifest.extractors):
        rows = np.flatnonzero(evidence.readers == number).tolist()
        contents = {row: evidence.contents[row].tobytes() for row in rows}
        found = catalog.statements.of(extractor, contents.values())
        for row, content in contents.items():
            stated[row] = found[content]
    return stated
