"""The way back: what a catalog has lost, made again of a snapshot that is whole."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np

from hippograph.index.draft import embedded_texts
from hippograph.index.origins import Origins
from hippograph.store.arrays import sync_directory
from hippograph.store.catalog import Catalog
from hippograph.store.connections import log_of
from hippograph.store.index_directory import CATALOG
from hippograph.store.schema import stamp_of
from hippograph.store.snapshot import Snapshot
from hippograph.store.vectors import as_saved
from hippograph.types import Document, Extraction, Passage, Triple

__all__ = ["copy_documents", "copy_extractions", "copy_vectors", "recover_catalog"]

_RECOVERED: Final = f"{CATALOG}-recovered"
_BATCH: Final = 1024


def recover_catalog(directory: Path, snapshot: Snapshot) -> Path | None:
    """Make a new catalog of a snapshot, and put it in the place of the one that cannot be read.

    Only who holds the right to change the index may call it. A crash leaves the old one, or none, or the new one; then
    the same can be done again.

    Parameters
    ----------
    directory
        The index directory.
    snapshot
        Its current snapshot, whole.

    Returns
    -------
    Where the old one was put aside; None if there was none.
    """
    fresh, place = directory / _RECOVERED, directory / CATALOG
    for leftover in (fresh, log_of(fresh)):
        leftover.unlink(missing_ok=True)
    with Catalog.open(fresh, create=True) as catalog:
        copy_documents(catalog, snapshot, set(snapshot.passages.documents), directory=directory)
        copy_extractions(catalog, snapshot)
        copy_vectors(catalog, snapshot)
        catalog.checkpoint()
    aside = _put_aside(place)
    fresh.rename(place)
    sync_directory(directory)
    return aside


def copy_documents(catalog: Catalog, snapshot: Snapshot, ids: Collection[str], *, directory: Path) -> list[str]:
    """Put documents of a snapshot into a catalog, and return their ids in order.

    What stood between the passages of a document is not known. If that was more than what passages are joined by, the
    next run takes the document for changed, which costs nothing, for its passages are not.

    Parameters
    ----------
    catalog
        The catalog.
    snapshot
        The snapshot.
    ids
        Ids of documents; those that the snapshot does not hold are left out.
    directory
        The index directory, which places are relative to.
    """
    documents, places = snapshot.passages.documents.to_list(), snapshot.passages.places.tolist()
    rows = [row for row, document in enumerate(documents) if document in ids]
    rows.sort(key=lambda row: (documents[row], places[row][2], places[row][:2], row))
    groups = (list(group) for _, group in groupby(rows, lambda row: documents[row]))
    origins, sources = Origins(directory), snapshot.passages.sources
    # Where a source leads nowhere, the documents may as well have been given in memory.
    found = {documents[row]: origins.of(sources[row]) for row in rows if sources[row] and os.path.exists(sources[row])}  # noqa: PTH110 - never raises
    catalog.documents.replace_all(
        (_with_document([snapshot.passages[row] for row in group]) for group in groups), origins=found
    )
    return list(dict.fromkeys(documents[row] for row in rows))


def copy_extractions(catalog: Catalog, snapshot: Snapshot) -> None:
    """Put what was read out of the passages into a catalog, where it has nothing that the same extractor has read.

    Names and facts come as the graph needs them: facts in normalised form, and nothing that it has no use for. They are
    those of the extractors that have read them; extractors that the catalog did not prefer to any are ranked.
    """
    manifest, contents = snapshot.manifest, snapshot.evidence.contents
    for number, extractor in enumerate(manifest.extractors):
        rows = np.flatnonzero(snapshot.evidence.readers == number).tolist()
        known = catalog.extractions.known([extractor], (contents[row].tobytes() for row in rows))
        wanted = [row for row in rows if contents[row].tobytes() not in known]
        for at in range(0, len(wanted), _BATCH):
            pairs = [(snapshot.passages[row], _extraction(snapshot, row)) for row in wanted[at : at + _BATCH]]
            catalog.extractions.save(extractor, pairs)
    order = catalog.extractors.order()
    for extractor in manifest.extractors:
        if extractor not in order:
            catalog.extractors.prefer(extractor)
    catalog.extractors.prefer(order[0] if manifest.extractor in order else manifest.extractor)


def copy_vectors(catalog: Catalog, snapshot: Snapshot) -> int:
    """Put the vectors that a catalog lacks into it, and return how many they are."""
    embedder, copied = snapshot.manifest.embedder, 0
    matrices = {
        "passage": snapshot.passage_vectors,
        "entity": snapshot.entity_vectors,
        "triple": snapshot.triple_vectors,
    }
    for role, texts in embedded_texts(snapshot).items():
        places = {text: row for row, text in enumerate(texts)}
        missing = catalog.vectors.missing(embedder, role, texts)
        for at in range(0, len(missing), _BATCH):
            block = missing[at : at + _BATCH]
            catalog.vectors.save(embedder, role, block, as_saved(matrices[role][[places[text] for text in block]]))
        copied += len(missing)
    return copied


def _put_aside(place: Path) -> Path | None:
    if not place.exists():
        return None
    numbered = (place.with_name(f"{place.name}-damaged-{number}") for number in range(1, 1_000_000))
    aside = next(path for path in numbered if not path.exists())
    # Its log must not be taken for that of the new one.
    if log_of(place).exists():
        log_of(place).rename(log_of(aside))
    place.with_name(f"{place.name}-shm").unlink(missing_ok=True)
    place.rename(aside)
    return aside


def _with_document(parts: list[Passage]) -> tuple[Document, list[Passage]]:
    [first, *rest] = parts
    whole = not rest and first.id == first.document and first.page is None and first.span[0] == 0
    text = first.text if whole else "\n\n".join(part.headed_text for part in parts)
    document = Document(id=first.document, title=first.title, text=text, source=first.source, metadata=first.metadata)
    return document, parts


def _extraction(snapshot: Snapshot, row: int) -> Extraction:
    evidence = snapshot.evidence
    entities = tuple(_stated(snapshot, row))
    places = slice(int(evidence.fact_indptr[row]), int(evidence.fact_indptr[row + 1]))
    facts = evidence.facts[np.asarray(evidence.fact_numbers[places])].tolist()
    triples = tuple(
        Triple(evidence.phrases[subject], evidence.relations[relation], evidence.phrases[object_])
        for subject, object_, relation in facts
    )
    if entities or triples:
        return Extraction(status="done", entities=entities, triples=triples)
    # Whether there was nothing to be found, or the extractor failed, only the stamp tells; then it is tried again.
    extractor = snapshot.manifest.extractors[evidence.readers[row]]
    values = (extractor, evidence.contents[row].tobytes(), "empty", "[]", "[]", "")
    if evidence.stamps[row].tobytes().endswith(stamp_of(*values)):
        return Extraction(status="empty")
    return Extraction(status="failed", error="what was read out of it was lost with the catalog")


def _stated(snapshot: Snapshot, row: int) -> Iterator[str]:
    evidence = snapshot.evidence
    places = slice(int(evidence.stated_indptr[row]), int(evidence.stated_indptr[row + 1]))
    counts = evidence.stated_counts[places].tolist()
    for spelling, count in zip(evidence.stated_spellings[places].tolist(), counts, strict=True):
        yield from [evidence.spellings[spelling]] * count
