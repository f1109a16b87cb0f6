"""Repairing an index: the catalog is mended, and whatever is derived from it is made again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hippograph.errors import DamagedIndexError, IndexMismatchError
from hippograph.index.doctor import Diagnosis, compare, diagnose, fingerprint_of, require_index
from hippograph.index.draft import embedded_texts
from hippograph.index.finding import Examination, counted
from hippograph.index.indexer import Indexer
from hippograph.index.recovery import copy_documents, copy_extractions, copy_vectors, recover_catalog
from hippograph.index.report import Progress
from hippograph.index.snapshot_checkup import SnapshotCheckup
from hippograph.protocols import Embedder, Extractor
from hippograph.store.catalog import Catalog
from hippograph.store.connections import log_of
from hippograph.store.index_directory import CATALOG, Session
from hippograph.store.lock import writing
from hippograph.store.mending import LostDocument, restore_header
from hippograph.store.publication import collect
from hippograph.store.snapshot import SNAPSHOTS, Snapshot, open_snapshot
from hippograph.store.space import needing_space
from hippograph.store.vectors import vector_key
from hippograph.text.normalization import NORMALIZER_VERSION
from hippograph.types import FloatArray, TextRole

__all__ = ["Pruning", "Repair", "prune", "repair"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What a repair found, did and left.

    Parameters
    ----------
    found
        The examination before.
    steps
        What was done, in sentences.
    lost
        Documents to index again, in the order of their ids.
    left
        The examination after.
    """

    found: Examination
    steps: Sequence[str]
    lost: Sequence[LostDocument]
    left: Examination


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """What was removed because nothing needs it.

    Parameters
    ----------
    extractions, vectors
        How many.
    bytes
        How much smaller the catalog is.
    """

    extractions: int
    vectors: int
    bytes: int


def repair(directory: str | Path, *, indexer: Indexer, wait: float = 0.0, progress: Progress | None = None) -> Repair:
    """Mend the catalog, and make the snapshot again out of it if need be. The extractor is not called.

    Rows of the catalog that are damaged go; documents and vectors come back from the snapshot as far as that is whole.
    A catalog that cannot be read at all is made again from the snapshot, and the old file is put aside. A snapshot
    that is damaged, missing, of another format or made by other rules is made anew from the catalog, by the models it
    was built with: the embedder is called only for texts whose vectors are lost.

    Parameters
    ----------
    directory
        The index directory.
    indexer
        What the index should have been built with.
    wait
        How long to wait for another process or thread that is changing the index, in seconds.
    progress
        Is told how far the making of a snapshot is.

    Raises
    ------
    NoIndexError
        If there is no index, not even a part of one.
    IndexMismatchError
        If texts have to be embedded by another embedder than the one given, or nothing tells which models were used.
    IndexDirectoryError
        If another process or thread is still changing the index, or the directory cannot be written to.
    """
    place = Path(directory)
    require_index(place)
    with needing_space(place), writing(place, wait=wait):
        found = diagnose(place, indexer=indexer, alone=True)
        mended = _mend_catalog(place, found)
        steps = list(mended.steps)
        if found.snapshot.snapshot is not None and found.snapshot.snapshot.hold is not None:
            # Nor does the repair itself keep what it replaces.
            found.snapshot.snapshot.hold.release()
        if mended.opens:
            generation = _make_snapshot(place, found.snapshot, mended, indexer, progress)
            if generation is not None:
                steps.append(f"made the snapshot again from the catalog: generation {generation}")
        left = diagnose(place, indexer=indexer, alone=True)
    return Repair(found=found.examination, steps=tuple(steps), lost=tuple(mended.lost), left=left.examination)


def prune(directory: str | Path, *, wait: float = 0.0) -> Pruning:
    """Remove from the catalog what no passage needs any more, and give the space back to the disk.

    Extractions and vectors outlive their passages, so that a document that comes back costs nothing; those of other
    embedders outlive a `reembed`.

    Parameters
    ----------
    directory
        The index directory.
    wait
        How long to wait for another process or thread that is changing the index, in seconds.

    Raises
    ------
    IndexMismatchError
        If the snapshot does not hold the latest of the catalog: what is needed for that would be removed.
    NoIndexError, DamagedIndexError, IndexDirectoryError
        If the index cannot be read whole, or not be changed.
    """
    place = Path(directory)
    require_index(place)
    with needing_space(place), writing(place, wait=wait), Catalog.open(place / CATALOG, write=True) as catalog:
        snapshot = open_snapshot(place, verify=True)
        found = compare(catalog, snapshot)
        if found.behind or found.unknown:
            raise IndexMismatchError(
                f"the snapshot of {place} does not hold the latest of its catalog, and what that needs would be "
                f"removed; run: hippograph index SOURCE --index {place}, and then prune"
            )
        keys = (vector_key(role, text) for role, texts in embedded_texts(snapshot).items() for text in texts)
        before = _size(place / CATALOG)
        extractions, vectors = catalog.prune(embedder=snapshot.manifest.embedder, keys=keys)
        return Pruning(extractions=extractions, vectors=vectors, bytes=max(0, before - _size(place / CATALOG)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mended:
    """What became of the catalog.

    Parameters
    ----------
    opens
        Whether it can be used.
    steps
        What was done to it.
    lost
        Documents that it lost.
    grown
        Whether it got back what it had never heard of, so that the snapshot knows that by other stamps.
    """

    opens: bool
    steps: Sequence[str] = ()
    lost: Sequence[LostDocument] = ()
    grown: bool = False


def _mend_catalog(directory: Path, found: Diagnosis) -> _Mended:
    """Mend the catalog in place if that is possible, else make it again from the snapshot."""
    path, snapshot = directory / CATALOG, found.snapshot.snapshot
    steps: list[str] = []
    if found.catalog == "lost":
        opens = _restore_header(path)
        if opens:
            steps.append("restored the header of the catalog")
    else:
        try:
            Catalog.open(path, write=True).close()
        except IndexMismatchError:
            # Of a newer hippograph, or of another program: not ours to change.
            return _Mended(opens=False)
        opens = True
        if found.catalog == "other":
            steps.append("brought the catalog up to the current format")
    if opens:
        try:
            mended = _mend_rows(directory, snapshot)
        except DamagedIndexError as error:
            steps.append(f"could not mend the catalog in place: {str(error).partition('; ')[0]}")
        else:
            return replace(mended, steps=(*steps, *mended.steps))
    if snapshot is None:
        return _Mended(opens=False, steps=steps)
    aside = recover_catalog(directory, snapshot)
    kept = "" if aside is None else f"; what was there is now called {aside.name}"
    steps.append(
        f"made the catalog again from snapshot {snapshot.generation}{kept}; name its sources once more, for "
        "hippograph update to know them"
    )
    return _Mended(opens=True, steps=steps, grown=True)


def _restore_header(path: Path) -> bool:
    """Restore the header, and tell whether that was all that was wrong."""
    try:
        restored = path.exists() and path.stat().st_size > 0 and restore_header(path)
        if restored:
            Catalog.open(path, write=True).close()
    except DamagedIndexError:
        return False
    return restored


def _mend_rows(directory: Path, snapshot: Snapshot | None) -> _Mended:
    """Take out the rows that are damaged, and copy from the snapshot what it has of them."""
    steps: list[str] = []
    with Catalog.open(directory / CATALOG, write=True) as catalog:
        faults = catalog.check()
        lost = catalog.mend(faults)
        if faults:
            steps.append(f"mended {counted(len(faults), 'fault')} of the catalog")
        if snapshot is None:
            return _Mended(opens=True, steps=steps, lost=lost)
        unknown = {snapshot.passages.documents[row] for row in compare(catalog, snapshot).unknown}
        back = copy_documents(catalog, snapshot, unknown.union(one.id for one in lost), directory=directory)
        if unknown:
            # The snapshot is made anew then, and what waits for the extractor would be missing.
            copy_extractions(catalog, snapshot)
        for number, what in ((len(back), "document"), (copy_vectors(catalog, snapshot), "vector")):
            if number:
                steps.append(f"copied {counted(number, what)} from snapshot {snapshot.generation} into the catalog")
    gone = [one for one in lost if one.id not in set(back)]
    return _Mended(opens=True, steps=steps, lost=gone, grown=bool(unknown))


def _make_snapshot(
    directory: Path, checkup: SnapshotCheckup, mended: _Mended, indexer: Indexer, progress: Progress | None
) -> int | None:
    """Make the snapshot anew if it is not whole or follows other rules, and return its generation; None if it is fine.

    One that is merely behind the catalog is left to the next run: what that has not extracted yet would be missing.
    """
    with Catalog.open(directory / CATALOG, write=True) as catalog:
        if checkup.snapshot is None:
            _, passages = catalog.documents.counts()
            needed = bool(passages or checkup.findings)
        else:
            rules = (checkup.snapshot.manifest.normalizer, checkup.snapshot.manifest.settings)
            needed = mended.grown or rules != (NORMALIZER_VERSION, indexer.settings.digest)
        if not needed:
            collect(directory / SNAPSHOTS)
            return None
        if not catalog.extractors.order():
            # Of an older format, which did not tell.
            known = catalog.extractors.all()
            catalog.extractors.prefer(_built_with("extractor", checkup.extractor, known, indexer.extractor))
        embedder = _built_with("embedder", checkup.embedder, catalog.vectors.embedders(), indexer.embedder)
        if embedder != fingerprint_of(indexer.embedder):
            # Where only its name is needed, that does.
            indexer = replace(indexer, embedder=_Absent(embedder))
        session = Session(directory=directory, catalog=catalog, published=None)
        return indexer.rebuild(session, progress=progress)


def _built_with(part: str, told: str | None, known: Sequence[str], given: Embedder | Extractor) -> str:
    """Find out the fingerprint of a model: from a manifest, which may be damaged, the catalog, and what is given.

    Raises
    ------
    IndexMismatchError
        If nothing tells which it is.
    """
    mine = fingerprint_of(given)
    if told is not None and (told == mine or told in known):
        return told
    if mine is not None and mine in known:
        return mine
    if told is None and len(known) == 1:
        return known[0]
    if not known:
        return told or given.fingerprint
    raise IndexMismatchError(
        f"the catalog holds the work of {len(known)} {part}s, {', '.join(map(repr, known))}, and not that of the one "
        f"given; name the one that the index was built with: --{part}"
    )


@dataclass(frozen=True)
class _Absent:
    """An embedder of which nothing but the name is known."""

    fingerprint: str
    dimension: int = 0

    def embed(self, texts: Sequence[str], *, role: TextRole) -> FloatArray:
        raise IndexMismatchError(
            f"{len(texts)} texts have no vector by {self.fingerprint!r} any more, among them {texts[0]!r}; repair the "
            "index with that embedder: --embedder"
        )


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in (path, log_of(path)) if file.exists())
