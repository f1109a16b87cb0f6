"""Connections to an SQLite file, to write or only to read it, and errors that say what to do."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from hippograph.errors import DamagedIndexError, IndexDirectoryError

__all__ = ["CATALOG", "FileKind", "FileState", "ReadingConnection", "connect_for_reading", "connect_for_writing"]
__all__ += ["file_state"]
__all__ += ["READING_ERRORS", "is_damage", "log_of", "remedy", "translated"]

# How long a writer waits for another process's transaction, seconds.
_PATIENCE: Final = 30.0

_BUSY: Final = "another process is writing to it; wait for that process to end and run the command again"
_CIRCUMSTANCES: Final = {
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_FULL: "the disk is full; free some space and run the command again",
    sqlite3.SQLITE_IOERR: "the disk failed or is full; check it and run the command again",
    sqlite3.SQLITE_READONLY: "it may not be written to; change its permissions and those of its folder",
    sqlite3.SQLITE_PERM: "it may not be opened; change its permissions",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that its folder exists, may be written to and has space left",
}

READING_ERRORS: Final = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What SQLite and its Python layer raise when a file is damaged; the layer stumbles over messages that cite damage."""

FileState: TypeAlias = tuple[int, ...]
"""Tells whether a file was changed: its number, size and time, and the size of its write-ahead log."""


class ReadingConnection(NamedTuple):
    """A connection that changes nothing.

    Parameters
    ----------
    connection
        The connection.
    frozen
        None where SQLite sees what others write. Else the state of the file that the connection takes for granted.
    """

    connection: sqlite3.Connection
    frozen: FileState | None


class FileKind(NamedTuple):
    """What a file is to its users, for messages about it.

    Parameters
    ----------
    name
        What it is called.
    remedy
        Says what to do about a damaged one.
    """

    name: str
    remedy: Callable[[Path], str]


def connect_for_writing(path: Path, *, create: bool, kind: FileKind | None = None) -> sqlite3.Connection:
    """Connect to write, in write-ahead mode; `kind` is what the file is, a catalog if None."""
    kind = kind or CATALOG
    connection = _connect(path, "mode=rwc" if create else "mode=rw", kind)
    with _closed_on_failure(connection), translated(path, kind):
        connection.execute("PRAGMA journal_mode = WAL")
        # In write-ahead mode a power cut then loses at most the last commits and never breaks the file. What is
        # lost is done again, for what is left to do is a question asked of this same file.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
    return connection


def connect_for_reading(path: Path, *, kind: FileKind | None = None) -> ReadingConnection:
    """Connect to read, also where nothing may be written; `kind` is what the file is, a catalog if None.

    SQLite reads a file in write-ahead mode with the help of two files beside it. Where they cannot be made and there
    is no log to be read, the file is read without them and without locks, as if it never changed. What others write
    later is then not seen by this connection, and must not be written while it reads: `ReadingConnection.frozen` is
    there to be compared with `file_state` before and after.

    Raises
    ------
    IndexDirectoryError
        If it cannot be opened.
    DamagedIndexError
        If it is not an SQLite database.
    """
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        # Not `mode=ro`, which would leave the two files behind for others to stumble over.
        return ReadingConnection(_reading(path, "mode=rw", kind or CATALOG), None)
    frozen = file_state(path)
    if log_of(path).exists():
        try:
            return ReadingConnection(_reading(path, "mode=ro", kind or CATALOG), None)
        except IndexDirectoryError:
            if frozen[-1]:
                raise
    return ReadingConnection(_reading(path, "mode=ro&immutable=1", kind or CATALOG), frozen)


def file_state(path: Path) -> FileState:
    """Return what changes when a file or its write-ahead log is written to."""
    try:
        found = path.stat()
        log = log_of(path).stat().st_size if log_of(path).exists() else 0
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}); check its permissions and those of its folder"
        raise IndexDirectoryError(message) from error
    return found.st_ino, found.st_size, found.st_mtime_ns, log


def log_of(path: Path) -> Path:
    """Return where SQLite keeps the write-ahead log of a file."""
    return path.with_name(path.name + "-wal")


@contextmanager
def translated(path: Path, kind: FileKind | None = None) -> Iterator[None]:
    """Turn SQLite's errors into those of hippograph, with the file (a catalog, if `kind` is None) and the remedy."""
    kind = kind or CATALOG
    try:
        yield
    except sqlite3.IntegrityError as error:
        message = f"the {kind.name} {path} contradicts itself ({error}); {kind.remedy(path)}"
        raise DamagedIndexError(message) from error
    except READING_ERRORS as error:
        if not is_damage(error):
            message = f"the {kind.name} {path}: {_CIRCUMSTANCES[_kind(error)]} ({error})"
            raise IndexDirectoryError(message) from error
        message = f"the {kind.name} {path} cannot be read ({error}); {kind.remedy(path)}"
        raise DamagedIndexError(message) from error


def is_damage(error: Exception) -> bool:
    """Tell whether an error is due to what the file holds, not to the circumstances."""
    return _kind(error) not in _CIRCUMSTANCES


def remedy(path: Path) -> str:
    """Say what to do about a damaged catalog."""
    return (
        f"run: hippograph doctor --repair --index {path.parent}; "
        f"what that cannot mend, restore from a copy, or delete {path.parent} and index again"
    )


CATALOG: Final = FileKind("catalog", remedy)


@contextmanager
def _closed_on_failure(connection: sqlite3.Connection) -> Iterator[None]:
    """Close a connection that turns out to be of no use."""
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _kind(error: Exception) -> int:
    # The low byte is the kind of error, the rest its variety; errors of the Python layer have no code.
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _reading(path: Path, mode: str, kind: FileKind) -> sqlite3.Connection:
    connection = _connect(path, mode, kind)
    with _closed_on_failure(connection), translated(path, kind):
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
    return connection


def _connect(path: Path, mode: str, kind: FileKind) -> sqlite3.Connection:
    with translated(path, kind):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?{mode}",
            uri=True,
            timeout=_PATIENCE,
            isolation_level=None,
            check_same_thread=False,
        )
        with _closed_on_failure(connection):
            connection.execute("PRAGMA temp_store = MEMORY")
    return connection
