"""Which extractors have read for an index, and which of them are preferred where several have read the same."""

from __future__ import annotations

import sqlite3

from hippograph.store.database import Database
from hippograph.store.schema import stamp_of

__all__ = ["Extractors", "number_of"]


class Extractors:
    """The extractors of a catalog, by fingerprint, and in which order they are preferred.

    Parameters
    ----------
    database
        The catalog's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[str]:
        """Return the extractors that have read anything or were preferred, in the order of their fingerprints."""
        return [name for (name,) in self._database.rows("SELECT fingerprint FROM extractors ORDER BY fingerprint")]

    def order(self) -> list[str]:
        """Return the extractors that were ever preferred, the one that was last first."""
        statement = "SELECT fingerprint FROM extractors WHERE preference > 0 ORDER BY preference DESC, fingerprint"
        return [name for (name,) in self._database.rows(statement)]

    def prefer(self, extractor: str) -> None:
        """Put an extractor before all others; nothing is written if it is there already.

        Parameters
        ----------
        extractor
            The extractor's fingerprint.
        """
        if self.order()[:1] == [extractor]:
            return
        with self._database.transaction() as connection:
            number = number_of(connection, extractor)
            [preference] = connection.execute("SELECT max(preference) + 1 FROM extractors").fetchone()
            connection.execute(
                "UPDATE extractors SET preference = ?, stamp = ? WHERE number = ?",
                (preference, stamp_of(number, extractor, preference), number),
            )


def number_of(connection: sqlite3.Connection, extractor: str) -> int:
    """Return the number of an extractor, inside the caller's transaction; one that is not known is given one.

    Parameters
    ----------
    connection
        May write, and is in a transaction.
    extractor
        The extractor's fingerprint.
    """
    found = connection.execute("SELECT number FROM extractors WHERE fingerprint = ?", (extractor,)).fetchone()
    if found is not None:
        return int(found[0])
    [number] = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM extractors").fetchone()
    values = (number, extractor, 0)
    connection.execute(
        "INSERT INTO extractors (number, fingerprint, preference, stamp) VALUES (?, ?, ?, ?)",
        (*values, stamp_of(*values)),
    )
    return int(number)
