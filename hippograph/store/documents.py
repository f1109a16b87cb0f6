"""Documents and their passages in the catalog."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from hippograph.errors import InputError
from hippograph.store.database import Database
from hippograph.store.full_text import add_passage, remove_passage
from hippograph.store.schema import digest_of_texts
from hippograph.types import Document, Passage, Scalar

__all__ = [
    "PASSAGE_COLUMNS",
    "DocumentFacts",
    "DocumentRecord",
    "Documents",
    "content_digest",
    "document_digest",
    "passage_of",
]

PASSAGE_COLUMNS: Final = (
    "passages.id, documents.id, passages.text, passages.title, documents.source, "
    "passages.start, passages.end, passages.page, documents.metadata"
)
"""What `passage_of` reads, of `passages` joined with `documents`."""


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
    """

    source: str
    origin: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFacts:
    """What a document is, but for its text.

    Parameters
    ----------
    id, source, origin, title
        As in `Document` and `DocumentRecord`.
    metadata
        Flat facts about it.
    """

    id: str
    source: str
    origin: str
    title: str
    metadata: Mapping[str, Scalar]


class Documents:
    """The documents of an index, their passages and the full text of these, always in step with each other.

    Parameters
    ----------
    database
        The catalog's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def records(self) -> dict[str, DocumentRecord]:
        """Return what is known of every document, by id, in the order of the ids."""
        rows = self._database.rows("SELECT id, source, origin, digest FROM documents ORDER BY id")
        return {
            name: DocumentRecord(source=source, origin=origin, digest=digest) for name, source, origin, digest in rows
        }

    def replace(self, document: Document, passages: Sequence[Passage]) -> None:
        """Put in a document with its passages, in place of what was there under its id, in one transaction.

        Raises
        ------
        InputError
            If a passage does not belong to the document, its id belongs to another passage, or something cannot be
            stored: metadata that are not flat, a text that is not Unicode.
        """
        self.replace_all([(document, passages)])

    def replace_all(
        self,
        pairs: Iterable[tuple[Document, Sequence[Passage]]],
        *,
        batch: int = 256,
        origin: Callable[[str], str] = str,
    ) -> None:
        """Put in many documents as `replace` does, so many in one transaction.

        The pairs are consumed as they are needed. When one of them fails, the batches before its own are kept, and
        none of its own.

        Parameters
        ----------
        pairs
            Documents with their passages.
        batch
            Documents in a transaction, 1 or more.
        origin
            Tells the place that a source names; by default the source itself.

        Raises
        ------
        InputError
            As `replace` does.
        """
        if batch < 1:
            raise InputError(f"batch is {batch}; give at least 1 document")
        remaining = iter(pairs)
        # Taken outside of the transaction, which must not last as long as the reading of files.
        while block := list(islice(remaining, batch)):
            with self._database.transaction() as connection:
                for document, passages in block:
                    _replace(connection, document, passages, origin=origin(document.source))

    def set_source(self, document_id: str, source: str, *, origin: str | None = None) -> None:
        """Note that a document, unchanged, is now read from another file.

        Raises
        ------
        InputError
            If there is no such document.
        """
        with self._database.transaction() as connection:
            values = (_text(source), _text(source if origin is None else origin), document_id)
            changed = connection.execute("UPDATE documents SET source = ?, origin = ? WHERE id = ?", values)
            if changed.rowcount == 0:
                raise InputError(f"there is no document {document_id!r} in the index; index it first")

    def passages(self) -> Iterator[Passage]:
        """Stream all passages in the order of their ids; what is written meanwhile is not seen."""
        statement = f"""
            SELECT {PASSAGE_COLUMNS} FROM passages JOIN documents ON documents.row = passages.document
            ORDER BY passages.id
        """  # noqa: S608 - only the constant above is put in
        for row in self._database.rows(statement):
            yield passage_of(row)

    def facts(self) -> Iterator[DocumentFacts]:
        """Stream what is known of every document, in the order of the ids."""
        for name, source, origin, title, metadata in self._database.rows(
            "SELECT id, source, origin, title, metadata FROM documents ORDER BY id"
        ):
            yield DocumentFacts(id=name, source=source, origin=origin, title=title, metadata=json.loads(metadata))

    def counts(self) -> tuple[int, int]:
        """Return how many documents and how many passages there are."""
        statement = "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM passages)"
        [(documents, passages)] = self._database.rows(statement)
        return documents, passages


def document_digest(document: Document) -> str:
    """Hash what matters of a document: its title, text and metadata, but not where it was read from.

    Raises
    ------
    InputError
        If the metadata cannot be stored.

    Examples
    --------
    >>> one = Document(id="1", text="Oslo", source="a.txt")
    >>> document_digest(one) == document_digest(Document(id="1", text="Oslo", source="b.txt"))
    True
    >>> document_digest(one) == document_digest(Document(id="1", text="", title="Oslo"))
    False
    """
    return digest_of_texts(document.title, document.text, _metadata(document)).hex()


def content_digest(passage: Passage) -> str:
    """Hash what an extractor and an embedder read of a passage: its title and its text.

    Examples
    --------
    >>> content_digest(Passage(id="1", document="1", text="Oslo")) == content_digest(
    ...     Passage(id="2", document="2", text="Oslo", span=(7, 11))
    ... )
    True
    """
    return digest_of_texts(passage.title, passage.text).hex()


def passage_of(row: Sequence[Any]) -> Passage:
    """Make a passage of a row of `PASSAGE_COLUMNS`."""
    name, document, text, title, source, start, end, page, metadata = row
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


def _replace(connection: sqlite3.Connection, document: Document, passages: Sequence[Passage], *, origin: str) -> None:
    values = (
        _text(document.source),
        _text(origin),
        _text(document.title),
        document_digest(document),
        _metadata(document),
        _text(document.id),
    )
    found = connection.execute("SELECT row FROM documents WHERE id = ?", (document.id,)).fetchone()
    if found is None:
        statement = "INSERT INTO documents (source, origin, title, digest, metadata, id) VALUES (?, ?, ?, ?, ?, ?)"
        owner = connection.execute(statement, values).lastrowid
    else:
        [owner] = found
        statement = "UPDATE documents SET source = ?, origin = ?, title = ?, digest = ?, metadata = ? WHERE id = ?"
        connection.execute(statement, values)
        old = connection.execute("SELECT row, title, text FROM passages WHERE document = ?", (owner,)).fetchall()
        for row, title, text in old:
            remove_passage(connection, row, title=title, text=text)
        connection.execute("DELETE FROM passages WHERE document = ?", (owner,))
    for position, passage in enumerate(passages):
        _check(passage, document)
        row = _insert(connection, passage, owner=owner, position=position)
        add_passage(connection, row, title=passage.title, text=passage.text)


def _insert(connection: sqlite3.Connection, passage: Passage, *, owner: int | None, position: int) -> int:
    taken = connection.execute(
        "SELECT documents.id FROM passages JOIN documents ON documents.row = passages.document WHERE passages.id = ?",
        (_text(passage.id),),
    ).fetchone()
    if taken is not None:
        raise InputError(
            f"the passage id {passage.id!r} of document {passage.document!r} is already that of a passage of document "
            f"{taken[0]!r}; give one of the two documents another id"
        )
    start, end = passage.span
    content = digest_of_texts(passage.title, passage.text)
    values = (passage.id, owner, position, content, start, end, passage.page, _text(passage.title), _text(passage.text))
    row = connection.execute(
        """INSERT INTO passages (id, document, position, content, start, end, page, title, text)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        values,
    ).lastrowid
    if row is None:  # cannot happen after an INSERT into a table with rows, but the types do not know
        raise InputError(f"the passage {passage.id!r} could not be stored; index it again")
    return row


def _check(passage: Passage, document: Document) -> None:
    if passage.document != document.id:
        raise InputError(
            f"the passage {passage.id!r} belongs to document {passage.document!r}, not to {document.id!r}; "
            "give each document its own passages"
        )
    if passage.source != document.source or dict(passage.metadata) != dict(document.metadata):
        # They are kept once, with the document.
        raise InputError(
            f"the passage {passage.id!r} has another source or other metadata than its document {document.id!r}; "
            "give it those of the document"
        )


def _metadata(document: Document) -> str:
    for key, value in document.metadata.items():
        # A key that is not text would come back as text, and a list would come back unhashable.
        if {type(key), type(value)} - {str, int, float, bool} or not isinstance(key, str):
            raise InputError(
                f"the metadata {key!r}: {value!r} of document {document.id!r} cannot be stored; "
                "names are text, and values text, numbers or truth values"
            )
    try:
        text = json.dumps(dict(document.metadata), ensure_ascii=False, sort_keys=True, allow_nan=False)
    except ValueError as error:
        raise InputError(
            f"the metadata of document {document.id!r} hold a number that is not finite; leave it out"
        ) from error
    return _text(text)


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        excerpt = text[max(0, error.start - 20) : error.start + 20]
        raise InputError(
            f"a lone surrogate at character {error.start} of {excerpt!r} is not Unicode text; "
            'decode the file with errors="replace"'
        ) from error
    return text
