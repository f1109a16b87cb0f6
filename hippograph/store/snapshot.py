"""The snapshot: the immutable, memory-mapped half of an index, which retrievers read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from hippograph.errors import DamagedIndexError, InputError
from hippograph.graph.knowledge_graph import KnowledgeGraph
from hippograph.store.arrays import Bundle, BundleWriter, StringTable, damage
from hippograph.store.holds import Hold, hold
from hippograph.store.manifest import (
    FORMAT_VERSION,
    MANIFEST,
    Counts,
    Manifest,
    Pointer,
    read_manifest,
    read_pointer,
)
from hippograph.store.publication import install
from hippograph.store.tables import PassageTable, TripleTable, write_passages
from hippograph.types import DoubleArray, FloatArray, IntArray, Passage

__all__ = ["SNAPSHOTS", "Counts", "Manifest", "Snapshot", "SnapshotContent", "open_snapshot", "publish"]

SNAPSHOTS: Final = "snapshots"
"""The folder of the snapshots in an index directory."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SnapshotContent:
    """What a snapshot is to contain.

    Parameters
    ----------
    embedder, extractor
        Fingerprints.
    normalizer
        Version of the rule that makes keys of names.
    state, graph_digest
        See `Manifest`.
    graph
        Entities and passages, N = E + P nodes.
    passages
        In the order of their ids; may be a stream.
    entity_keys
        Normalised names, ascending; length E.
    entity_names
        Names as displayed, length E.
    entity_passages
        How many passages mention each entity; shape (E,), whole numbers.
    title_entities
        The entity that each passage's title names, -1 for none; shape (P,).
    triple_subjects, triple_objects
        Entities, shape (T,).
    triple_relations
        Relation phrases, length T.
    passage_vectors, entity_vectors, triple_vectors
        Shapes (P, d), (E, d) and (T, d); those without rows may have any width.
    """

    embedder: str
    extractor: str
    normalizer: str
    state: str
    graph_digest: str
    graph: KnowledgeGraph
    passages: Iterable[Passage]
    entity_keys: Sequence[str]
    entity_names: Sequence[str]
    entity_passages: IntArray | DoubleArray
    title_entities: IntArray
    triple_subjects: IntArray
    triple_objects: IntArray
    triple_relations: Sequence[str]
    passage_vectors: FloatArray
    entity_vectors: FloatArray
    triple_vectors: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """One published state of an index: immutable, and shared by all that have it open.

    All arrays and tables are read-only maps of files. They stay readable when a newer snapshot is published.

    Parameters
    ----------
    generation
        The number of the snapshot.
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
        Shapes (P, d), (E, d) and (T, d), rows of length 1.
    hold
        Keeps the files as long as the snapshot is referred to; None for one that has no files of its own.
    """

    generation: int
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
    hold: Hold | None = None


def publish(directory: str | Path, content: SnapshotContent) -> int:
    """Write a snapshot and make it the current one, in one step that either happens or does not.

    Everything is written beside the current snapshot and flushed to the disk first. A crash at any instant leaves the
    former one current and whole. Other snapshots are removed, but for those that readers hold. One process publishes at
    a time.

    Parameters
    ----------
    directory
        The directory of the index; made if need be.
    content
        What to publish.

    Returns
    -------
    The snapshot's number, one above the highest there.

    Raises
    ------
    InputError
        If the parts of the content do not fit together.
    DamagedIndexError
        If the pointer to the current snapshot cannot be read.
    OSError
        If the disk is full or may not be written to.
    """
    dimension = _check(content)

    def write(folder: Path, generation: int) -> Pointer:
        writer = BundleWriter(folder)
        counts = _write(writer, content, dimension=dimension)
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            generation=generation,
            embedder=content.embedder,
            dimension=dimension,
            extractor=content.extractor,
            normalizer=content.normalizer,
            state=content.state,
            graph_digest=content.graph_digest,
            counts=counts,
            files=writer.files,
        )
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
    """
    snapshots = Path(directory) / SNAPSHOTS
    pointer = read_pointer(snapshots)
    while True:
        try:
            return _open(snapshots / pointer.folder, pointer, verify=verify)
        except DamagedIndexError:
            latest = read_pointer(snapshots)
            if latest == pointer:
                raise
            # Not damaged: a newer one was published since the pointer was read, and this one was removed.
            pointer = latest


def _check(content: SnapshotContent) -> int:
    """Check what costs a moment to check, and return the length of the vectors."""
    n_entities, n_triples = len(content.entity_keys), len(content.triple_relations)
    n_passages = content.graph.n_passages
    widths = set()
    for name, array, rows in (
        ("entity_names", content.entity_names, n_entities),
        ("entity_passages", content.entity_passages, n_entities),
        ("title_entities", content.title_entities, n_passages),
        ("triple_subjects", content.triple_subjects, n_triples),
        ("triple_objects", content.triple_objects, n_triples),
        ("passage_vectors", content.passage_vectors, n_passages),
        ("entity_vectors", content.entity_vectors, n_entities),
        ("triple_vectors", content.triple_vectors, n_triples),
    ):
        if len(array) != rows:
            raise InputError(f"{name} has {len(array)} rows instead of {rows}; give one for each")
        if isinstance(array, np.ndarray) and array.ndim == 2 and len(array):
            widths.add(array.shape[1])
    if content.graph.n_entities != n_entities:
        raise InputError(f"the graph has {content.graph.n_entities} entities instead of {n_entities}; give all of them")
    if len(widths) > 1:
        raise InputError(f"the vectors have {sorted(widths)} components; give vectors of one embedder")
    for name, entities, lowest in (
        ("title_entities", content.title_entities, -1),
        ("triple_subjects", content.triple_subjects, 0),
        ("triple_objects", content.triple_objects, 0),
    ):
        if len(entities) and not (lowest <= entities.min() and entities.max() < n_entities):
            raise InputError(
                f"{name} ranges from {entities.min()} to {entities.max()}; there are {n_entities} entities"
            )
    former = ""
    for number, key in enumerate(content.entity_keys):
        if number and key <= former:
            raise InputError(f"the entity key {key!r} comes after {former!r}; give each once, in ascending order")
        former = key
    return widths.pop() if widths else 0


def _write(writer: BundleWriter, content: SnapshotContent, *, dimension: int) -> Counts:
    passages, documents = write_passages(writer, content.passages)
    if passages != content.graph.n_passages:
        raise InputError(f"the graph has {content.graph.n_passages} passages instead of {passages}; give all of them")
    writer.write_strings(["entity_keys", "entity_names"], zip(content.entity_keys, content.entity_names, strict=True))
    writer.write_strings(["triple_relations"], ((relation,) for relation in content.triple_relations))
    for name, integers in (
        ("graph_indptr", content.graph.indptr),
        ("entity_passages", content.entity_passages),
        ("title_entities", content.title_entities),
        ("triple_subjects", content.triple_subjects),
        ("triple_objects", content.triple_objects),
    ):
        writer.write_array(name, integers.astype(np.int64, copy=False))
    writer.write_array("graph_indices", content.graph.indices)
    writer.write_array("graph_weights", content.graph.weights)
    for name, vectors in (
        ("passage_vectors", content.passage_vectors),
        ("entity_vectors", content.entity_vectors),
        ("triple_vectors", content.triple_vectors),
    ):
        writer.write_array(name, vectors.astype(np.float32, copy=False).reshape(len(vectors), dimension))
    return Counts(
        documents=documents,
        passages=passages,
        entities=len(content.entity_keys),
        triples=len(content.triple_relations),
        edges=content.graph.n_edges,
    )


def _open(folder: Path, pointer: Pointer, *, verify: bool) -> Snapshot:
    held = hold(folder)
    try:
        return _read(folder, pointer, held, verify=verify)
    except BaseException:
        # An error that is kept must not keep the files.
        held.release()
        raise


def _read(folder: Path, pointer: Pointer, held: Hold, *, verify: bool) -> Snapshot:
    manifest = read_manifest(folder, pointer)
    bundle = Bundle(folder, manifest.files, verify=verify)
    counts, width = manifest.counts, manifest.dimension
    names = bundle.strings("entity_names", counts.entities)

    def entity_numbers(name: str, length: int, *, lowest: int) -> IntArray:
        numbers: IntArray = bundle.array(name, np.int64, (length,))
        if length and not (lowest <= numbers.min() and numbers.max() < counts.entities):
            raise damage(folder / f"{name}.npy", f"names entities that do not exist; there are {counts.entities}")
        return numbers

    return Snapshot(
        generation=manifest.generation,
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
            relations=bundle.strings("triple_relations", counts.triples),
            names=names,
        ),
        passage_vectors=bundle.array("passage_vectors", np.float32, (counts.passages, width)),
        entity_vectors=bundle.array("entity_vectors", np.float32, (counts.entities, width)),
        triple_vectors=bundle.array("triple_vectors", np.float32, (counts.triples, width)),
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
