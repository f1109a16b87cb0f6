"""Vectors of texts, kept so that nothing is embedded twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hippograph.errors import IndexDirectoryError, IndexMismatchError, InputError
from hippograph.store.database import Database
from hippograph.store.holdings import altered
from hippograph.store.schema import checksum_of, digest_of_texts, stamp_of
from hippograph.types import FloatArray, TextRole

__all__ = ["Vectors", "as_saved", "rounded_rows", "unit_rows", "vector_key"]

# An embedder's rows have length 1; more than float32 rounding away from it, the embedder is wrong.
_TOLERANCE: Final = 1e-3


class Vectors:
    """Vectors, keyed by the text, its role and the embedder's fingerprint; stored as 16-bit floats.

    Half the disk of 32 bits. A component is off by at most 1 part in 2048 of itself, which moves the cosine of two
    vectors of 384 components by less than 1e-4 (measured); the default model's 8-bit arithmetic moves a text's own
    vector by 7e-3 when other texts are computed beside it (see `OnnxEmbedder`). Everything is derived from what was
    stored, never from what the embedder returned, so a resumed index is the same as one made in one go.

    Parameters
    ----------
    database
        The catalog's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def missing(self, embedder: str, role: TextRole, texts: Sequence[str]) -> list[str]:
        """Return the texts that have no vector yet, in order, repeated ones once.

        Parameters
        ----------
        embedder
            The embedder's fingerprint.
        role
            What the texts are to the embedder.
        texts
            Any texts.
        """
        waiting = {vector_key(role, text): text for text in texts}
        embedder_row = self._embedder(embedder)
        if embedder_row is not None:
            for key, _ in self._stored(embedder_row[0], list(waiting), what="NULL"):
                del waiting[key]
        return list(waiting.values())

    def save(self, embedder: str, role: TextRole, texts: Sequence[str], matrix: FloatArray) -> None:
        """Keep vectors, in one transaction; texts that have one already keep that.

        Parameters
        ----------
        embedder
            The embedder's fingerprint.
        role
            What the texts are to the embedder.
        texts
            The texts that were embedded.
        matrix
            Their vectors; shape (len(texts), dimension), rows of length 1.

        Raises
        ------
        InputError
            If there is not one row per text, or a row is not of length 1.
        IndexMismatchError
            If the embedder had another dimension before.
        """
        halves = rounded_rows(embedder, texts, matrix)
        with self._database.transaction() as connection:
            number = _register(connection, embedder, dimension=matrix.shape[1])
            connection.executemany(
                "INSERT OR IGNORE INTO vectors (embedder, key, vector, checksum) VALUES (?, ?, ?, ?)",
                _rows(number, [vector_key(role, text) for text in texts], map(bytes, halves)),
            )

    def load(self, embedder: str, role: TextRole, texts: Sequence[str]) -> FloatArray:
        """Return the vectors of texts.

        Parameters
        ----------
        embedder
            The embedder's fingerprint.
        role
            What the texts are to the embedder.
        texts
            Texts that `missing` does not list.

        Returns
        -------
        Shape (len(texts), dimension), rows of length 1, in the order of `texts`. For an embedder that has never saved
        anything, no texts give shape (0, 0).

        Raises
        ------
        IndexDirectoryError
            If a text has no vector.
        DamagedIndexError
            If a vector has been altered.
        """
        number, dimension = self._embedder(embedder) or (-1, 0)
        keys = [vector_key(role, text) for text in texts]
        places = {key: row for row, key in enumerate(dict.fromkeys(keys))}
        distinct = np.empty((len(places), dimension), dtype="<f2")
        found = 0
        for key, vector, checksum in self._stored(number, list(places), what="vector, checksum"):
            if len(vector) != 2 * dimension or checksum_of(number, key, vector) != checksum:
                raise altered(f"a vector of {embedder!r}", self._database.path)
            distinct[places[key]] = np.frombuffer(vector, dtype="<f2")
            found += 1
        if found < len(places):
            absent = self.missing(embedder, role, texts)
            raise IndexDirectoryError(
                f"{len(absent)} texts have no vector by {embedder!r} in {self._database.path}, among them "
                f"{absent[0]!r}; index again to embed them"
            )
        units = unit_rows(distinct)
        return units if len(keys) == len(places) else units[[places[key] for key in keys]]

    def embedders(self) -> list[str]:
        """Return the fingerprints of the embedders that have saved anything, in order."""
        return [name for (name,) in self._database.rows("SELECT fingerprint FROM embedders ORDER BY fingerprint")]

    def keep_only(self, embedder: str, keys: Iterable[bytes]) -> int:
        """Delete all vectors but some of one embedder's, in one transaction; those of other embedders go, too.

        Parameters
        ----------
        embedder
            The fingerprint of the embedder to keep.
        keys
            The `vector_key` of each vector to keep.

        Returns
        -------
        How many vectors were deleted.
        """
        with self._database.transaction() as connection:
            connection.execute("CREATE TEMP TABLE kept (key BLOB PRIMARY KEY) WITHOUT ROWID")
            try:
                connection.executemany("INSERT OR IGNORE INTO kept VALUES (?)", ((key,) for key in keys))
                deleted = connection.execute(
                    """DELETE FROM vectors WHERE key NOT IN (SELECT key FROM kept)
                    OR embedder NOT IN (SELECT number FROM embedders WHERE fingerprint = ?)""",
                    (embedder,),
                ).rowcount
                connection.execute("DELETE FROM embedders WHERE fingerprint != ?", (embedder,))
            finally:
                connection.execute("DROP TABLE IF EXISTS temp.kept")
        return deleted

    def _embedder(self, fingerprint: str) -> tuple[int, int] | None:
        statement = "SELECT number, dimension, stamp FROM embedders WHERE fingerprint = ?"
        for number, dimension, stamp in self._database.rows(statement, (fingerprint,)):
            if stamp_of(number, fingerprint, dimension) != stamp:
                raise altered(f"what is known of the embedder {fingerprint!r}", self._database.path)
            return number, dimension
        return None

    def _stored(self, embedder: int, keys: Sequence[bytes], *, what: str) -> Iterator[tuple[Any, ...]]:
        statement = f"SELECT key, {what} FROM vectors WHERE embedder = ? AND key IN (...)"  # noqa: S608
        return self._database.rows_among(statement, sorted(keys), (embedder,))


def vector_key(role: TextRole, text: str) -> bytes:
    """Return the key under which the vector of a text is kept, whatever the embedder.

    Examples
    --------
    >>> vector_key("entity", "oslo") == vector_key("passage", "oslo")
    False
    """
    return digest_of_texts(role, text)


def as_saved(units: FloatArray) -> FloatArray:
    """Find the rows that were saved, given what `Vectors.load` made of them: saved again, they give the same.

    Parameters
    ----------
    units
        Rows that `Vectors.load` returned; shape (n, d).

    Returns
    -------
    Shape (n, d): 16-bit floats, which differ from `units` by their length. Rows that no 16-bit floats give are rounded.

    Examples
    --------
    >>> halves = np.array([[0.707, 0.7065]], dtype=np.float16)
    >>> units = unit_rows(halves)
    >>> bool(np.all(as_saved(units) == halves)), bool(np.all(units.astype(np.float16) == halves))
    (True, False)
    """
    found = units.astype(np.float16)
    if not units.size:
        return found.astype(np.float32)
    largest = np.abs(units).argmax(axis=1)[:, None]
    peaks = np.take_along_axis(units, largest, axis=1).astype(np.float64)
    rounded = peaks.astype(np.float16)
    # A row that was saved is one of these times a length; its largest component, one of three, tells which.
    for peak in (
        rounded,
        np.nextafter(rounded, np.float16(0)),
        np.nextafter(rounded, np.copysign(np.float16(2), rounded)),
    ):
        tried = (units * (peak / peaks)).astype(np.float16)
        fits = np.all(unit_rows(tried) == units, axis=1) & np.any(unit_rows(found) != units, axis=1)
        found[fits] = tried[fits]
    return found.astype(np.float32)


def rounded_rows(embedder: str, texts: Sequence[str], matrix: FloatArray) -> NDArray[np.float16]:
    """Check what an embedder gave, and round it to what is kept: 16-bit floats, the lower byte first.

    Parameters
    ----------
    embedder
        The embedder's fingerprint.
    texts
        The texts that were embedded.
    matrix
        Their vectors; shape (len(texts), d), rows of length 1.

    Raises
    ------
    InputError
        If there is not one row per text, or a row is not of length 1.
    """
    if matrix.ndim != 2 or len(matrix) != len(texts):
        raise InputError(f"{len(texts)} texts came with vectors of shape {matrix.shape}; give one row per text")
    lengths = np.linalg.norm(matrix.astype(np.float64), axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1.0) <= _TOLERANCE))
    if len(wrong):
        raise InputError(
            f"the embedder {embedder!r} gave {texts[wrong[0]]!r} a vector of length {lengths[wrong[0]]}; "
            "it must give vectors of length 1"
        )
    halves: NDArray[np.float16] = np.ascontiguousarray(matrix, dtype="<f2")
    return halves


def unit_rows(rounded: NDArray[np.float16]) -> FloatArray:
    """Give rounded rows the length 1.

    Parameters
    ----------
    rounded
        Shape (n, d), no row of zeros.

    Returns
    -------
    Shape (n, d), each row whatever the others are.
    """
    units = np.empty(rounded.shape, dtype=np.float32)
    # In blocks, or the 64-bit copies would take four times the memory of the result.
    for at in range(0, len(rounded), 4096):
        block = rounded[at : at + 4096].astype(np.float64)
        units[at : at + 4096] = block / np.sqrt(np.square(block).sum(axis=1, keepdims=True))
    return units


def _rows(number: int, keys: Iterable[bytes], vectors: Iterable[bytes]) -> Iterator[tuple[int, bytes, bytes, int]]:
    for key, vector in zip(keys, vectors, strict=True):
        yield number, key, vector, checksum_of(number, key, vector)


def _register(connection: sqlite3.Connection, embedder: str, *, dimension: int) -> int:
    statement = "SELECT number, dimension FROM embedders WHERE fingerprint = ?"
    found = connection.execute(statement, (embedder,)).fetchone()
    if found is None:
        [number] = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM embedders").fetchone()
        values = (number, embedder, dimension)
        connection.execute("INSERT INTO embedders VALUES (?, ?, ?, ?)", (*values, stamp_of(*values)))
        return int(number)
    number, known = found
    if known != dimension:
        raise IndexMismatchError(
            f"the embedder {embedder!r} gave vectors of {known} components before and gives {dimension} now; "
            "give the changed embedder a fingerprint of its own"
        )
    return int(number)
