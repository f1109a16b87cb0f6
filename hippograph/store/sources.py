"""What the user named for indexing."""

from __future__ import annotations

from hippograph.store.database import Database
from hippograph.store.documents import storable
from hippograph.store.holdings import altered, askable
from hippograph.store.schema import stamp_of

__all__ = ["Sources"]


class Sources:
    """The files and folders that an index was made of, so that it can be brought up to date without naming them.

    Parameters
    ----------
    database
        The catalog's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, origin: str, source: str) -> None:
        """Note that a place is a source of the index.

        Parameters
        ----------
        origin
            The place, however it is named.
        source
            As the user named it, for messages; the last name counts.

        Raises
        ------
        InputError
            If a name is not Unicode.
        """
        values = (storable(origin), storable(source))
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO sources (origin, source, stamp) VALUES (?, ?, ?)", (*values, stamp_of(*values))
            )

    def all(self) -> dict[str, str]:
        """Return the sources by their origins, in the order of these.

        Raises
        ------
        DamagedIndexError
            If one has been altered.
        """
        found = {}
        for origin, source, stamp in self._database.rows("SELECT origin, source, stamp FROM sources ORDER BY origin"):
            if stamp_of(origin, source) != stamp:
                raise altered(f"the source {source!r}", self._database.path)
            found[origin] = source
        return found

    def forget(self, origin: str) -> bool:
        """Note that a place is no source any more, and return whether it was one; its documents stay."""
        with self._database.transaction() as connection:
            return any(
                connection.execute("DELETE FROM sources WHERE origin = ?", (name,)).rowcount
                for name in askable([origin])
            )
