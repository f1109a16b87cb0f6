"""Which extractors have read for an index, and which of them are preferred where several have read the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from hippograph.store.database import Database
from hippograph.store.schema import stamp_of

__all__ = ["Extractors", "is_language_model", "number_of"]

_LANGUAGE_MODEL: Final = "llm:"


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

    def other_language_models(self, extractor: str) -> list[str]:
        """Return the other language models in the order of preference, if an extractor is one; else nobody.

        Parameters
        ----------
        extractor
            The extractor's fingerprint.
        """
        if not is_language_model(extractor):
            return []
        return [name for name in self.order() if name != extractor and is_language_model(name)]

    def prefer(self, extractor: str, *, then: Sequence[str] = ()) -> None:
        """Put an extractor before all others; nothing is written if it is there already.

        Parameters
        ----------
        extractor
            The extractor's fingerprint.
        then
            Fingerprints of those that come next, before the rest.
        """
        first = [extractor, *then]
        if self.order()[: len(first)] == first:
            return
        with self._database.transaction() as connection:
            for name in reversed(first):
                number = number_of(connection, name)
                [preference] = connection.execute("SELECT max(preference) + 1 FROM extractors").fetchone()
                connection.execute(
                    "UPDATE extractors SET preference = ?, stamp = ? WHERE number = ?",
                    (preference, stamp_of(number, name, preference), number),
                )


def is_language_model(extractor: str) -> bool:
    """Tell by an extractor's fingerprint whether it asks a language model.

    Examples
    --------
    >>> is_language_model("llm:gpt-4o-mini:extract-0f3a"), is_language_model("spacy:en_core_web_sm")
    (True, False)
    """
    return extractor.startswith(_LANGUAGE_MODEL)


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
