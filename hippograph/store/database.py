"""One SQLite file: a writer, a pool of readers, and who may open it."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from hippograph.errors import DamagedIndexError, IndexDirectoryError, IndexMismatchError, NoIndexError
from hippograph.store.connections import (
    ReadingConnection,
    connect_for_reading,
    connect_for_writing,
    file_state,
    log_of,
    remedy,
    translated,
)
from hippograph.store.migrations import migrate
from hippograph.store.schema import APPLICATION_ID, FORMAT_VERSION, create_tables, expected_schema, schema_of

__all__ = ["Database", "make_directory"]

# Parameters in one statement; older builds of SQLite allow 999.
_CHUNK: Final = 900
# What a statement of `rows_among` says where the values belong.
_VALUES: Final = "IN (...)"


class Database:
    """One SQLite file in write-ahead mode, shared by the threads of a process.

    Writes go through one connection, one transaction at a time. Reads take a connection from a pool, so that they
    neither wait for a transaction nor see half of it.

    Parameters
    ----------
    path
        The file, which must exist and be a catalog; `open` sees to that.
    write
        Whether it may be changed.
    """

    def __init__(self, path: Path, *, write: bool) -> None:
        self.path = path
        self._write_lock = threading.Lock()
        self._pool_lock = threading.Lock()
        self._pool: list[ReadingConnection] = []
        self._closed = False
        self._writer = connect_for_writing(path, create=False) if write else None

    @classmethod
    def open(cls, path: Path, *, create: bool = False, write: bool = False) -> Database:
        """Open the catalog in a file, as `Catalog.open` tells."""
        if not _is_file(path):
            if not create:
                raise NoIndexError(_absence(path))
            make_directory(path.parent)
            _initialise(path)
        database = cls(path, write=write or create)
        try:
            database._admit(create=create)
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Lend the writing connection inside a transaction: all of it is kept, or none of it.

        Raises
        ------
        IndexDirectoryError
            If the catalog was opened for reading only.
        """
        with self.writing() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Lend the writing connection outside of a transaction, for what cannot be done in one.

        Raises
        ------
        IndexDirectoryError
            If the catalog was opened for reading only.
        """
        with self._write_lock, translated(self.path):
            self._check_open()
            if self._writer is None:
                message = f"the catalog {self.path} was opened for reading; open it with write=True to change it"
                raise IndexDirectoryError(message)
            yield self._writer

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection of one's own that sees what is committed.

        Raises
        ------
        IndexDirectoryError
            If the catalog can only be read as a file that does not change, and did change.
        """
        lent = self._lend()
        try:
            with translated(self.path):
                yield lent.connection
        except DamagedIndexError as error:
            self._check_unchanged(lent, error)
            raise
        else:
            self._check_unchanged(lent, None)
        finally:
            self._take_back(lent)

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """Stream the rows of a query: one state of the database, whatever is written meanwhile."""
        with self.reading() as connection, closing(connection.execute(statement, parameters)) as cursor:
            yield from cursor

    def rows_among(
        self, statement: str, values: Sequence[str | bytes | int], parameters: Sequence[object] = ()
    ) -> Iterator[tuple[Any, ...]]:
        """Stream the rows of a query for many values, some hundreds at a time; each time sees a state of its own.

        Parameters
        ----------
        statement
            A query that says `IN (...)` where the values belong, behind all other parameters.
        values
            The values; those of one index should be sorted, so that neighbouring pages are read together.
        parameters
            Those that stand before.
        """
        for at in range(0, len(values), _CHUNK):
            chunk = values[at : at + _CHUNK]
            yield from self.rows(
                statement.replace(_VALUES, f"IN ({','.join('?' * len(chunk))})"), (*parameters, *chunk)
            )

    def checkpoint(self) -> None:
        """Put everything that is committed on the disk itself, where it outlasts a power cut."""
        with self.writing() as connection:
            [(_, logged, moved)] = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            if moved < logged:
                # A reader holds an older state, so the log must stay; then it is the log that has to be safe.
                _sync(log_of(self.path))

    def compact(self) -> None:
        """Give the space that is not used any more back to the disk; needs as much of it again while at it."""
        with self.writing() as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close all connections; those that are lent close when they come back. May be called twice."""
        with self._write_lock, self._pool_lock:
            self._closed = True
            for connection, _ in self._pool:
                connection.close()
            self._pool.clear()
            # The last to close puts the log into the file; a reader may not.
            if self._writer is not None:
                self._writer.close()

    def _lend(self) -> ReadingConnection:
        with self._pool_lock:
            self._check_open()
            lent = self._pool.pop() if self._pool else None
        if lent is not None and lent.frozen is not None and lent.frozen != file_state(self.path):
            lent.connection.close()
            lent = None
        return lent or connect_for_reading(self.path)

    def _take_back(self, lent: ReadingConnection) -> None:
        with self._pool_lock:
            if not self._closed:
                self._pool.append(lent)
                return
        lent.connection.close()

    def _check_unchanged(self, lent: ReadingConnection, error: Exception | None) -> None:
        if lent.frozen is not None and lent.frozen != file_state(self.path):
            message = f"the catalog {self.path} was changed by another process while it was read; run the command again"
            raise IndexDirectoryError(message) from error

    def _check_open(self) -> None:
        if self._closed:
            message = f"the catalog {self.path} has been closed; open it again"
            raise IndexDirectoryError(message)

    def _admit(self, *, create: bool) -> None:
        if next(self.rows("SELECT 1 FROM sqlite_master LIMIT 1"), None) is None:
            # What a process leaves that died between making the file and filling it.
            if not create:
                raise NoIndexError(_absence(self.path))
            _initialise(self.path)
        version = self._version()
        if version < FORMAT_VERSION and self._writer is not None:
            with self.writing() as connection:
                migrate(connection, self.path)
            version = self._version()
        if version < FORMAT_VERSION:
            message = (
                f"the catalog {self.path} has format {version}, which this hippograph no longer reads; bring it up to "
                f"date with: hippograph doctor --repair --index {self.path.parent} (so does hippograph index)"
            )
            raise IndexMismatchError(message)

    def _version(self) -> int:
        [(application,)] = self.rows("PRAGMA application_id")
        [(version,)] = self.rows("PRAGMA user_version")
        if application == APPLICATION_ID and version == FORMAT_VERSION:
            return int(version)
        with self.reading() as connection:
            current = schema_of(connection) == expected_schema()
        if current or (application == APPLICATION_ID and version < 1):
            message = f"the header of the catalog {self.path} has been altered; {remedy(self.path)}"
            raise DamagedIndexError(message)
        if application != APPLICATION_ID:
            message = f"{self.path} is a database of another program; give another index directory"
            raise IndexMismatchError(message)
        if version > FORMAT_VERSION:
            message = (
                f"the catalog {self.path} has format {version}, and this hippograph reads formats up to "
                f"{FORMAT_VERSION}; install a newer hippograph, or index into another directory"
            )
            raise IndexMismatchError(message)
        return int(version)


def make_directory(directory: Path) -> None:
    """Make the directory of an index if need be.

    Raises
    ------
    IndexDirectoryError
        If it cannot be made.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"the index directory {directory} cannot be made ({error.strerror}); name another place"
        raise IndexDirectoryError(message) from error


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        message = f"the catalog {path} cannot be reached ({error.strerror}); check the permissions of its folder"
        raise IndexDirectoryError(message) from error


def _initialise(path: Path) -> None:
    with closing(connect_for_writing(path, create=True)) as connection, translated(path):
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have been faster.
        if connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None:
            create_tables(connection)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
        connection.execute("COMMIT")


def _sync(path: Path) -> None:
    try:
        # Windows flushes only what is open for writing.
        descriptor = os.open(path, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        message = f"{path} could not be put on the disk ({error.strerror}); check the disk and run the command again"
        raise IndexDirectoryError(message) from error


def _absence(path: Path) -> str:
    return f"there is no index in {path.parent}; make one with: hippograph index SOURCE --index {path.parent}"
