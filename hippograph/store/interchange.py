"""Interchange by tables: a snapshot as Parquet files that other programs read, and join by ids and keys."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hippograph.extras import import_extra
from hippograph.store.arrays import StringTable
from hippograph.store.edges import KINDS, edge_blocks, statements, synonym_pairs
from hippograph.store.placement import new_folder
from hippograph.store.ragged import places_of
from hippograph.store.snapshot import Snapshot
from hippograph.types import FloatArray, IntArray

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TABLES", "export_parquet"]

TABLES: Final = ("documents", "passages", "entities", "triples", "mentions", "synonyms", "edges")
"""The tables, each a file `<name>.parquet`."""

# A row group: some 100 MB of passages with their vectors.
_ROWS: Final = 1 << 15

_Columns: TypeAlias = "dict[str, pa.Array]"


def export_parquet(snapshot: Snapshot, folder: str | Path, *, vectors: bool = False) -> list[Path]:
    """Write a snapshot as Parquet tables.

    The folder appears when all of them are written, or not at all. Memory is bounded by a row group and the numbers
    (not the texts) of the snapshot. The same snapshot makes the same bytes.

    Parameters
    ----------
    snapshot
        What to write.
    folder
        Where; a new or an empty folder. Missing folders above it are made.
    vectors
        Whether passages, entities and triples get a column `vector` of float32 lists of fixed length.

    Returns
    -------
    The files, in the order of `TABLES`. Their columns are listed in `docs/usage.md`. The metadata of each file tells
    the snapshot's generation, graph digest, embedder, extractor and normaliser.

    Raises
    ------
    InputError
        If the folder is not empty, or is a file.
    MissingExtraError
        If pyarrow is not installed.
    DamagedIndexError
        If the snapshot holds what cannot be.
    OSError
        If the disk is full or may not be written to.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as directory:
    ...     [path.name for path in export_parquet(Snapshot.empty(), f"{directory}/tables")][:3]
    ['documents.parquet', 'passages.parquet', 'entities.parquet']
    """
    tables = _Tables(snapshot=snapshot, arrow=import_extra("pyarrow", extra="parquet"), vectors=vectors)
    with new_folder(folder) as place:
        for name in TABLES:
            rows: Callable[[], Iterator[_Columns]] = getattr(tables, name)
            _write(place / f"{name}.parquet", rows(), metadata=_metadata(snapshot))
    return [Path(folder) / f"{name}.parquet" for name in TABLES]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Tables:
    """The rows of each table, a row group at a time; at least one, which tells the columns of an empty table."""

    snapshot: Snapshot
    arrow: ModuleType
    vectors: bool

    def documents(self) -> Iterator[_Columns]:
        passages = self.snapshot.passages
        encoded = self._strings(passages.documents).dictionary_encode()
        numbers = encoded.indices.to_numpy()
        # Ids do not tell the order of a document's passages ("d#10" comes before "d#2"); where they begin does.
        order = np.lexsort((passages.places[:, 0], numbers))
        counts = np.bincount(numbers, minlength=len(encoded.dictionary))
        firsts = order[np.cumsum(counts) - counts]
        titles, sources, metadata = map(self._strings, (passages.titles, passages.sources, passages.metadata))
        for start, end in _groups(len(counts)):
            rows = self.arrow.array(firsts[start:end])
            yield {
                "document_id": encoded.dictionary.slice(start, end - start),
                "title": titles.take(rows),
                "source": sources.take(rows),
                "metadata": metadata.take(rows),
                "passages": self.arrow.array(counts[start:end]),
            }

    def passages(self) -> Iterator[_Columns]:
        snapshot, passages = self.snapshot, self.snapshot.passages
        texts = {
            "passage_id": passages.ids,
            "document_id": passages.documents,
            "source": passages.sources,
            "title": passages.titles,
            "text": passages.texts,
            "metadata": passages.metadata,
        }
        columns = {name: self._strings(table) for name, table in texts.items()}
        keys = self._strings(snapshot.entity_keys)
        for start, end in _groups(len(passages)):
            places, titled = passages.places[start:end], snapshot.title_entities[start:end]
            yield {
                "node": self.arrow.array(np.arange(start, end) + snapshot.graph.n_entities),
                **{name: column.slice(start, end - start) for name, column in columns.items()},
                "span_start": self.arrow.array(places[:, 0]),
                "span_end": self.arrow.array(places[:, 1]),
                "page": self._number_or_null(places[:, 2]),
                "title_entity": keys.take(self._number_or_null(titled)),
                **self._vector(snapshot.passage_vectors, start, end),
            }

    def entities(self) -> Iterator[_Columns]:
        snapshot = self.snapshot
        keys, names = self._strings(snapshot.entity_keys), self._strings(snapshot.entity_names)
        for start, end in _groups(len(keys)):
            yield {
                "node": self.arrow.array(np.arange(start, end)),
                "entity_key": keys.slice(start, end - start),
                "name": names.slice(start, end - start),
                "passages": self.arrow.array(snapshot.entity_passages[start:end]),
                **self._vector(snapshot.entity_vectors, start, end),
            }

    def triples(self) -> Iterator[_Columns]:
        snapshot, triples, stated = self.snapshot, self.snapshot.triples, statements(self.snapshot)
        keys, phrases = self._strings(snapshot.entity_keys), self._strings(triples.phrases)
        ids = self._strings(snapshot.passages.ids)
        for start, end in _groups(len(triples)):
            indptr, places = places_of(stated.indptr, np.arange(start, end))
            yield {
                "subject_key": keys.take(self.arrow.array(triples.subjects[start:end])),
                "relation": phrases.take(self.arrow.array(triples.relations[start:end])),
                "object_key": keys.take(self.arrow.array(triples.objects[start:end])),
                "passage_ids": self.arrow.LargeListArray.from_arrays(
                    self.arrow.array(indptr), ids.take(self.arrow.array(stated.passages[places]))
                ),
                **self._vector(snapshot.triple_vectors, start, end),
            }

    def mentions(self) -> Iterator[_Columns]:
        evidence = self.snapshot.evidence
        ids, keys = self._strings(self.snapshot.passages.ids), self._strings(self.snapshot.entity_keys)
        for start, end in _groups(len(evidence.mention_entities)):
            passages = np.searchsorted(evidence.mention_indptr, np.arange(start, end), side="right") - 1
            yield {
                "passage_id": ids.take(self.arrow.array(passages)),
                "entity_key": keys.take(self.arrow.array(evidence.mention_entities[start:end])),
                "count": self.arrow.array(evidence.mention_counts[start:end]),
            }

    def synonyms(self) -> Iterator[_Columns]:
        left, right, cosines = synonym_pairs(self.snapshot.evidence)
        keys = self._strings(self.snapshot.entity_keys)
        for start, end in _groups(len(left)):
            yield {
                "entity_key": keys.take(self.arrow.array(left[start:end])),
                "synonym_key": keys.take(self.arrow.array(right[start:end])),
                "cosine": self.arrow.array(cosines[start:end]),
            }

    def edges(self) -> Iterator[_Columns]:
        for block in edge_blocks(self.snapshot):
            yield {
                "source": self.arrow.array(block.sources),
                "target": self.arrow.array(block.targets),
                "weight": self.arrow.array(block.weights),
                **{kind: self.arrow.array(block.kinds[:, column]) for column, kind in enumerate(KINDS)},
            }

    def _strings(self, table: StringTable) -> pa.Array:
        """View a table as an array of Arrow, without a copy."""
        buffers = (self.arrow.py_buffer(part) for part in (table.offsets, table.blob))
        strings = self.arrow.LargeStringArray.from_buffers(len(table), *buffers)
        try:
            strings.validate(full=True)
        except self.arrow.ArrowInvalid:
            # The table itself tells which file is damaged, and where.
            table.to_list()
            raise
        return strings

    def _number_or_null(self, numbers: IntArray) -> pa.Array:
        return self.arrow.array(numbers, mask=numbers < 0)

    def _vector(self, vectors: FloatArray, start: int, end: int) -> _Columns:
        if not self.vectors:
            return {}
        width = self.snapshot.manifest.dimension
        numbers: NDArray[np.float32] = np.ravel(vectors[start:end])
        return {
            "vector": self.arrow.FixedSizeListArray.from_arrays(self.arrow.array(numbers), width)
            if width
            else self.arrow.array([], type=self.arrow.list_(self.arrow.float32(), 0))
        }


def _groups(length: int) -> Iterator[tuple[int, int]]:
    for start in range(0, max(1, length), _ROWS):
        yield start, min(start + _ROWS, length)


def _write(path: Path, groups: Iterator[_Columns], *, metadata: dict[str, str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    first = pa.record_batch(next(groups))
    # Texts and vectors do not repeat, and counting what does not repeat takes time.
    repeating = [name for name in first.schema.names if name not in ("text", "vector", "weight", "cosine")]
    with path.open("xb") as file:
        with pq.ParquetWriter(
            file, first.schema.with_metadata(metadata), compression="zstd", use_dictionary=repeating
        ) as writer:
            for group in chain([first], map(pa.record_batch, groups)):
                if group.num_rows:
                    writer.write_batch(group, row_group_size=_ROWS)
        file.flush()
        os.fsync(file.fileno())


def _metadata(snapshot: Snapshot) -> dict[str, str]:
    manifest = snapshot.manifest
    return {
        f"hippograph.{name}": str(getattr(manifest, name))
        for name in ("generation", "graph_digest", "embedder", "extractor", "normalizer")
    }
