"""What extractors read out of passages, kept so that nothing is paid for twice."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args, overload

from hippograph.errors import IndexDirectoryError
from hippograph.store.database import Database
from hippograph.store.extractors import number_of
from hippograph.store.holdings import PASSAGE_COLUMNS, PASSAGES, altered, passage_of
from hippograph.store.schema import digest_of_texts, stamp_of
from hippograph.store.usage import add_usage, sum_of
from hippograph.types import Extraction, ExtractionStatus, Passage, Triple

__all__ = ["Extractions", "PendingPassages", "Reading"]

_STATUSES: Final[tuple[ExtractionStatus, ...]] = get_args(ExtractionStatus)
_RETRY: Final[tuple[ExtractionStatus, ...]] = ("failed",)
# Passages that are in memory at a time.
_CHUNK: Final = 900

_NUMBER: Final = "(SELECT number FROM extractors WHERE fingerprint = ?)"
_COLUMNS: Final = "status, entities, triples, error, stamp"
_OWN_COLUMNS: Final = 5
_USABLE: Final = "extractions.status IN ('done', 'empty')"


class Reading(NamedTuple):
    """A passage, what is in use of what was read out of it, and the fingerprint of the extractor that has read it."""

    passage: Passage
    extraction: Extraction
    extractor: str


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

    def pending(
        self,
        extractor: str,
        *,
        retry: Collection[ExtractionStatus] = _RETRY,
        kept: Sequence[str] = (),
        repeated: bool = False,
    ) -> PendingPassages:
        """Return the passages that an extractor has yet to read, one for all those that say the same.

        Parameters
        ----------
        extractor
            The extractor's fingerprint.
        retry
            Extractions that ended so are to be tried again.
        kept
            Fingerprints of other extractors: what one of them has read usably does not wait.
        repeated
            Whether those that say the same are all listed.

        Returns
        -------
        In the order of their ids; what is saved later does not change it.
        """
        again = [status for status in _STATUSES if status in retry]
        statement = f"""
            SELECT min(passages.id) FROM passages LEFT JOIN extractions
            ON extractions.content = passages.content AND extractions.extractor = {_NUMBER}
            WHERE (extractions.status IS NULL OR extractions.status IN ({",".join("?" * len(again))}))
            AND {self._read_by(kept, negated=True)}
            GROUP BY {"passages.id" if repeated else "passages.content"} ORDER BY 1
        """  # noqa: S608 - only constants, numbers and question marks are put in
        ids = [name for (name,) in self._database.rows(statement, (extractor, *again))]
        return PendingPassages(self._database, ids)

    def save(
        self,
        extractor: str,
        pairs: Iterable[tuple[Passage, Extraction]],
        *,
        stage: str | None = None,
        seconds: float = 0.0,
    ) -> None:
        """Keep what was read out of passages, in place of earlier extractions of the same, in one transaction.

        One that failed does not take the place of one that did not.

        Parameters
        ----------
        extractor
            The extractor's fingerprint.
        pairs
            Passages and what it read out of them.
        stage
            Where the ledger is to add, in the same transaction, what was spent on them; None if nothing was.
        seconds
            How long the extractor was waited for, of which the ledger takes note instead of the time each took.
        """
        # A generator may run the extractor itself, for longer than a transaction should last.
        rows, usages = [], []
        for passage, extraction in pairs:
            values = (digest_of_texts(passage.title, passage.text), extraction.status, *_columns(extraction))
            rows.append((*values, stamp_of(extractor, *values)))
            usages.append(extraction.usage)
        with self._database.transaction() as connection:
            number = number_of(connection, extractor)
            connection.executemany(
                f"""INSERT INTO extractions (extractor, content, status, entities, triples, error, stamp)
                VALUES ({number:d}, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (extractor, content) DO UPDATE SET status = excluded.status, stamp = excluded.stamp,
                entities = excluded.entities, triples = excluded.triples, error = excluded.error
                WHERE excluded.status != 'failed' OR extractions.status = 'failed'""",  # noqa: S608
                rows,
            )
            if stage is not None:
                spent = replace(sum_of(usages), items=len(rows), seconds=seconds)
                add_usage(connection, stage, extractor, spent, path=self._database.path)

    def items(self, order: Sequence[str]) -> Iterator[Reading]:
        """Stream the passages that were read, in the order of their ids, with what is in use of what was found.

        That is what the most preferred extractor found that had an answer, be it that there is nothing; if all have
        failed, what the most preferred of them said.

        Parameters
        ----------
        order
            Fingerprints of extractors, the most preferred one first.

        Raises
        ------
        DamagedIndexError
            If a passage or an extraction has been altered.
        """
        statement, fingerprints = self._in_use(order)
        for row in self._database.rows(f"{statement} GROUP BY passages.id ORDER BY passages.id"):
            yield _reading(row, fingerprints, self._database.path)

    def items_of(self, order: Sequence[str], ids: Iterable[str]) -> Iterator[Reading]:
        """Stream some passages, in the order given, as `items` does; some hundreds are read at a time.

        Parameters
        ----------
        order
            Fingerprints of extractors, the most preferred one first.
        ids
            Ids of passages that one of them has read.

        Raises
        ------
        IndexDirectoryError
            If there is no such passage any more, or no extraction of it.
        DamagedIndexError
            If a passage or an extraction has been altered.
        """
        path, (statement, fingerprints) = self._database.path, self._in_use(order)
        remaining = iter(ids)
        while chunk := list(islice(remaining, _CHUNK)):
            rows = self._database.rows_among(
                f"{statement} WHERE passages.id IN (...) GROUP BY passages.id", sorted(set(chunk))
            )
            found = {row[0]: _reading(row, fingerprints, path) for row in rows}
            for name in chunk:
                if name not in found:
                    raise _gone(name, path)
                yield found[name]

    def stamps(self, order: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Stream what tells whether anything has changed: a stamp for each passage that was read.

        Parameters
        ----------
        order
            Fingerprints of extractors, the most preferred one first.

        Returns
        -------
        Ids, in their order, with 32 bytes each: the stamp of the passage and that of the extraction in use. No text is
        read for it.
        """
        ranks, _ = self._ranks(order)
        if not ranks:
            return
        chosen = f"(SELECT content, stamp FROM extractions WHERE extractor = {ranks[0]:d})"  # noqa: S608 - a number
        if len(ranks) > 1:
            # With max() over a group, SQLite takes the other columns from the row that has it.
            chosen = f"""(
                SELECT content, stamp, max({_rank_of(ranks)}) FROM extractions
                WHERE extractor IN ({_numbers(ranks)}) GROUP BY content
            )"""  # noqa: S608 - only numbers are put in
        # In the order of the contents both indices are read from end to end; to look each passage up costs three times
        # as much.
        statement = f"""
            SELECT passages.id, passages.stamp, chosen.stamp
            FROM {chosen} AS chosen CROSS JOIN passages ON passages.content = chosen.content ORDER BY passages.id
        """  # noqa: S608 - only numbers and constants are put in
        for name, passage, extraction in self._database.rows(statement):
            yield name, passage + extraction

    def counts(self, extractor: str) -> dict[ExtractionStatus, int]:
        """Count the passages that an extractor has read by how that ended; all four statuses are present."""
        statement = f"""
            SELECT extractions.status, count(*) FROM extractions CROSS JOIN passages
            ON passages.content = extractions.content
            WHERE extractions.extractor = {_NUMBER} GROUP BY extractions.status
        """  # noqa: S608 - only a constant is put in
        counted = dict(self._database.rows(statement, (extractor,)))
        return {status: counted.get(status, 0) for status in _STATUSES}

    def kept(self, extractor: str, others: Sequence[str]) -> dict[str, int]:
        """Count the passages that rest on what other extractors have read, as one has not read them usably.

        Parameters
        ----------
        extractor
            The fingerprint of the one.
        others
            Fingerprints of the others, the most preferred one first.

        Returns
        -------
        By the fingerprint of each that any passage rests on.
        """
        found: dict[str, int] = {}
        for place, other in enumerate(others):
            before = self._read_by([extractor, *others[:place]], negated=True)
            statement = f"SELECT count(*) FROM passages WHERE {self._read_by([other])} AND {before}"  # noqa: S608
            [(found[other],)] = self._database.rows(statement)
        return {other: count for other, count in found.items() if count}

    def known(self, extractors: Sequence[str], contents: Iterable[bytes], *, usably: bool = False) -> set[bytes]:
        """Choose the texts that one of some extractors has read, be they still in the index or not.

        Parameters
        ----------
        extractors
            Their fingerprints.
        contents
            The `digest_of_texts` of each title and text.
        usably
            Whether those are left out that it failed on, or gave no usable answer on.
        """
        ranks, _ = self._ranks(extractors)
        usable = f"AND {_USABLE}" if usably else ""
        statement = (
            f"SELECT content FROM extractions WHERE extractor IN ({_numbers(ranks)}) {usable} AND content IN (...)"  # noqa: S608
        )
        return {content for (content,) in self._database.rows_among(statement, sorted(set(contents)))}

    def forget_unread(self) -> int:
        """Delete the extractions of texts that no passage has any more, and return how many they were."""
        statement = "DELETE FROM extractions WHERE content NOT IN (SELECT content FROM passages)"
        with self._database.transaction() as connection:
            return connection.execute(statement).rowcount

    def _read_by(self, extractors: Sequence[str], *, negated: bool = False) -> str:
        """Write, in SQL, that one of some extractors has read a passage usably; or that none has."""
        ranks, _ = self._ranks(extractors)
        content = f"SELECT content FROM extractions WHERE extractor IN ({_numbers(ranks)}) AND {_USABLE}"  # noqa: S608
        return f"passages.content {'NOT ' if negated else ''}IN ({content})"

    def _ranks(self, order: Sequence[str]) -> tuple[list[int], dict[int, str]]:
        """Return the numbers of those extractors that the catalog knows, in their order, and their fingerprints."""
        known = dict(self._database.rows("SELECT fingerprint, number FROM extractors"))
        ranks = [known[name] for name in order if name in known]
        return ranks, {known[name]: name for name in order if name in known}

    def _in_use(self, order: Sequence[str]) -> tuple[str, dict[int, str]]:
        """Return what asks for passages with the extraction in use, but for what groups them, and the fingerprints."""
        ranks, fingerprints = self._ranks(order)
        columns = ", ".join(f"extractions.{name}" for name in _COLUMNS.split(", "))
        # CROSS JOIN keeps SQLite from starting with all extractions where few passages are asked for. With max() over a
        # group, it takes the other columns from the row that has it.
        statement = f"""
            SELECT {PASSAGE_COLUMNS}, {columns}, extractions.extractor, max({_rank_of(ranks)})
            FROM {PASSAGES} CROSS JOIN extractions
            ON extractions.content = passages.content AND extractions.extractor IN ({_numbers(ranks)})
        """  # noqa: S608 - only constants and numbers are put in
        return statement, fingerprints


def _rank_of(ranks: Sequence[int]) -> str:
    """Write, in SQL, how much an extraction is preferred: first of all, whether it is of any use."""
    whens = " ".join(f"WHEN {number:d} THEN {len(ranks) - place}" for place, number in enumerate(ranks))
    usable = f"({_USABLE}) * {len(ranks) + 1}"
    return f"{usable} + CASE extractions.extractor {whens} ELSE 0 END" if whens else usable


def _numbers(ranks: Sequence[int]) -> str:
    return ", ".join(f"{number:d}" for number in ranks)


def _columns(extraction: Extraction) -> tuple[str, str, str]:
    triples = [list(triple) for triple in extraction.triples]
    return _json(list(extraction.entities)), _json(triples), _whole(extraction.error)


def _reading(row: Sequence[Any], fingerprints: Mapping[int, str], path: Path) -> Reading:
    *columns, number, _ = row
    passage = passage_of(columns[:-_OWN_COLUMNS], path)
    content, _, status, entities, triples, error, stamp = columns[-2 - _OWN_COLUMNS :]
    extractor = fingerprints[number]
    if stamp_of(extractor, content, status, entities, triples, error) != stamp:
        raise altered(f"the extraction of passage {passage.id!r}", path)
    stated: list[list[Any]] = json.loads(triples)
    extraction = Extraction(
        status=status,
        entities=tuple(json.loads(entities)),
        triples=tuple(Triple(*triple) for triple in stated),
        error=error,
    )
    return Reading(passage, extraction, extractor)


def _gone(name: str, path: Path) -> IndexDirectoryError:
    return IndexDirectoryError(
        f"the passage {name!r} or what was extracted from it was taken out of {path} meanwhile; run the command again"
    )


def _json(value: list[Any]) -> str:
    return _whole(json.dumps(value, ensure_ascii=False))


def _whole(text: str) -> str:
    # Models break characters in two (`"\ud83d"` in JSON); no passage contains half of one, so nothing can be lost.
    return text.encode("utf-8", "replace").decode()
