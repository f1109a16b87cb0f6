"""What extractors read out of passages, kept so that nothing is paid for twice."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final, get_args, overload

from hippograph.errors import IndexDirectoryError
from hippograph.store.database import Database
from hippograph.store.documents import PASSAGE_COLUMNS, passage_of
from hippograph.store.schema import digest_of_texts
from hippograph.types import Extraction, ExtractionStatus, Passage, Triple

__all__ = ["Extractions", "PendingPassages"]

_STATUSES: Final[tuple[ExtractionStatus, ...]] = get_args(ExtractionStatus)
_RETRY: Final[tuple[ExtractionStatus, ...]] = ("failed",)
# Parameters in one statement; older builds of SQLite allow 999.
_CHUNK: Final = 900

_NUMBER: Final = "(SELECT number FROM extractors WHERE fingerprint = ?)"


class PendingPassages(Sequence[Passage]):
    """Passages that wait for an extractor: ids in memory, texts read when they are asked for.

    So a million passages can wait without all their texts in memory, and without a transaction that stays open for
    the hours that a language model may need.

    Parameters
    ----------
    database
        The catalog's database.
    ids
        Ids of the passages.
    """

    def __init__(self, database: Database, ids: Sequence[str]) -> None:
        self._database = database
        self._ids = ids

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, place: int) -> Passage: ...
    @overload
    def __getitem__(self, place: slice) -> list[Passage]: ...
    def __getitem__(self, place: int | slice) -> Passage | list[Passage]:
        if isinstance(place, int):
            [passage] = self._load([self._ids[place]])
            return passage
        ids = self._ids[place]
        return [passage for at in range(0, len(ids), _CHUNK) for passage in self._load(ids[at : at + _CHUNK])]

    def __iter__(self) -> Iterator[Passage]:
        for at in range(0, len(self), _CHUNK):
            yield from self._load(self._ids[at : at + _CHUNK])

    def _load(self, ids: Sequence[str]) -> list[Passage]:
        statement = f"""
            SELECT {PASSAGE_COLUMNS} FROM passages JOIN documents ON documents.row = passages.document
            WHERE passages.id IN ({",".join("?" * len(ids))})
        """  # noqa: S608 - only a constant and question marks are put in
        found = {row[0]: passage_of(row) for row in self._database.rows(statement, ids)}
        for name in ids:
            if name not in found:
                raise IndexDirectoryError(
                    f"the passage {name!r} was taken out of {self._database.path} by another process meanwhile; "
                    "run the command again"
                )
        return [found[name] for name in ids]


class Extractions:
    """Extractions, keyed by what was read (a passage's title and text) and by the extractor's fingerprint.

    They outlive their passages: a document that is taken out and put in again costs nothing.

    Parameters
    ----------
    database
        The catalog's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def pending(self, extractor: str, *, retry: Collection[ExtractionStatus] = _RETRY) -> PendingPassages:
        """Return the passages that an extractor has yet to read, one for all those that say the same.

        Parameters
        ----------
        extractor
            The extractor's fingerprint.
        retry
            Extractions that ended so are to be tried again.

        Returns
        -------
        In the order of their ids; what is saved later does not change it.
        """
        again = [status for status in _STATUSES if status in retry]
        statement = f"""
            SELECT min(passages.id) FROM passages LEFT JOIN extractions
            ON extractions.content = passages.content AND extractions.extractor = {_NUMBER}
            WHERE extractions.status IS NULL OR extractions.status IN ({",".join("?" * len(again))})
            GROUP BY passages.content ORDER BY 1
        """  # noqa: S608 - only a constant and question marks are put in
        ids = [name for (name,) in self._database.rows(statement, (extractor, *again))]
        return PendingPassages(self._database, ids)

    def save(self, extractor: str, pairs: Iterable[tuple[Passage, Extraction]]) -> None:
        """Keep what was read out of passages, in place of earlier extractions of the same, in one transaction."""
        # A generator may run the extractor itself, for longer than a transaction should last.
        rows = [
            (digest_of_texts(passage.title, passage.text), extraction.status, *_columns(extraction))
            for passage, extraction in pairs
        ]
        with self._database.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO extractors (fingerprint) VALUES (?)", (extractor,))
            [number] = connection.execute(_NUMBER[1:-1], (extractor,)).fetchone()
            connection.executemany(
                f"""INSERT INTO extractions (extractor, content, status, entities, triples, error)
                VALUES ({number:d}, ?, ?, ?, ?, ?)
                ON CONFLICT (extractor, content) DO UPDATE SET status = excluded.status,
                entities = excluded.entities, triples = excluded.triples, error = excluded.error""",  # noqa: S608
                rows,
            )

    def items(self, extractor: str) -> Iterator[tuple[Passage, Extraction]]:
        """Stream the passages that an extractor has read, in the order of their ids, with what it found."""
        statement = f"""
            SELECT {PASSAGE_COLUMNS}, extractions.status, extractions.entities, extractions.triples, extractions.error
            FROM passages JOIN documents ON documents.row = passages.document
            JOIN extractions ON extractions.content = passages.content AND extractions.extractor = {_NUMBER}
            ORDER BY passages.id
        """  # noqa: S608 - only constants are put in
        for row in self._database.rows(statement, (extractor,)):
            yield passage_of(row[:-4]), _extraction(*row[-4:])

    def stamps(self, extractor: str) -> Iterator[tuple[str, bytes]]:
        """Stream what tells whether a passage or its extraction has changed, in the order of the ids."""
        for passage, extraction in self.items(extractor):
            where = repr((passage.document, passage.source, passage.span, passage.page, dict(passage.metadata)))
            what = digest_of_texts(passage.id, passage.title, passage.text, where)
            yield passage.id, what + digest_of_texts(extraction.status, *_columns(extraction))

    def items_of(self, extractor: str, ids: Sequence[str]) -> Iterator[tuple[Passage, Extraction]]:
        """Stream some passages with what was found in them, in the order of their ids."""
        wanted = set(ids)
        return (pair for pair in self.items(extractor) if pair[0].id in wanted)

    def counts(self, extractor: str) -> dict[ExtractionStatus, int]:
        """Count the passages by how their extraction ended; all four statuses are present."""
        statement = f"""
            SELECT extractions.status, count(*) FROM passages JOIN extractions
            ON extractions.content = passages.content AND extractions.extractor = {_NUMBER}
            GROUP BY extractions.status
        """  # noqa: S608 - only a constant is put in
        counted = dict(self._database.rows(statement, (extractor,)))
        return {status: counted.get(status, 0) for status in _STATUSES}


def _columns(extraction: Extraction) -> tuple[str, str, str]:
    triples = [list(triple) for triple in extraction.triples]
    return _json(list(extraction.entities)), _json(triples), _whole(extraction.error)


def _extraction(status: ExtractionStatus, entities: str, triples: str, error: str) -> Extraction:
    stated: list[list[Any]] = json.loads(triples)
    return Extraction(
        status=status,
        entities=tuple(json.loads(entities)),
        triples=tuple(Triple(*triple) for triple in stated),
        error=error,
    )


def _json(value: list[Any]) -> str:
    return _whole(json.dumps(value, ensure_ascii=False))


def _whole(text: str) -> str:
    # Models break characters in two (`"\ud83d"` in JSON); no passage contains half of one, so nothing can be lost.
    return text.encode("utf-8", "replace").decode()
