"""Putting documents and their passages into the catalog, and taking them out."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from hippograph.errors import InputError
from hippograph.store.holdings import DocumentFacts, DocumentRecord, Holdings, altered, askable
from hippograph.store.schema import digest_of_texts, stamp_of
from hippograph.types import Document, Passage

__all__ = ["DocumentFacts", "DocumentRecord", "Documents", "delete_row", "document_digest", "storable"]

# Documents in a transaction: enough that the transaction itself costs nothing, few enough that nobody waits for it.
_BATCH: Final = 256


class Documents(Holdings):
    """The documents of an index and their passages, always in step with each other.

    Parameters
    ----------
    database
        The catalog's database.
    """

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
        batch: int = _BATCH,
        origins: Mapping[str, str] | None = None,
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
        origins
            The places of the files that documents were read from, by their ids; read when the pairs are consumed. A
            document without one is from none.

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
                    _replace(connection, document, passages, origin=(origins or {}).get(document.id, ""))

    def set_sources(self, sources: Mapping[str, tuple[str, str]]) -> None:
        """Note that documents, unchanged, are now read from other files; some hundreds in one transaction.

        Parameters
        ----------
        sources
            The new sources and origins, by the ids of the documents.

        Raises
        ------
        InputError
            If there is no such document; those of the transactions before are then changed.
        DamagedIndexError
            If a document or a passage of it has been altered.
        """
        names = sorted(sources)
        for at in range(0, len(names), _BATCH):
            with self._database.transaction() as connection:
                for name in names[at : at + _BATCH]:
                    source, origin = sources[name]
                    _set_source(connection, self._database.path, name, source=source, origin=origin)

    def delete(self, ids: Iterable[str]) -> list[str]:
        """Take documents out, with their passages; some hundreds in one transaction.

        What was extracted and embedded stays, for the case that they come back, until `Catalog.prune`.

        Parameters
        ----------
        ids
            Ids of documents; it is no error if there is no such document.

        Returns
        -------
        The ids of those that were there, in order.
        """
        deleted = []
        wanted = askable(ids)
        for at in range(0, len(wanted), _BATCH):
            with self._database.transaction() as connection:
                for name in wanted[at : at + _BATCH]:
                    found = connection.execute("SELECT row FROM documents WHERE id = ?", (name,)).fetchone()
                    if found is not None:
                        delete_row(connection, found[0])
                        deleted.append(name)
        return deleted


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


def delete_row(connection: sqlite3.Connection, row: int) -> None:
    """Take out the document of a row with its passages, inside the caller's transaction."""
    connection.execute("DELETE FROM passages WHERE document = ?", (row,))
    connection.execute("DELETE FROM documents WHERE row = ?", (row,))


def storable(text: str) -> str:
    """Return a text if it is Unicode.

    Raises
    ------
    InputError
        If a part of it is not.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        excerpt = text[max(0, error.start - 20) : error.start + 20]
        raise InputError(
            f"a lone surrogate at character {error.start} of {excerpt!r} is not Unicode text; "
            'decode the file with errors="replace"'
        ) from error
    return text


def _replace(connection: sqlite3.Connection, document: Document, passages: Sequence[Passage], *, origin: str) -> None:
    metadata = _metadata(document)
    values = (
        storable(document.id),
        len(passages),
        storable(document.source),
        storable(origin),
        storable(document.title),
        document_digest(document),
        metadata,
    )
    stamped = (*values[1:], stamp_of(*values), document.id)
    found = connection.execute("SELECT row FROM documents WHERE id = ?", (document.id,)).fetchone()
    if found is None:
        statement = """
            INSERT INTO documents (parts, source, origin, title, digest, metadata, stamp, id)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        """
        owner = connection.execute(statement, stamped).lastrowid
    else:
        [owner] = found
        statement = """
            UPDATE documents
            SET parts = ?, source = ?, origin = ?, title = ?, digest = ?, metadata = ?, stamp = ? WHERE id = ?
        """
        connection.execute(statement, stamped)
        connection.execute("DELETE FROM passages WHERE document = ?", (owner,))
    for position, passage in enumerate(passages):
        _check(passage, document)
        _insert(connection, passage, owner=owner, position=position, metadata=metadata)


def _insert(
    connection: sqlite3.Connection, passage: Passage, *, owner: int | None, position: int, metadata: str
) -> None:
    taken = connection.execute(
        "SELECT documents.id FROM passages JOIN documents ON documents.row = passages.document WHERE passages.id = ?",
        (storable(passage.id),),
    ).fetchone()
    if taken is not None:
        raise InputError(
            f"the passage id {passage.id!r} of document {passage.document!r} is already that of a passage of document "
            f"{taken[0]!r}; give one of the two documents another id"
        )
    start, end = passage.span
    content = digest_of_texts(passage.title, passage.text)
    stamp = stamp_of(passage.id, passage.document, content, start, end, passage.page, passage.source, metadata)
    texts = (storable(passage.title), storable(passage.text))
    connection.execute(
        """INSERT INTO passages (id, document, position, stamp, content, start, end, page, title, text)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (passage.id, owner, position, stamp, content, start, end, passage.page, *texts),
    )


def _set_source(connection: sqlite3.Connection, path: Path, name: str, *, source: str, origin: str) -> None:
    statement = "SELECT row, parts, source, origin, title, digest, metadata, stamp FROM documents WHERE id = ?"
    found = connection.execute(statement, (name,)).fetchone()
    if found is None:
        raise InputError(f"there is no document {name!r} in the index; index it first")
    # A new stamp on an altered row would make it look sound.
    owner, parts, former, *rest, stamp = found
    if stamp_of(name, parts, former, *rest) != stamp:
        raise altered(f"the document {name!r}", path)
    _, title, digest, metadata = rest
    stamp = stamp_of(name, parts, storable(source), storable(origin), title, digest, metadata)
    connection.execute(
        "UPDATE documents SET source = ?, origin = ?, stamp = ? WHERE row = ?", (source, origin, stamp, owner)
    )
    statement = "SELECT row, id, content, start, end, page, stamp FROM passages WHERE document = ?"
    for row, passage, *values, stamp in connection.execute(statement, (owner,)).fetchall():
        if stamp_of(passage, name, *values, former, metadata) != stamp:
            raise altered(f"the passage {passage!r}", path)
        stamp = stamp_of(passage, name, *values, source, metadata)
        connection.execute("UPDATE passages SET stamp = ? WHERE row = ?", (stamp, row))


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
    return storable(text)
