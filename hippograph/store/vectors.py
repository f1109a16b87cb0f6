"""Vectors of texts, kept so that nothing is embedded twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from hippograph.errors import DamagedIndexError, IndexDirectoryError, IndexMismatchError, InputError
from hippograph.store.database import Database
from hippograph.store.schema import digest_of_texts
from hippograph.types import FloatArray, TextRole

__all__ = ["Vectors"]

# Parameters in one statement; older builds of SQLite allow 999.
_CHUNK: Final = 900
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
        waiting = {digest_of_texts(role, text): text for text in texts}
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
        if matrix.ndim != 2 or len(matrix) != len(texts):
            raise InputError(f"{len(texts)} texts came with vectors of shape {matrix.shape}; give one row per text")
        lengths = np.linalg.norm(matrix.astype(np.float64), axis=1)
        wrong = np.flatnonzero(~(np.abs(lengths - 1.0) <= _TOLERANCE))
        if len(wrong):
            raise InputError(
                f"the embedder {embedder!r} gave {texts[wrong[0]]!r} a vector of length {lengths[wrong[0]]}; "
                "it must give vectors of length 1"
            )
        rows = zip(_keys(role, texts), map(bytes, np.ascontiguousarray(matrix, dtype="<f2")), strict=True)
        with self._database.transaction() as connection:
            number = _register(connection, embedder, dimension=matrix.shape[1])
            connection.executemany(
                f"INSERT OR IGNORE INTO vectors (embedder, key, vector) VALUES ({number:d}, ?, ?)",  # noqa: S608
                rows,
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
        keys = [digest_of_texts(role, text) for text in texts]
        places = {key: row for row, key in enumerate(dict.fromkeys(keys))}
        distinct = np.empty((len(places), dimension), dtype="<f2")
        found = 0
        for key, vector in self._stored(number, list(places), what="vector"):
            if len(vector) != 2 * dimension:
                raise DamagedIndexError(
                    f"a vector in {self._database.path} has {len(vector)} bytes instead of {2 * dimension}; "
                    f"restore it from a copy, or delete {self._database.path.parent} and index again"
                )
            distinct[places[key]] = np.frombuffer(vector, dtype="<f2")
            found += 1
        if found < len(places):
            absent = self.missing(embedder, role, texts)
            raise IndexDirectoryError(
                f"{len(absent)} texts have no vector by {embedder!r} in {self._database.path}, among them "
                f"{absent[0]!r}; index again to embed them"
            )
        units = _unit_rows(distinct)
        return units if len(keys) == len(places) else units[[places[key] for key in keys]]

    def _embedder(self, fingerprint: str) -> tuple[int, int] | None:
        statement = "SELECT number, dimension FROM embedders WHERE fingerprint = ?"
        return next(
            ((int(number), int(width)) for number, width in self._database.rows(statement, (fingerprint,))), None
        )

    def _stored(self, embedder: int, keys: Sequence[bytes], *, what: str) -> Iterator[tuple[bytes, bytes]]:
        # In the order of the index, one chunk reads neighbouring pages.
        ordered = sorted(keys)
        for at in range(0, len(ordered), _CHUNK):
            chunk = ordered[at : at + _CHUNK]
            marks = ",".join("?" * len(chunk))
            statement = f"SELECT key, {what} FROM vectors WHERE embedder = ? AND key IN ({marks})"  # noqa: S608
            yield from self._database.rows(statement, (embedder, *chunk))


def _keys(role: TextRole, texts: Sequence[str]) -> Iterator[bytes]:
    return (digest_of_texts(role, text) for text in texts)


def _register(connection: sqlite3.Connection, embedder: str, *, dimension: int) -> int:
    connection.execute("INSERT OR IGNORE INTO embedders (fingerprint, dimension) VALUES (?, ?)", (embedder, dimension))
    statement = "SELECT number, dimension FROM embedders WHERE fingerprint = ?"
    number, known = connection.execute(statement, (embedder,)).fetchone()
    if known != dimension:
        raise IndexMismatchError(
            f"the embedder {embedder!r} gave vectors of {known} components before and gives {dimension} now; "
            "give the changed embedder a fingerprint of its own"
        )
    return int(number)


def _unit_rows(rounded: np.ndarray[tuple[int, int], np.dtype[np.float16]]) -> FloatArray:
    units = np.empty(rounded.shape, dtype=np.float32)
    # In blocks, or the 64-bit copies would take four times the memory of the result.
    for at in range(0, len(rounded), 4096):
        block = rounded[at : at + 4096].astype(np.float64)
        units[at : at + 4096] = block / np.sqrt(np.square(block).sum(axis=1, keepdims=True))
    return units
