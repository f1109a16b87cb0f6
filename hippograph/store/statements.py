"""What extractors found in texts, word for word, by the digests of the texts: for what is derived from a snapshot.

A snapshot knows its passages by what they say and who has read them. That is how extractions are kept, so they are
found here even if the catalog has moved on since the snapshot was published.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from hippograph.errors import IndexDirectoryError
from hippograph.store.database import Database
from hippograph.store.holdings import altered
from hippograph.store.schema import stamp_of
from hippograph.types import Triple

__all__ = ["Statements"]


class Statements:
    """The triples of extractions, as they were written.

    Parameters
    ----------
    database
        The catalog's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, extractor: str, contents: Iterable[bytes]) -> dict[bytes, tuple[Triple, ...]]:
        """Return what an extractor found in texts.

        Parameters
        ----------
        extractor
            Its fingerprint.
        contents
            The `digest_of_texts` of each title and text that it has read.

        Raises
        ------
        IndexDirectoryError
            If it has not read one of them, as far as the catalog still knows.
        DamagedIndexError
            If an extraction has been altered.
        """
        wanted = sorted(set(contents))
        statement = """
            SELECT content, status, entities, triples, error, stamp FROM extractions
            WHERE extractor = (SELECT number FROM extractors WHERE fingerprint = ?) AND content IN (...)
        """
        found: dict[bytes, tuple[Triple, ...]] = {}
        for content, status, entities, triples, error, stamp in self._database.rows_among(
            statement, wanted, (extractor,)
        ):
            if stamp_of(extractor, content, status, entities, triples, error) != stamp:
                raise altered("an extraction", self._database.path)
            found[content] = tuple(Triple(*said) for said in json.loads(triples))
        if len(found) < len(wanted):
            raise IndexDirectoryError(
                f"{self._database.path} no longer holds {len(wanted) - len(found)} of the extractions that the index "
                f"was published with; publish it anew with: hippograph index --index {self._database.path.parent}"
            )
        return found
