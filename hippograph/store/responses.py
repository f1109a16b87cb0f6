"""Answers of language models, kept so that none is paid for twice: one SQLite file of keys and texts.

It is apart from the catalog, because it may be thrown away: what is lost is asked for again.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple, TypeVar
from weakref import finalize

from hippograph.errors import DamagedIndexError, IndexDirectoryError, IndexMismatchError
from hippograph.store.connections import (
    READING_ERRORS,
    FileKind,
    ReadingConnection,
    connect_for_reading,
    connect_for_writing,
    file_state,
    is_damage,
    log_of,
    translated,
)
from hippograph.store.database import make_directory
from hippograph.store.schema import stamp_of

__all__ = ["BATCHES", "RESPONSES", "ResponseCounts", "ResponseStore", "damage_of"]

_log = logging.getLogger("hippograph.store")

RESPONSES: Final = "responses.sqlite"
"""The name of the store in an index directory."""

BATCHES: Final = "batches.sqlite"
"""The name of the ledger of batches in an index directory."""

# Marks the file as a store of answers ("HIPR").
_APPLICATION_ID: Final = 0x48495052
# Version 1 did not know who was given an answer.
_FORMAT_VERSION: Final = 2
_TABLE: Final = """CREATE TABLE responses (
    row INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    stamp BLOB NOT NULL,
    value BLOB NOT NULL
)"""
_BOOKS: Final = (
    "ALTER TABLE responses ADD COLUMN run TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE responses ADD COLUMN booked INTEGER NOT NULL DEFAULT 1",
    "CREATE INDEX responses_by_run ON responses(run) WHERE NOT booked",
)
# How long to try to open a file that others are opening, seconds.
_PATIENCE: Final = 30.0
_KIND: Final = FileKind("store of answers", lambda _: "delete it; the answers are then asked for again")
# Errors that say that nothing may be written here, as opposed to a full disk or a damaged file.
_FORBIDDEN: Final = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN})

_Result = TypeVar("_Result")


class ResponseCounts(NamedTuple):
    """How much a store holds: answers, and the bytes of its file."""

    answers: int
    bytes: int


@dataclass(frozen=True)
class ResponseStore:
    """Answers by key, in a file that several threads and processes may read and write at once.

    An answer that was saved outlasts the death of its process; a power cut may take the last ones. Every row has a
    checksum: an answer that was altered counts as missing. Where nothing may be written, answers are still read, and
    new ones are not kept, of which a warning is logged once. A file that turns out to be damaged is put aside, by the
    name of `responses.sqlite-damaged-1` or the next number, and a new one is begun; of this, too, a warning is logged.

    An answer belongs to the *run* that was given it last, and is *booked* as soon as that run has said that what it
    cost stands in lasting books. One of which that was never said, because the run died or failed, is claimed by the
    next run that comes across it, so that its cost is counted there.

    Parameters
    ----------
    path
        The file; it is made when the first answer is saved.

    Raises
    ------
    DamagedIndexError
        By any method, if the file is damaged and cannot be put aside.
    IndexMismatchError
        By any method, if the file belongs to another program or version.
    IndexDirectoryError
        By any method, if the disk is full or fails, or another process blocks the file for half a minute.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     store = ResponseStore(Path(folder) / "responses.sqlite")
    ...     store.save("2af5", "Oslo")
    ...     print(store.load("2af5"), store.load("77d0"), store.counts().answers)
    ...     store.close()
    Oslo None 1
    """

    path: Path
    _lanes: _Lanes = field(init=False, repr=False, compare=False, default_factory=lambda: _Lanes())

    def __post_init__(self) -> None:
        finalize(self, self._lanes.close)

    def load(self, key: str) -> str | None:
        """Return the answer of a key, or None if there is none."""
        for value, stamp in self._rows("SELECT value, stamp FROM responses WHERE key = ?", key):
            if stamp_of(key, value) == stamp:
                return bytes(value).decode("utf-8", "surrogatepass")
            _log.warning("an answer in %s was altered and is asked for again", self.path)
        return None

    def save(self, key: str, value: str, *, run: str = "") -> None:
        """Keep an answer, in place of an earlier one of the same key; what it cost is booked if no run is named."""
        data = value.encode("utf-8", "surrogatepass")
        statement = "INSERT OR REPLACE INTO responses (key, stamp, value, run, booked) VALUES (?, ?, ?, ?, ?)"
        self._change(statement, key, stamp_of(key, data), data, run, not run)

    def claim(self, key: str, *, run: str) -> bool:
        """Tell whether nobody has booked what an answer has cost; then it belongs to this run from now on.

        Returns
        -------
        Whether the run has to count the cost: false if it is booked, or the run has counted it, or it is not possible
        to note that it does.
        """
        if not self._has_books():
            return False
        if not self._rows("SELECT 1 FROM responses WHERE key = ? AND NOT booked AND run != ?", key, run):
            return False
        change = "UPDATE responses SET run = ? WHERE key = ? AND NOT booked AND run != ?"
        return self._change(change, run, key, run) == 1

    def settle(self, *, run: str) -> None:
        """Note that all that a run was given is booked."""
        if not self._has_books():
            return
        if self._rows("SELECT 1 FROM responses WHERE run = ? AND NOT booked LIMIT 1", run):
            self._change("UPDATE responses SET booked = 1 WHERE run = ? AND NOT booked", run)

    def clear(self) -> int:
        """Remove all answers, give the space back to the disk, and return how many they were."""

        def clear() -> int:
            with self._writing() as connection:
                removed = connection.execute("DELETE FROM responses").rowcount
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            return removed

        return self._mended(clear) if self.path.exists() else 0

    def counts(self) -> ResponseCounts:
        """Count the answers and the bytes they take."""
        for (answers,) in self._rows("SELECT count(*) FROM responses"):
            return ResponseCounts(answers, self.path.stat().st_size)
        return ResponseCounts(0, 0)

    def close(self) -> None:
        """Close the file, which the next call opens again."""
        self._lanes.close()

    def _has_books(self) -> bool:
        return any(version >= _FORMAT_VERSION for (version,) in self._rows("PRAGMA user_version"))

    def _change(self, statement: str, *parameters: object) -> int:
        """Change rows, and return how many; none where nothing may be written."""

        def change() -> int:
            with self._writing() as connection:
                return connection.execute(statement, parameters).rowcount

        if self._lanes.barred:
            return 0
        try:
            return self._mended(change)
        except IndexDirectoryError as error:
            if _kind(error) not in _FORBIDDEN:
                raise
            self._lanes.barred = True
            _log.warning("answers are not kept: %s", error)
            return 0

    def _rows(self, statement: str, *parameters: str) -> list[tuple[Any, ...]]:
        return self._mended(lambda: self._found(statement, parameters))

    def _mended(self, work: Callable[[], _Result]) -> _Result:
        """Do something, and once more with a new file if this one is damaged."""
        try:
            return work()
        except DamagedIndexError as error:
            self._put_aside(error)
        return work()

    def _put_aside(self, error: DamagedIndexError) -> None:
        lanes = self._lanes
        with lanes.reading, lanes.writing:
            lanes.close_both()
            damage = damage_of(self.path)
            if not damage:
                # Somebody else was faster, or it was the connection that did not see what has changed.
                return
            numbered = (self.path.with_name(f"{self.path.name}-damaged-{number}") for number in range(1, 1_000_000))
            aside = next(path for path in numbered if not path.exists())
            try:
                # Its log must not be taken for that of the new one.
                if log_of(self.path).exists():
                    log_of(self.path).rename(log_of(aside))
                self.path.with_name(f"{self.path.name}-shm").unlink(missing_ok=True)
                self.path.rename(aside)
            except OSError:
                raise error from None
        _log.warning(
            "the store of answers %s is damaged (%s) and was put aside as %s; its answers are asked for again",
            self.path,
            damage,
            aside.name,
        )

    def _found(self, statement: str, parameters: tuple[str, ...]) -> list[tuple[Any, ...]]:
        lanes = self._lanes
        with lanes.reading:
            if lanes.reader is not None and lanes.reader.frozen not in (None, file_state(self.path)):
                lanes.close_reader()
            if lanes.reader is None:
                lanes.reader = self._reader()
            if lanes.reader is None:
                return []
            try:
                with translated(self.path, _KIND):
                    return lanes.reader.connection.execute(statement, parameters).fetchall()
            except DamagedIndexError:
                # What is read without locks may look damaged while somebody else writes it.
                if lanes.reader.frozen in (None, file_state(self.path)):
                    raise
                return []

    def _reader(self) -> ReadingConnection | None:
        """Connect to read; None if nothing was ever saved."""
        if not self.path.exists():
            return None
        reader = connect_for_reading(self.path, kind=_KIND)
        try:
            if self._is_ready(reader.connection):
                return reader
        except BaseException:
            reader.connection.close()
            raise
        reader.connection.close()
        return None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        lanes = self._lanes
        with lanes.writing:
            if lanes.writer is None:
                lanes.writer = self._writer()
            with translated(self.path, _KIND):
                yield lanes.writer

    def _writer(self) -> sqlite3.Connection:
        make_directory(self.path.parent)
        connection = self._write_ahead()
        try:
            with translated(self.path, _KIND):
                connection.execute("BEGIN IMMEDIATE")
                # Another process may have been faster.
                if not self._is_ready(connection):
                    connection.execute(_TABLE)
                    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                [(version,)] = connection.execute("PRAGMA user_version")
                if version < _FORMAT_VERSION:
                    for statement in _BOOKS:
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {_FORMAT_VERSION}")
                connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection

    def _write_ahead(self) -> sqlite3.Connection:
        """Connect to write, again and again if processes get in each other's way.

        Of several that put a new file into write-ahead mode at once, SQLite turns some down without waiting.
        """
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return connect_for_writing(self.path, create=True, kind=_KIND)
            except IndexDirectoryError as error:
                if _kind(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(0.01)

    def _is_ready(self, connection: sqlite3.Connection) -> bool:
        """Tell whether a database has its table, and refuse one that is not a store of answers."""
        with translated(self.path, _KIND):
            [(tables, own)] = connection.execute("SELECT count(*), sum(name = 'responses') FROM sqlite_master")
            [(application,)] = connection.execute("PRAGMA application_id")
            [(version,)] = connection.execute("PRAGMA user_version")
        if not tables:
            return False
        # An altered header alone is no harm: every row has a checksum.
        if application != _APPLICATION_ID and not own:
            message = f"{self.path} is no store of answers; delete it or give another path"
            raise IndexMismatchError(message)
        if not 1 <= version <= _FORMAT_VERSION:
            message = (
                f"the store of answers {self.path} has format {version}, and this hippograph reads {_FORMAT_VERSION}; "
                f"{_KIND.remedy(self.path)}"
            )
            raise IndexMismatchError(message)
        return True


@dataclass(slots=True)
class _Lanes:
    """The connections of a store: one to read, which never waits for the one to write."""

    reading: Lock = field(default_factory=Lock)
    writing: Lock = field(default_factory=Lock)
    reader: ReadingConnection | None = None
    writer: sqlite3.Connection | None = None
    barred: bool = False

    def close_reader(self) -> None:
        """Close the connection that reads; under its lock."""
        if self.reader is not None:
            self.reader.connection.close()
            self.reader = None

    def close_both(self) -> None:
        """Close both connections; under both locks."""
        self.close_reader()
        # The last to close puts the log into the file; a reader may not.
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def close(self) -> None:
        """Close both."""
        with self.reading, self.writing:
            self.close_both()


def damage_of(path: Path) -> str:
    """Say what is damaged in an SQLite file; empty if nothing is, there is no file, or it cannot be looked into now."""
    mode = "mode=rw" if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK) else "mode=ro&immutable=1"
    if not path.exists():
        return ""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=0)
        with closing(connection):
            [(told,)] = connection.execute("PRAGMA integrity_check(1)")
    except READING_ERRORS as error:
        return str(error) if is_damage(error) else ""
    return "" if told == "ok" else str(told)


def _kind(error: Exception) -> int:
    """Return what SQLite says is wrong."""
    return int(getattr(error.__cause__, "sqlite_errorcode", 0)) & 0xFF
