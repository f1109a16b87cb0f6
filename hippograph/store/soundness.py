"""Which rows of a catalog are what was stored: the tables, what their stamps cover, and how to read them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final, TypeAlias

from hippograph.store.schema import checksum_of, digest_of_texts, stamp_of

__all__ = ["INCOMPLETE", "TABLES", "Parent", "Table", "lenient"]

INCOMPLETE: Final = """
    SELECT row FROM documents WHERE
    parts != (SELECT count(*) FROM passages WHERE document = documents.row)
    OR parts != (SELECT count(*) FROM passages WHERE document = documents.row AND position BETWEEN 0 AND parts - 1)
"""
"""Finds the documents that do not have the passages they were stored with."""

_Values: TypeAlias = Sequence[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """The row that a row belongs to.

    Parameters
    ----------
    table
        Where it stands.
    key
        The column that names it, in the table it belongs to.
    columns
        What the stamp of the row covers of it.
    """

    table: str
    key: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of the catalog.

    Parameters
    ----------
    columns
        All columns in the order of their definition, with the types of their values; the first is the row's number.
    agrees
        Tells whether the values of a row, and those of its parent, agree with its stamp.
    name
        Tells how a row is called in messages.
    parent
        The row that each row belongs to, if there is one.
    """

    columns: Mapping[str, tuple[type, ...]]
    agrees: Callable[[_Values, _Values], bool]
    name: Callable[[_Values], str]
    parent: Parent | None = None

    def sound(self, values: _Values, parent: _Values) -> bool:
        """Tell whether a row, read with `lenient`, is what was stored.

        Parameters
        ----------
        values
            The row's values, in the order of the columns.
        parent
            The values of its parent's columns; none if there is no parent.
        """
        typed = all(map(isinstance, values, self.columns.values()))
        return typed and None not in parent and self.agrees(values, parent)


_TEXT, _BYTES, _NUMBER, _REAL, _PAGE = (str,), (bytes,), (int,), (float,), (int, NoneType)


def _document_agrees(values: _Values, _: _Values) -> bool:
    _, name, stamp, *rest = values
    return stamp_of(name, *rest) == bytes(stamp)


def _passage_agrees(values: _Values, parent: _Values) -> bool:
    _, name, _, _, stamp, content, start, end, page, title, text = values
    document, source, metadata = parent
    return digest_of_texts(title, text) == bytes(content) and stamp_of(
        name, document, content, start, end, page, source, metadata
    ) == bytes(stamp)


def _extraction_agrees(values: _Values, parent: _Values) -> bool:
    _, _, content, stamp, *rest = values
    return stamp_of(*parent, content, *rest) == bytes(stamp)


def _vector_agrees(values: _Values, _: _Values) -> bool:
    _, embedder, key, checksum, vector = values
    return checksum_of(embedder, key, vector) == int(checksum)


TABLES: Final[Mapping[str, Table]] = {
    "documents": Table(
        columns={
            "row": _NUMBER,
            "id": _TEXT,
            "stamp": _BYTES,
            "parts": _NUMBER,
            "source": _TEXT,
            "origin": _TEXT,
            "title": _TEXT,
            "digest": _TEXT,
            "metadata": _TEXT,
        },
        agrees=_document_agrees,
        name=lambda values: f"the document {values[1]!r}",
    ),
    "passages": Table(
        columns={
            "row": _NUMBER,
            "id": _TEXT,
            "document": _NUMBER,
            "position": _NUMBER,
            "stamp": _BYTES,
            "content": _BYTES,
            "start": _NUMBER,
            "end": _NUMBER,
            "page": _PAGE,
            "title": _TEXT,
            "text": _TEXT,
        },
        agrees=_passage_agrees,
        name=lambda values: f"the passage {values[1]!r}",
        parent=Parent(table="documents", key="document", columns=("id", "source", "metadata")),
    ),
    "extractors": Table(
        columns={"number": _NUMBER, "fingerprint": _TEXT, "preference": _NUMBER, "stamp": _BYTES},
        agrees=lambda values, _: stamp_of(*values[:-1]) == values[-1],
        name=lambda values: f"the extractor {values[1]!r}",
    ),
    "extractions": Table(
        columns={
            "row": _NUMBER,
            "extractor": _NUMBER,
            "content": _BYTES,
            "stamp": _BYTES,
            "status": _TEXT,
            "entities": _TEXT,
            "triples": _TEXT,
            "error": _TEXT,
        },
        agrees=_extraction_agrees,
        name=lambda values: f"the extraction in row {values[0]}",
        parent=Parent(table="extractors", key="extractor", columns=("fingerprint",)),
    ),
    "embedders": Table(
        columns={"number": _NUMBER, "fingerprint": _TEXT, "dimension": _NUMBER, "stamp": _BYTES},
        agrees=lambda values, _: stamp_of(*values[:-1]) == values[-1],
        name=lambda values: f"the embedder {values[1]!r}",
    ),
    "vectors": Table(
        columns={"row": _NUMBER, "embedder": _NUMBER, "key": _BYTES, "checksum": _NUMBER, "vector": _BYTES},
        agrees=_vector_agrees,
        name=lambda values: f"the vector in row {values[0]}",
        parent=Parent(table="embedders", key="embedder", columns=("number",)),
    ),
    "sources": Table(
        columns={"row": _NUMBER, "origin": _TEXT, "source": _TEXT, "stamp": _BYTES},
        agrees=lambda values, _: stamp_of(*values[1:-1]) == values[-1],
        name=lambda values: f"the source {values[2]!r}",
    ),
    "usage": Table(
        columns={
            "row": _NUMBER,
            "stage": _TEXT,
            "model": _TEXT,
            "calls": _NUMBER,
            "items": _NUMBER,
            "input_tokens": _NUMBER,
            "output_tokens": _NUMBER,
            "reused": _NUMBER,
            "seconds": _REAL,
            "cost": _REAL,
            "stamp": _BYTES,
        },
        agrees=lambda values, _: stamp_of(*values[1:-1]) == values[-1],
        name=lambda values: f"the usage of {values[2]!r}",
    ),
}
"""The tables by their names, parents before those that belong to them."""


@contextmanager
def lenient(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Read texts that are not Unicode as texts that are none of ours, instead of failing."""
    connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    try:
        yield connection
    finally:
        connection.text_factory = str
