"""Mending a damaged catalog: what is sound is kept, all else goes and is told of."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hippograph.errors import DamagedIndexError
from hippograph.store.checking import FILE, INDICES, Fault
from hippograph.store.connections import READING_ERRORS, connect_for_writing, is_damage, translated
from hippograph.store.database import Database
from hippograph.store.documents import delete_row
from hippograph.store.schema import APPLICATION_ID, FORMAT_VERSION, create_tables, expected_schema, schema_of
from hippograph.store.soundness import INCOMPLETE, TABLES, Table, lenient

__all__ = ["LostDocument", "mend", "restore_header"]

_LOGGER = logging.getLogger(__name__)

# Tables without which nothing is left; the others can be made again.
_VITAL: Final = frozenset({"documents", "passages", "extractors", "extractions"})
# Rows that are sought behind a page that cannot be read, if it is not known how many rows there are.
_REACH: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LostDocument:
    """A document that was taken out because a part of it was damaged; it has to be indexed again.

    Parameters
    ----------
    id
        Its id; if just that was altered, both what it was and what it became may be told of.
    source
        Where it was read from, as the user named it; empty if that is not known any more.
    """

    id: str
    source: str


def mend(database: Database, faults: Sequence[Fault]) -> list[LostDocument]:
    """Mend what `check` found, as `Catalog.mend` tells.

    Indices are made anew, and damaged rows are deleted; with a passage its whole document is, which would otherwise
    seem complete. If the pages of the file do not fit together, all sound rows that can be read are put into a new
    file, which then takes the place of the old one in one transaction.
    """
    if not faults:
        return []
    with database.reading() as connection, lenient(connection):
        sources = _sources(connection)
    if any(fault.part == FILE for fault in faults):
        _make_anew(database)
    else:
        try:
            _delete(database, faults)
        except DamagedIndexError as error:
            _LOGGER.warning("rows of %s cannot be mended one by one (%s): the file is made anew", database.path, error)
            _make_anew(database)
    kept = {name for (name,) in database.rows("SELECT id FROM documents")}
    return [LostDocument(id=name, source=sources[name]) for name in sorted(sources.keys() - kept)]


def restore_header(path: Path) -> bool:
    """Mark a file as a catalog of the current format if its tables are those of one; without the marks none opens it.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Whether they are.

    Raises
    ------
    DamagedIndexError
        If it is no SQLite database.
    """
    with closing(connect_for_writing(path, create=False)) as connection, translated(path):
        if schema_of(connection) != expected_schema():
            return False
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
    return True


def _sources(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the sources of all documents by id, as far as the table and the index of the ids tell."""
    sources: dict[str, str] = {}
    try:
        for (name,) in connection.execute("SELECT id FROM documents INDEXED BY sqlite_autoindex_documents_1"):
            sources[_shown(name)] = ""
    except READING_ERRORS as error:
        if not is_damage(error):
            raise
        _LOGGER.warning("the index of the documents' ids cannot be read to its end (%s)", error)
    for _, name, _, _, source, *_ in _readable(connection, "documents", TABLES["documents"]):
        sources[_shown(name)] = _shown(source)
    return sources


def _shown(value: object) -> str:
    # Whatever stands there; it is to be told, not to be stored.
    return str(value).encode("utf-8", "replace").decode()


def _delete(database: Database, faults: Sequence[Fault]) -> None:
    with database.transaction() as connection:
        if any(fault.part == INDICES for fault in faults):
            connection.execute("REINDEX")
        for fault in faults:
            if fault.row is None:
                continue
            for name, table in TABLES.items():
                if table.parent is not None and table.parent.table == fault.part:
                    statement = f"DELETE FROM {name} WHERE {table.parent.key} = ?"  # noqa: S608 - names of ours
                    connection.execute(statement, (fault.row,))
            connection.execute(f"DELETE FROM {fault.part} WHERE rowid = ?", (fault.row,))  # noqa: S608
        _take_out_incomplete(connection)


def _take_out_incomplete(connection: sqlite3.Connection) -> None:
    for (row,) in connection.execute(INCOMPLETE).fetchall():
        delete_row(connection, row)


def _make_anew(database: Database) -> None:
    path = database.path.with_name(database.path.name + "-mended")
    path.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as fresh:
            with database.reading() as damaged, lenient(damaged):
                _fill(fresh, damaged, database.path)
            with database.writing() as connection:
                fresh.backup(connection)
    finally:
        path.unlink(missing_ok=True)
    database.checkpoint()


def _fill(fresh: sqlite3.Connection, damaged: sqlite3.Connection, path: Path) -> None:
    """Copy all sound rows."""
    [size] = damaged.execute("PRAGMA page_size").fetchone()
    for pragma in (f"page_size = {size:d}", "journal_mode = OFF", "synchronous = OFF"):
        fresh.execute(f"PRAGMA {pragma}").fetchall()
    fresh.execute("BEGIN")
    create_tables(fresh)
    fresh.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    fresh.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
    for name, table in TABLES.items():
        try:
            _copy(fresh, damaged, name, table)
        except sqlite3.OperationalError as error:
            # Not a page, the table itself: it is missing, or its definition was altered.
            if name in _VITAL or not is_damage(error):
                raise
            _LOGGER.warning("the table %s of %s cannot be read (%s)", name, path, error)
    _take_out_incomplete(fresh)
    fresh.execute("COMMIT")


def _copy(fresh: sqlite3.Connection, damaged: sqlite3.Connection, name: str, table: Table) -> None:
    insert = f"INSERT OR IGNORE INTO {name} VALUES ({','.join('?' * len(table.columns))})"  # noqa: S608
    for values in _readable(damaged, name, table):
        if table.sound(values, _parent(fresh, table, values)):
            # Where an altered row has taken the key of another, the first one wins.
            fresh.execute(insert, values)


def _parent(fresh: sqlite3.Connection, table: Table, values: Sequence[Any]) -> Sequence[Any]:
    if table.parent is None:
        return ()
    row = values[list(table.columns).index(table.parent.key)]
    if not isinstance(row, int):
        return (None,)
    statement = f"SELECT {', '.join(table.parent.columns)} FROM {table.parent.table} WHERE rowid = ?"  # noqa: S608
    found: Sequence[Any] | None = fresh.execute(statement, (row,)).fetchone()
    return found or (None,)


def _readable(connection: sqlite3.Connection, name: str, table: Table) -> Iterator[Sequence[Any]]:
    """Yield the rows of a table that can be read, whatever the pages between them hold."""
    statement = f"SELECT {', '.join(table.columns)} FROM {name} NOT INDEXED WHERE rowid > ? ORDER BY rowid"  # noqa: S608
    start, last = -(2**63), None
    while last is None or start < last:
        at = start
        try:
            for values in connection.execute(statement, (start,)):
                at = values[0]
                yield values
        except READING_ERRORS as error:
            if isinstance(error, sqlite3.OperationalError) or not is_damage(error):
                raise
            # Row by row, until the first one behind the page is found.
            start = max(start + 1, at + 1, 0)
            last = _last_row(connection, name, start) if last is None else last
        else:
            return


def _last_row(connection: sqlite3.Connection, name: str, start: int) -> int:
    for way in ("NOT INDEXED", f"INDEXED BY sqlite_autoindex_{name}_1"):
        try:
            [last] = connection.execute(f"SELECT max(rowid) FROM {name} {way}").fetchone()  # noqa: S608
        except READING_ERRORS as error:
            if not is_damage(error):
                raise
        else:
            return int(last or 0)
    return start + _REACH
