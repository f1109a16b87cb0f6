"""What the catalog holds of documents and passages, and how their rows are read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from hippograph.errors import DamagedIndexError
from hippograph.store.connections import remedy
from hippograph.store.database import Database
from hippograph.store.schema import digest_of_texts, stamp_of
from hippograph.types import Passage, Scalar

__all__ = ["PASSAGES", "PASSAGE_COLUMNS", "DocumentFacts", "DocumentRecord", "Holdings", "altered", "askable"]
__all__ += ["passage_of"]

PASSAGE_COLUMNS: Final = (
    "passages.id, documents.id, passages.text, passages.title, documents.source, passages.start, passages.end, "
    "passages.page, documents.metadata, passages.content, passages.stamp"
)
"""What `passage_of` reads, of `PASSAGES`."""

PASSAGES: Final = "passages CROSS JOIN documents ON documents.row = passages.document"
"""Passages with their documents, which are looked up for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRecord:
    """What tells whether a document has changed.

    Parameters
    ----------
    source
        Where it was read from, as the user named it.
    origin
        The same place, however it is named.
    digest
        The `document_digest` of what was indexed.
    parts
        How it was cut: id, beginning, end and page of each of its passages, in the order in which they were given.
    """

    source: str
    origin: str
    digest: str
    parts: tuple[tuple[str, int, int, int | None], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFacts:
    """What is known of a document, its text aside; it can be chosen by that.

    Parameters
    ----------
    id, title, metadata
        As in `Document`.
    source
        Where it was read from, as the user named it.
    origin
        The same place, however it is named.
    """

    id: str
    source: str
    origin: str
    title: str
    metadata: Mapping[str, Scalar] = field(default_factory=dict)


class Holdings:
    """The documents and passages of a catalog, to be looked at.

    Parameters
    ----------
    database
        The catalog's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def counts(self) -> tuple[int, int]:
        """Return how many documents and how many passages there are."""
        statement = "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM passages)"
        [(documents, passages)] = self._database.rows(statement)
        return documents, passages

    def records_of(self, ids: Iterable[str]) -> dict[str, DocumentRecord]:
        """Return what tells whether documents have changed, by id; it costs what these do, whatever else there is.

        Parameters
        ----------
        ids
            Ids of documents; those that are not there are left out.
        """
        statement = f"{_RECORDS} WHERE documents.id IN (...) {_IN_ORDER}"
        return dict(_records(self._database.rows_among(statement, askable(ids))))

    def owners(self, passage_ids: Iterable[str]) -> dict[str, str]:
        """Return the documents that passages belong to, by the ids of the passages, in their order.

        Parameters
        ----------
        passage_ids
            Ids of passages; those that are not there are left out.
        """
        statement = f"SELECT passages.id, documents.id FROM {PASSAGES} WHERE passages.id IN (...) ORDER BY 1"  # noqa: S608
        return dict(self._database.rows_among(statement, askable(passage_ids)))

    def ids(self) -> Iterator[str]:
        """Stream the ids of all documents, ascending."""
        for (name,) in self._database.rows("SELECT id FROM documents ORDER BY id"):
            yield name

    def facts(self) -> Iterator[DocumentFacts]:
        """Stream what is known of all documents, in the order of their ids; what is written meanwhile is not seen.

        Raises
        ------
        DamagedIndexError
            If a document has been altered.
        """
        statement = "SELECT id, parts, source, origin, title, digest, metadata, stamp FROM documents ORDER BY id"
        for *values, stamp in self._database.rows(statement):
            if stamp_of(*values) != stamp:
                raise altered(f"the document {values[0]!r}", self._database.path)
            name, _, source, origin, title, _, metadata = values
            yield DocumentFacts(id=name, source=source, origin=origin, title=title, metadata=json.loads(metadata))

    def passages(self) -> Iterator[Passage]:
        """Stream all passages in the order of their ids; what is written meanwhile is not seen.

        Raises
        ------
        DamagedIndexError
            If a passage has been altered.
        """
        statement = f"SELECT {PASSAGE_COLUMNS} FROM {PASSAGES} ORDER BY passages.id"  # noqa: S608
        for row in self._database.rows(statement):
            yield passage_of(row, self._database.path)


_SURROGATE: Final = re.compile("[\ud800-\udfff]")

# A document without passages has a record, too.
_RECORDS: Final = """
    SELECT documents.id, documents.source, documents.origin, documents.digest,
    passages.id, passages.start, passages.end, passages.page
    FROM documents LEFT JOIN passages ON passages.document = documents.row
"""
_IN_ORDER: Final = "ORDER BY documents.id, passages.position"


def passage_of(row: Sequence[Any], path: Path) -> Passage:
    """Make a passage of a row of `PASSAGE_COLUMNS`.

    Raises
    ------
    DamagedIndexError
        If it is not what was stored.
    """
    name, document, text, title, source, start, end, page, metadata, content, stamp = row
    if (
        digest_of_texts(title, text) != content
        or stamp_of(name, document, content, start, end, page, source, metadata) != stamp
    ):
        raise altered(f"the passage {name!r}", path)
    return Passage(
        id=name,
        document=document,
        text=text,
        title=title,
        source=source,
        span=(start, end),
        page=page,
        metadata=json.loads(metadata),
    )


def askable(ids: Iterable[str]) -> list[str]:
    r"""Return ids once and in order, without those that are not Unicode, which nothing stored can have.

    Examples
    --------
    >>> askable(["b", "a", "b", "half \ud83d"])
    ['a', 'b']
    """
    return sorted(name for name in set(ids) if _SURROGATE.search(name) is None)


def altered(what: str, path: Path) -> DamagedIndexError:
    """Make the error that tells of a row that is not what was stored."""
    return DamagedIndexError(f"{what} in {path} has been altered; {remedy(path)}")


def _records(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[str, DocumentRecord]]:
    for (name, source, origin, digest), parts in groupby(rows, key=itemgetter(0, 1, 2, 3)):
        cut = tuple((part, start, end, page) for *_, part, start, end, page in parts if part is not None)
        yield name, DocumentRecord(source=source, origin=origin, digest=digest, parts=cut)
