"""What extractors read out of passages, kept so that nothing is paid for twice."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, get_args, overload

from hippograph.errors import IndexDirectoryError
from hippograph.store.database import Database
from hippograph.store.holdings import PASSAGE_COLUMNS, PASSAGES, altered, passage_of
from hippograph.store.schema import digest_of_texts, stamp_of
from hippograph.types import Extraction, ExtractionStatus, Passage, Triple

__all__ = ["Extractions", "PendingPassages"]

_STATUSES: Final[tuple[ExtractionStatus, ...]] = get_args(ExtractionStatus)
_RETRY: Final[tuple[ExtractionStatus, ...]] = ("failed",)
# Passages that are in memory at a time.
_CHUNK: Final = 900

_NUMBER: Final = "(SELECT number FROM extractors WHERE fingerprint = ?)"
# CROSS JOIN keeps SQLite from starting with all extractions where few passages are asked for.
_ITEMS: Final = f"""
    SELECT {PASSAGE_COLUMNS},
    extractions.status, extractions.entities, extractions.triples, extractions.error, extractions.stamp
    FROM {PASSAGES}
    CROSS JOIN extractions ON extractions.content = passages.content AND extractions.extractor = {_NUMBER}
"""  # noqa: S608 - only constants are put in
_OWN_COLUMNS: Final = 5


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
        return list(self._load(self._ids[place]))

    def __iter__(self) -> Iterator[Passage]:
        return self._load(self._ids)

    def _load(self, ids: Sequence[str]) -> Iterator[Passage]:
        path = self._database.path
        statement = f"SELECT {PASSAGE_COLUMNS} FROM {PASSAGES} WHERE passages.id IN (...)"  # noqa: S608
        for at in range(0, len(ids), _CHUNK):
            chunk = ids[at : at + _CHUNK]
            found = {row[0]: passage_of(row, path) for row in self._database.rows_among(statement, sorted(chunk))}
            for name in chunk:
                if name not in found:
                    raise _gone(name, path)
                yield found[name]


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
        rows = []
        for passage, extraction in pairs:
            values = (digest_of_texts(passage.title, passage.text), extraction.status, *_columns(extraction))
            rows.append((*values, stamp_of(extractor, *values)))
        with self._database.transaction() as connection:
            [number] = connection.execute(f"SELECT {_NUMBER}", (extractor,)).fetchone()
            if number is None:
                [number] = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM extractors").fetchone()
                stamp = stamp_of(number, extractor)
                connection.execute("INSERT INTO extractors VALUES (?, ?, ?)", (number, extractor, stamp))
            connection.executemany(
                f"""INSERT INTO extractions (extractor, content, status, entities, triples, error, stamp)
                VALUES ({number:d}, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (extractor, content) DO UPDATE SET status = excluded.status, stamp = excluded.stamp,
                entities = excluded.entities, triples = excluded.triples, error = excluded.error""",  # noqa: S608
                rows,
            )

    def items(self, extractor: str) -> Iterator[tuple[Passage, Extraction]]:
        """Stream the passages that an extractor has read, in the order of their ids, with what it found.

        Raises
        ------
        DamagedIndexError
            If a passage or an extraction has been altered.
        """
        for row in self._database.rows(f"{_ITEMS} ORDER BY passages.id", (extractor,)):
            yield _item(row, extractor, self._database.path)

    def items_of(self, extractor: str, ids: Iterable[str]) -> Iterator[tuple[Passage, Extraction]]:
        """Stream some passages, in the order given, with what an extractor found; some hundreds are read at a time.

        Parameters
        ----------
        extractor
            The extractor's fingerprint.
        ids
            Ids of passages that it has read.

        Raises
        ------
        IndexDirectoryError
            If there is no such passage any more, or no extraction of it.
        DamagedIndexError
            If a passage or an extraction has been altered.
        """
        path = self._database.path
        remaining = iter(ids)
        while chunk := list(islice(remaining, _CHUNK)):
            rows = self._database.rows_among(f"{_ITEMS} WHERE passages.id IN (...)", sorted(set(chunk)), (extractor,))
            found = {row[0]: _item(row, extractor, path) for row in rows}
            for name in chunk:
                if name not in found:
                    raise _gone(name, path)
                yield found[name]

    def stamps(self, extractor: str) -> Iterator[tuple[str, bytes]]:
        """Stream what tells whether anything has changed: a stamp for each passage that an extractor has read.

        Parameters
        ----------
        extractor
            The extractor's fingerprint.

        Returns
        -------
        Ids, in their order, with 32 bytes each: the stamp of the passage and that of the extraction. No text is read
        for it.
        """
        # In the order of the contents both indices are read from end to end; to look each passage up costs three times
        # as much.
        statement = f"""
            SELECT passages.id, passages.stamp, extractions.stamp
            FROM extractions CROSS JOIN passages ON passages.content = extractions.content
            WHERE extractions.extractor = {_NUMBER} ORDER BY passages.id
        """  # noqa: S608 - only a constant is put in
        for name, passage, extraction in self._database.rows(statement, (extractor,)):
            yield name, passage + extraction

    def counts(self, extractor: str) -> dict[ExtractionStatus, int]:
        """Count the passages by how their extraction ended; all four statuses are present."""
        statement = f"""
            SELECT extractions.status, count(*) FROM extractions CROSS JOIN passages
            ON passages.content = extractions.content
            WHERE extractions.extractor = {_NUMBER} GROUP BY extractions.status
        """  # noqa: S608 - only a constant is put in
        counted = dict(self._database.rows(statement, (extractor,)))
        return {status: counted.get(status, 0) for status in _STATUSES}

    def extractors(self) -> list[str]:
        """Return the fingerprints of the extractors that have read anything, in order."""
        return [name for (name,) in self._database.rows("SELECT fingerprint FROM extractors ORDER BY fingerprint")]

    def known(self, extractor: str, contents: Iterable[bytes]) -> set[bytes]:
        """Choose the texts that an extractor has read, be they still in the index or not.

        Parameters
        ----------
        extractor
            The extractor's fingerprint.
        contents
            The `digest_of_texts` of each title and text.
        """
        statement = f"SELECT content FROM extractions WHERE extractor = {_NUMBER} AND content IN (...)"  # noqa: S608
        return {content for (content,) in self._database.rows_among(statement, sorted(set(contents)), (extractor,))}

    def forget_unread(self) -> int:
        """Delete the extractions of texts that no passage has any more, and return how many they were."""
        statement = "DELETE FROM extractions WHERE content NOT IN (SELECT content FROM passages)"
        with self._database.transaction() as connection:
            return connection.execute(statement).rowcount


def _columns(extraction: Extraction) -> tuple[str, str, str]:
    triples = [list(triple) for triple in extraction.triples]
    return _json(list(extraction.entities)), _json(triples), _whole(extraction.error)


def _item(row: Sequence[Any], extractor: str, path: Path) -> tuple[Passage, Extraction]:
    passage = passage_of(row[:-_OWN_COLUMNS], path)
    content, _, status, entities, triples, error, stamp = row[-_OWN_COLUMNS - 2 :]
    if stamp_of(extractor, content, status, entities, triples, error) != stamp:
        raise altered(f"the extraction of passage {passage.id!r}", path)
    stated: list[list[Any]] = json.loads(triples)
    extraction = Extraction(
        status=status,
        entities=tuple(json.loads(entities)),
        triples=tuple(Triple(*triple) for triple in stated),
        error=error,
    )
    return passage, extraction


def _gone(name: str, path: Path) -> IndexDirectoryError:
    return IndexDirectoryError(
        f"the passage {name!r} or what was extracted from it was taken out of {path} meanwhile; run the command again"
    )


def _json(value: list[Any]) -> str:
    return _whole(json.dumps(value, ensure_ascii=False))


def _whole(text: str) -> str:
    # Models break characters in two (`"\ud83d"` in JSON); no passage contains half of one, so nothing can be lost.
    return text.encode("utf-8", "replace").decode()
