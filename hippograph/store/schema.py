"""The catalog's tables, the version of their format, and the digests that key them."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

__all__ = ["APPLICATION_ID", "FORMAT_VERSION", "STATEMENTS", "digest_of_texts"]

APPLICATION_ID: Final = 0x48495050
"""Marks an SQLite file as a catalog of hippograph ("HIPP")."""

FORMAT_VERSION: Final = 1
"""Raised whenever a table, a digest or the analysis of the full text changes: older code must not read newer files."""

STATEMENTS: Final = (
    """CREATE TABLE documents (
        row INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
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
        content BLOB NOT NULL,
        start INTEGER NOT NULL,
        end INTEGER NOT NULL,
        page INTEGER,
        title TEXT NOT NULL,
        text TEXT NOT NULL
    )""",
    "CREATE UNIQUE INDEX passages_by_document ON passages(document, position)",
    "CREATE INDEX passages_by_content ON passages(content, id)",
    # Fingerprints are long and repeat in every row: rows hold the number instead.
    "CREATE TABLE extractors (number INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE)",
    """CREATE TABLE extractions (
        row INTEGER PRIMARY KEY,
        extractor INTEGER NOT NULL REFERENCES extractors(number),
        content BLOB NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('done', 'empty', 'invalid', 'failed')),
        entities TEXT NOT NULL,
        triples TEXT NOT NULL,
        error TEXT NOT NULL,
        UNIQUE (extractor, content)
    )""",
    """CREATE TABLE embedders (
        number INTEGER PRIMARY KEY,
        fingerprint TEXT NOT NULL UNIQUE,
        dimension INTEGER NOT NULL
    )""",
    # A row table with an index beside it, not WITHOUT ROWID: keys are random, and vectors are appended this way.
    """CREATE TABLE vectors (
        row INTEGER PRIMARY KEY,
        embedder INTEGER NOT NULL REFERENCES embedders(number),
        key BLOB NOT NULL,
        vector BLOB NOT NULL,
        UNIQUE (embedder, key)
    )""",
    """CREATE TABLE usage (
        stage TEXT NOT NULL,
        model TEXT NOT NULL,
        calls INTEGER NOT NULL,
        items INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        seconds REAL NOT NULL,
        PRIMARY KEY (stage, model)
    ) WITHOUT ROWID""",
    # Contentless: the texts are in `passages`. Marks (Mn, Mc) belong to words: else Hindi falls apart at vowel signs.
    """CREATE VIRTUAL TABLE full_text USING fts5(
        title, text, content='', tokenize="unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
    )""",
)
"""What makes an empty database a catalog."""


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
