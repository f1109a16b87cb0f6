"""What was left with a server to be answered in batches, in an SQLite file: so that nothing is left there twice."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from weakref import finalize

from hippograph.errors import ModelError

__all__ = ["Batch", "BatchLedger", "Entry"]

_APPLICATION_ID: Final = 0x48495042  # "HIPB"
_FORMAT_VERSION: Final = 1
# As long as OpenAI keeps the files, seconds.
_KEPT: Final = 30 * 86400.0
_TABLES: Final = (
    "CREATE TABLE batches (token TEXT PRIMARY KEY, place TEXT NOT NULL, batch TEXT, collected INTEGER NOT NULL)",
    """CREATE TABLE lines (
        id TEXT PRIMARY KEY,
        token TEXT NOT NULL REFERENCES batches(token),
        answer TEXT,
        taken REAL
    )""",
    "CREATE INDEX lines_by_token ON lines(token)",
)


class Batch(NamedTuple):
    """A batch that is not over, as far as the ledger knows.

    Parameters
    ----------
    token
        Marks it at the server.
    id
        What the server calls it; None if it may never have come there.
    """

    token: str
    id: str | None


class Entry(NamedTuple):
    """What is known of a line of a batch.

    Parameters
    ----------
    token
        The batch it was last sent in.
    answer
        What the server said, as it wrote it; None as long as it has not.
    is_taken
        Whether somebody was given the answer and has it safe.
    """

    token: str
    answer: str | None
    is_taken: bool


class BatchLedger:
    """Knows which lines were sent in which batch, and what was answered.

    Every step is on the disk before the next is made. One process at a time may use a ledger, and one thread.

    Parameters
    ----------
    path
        The file; made if need be, with its folder.
    place
        The server: batches at others are left alone.

    Raises
    ------
    ModelError
        If the file cannot be used: it is no ledger, or damaged, or another process uses it, or the disk is full.
    """

    def __init__(self, path: Path, *, place: str) -> None:
        self._path = path
        self._place = place
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = connection = sqlite3.connect(
                path, timeout=1.0, isolation_level=None, check_same_thread=False
            )
            self._close = finalize(self, connection.close)
            try:
                self._prepare()
            except BaseException:
                self._close()
                raise

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def open_batches(self) -> list[Batch]:
        """Return the batches that were not collected."""
        statement = "SELECT token, batch FROM batches WHERE place = ? AND NOT collected ORDER BY rowid"
        with self._translated():
            return [Batch(*row) for row in self._connection.execute(statement, (self._place,))]

    def find(self, id: str) -> Entry | None:
        """Return what is known of a line."""
        statement = "SELECT token, answer, taken IS NOT NULL FROM lines WHERE id = ?"
        with self._translated():
            row = self._connection.execute(statement, (id,)).fetchone()
        return Entry(row[0], row[1], bool(row[2])) if row else None

    def prepare(self, token: str, ids: Sequence[str]) -> None:
        """Note that lines are about to be sent in a batch."""
        with self._transaction() as connection:
            connection.execute("INSERT INTO batches VALUES (?, ?, NULL, 0)", (token, self._place))
            connection.executemany(
                "INSERT OR REPLACE INTO lines VALUES (?, ?, NULL, NULL)", [(id, token) for id in ids]
            )

    def submitted(self, token: str, batch: str) -> None:
        """Note what the server calls a batch, now that it has it."""
        with self._transaction() as connection:
            connection.execute("UPDATE batches SET batch = ? WHERE token = ?", (batch, token))

    def receive(self, token: str, answers: Mapping[str, str]) -> None:
        """Keep what was answered to lines of a batch."""
        with self._transaction() as connection:
            rows = [(answer, id, token) for id, answer in answers.items()]
            connection.executemany("UPDATE lines SET answer = ? WHERE id = ? AND token = ?", rows)

    def collect(self, token: str) -> int:
        """Note that a batch is over, and return how many lines were not answered and may be sent again."""
        with self._transaction() as connection:
            left = connection.execute("DELETE FROM lines WHERE token = ? AND answer IS NULL", (token,)).rowcount
            connection.execute("UPDATE batches SET collected = 1 WHERE token = ?", (token,))
        return left

    def settle(self, *, taken: Iterable[str] = (), useless: Iterable[str] = ()) -> None:
        """Note what became of answers.

        Parameters
        ----------
        taken
            Were given to those who asked, who have them safe by now; they are kept for another 30 days.
        useless
            Are forgotten, and asked for anew next time.
        """
        with self._transaction() as connection:
            connection.executemany("UPDATE lines SET taken = ? WHERE id = ?", [(time.time(), id) for id in taken])
            connection.executemany("DELETE FROM lines WHERE id = ?", [(id,) for id in useless])

    def close(self) -> None:
        """Let others use the file; may be called twice."""
        self._close()

    def _prepare(self) -> None:
        connection = self._connection
        # What is lost here is paid for twice: everything is on the disk when it is said to be. And the file is
        # locked from the first access on, for two processes would not know of each other's batches.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA synchronous = FULL")
        with self._transaction():
            [(tables,)] = connection.execute("SELECT count(*) FROM sqlite_master")
            [(application,)] = connection.execute("PRAGMA application_id")
            [(version,)] = connection.execute("PRAGMA user_version")
            if tables and (application, version) != (_APPLICATION_ID, _FORMAT_VERSION):
                message = f"{self._path} is no ledger of batches of this version; give another path"
                raise ModelError(message)
            if not tables:
                for statement in _TABLES:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {_FORMAT_VERSION}")
            connection.execute("DELETE FROM lines WHERE taken < ?", (time.time() - _KEPT,))
            connection.execute(
                "DELETE FROM batches WHERE collected AND NOT EXISTS (SELECT 1 FROM lines WHERE token = batches.token)"
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if "locked" in str(error):
                remedy = "another process uses it; wait for that process to end"
            else:
                remedy = "check the disk and the file's permissions; without the ledger, batches are paid for again"
            message = f"the ledger of batches {self._path} cannot be used ({error}); {remedy}"
            raise ModelError(message) from error
