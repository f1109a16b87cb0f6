"""The snapshot: the immutable, memory-mapped half of an index, which retrievers read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from hippograph.errors import DamagedIndexError, InputError
from hippograph.graph.knowledge_graph import KnowledgeGraph, from_edges
from hippograph.store.arrays import SNAPSHOTS, Bundle, BundleWriter, StringTable, damage
from hippograph.store.evidence import EvidenceTables
from hippograph.store.holds import Hold, opened
from hippograph.store.manifest import (
    MANIFEST,
    Counts,
    Manifest,
    Pointer,
    read_manifest,
    read_pointer,
)
from hippograph.store.postings import Postings, invert
from hippograph.store.publication import install
from hippograph.store.tables import PassageTable, TripleTable
from hippograph.text.normalization import NORMALIZER_VERSION
from hippograph.types import FloatArray, IntArray

__all__ = ["SNAPSHOTS", "Counts", "Manifest", "Snapshot", "open_snapshot", "publish", "suspecting_damage"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """One state of an index: immutable, and shared by all that have it open.

    The arrays and tables of a published one are read-only, large ones as maps of files. They stay readable when a newer
    snapshot is published.

    Parameters
    ----------
    manifest
        What the snapshot says of itself.
    graph
        Entity nodes 0..E-1 and passage nodes E..N-1.
    passages
        In the order of their ids.
    entity_keys
        Normalised names, ascending.
    entity_names
        Names as displayed.
    entity_passages
        How many passages mention each entity; shape (E,).
    title_entities
        The entity that each passage's title names, -1 for none; shape (P,).
    triples
        The distinct triples.
    passage_vectors, entity_vectors, triple_vectors
        Shapes (P, d), (E, d) and (T, d), rows of length 1; those without rows may have any width.
    evidence
        What every passage says, from which all else is derived.
    postings
        Where each term stands in the passages.
    hold
        Keeps the files from being removed while they are mapped; None for one that is only in memory.
    """

    manifest: Manifest
    graph: KnowledgeGraph
    passages: PassageTable
    entity_keys: StringTable
    entity_names: StringTable
    entity_passages: IntArray
    title_entities: IntArray
    triples: TripleTable
    passage_vectors: FloatArray
    entity_vectors: FloatArray
    triple_vectors: FloatArray
    evidence: EvidenceTables
    postings: Postings
    hold: Hold | None = None

    @classmethod
    def empty(cls) -> Snapshot:
        """Make the snapshot of no passages, which everything can be built from.

        Examples
        --------
        >>> Snapshot.empty().manifest.counts.passages
        0
        """
        nothing = np.empty(0, dtype=np.int64)
        vectors = np.empty((0, 0), dtype=np.float32)
        evidence, names = EvidenceTables.empty(), StringTable.of([])
        return cls(
            manifest=Manifest(
                generation=0,
                embedder="",
                dimension=0,
                extractor="",
                extractors=(),
                normalizer=NORMALIZER_VERSION,
                settings="",
                state="",
                graph_digest="",
                counts=Counts(documents=0, passages=0, entities=0, triples=0, edges=0),
                files={},
            ),
            graph=from_edges(nothing, nothing, np.empty(0), n_entities=0, n_passages=0),
            passages=PassageTable.of([]),
            entity_keys=names,
            entity_names=names,
            entity_passages=nothing,
            title_entities=nothing,
            triples=TripleTable(
                subjects=nothing, objects=nothing, relations=nothing, phrases=evidence.relations, names=names
            ),
            passage_vectors=vectors,
            entity_vectors=vectors,
            triple_vectors=vectors,
            evidence=evidence,
            postings=invert(evidence.token_words, [], passage_indptr=np.zeros(1, dtype=np.int64), title_tokens=nothing),
        )

    @property
    def generation(self) -> int:
        """The number of the snapshot; 0 for one that is only in memory."""
        return self.manifest.generation


def publish(directory: str | Path, snapshot: Snapshot) -> int:
    """Write a snapshot and make it the current one, in one step that either happens or does not.

    Everything is written beside the current snapshot and flushed to the disk first. A crash at any instant leaves the
    former one current and whole, and readers keep the one they have open. One process publishes at a time.

    Parameters
    ----------
    directory
        The directory of the index; made if need be.
    snapshot
        What to publish.

    Returns
    -------
    The snapshot's number, one above the highest there.

    Raises
    ------
    InputError
        If the parts of the snapshot do not fit together.
    OSError
        If the disk is full or may not be written to.
    """
    _check(snapshot)

    def write(folder: Path, generation: int) -> Pointer:
        writer = BundleWriter(folder)
        _write(writer, snapshot)
        manifest = snapshot.manifest.model_copy(update={"generation": generation, "files": writer.files})
        return Pointer(generation=generation, sha256=writer.write_bytes(MANIFEST, manifest.encoded()).sha256)

    return install(Path(directory) / SNAPSHOTS, write)


def open_snapshot(directory: str | Path, *, verify: bool = False) -> Snapshot:
    """Open the current snapshot of an index, and hold it: it is not removed as long as this one is referred to.

    Parameters
    ----------
    directory
        The directory of the index.
    verify
        Whether to compare the hash of every file, which reads them whole. Sizes are always compared.

    Raises
    ------
    NoIndexError
        If nothing was ever published there.
    IndexMismatchError
        If the snapshot has another format.
    DamagedIndexError
        If a file is missing, truncated or altered.
    IndexDirectoryError
        If a file may not be read, or too many are open.
    """
    snapshots = Path(directory) / SNAPSHOTS
    pointer = read_pointer(snapshots)
    while True:
        try:
            current = snapshots / pointer.folder
            return opened(current, partial(_read, current, pointer, verify=verify))
        except DamagedIndexError:
            latest = read_pointer(snapshots)
            if latest == pointer:
                raise
            # Not damaged: a newer one was published since the pointer was read, and this one was removed.
            pointer = latest


@contextmanager
def suspecting_damage(directory: str | Path, *, innocent: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Look for the cause in the files when something goes wrong with a snapshot that was opened without `verify`.

    Parameters
    ----------
    directory
        The directory of the index.
    innocent
        Errors that are known to have other causes.

    Raises
    ------
    DamagedIndexError
        In place of any other error, if a file of the current snapshot has been altered.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, innocent):
            open_snapshot(directory, verify=True)
        raise


def _check(snapshot: Snapshot) -> None:
    """Check what costs a moment to check."""
    counts, width = snapshot.manifest.counts, snapshot.manifest.dimension
    for name, rows in (
        ("passages", counts.passages),
        ("entity_keys", counts.entities),
        ("entity_names", counts.entities),
        ("entity_passages", counts.entities),
        ("title_entities", counts.passages),
        ("triples", counts.triples),
        ("passage_vectors", counts.passages),
        ("entity_vectors", counts.entities),
        ("triple_vectors", counts.triples),
    ):
        part = getattr(snapshot, name)
        if len(part) != rows:
            raise InputError(f"{name} has {len(part)} rows instead of {rows}; give one for each")
        if isinstance(part, np.ndarray) and part.ndim == 2 and len(part) and part.shape[1] != width:
            raise InputError(f"{name} has {part.shape[1]} components instead of {width}; give vectors of one embedder")
    graph = snapshot.graph
    if (graph.n_entities, graph.n_passages, graph.n_edges) != (counts.entities, counts.passages, counts.edges):
        raise InputError(
            f"the graph has {graph.n_entities} entities, {graph.n_passages} passages and {graph.n_edges} edges instead "
            f"of {counts.entities}, {counts.passages} and {counts.edges}; give the graph of this snapshot"
        )


def _write(writer: BundleWriter, snapshot: Snapshot) -> None:
    width = snapshot.manifest.dimension
    snapshot.passages.write(writer)
    snapshot.triples.write(writer)
    for name in ("entity_keys", "entity_names"):
        writer.write_table(name, getattr(snapshot, name))
    writer.write_array("graph_indptr", snapshot.graph.indptr)
    writer.write_array("graph_indices", snapshot.graph.indices)
    writer.write_array("graph_weights", snapshot.graph.weights)
    writer.write_array("entity_passages", snapshot.entity_passages)
    writer.write_array("title_entities", snapshot.title_entities)
    for name in ("passage_vectors", "entity_vectors", "triple_vectors"):
        vectors = getattr(snapshot, name)
        writer.write_array(name, vectors.astype(np.float32, copy=False).reshape(len(vectors), width))
    snapshot.evidence.write(writer)
    snapshot.postings.write(writer)


def _read(folder: Path, pointer: Pointer, held: Hold, *, verify: bool) -> Snapshot:
    manifest = read_manifest(folder, pointer)
    bundle = Bundle(folder, manifest.files, verify=verify)
    counts, width = manifest.counts, manifest.dimension
    names = bundle.strings("entity_names", counts.entities)
    evidence = EvidenceTables.read(bundle, passages=counts.passages, entities=counts.entities)

    def entity_numbers(name: str, length: int, *, lowest: int) -> IntArray:
        numbers: IntArray = bundle.array(name, np.int64, (length,))
        if length and not (lowest <= numbers.min() and numbers.max() < counts.entities):
            raise damage(folder / f"{name}.npy", f"names entities that do not exist; there are {counts.entities}")
        return numbers

    return Snapshot(
        manifest=manifest,
        graph=_graph(bundle, folder, counts),
        passages=PassageTable.read(bundle, counts.passages),
        entity_keys=bundle.strings("entity_keys", counts.entities),
        entity_names=names,
        entity_passages=bundle.array("entity_passages", np.int64, (counts.entities,)),
        title_entities=entity_numbers("title_entities", counts.passages, lowest=-1),
        triples=TripleTable(
            subjects=entity_numbers("triple_subjects", counts.triples, lowest=0),
            objects=entity_numbers("triple_objects", counts.triples, lowest=0),
            relations=bundle.array("triple_relations", np.int64, (counts.triples,)),
            phrases=evidence.relations,
            names=names,
        ),
        passage_vectors=bundle.array("passage_vectors", np.float32, (counts.passages, width)),
        entity_vectors=bundle.array("entity_vectors", np.float32, (counts.entities, width)),
        triple_vectors=bundle.array("triple_vectors", np.float32, (counts.triples, width)),
        evidence=evidence,
        postings=Postings.read(bundle, passages=counts.passages),
        hold=held,
    )


def _graph(bundle: Bundle, folder: Path, counts: Counts) -> KnowledgeGraph:
    try:
        return KnowledgeGraph(
            indptr=bundle.array("graph_indptr", np.int64, (counts.entities + counts.passages + 1,)),
            indices=bundle.array("graph_indices", (np.int32, np.int64), (2 * counts.edges,)),
            weights=bundle.array("graph_weights", np.float64, (2 * counts.edges,)),
            n_entities=counts.entities,
        )
    except InputError as error:
        raise damage(folder / "graph_indptr.npy", f"and the other arrays of the graph do not fit ({error})") from error
