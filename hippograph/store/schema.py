"""The catalog's tables, the version of their format, and the digests that key and guard their rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from hashlib import blake2b
from typing import Final, TypeAlias
from zlib import crc32

__all__ = ["APPLICATION_ID", "FORMAT_VERSION", "Schema", "checksum_of", "create_tables", "digest_of_texts"]
__all__ += ["expected_schema", "schema_of", "stamp_of"]

APPLICATION_ID: Final = 0x48495050
"""Marks an SQLite file as a catalog of hippograph ("HIPP")."""

FORMAT_VERSION: Final = 3
"""Raised whenever a table, a digest or a stamp changes; `migrations` brings older files up to it."""

_STATEMENTS: Final = (
    # Every row has a stamp or a checksum over what it says: a flipped bit is found, and what changed is known.
    """CREATE TABLE documents (
        row INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        stamp BLOB NOT NULL,
        parts INTEGER NOT NULL,
        source TEXT NOT NULL,
        origin TEXT NOT NULL,
        title TEXT NOT NULL,
        digest TEXT NOT NULL,
        metadata TEXT NOT NULL
    )""",
    """CREATE TABLE passages (
        row INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        document INTEGER NOT NULL REFERENCES documents(row),
        position INTEGER NOT NULL,
        stamp BLOB NOT NULL,
        content BLOB NOT NULL,
        start INTEGER NOT NULL,
        end INTEGER NOT NULL,
        page INTEGER,
        title TEXT NOT NULL,
        text TEXT NOT NULL
    )""",
    "CREATE UNIQUE INDEX passages_by_document ON passages(document, position)",
    # This index and the one of extractions answer what is pending and what has changed; no text is touched for it.
    "CREATE INDEX passages_by_content ON passages(content, id, stamp)",
    # Fingerprints are long and repeat in every row: rows hold the number instead.
    """CREATE TABLE extractors (
        number INTEGER PRIMARY KEY,
        fingerprint TEXT NOT NULL UNIQUE,
        preference INTEGER NOT NULL,
        stamp BLOB NOT NULL
    )""",
    """CREATE TABLE extractions (
        row INTEGER PRIMARY KEY,
        extractor INTEGER NOT NULL REFERENCES extractors(number),
        content BLOB NOT NULL,
        stamp BLOB NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('done', 'empty', 'invalid', 'failed')),
        entities TEXT NOT NULL,
        triples TEXT NOT NULL,
        error TEXT NOT NULL,
        UNIQUE (extractor, content)
    )""",
    "CREATE INDEX extractions_by_content ON extractions(extractor, content, status, stamp)",
    """CREATE TABLE embedders (
        number INTEGER PRIMARY KEY,
        fingerprint TEXT NOT NULL UNIQUE,
        dimension INTEGER NOT NULL,
        stamp BLOB NOT NULL
    )""",
    # A row table with an index beside it, not WITHOUT ROWID: keys are random, and vectors are appended this way.
    """CREATE TABLE vectors (
        row INTEGER PRIMARY KEY,
        embedder INTEGER NOT NULL REFERENCES embedders(number),
        key BLOB NOT NULL,
        checksum INTEGER NOT NULL,
        vector BLOB NOT NULL,
        UNIQUE (embedder, key)
    )""",
    """CREATE TABLE sources (
        row INTEGER PRIMARY KEY,
        origin TEXT NOT NULL UNIQUE,
        source TEXT NOT NULL,
        stamp BLOB NOT NULL
    )""",
    """CREATE TABLE usage (
        row INTEGER PRIMARY KEY,
        stage TEXT NOT NULL,
        model TEXT NOT NULL,
        calls INTEGER NOT NULL,
        items INTEGER NOT NULL,
        input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        reused INTEGER NOT NULL,
        seconds REAL NOT NULL,
        cost REAL NOT NULL,
        stamp BLOB NOT NULL,
        UNIQUE (stage, model)
    )""",
)

Schema: TypeAlias = list[tuple[str, str, str | None]]
"""Kind, name and definition of each table and index, in order."""


def create_tables(connection: sqlite3.Connection, *names: str) -> None:
    """Make the tables of a catalog, or some of them without their indices, inside the caller's transaction."""
    beginnings = tuple(f"CREATE TABLE {name} (" for name in names)
    for statement in _STATEMENTS:
        if not names or statement.startswith(beginnings):
            connection.execute(statement)


def schema_of(connection: sqlite3.Connection) -> Schema:
    """Return the tables and indices that a database has."""
    return connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()


@cache
def expected_schema() -> Schema:
    """Return the tables and indices that a catalog has."""
    with closing(sqlite3.connect(":memory:")) as connection:
        create_tables(connection)
        return schema_of(connection)


def digest_of_texts(*texts: str) -> bytes:
    """Hash texts so that no two different sequences of them share a digest; 128 bits of BLAKE2b.

    At 128 bits, a billion texts collide with a probability below 1e-20.

    Examples
    --------
    >>> digest_of_texts("Oslo", "").hex() == digest_of_texts("", "Oslo").hex()
    False
    >>> len(digest_of_texts("Oslo"))
    16
    """
    state = blake2b(digest_size=16)
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.digest()


def stamp_of(*values: str | float | bytes | None) -> bytes:
    """Hash the values of a row: `digest_of_texts` of them as texts, bytes as hexadecimal digits, None as "".

    Examples
    --------
    >>> stamp_of("oslo", 3, None) == digest_of_texts("oslo", "3", "")
    True
    """
    return digest_of_texts(*map(_as_text, values))


def checksum_of(number: int, key: bytes, vector: bytes) -> int:
    """Return the CRC-32 of a vector with its key and the number of its embedder.

    Vectors are many and can be made again, so 4 bytes that are sure to differ for any burst of up to 32 bits suffice.

    Examples
    --------
    >>> checksum_of(1, b"key", b"vector") == checksum_of(1, b"key", b"vectos")
    False
    """
    return crc32(vector, crc32(key, number))


def _as_text(value: str | float | bytes | None) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    return "" if value is None else repr(value)
