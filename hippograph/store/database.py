"""Connections to one SQLite file: a writer, a pool of readers, and errors that say what to do."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from hippograph.errors import DamagedIndexError, IndexDirectoryError, IndexMismatchError, NoIndexError
from hippograph.store.schema import APPLICATION_ID, FORMAT_VERSION, STATEMENTS

__all__ = ["Database"]

# How long a writer waits for another process's transaction, seconds.
_PATIENCE: Final = 30.0

_CIRCUMSTANCES: Final = {
    sqlite3.SQLITE_BUSY: "another process is writing to it; wait for that process to end and run the command again",
    sqlite3.SQLITE_LOCKED: "another process is writing to it; wait for that process to end and run the command again",
    sqlite3.SQLITE_FULL: "the disk is full; free some space and run the command again",
    sqlite3.SQLITE_READONLY: "it may not be written to; change its permissions and those of its folder",
    sqlite3.SQLITE_PERM: "it may not be opened; change its permissions",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that its folder exists and may be written to",
}


class Database:
    """One SQLite file in write-ahead mode, shared by the threads of a process.

    Writes go through one connection, one transaction at a time. Reads take a connection from a pool, so that they
    neither wait for a transaction nor see half of it.

    Parameters
    ----------
    path
        The file, which must exist and be a catalog; `open` sees to that.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._write_lock = threading.Lock()
        self._pool_lock = threading.Lock()
        self._pool: list[sqlite3.Connection] = []
        self._closed = False
        self._writer = self._connect(create=False)

    @classmethod
    def open(cls, path: Path, *, create: bool) -> Database:
        """Open the catalog in a file, and make it first if there is none and `create` is set.

        Raises
        ------
        NoIndexError
            If there is no catalog and `create` is not set.
        IndexMismatchError
            If the file was made by a newer hippograph, or by another program.
        DamagedIndexError
            If the file is not an SQLite database or cannot be read.
        IndexDirectoryError
            If the file cannot be opened or written to.
        """
        if not path.is_file():
            if not create:
                raise NoIndexError(_absence(path))
            make_directory(path.parent)
            _initialise(path)
        database = cls(path)
        try:
            if database._is_blank():
                # What a process leaves that died between making the file and filling it.
                if not create:
                    raise NoIndexError(_absence(path))
                _initialise(path)
            database._check_version()
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Lend the writing connection inside a transaction: all of it is kept, or none of it."""
        with self._write_lock, translated(self.path):
            self._check_open()
            connection = self._writer
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection of one's own that sees what is committed."""
        with translated(self.path):
            with self._pool_lock:
                self._check_open()
                connection = self._pool.pop() if self._pool else None
            if connection is None:
                connection = self._connect(create=False)
            try:
                yield connection
            finally:
                with self._pool_lock:
                    if not self._closed:
                        self._pool.append(connection)
                        connection = None
                if connection is not None:
                    connection.close()

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """Stream the rows of a query: one state of the database, whatever is written meanwhile."""
        with self.reading() as connection, closing(connection.execute(statement, parameters)) as cursor:
            yield from cursor

    def checkpoint(self) -> None:
        """Put everything that is committed on the disk itself, where it outlasts a power cut."""
        with self._write_lock, translated(self.path):
            self._check_open()
            self._writer.execute("PRAGMA wal_checkpoint(FULL)").fetchall()

    def close(self) -> None:
        """Close all connections; those that are lent close when they come back. May be called twice."""
        with self._write_lock, self._pool_lock:
            self._closed = True
            for connection in (*self._pool, self._writer):
                connection.close()
            self._pool.clear()

    def _check_open(self) -> None:
        if self._closed:
            message = f"the catalog {self.path} has been closed; open it again"
            raise IndexDirectoryError(message)

    def _connect(self, *, create: bool) -> sqlite3.Connection:
        return _connect(self.path, create=create)

    def _is_blank(self) -> bool:
        return not any(True for _ in self.rows("SELECT 1 FROM sqlite_master LIMIT 1"))

    def _check_version(self) -> None:
        [(application,)] = self.rows("PRAGMA application_id")
        [(version,)] = self.rows("PRAGMA user_version")
        if application != APPLICATION_ID:
            message = f"{self.path} is a database of another program; give another index directory"
            raise IndexMismatchError(message)
        if version != FORMAT_VERSION:
            message = (
                f"the catalog {self.path} has format {version}, and this hippograph reads format {FORMAT_VERSION}; "
                "install the hippograph that made it, or index into another directory"
            )
            raise IndexMismatchError(message)


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


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into those of hippograph, with the file and the remedy."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        message = f"the catalog {path} contradicts itself ({error}); {_remedy(path)}"
        raise DamagedIndexError(message) from error
    except sqlite3.DatabaseError as error:
        # The low byte is the kind of error, the rest its variety; errors of the Python layer have no code.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _CIRCUMSTANCES:
            message = f"the catalog {path}: {_CIRCUMSTANCES[code]} ({error})"
            raise IndexDirectoryError(message) from error
        message = f"the catalog {path} cannot be read ({error}); {_remedy(path)}"
        raise DamagedIndexError(message) from error


def _connect(path: Path, *, create: bool) -> sqlite3.Connection:
    mode = "rwc" if create else "rw"
    with translated(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=_PATIENCE,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # In write-ahead mode a power cut then loses at most the last commits and never breaks the file. What is
            # lost is done again, for what is left to do is a question asked of this same file.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA temp_store = MEMORY")
        except BaseException:
            connection.close()
            raise
    return connection


def _initialise(path: Path) -> None:
    with closing(_connect(path, create=True)) as connection, translated(path):
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have been faster.
        if connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None:
            for statement in STATEMENTS:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
        connection.execute("COMMIT")


def _absence(path: Path) -> str:
    return f"there is no index in {path.parent}; make one with: hippograph index SOURCE --index {path.parent}"


def _remedy(path: Path) -> str:
    return f"restore it from a copy, or delete {path.parent} and index again"
