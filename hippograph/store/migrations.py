"""Bringing catalogs of older formats up to date, one format at a time."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hippograph.errors import DamagedIndexError
from hippograph.store.schema import FORMAT_VERSION, checksum_of, create_tables, stamp_of

__all__ = ["STEPS", "migrate"]

_LOGGER = logging.getLogger(__name__)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring a catalog to the current format; each step is a transaction, so a crash leaves one format or the next.

    Parameters
    ----------
    connection
        A connection that may write, outside of a transaction.
    path
        The file, for messages.

    Raises
    ------
    DamagedIndexError
        If the rows of the older format contradict each other.
    """
    # Tables are replaced one by one; whether they fit together is looked at in the end.
    connection.execute("PRAGMA foreign_keys = OFF")
    try:
        while (version := _version(connection)) < FORMAT_VERSION:
            _LOGGER.info("bringing the catalog %s from format %d to %d", path, version, version + 1)
            connection.execute("BEGIN IMMEDIATE")
            try:
                # Another process may have been faster.
                if _version(connection) == version:
                    _step(connection, path, version)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
    finally:
        connection.execute("PRAGMA foreign_keys = ON")


def _version(connection: sqlite3.Connection) -> int:
    [version] = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _step(connection: sqlite3.Connection, path: Path, version: int) -> None:
    STEPS[version](connection)
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        message = (
            f"the catalog {path} of format {version} contradicts itself: row {row} of {table} has nothing to belong to "
            f"in {parent}; restore it from a copy, or delete {path.parent} and index again"
        )
        raise DamagedIndexError(message)
    connection.execute(f"PRAGMA user_version = {version + 1}")


def _from_1_to_2(connection: sqlite3.Connection) -> None:
    """Stamp all rows, and leave the full text to the snapshots."""
    connection.execute("DROP TABLE full_text")
    connection.execute("DROP INDEX passages_by_document")
    connection.execute("DROP INDEX passages_by_content")
    tables = ("documents", "passages", "extractors", "extractions", "embedders", "vectors", "usage")
    for table in tables:
        connection.execute(f"ALTER TABLE {table} RENAME TO former_{table}")
    connection.execute("CREATE INDEX former_parts ON former_passages(document)")
    create_tables(connection)
    for table, definition in _OF_FORMAT_2.items():
        connection.execute(f"DROP TABLE {table}")
        connection.execute(definition)
    for table, (columns, rows) in _STAMPED_ROWS.items():
        marks = ",".join("?" * len(columns.split(",")))
        connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows(connection))  # noqa: S608
    for table in tables:
        connection.execute(f"DROP TABLE former_{table}")


_Rows = Iterator[tuple[Any, ...]]


def _documents(connection: sqlite3.Connection) -> _Rows:
    statement = """
        SELECT row, id, (SELECT count(*) FROM former_passages WHERE document = former_documents.row),
        source, origin, title, digest, metadata FROM former_documents ORDER BY row
    """
    for row, *values in connection.execute(statement):
        yield row, *values, stamp_of(*values)


def _passages(connection: sqlite3.Connection) -> _Rows:
    statement = """
        SELECT passages.row, passages.id, passages.document, position, content, start, end, page, passages.title, text,
        documents.id, documents.source, documents.metadata
        FROM former_passages AS passages LEFT JOIN former_documents AS documents ON documents.row = passages.document
        ORDER BY passages.row
    """
    for *values, document, source, metadata in connection.execute(statement):
        _, name, _, _, content, start, end, page, _, _ = values
        yield *values, stamp_of(name, document, content, start, end, page, source, metadata)


def _extractors(connection: sqlite3.Connection) -> _Rows:
    for number, fingerprint in connection.execute("SELECT number, fingerprint FROM former_extractors"):
        yield number, fingerprint, stamp_of(number, fingerprint)


def _extractions(connection: sqlite3.Connection) -> _Rows:
    statement = """
        SELECT row, extractor, content, status, entities, triples, error, fingerprint
        FROM former_extractions LEFT JOIN former_extractors ON number = extractor ORDER BY row
    """
    for row, extractor, *values, fingerprint in connection.execute(statement):
        yield row, extractor, *values, stamp_of(fingerprint, *values)


def _embedders(connection: sqlite3.Connection) -> _Rows:
    for values in connection.execute("SELECT number, fingerprint, dimension FROM former_embedders"):
        yield *values, stamp_of(*values)


def _vectors(connection: sqlite3.Connection) -> _Rows:
    for row, *values in connection.execute("SELECT row, embedder, key, vector FROM former_vectors ORDER BY row"):
        yield row, *values, checksum_of(*values)


def _usage(connection: sqlite3.Connection) -> _Rows:
    statement = "SELECT stage, model, calls, items, tokens, seconds FROM former_usage ORDER BY stage, model"
    for values in connection.execute(statement):
        yield *values, stamp_of(*values)


_STAMPED_ROWS: Final[Mapping[str, tuple[str, Callable[[sqlite3.Connection], _Rows]]]] = {
    "documents": ("row, id, parts, source, origin, title, digest, metadata, stamp", _documents),
    "passages": ("row, id, document, position, content, start, end, page, title, text, stamp", _passages),
    "extractors": ("number, fingerprint, stamp", _extractors),
    "extractions": ("row, extractor, content, status, entities, triples, error, stamp", _extractions),
    "embedders": ("number, fingerprint, dimension, stamp", _embedders),
    "vectors": ("row, embedder, key, vector, checksum", _vectors),
    "usage": ("stage, model, calls, items, tokens, seconds, stamp", _usage),
}

# The tables that format 3 has changed; all others are as they are now.
_OF_FORMAT_2: Final = {
    "extractors": """CREATE TABLE extractors (
        number INTEGER PRIMARY KEY,
        fingerprint TEXT NOT NULL UNIQUE,
        stamp BLOB NOT NULL
    )""",
    "usage": """CREATE TABLE usage (
        row INTEGER PRIMARY KEY,
        stage TEXT NOT NULL,
        model TEXT NOT NULL,
        calls INTEGER NOT NULL,
        items INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        seconds REAL NOT NULL,
        stamp BLOB NOT NULL,
        UNIQUE (stage, model)
    )""",
}


def _from_2_to_3(connection: sqlite3.Connection) -> None:
    """Rank the extractors, and tell tokens read from tokens written, and what they cost.

    Where several extractors have read, nothing here tells which of them the index is of: none is preferred then.
    """
    extractors = connection.execute("SELECT number, fingerprint, stamp FROM extractors").fetchall()
    usage = connection.execute("SELECT row, stage, model, calls, items, tokens, seconds, stamp FROM usage").fetchall()
    for table in _OF_FORMAT_2:
        connection.execute(f"DROP TABLE {table}")
    create_tables(connection, *_OF_FORMAT_2)
    preference = 1 if len(extractors) == 1 else 0
    for number, fingerprint, stamp in extractors:
        kept = _carried(stamp, (number, fingerprint), (number, fingerprint, preference))
        connection.execute("INSERT INTO extractors VALUES (?, ?, ?, ?)", (number, fingerprint, preference, kept))
    for row, stage, model, calls, items, tokens, seconds, stamp in usage:
        # No model of format 2 counted tokens, so it does not matter which they are.
        now = (stage, model, calls, items, tokens, 0, 0, seconds, 0.0)
        kept = _carried(stamp, (stage, model, calls, items, tokens, seconds), now)
        connection.execute("INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (row, *now, kept))


def _carried(stamp: bytes, before: Sequence[Any], now: Sequence[Any]) -> bytes:
    """Stamp a row anew; one that was altered keeps its stamp, so that it is still found."""
    return stamp_of(*now) if stamp_of(*before) == stamp else stamp


STEPS: Final[Mapping[int, Callable[[sqlite3.Connection], None]]] = {1: _from_1_to_2, 2: _from_2_to_3}
"""What brings a catalog of each older format to the next."""
