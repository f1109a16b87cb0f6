"""Looking for damage in a catalog."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from hippograph.store.connections import READING_ERRORS, is_damage
from hippograph.store.database import Database
from hippograph.store.schema import expected_schema, schema_of
from hippograph.store.soundness import INCOMPLETE, TABLES, Table, lenient

__all__ = ["FILE", "INDICES", "Fault", "check", "fault_in"]

FILE: Final = "file"
INDICES: Final = "indices"

_REMEDIES: Final = {
    FILE: "hippograph doctor --repair makes the file anew of what can be read, and tells what to index again",
    INDICES: "hippograph doctor --repair makes the indices anew; nothing is lost",
    "documents": "hippograph doctor --repair takes the document out; index it again",
    "passages": "hippograph doctor --repair takes its document out; index it again",
    "extractors": "hippograph doctor --repair deletes it with its extractions; hippograph index extracts again",
    "extractions": "hippograph doctor --repair deletes it; hippograph index extracts again",
    "embedders": "hippograph doctor --repair deletes it with its vectors; hippograph index embeds again",
    "vectors": "hippograph doctor --repair deletes it; hippograph index embeds again",
    "sources": "hippograph doctor --repair forgets it; name it to hippograph index again",
    "usage": "hippograph doctor --repair deletes the figure, which no result depends on",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A place where a catalog is not what was stored.

    Parameters
    ----------
    part
        The table; or `file`, if its pages do not fit together; or `indices`, if only what is looked up by is wrong.
    what
        What is wrong.
    remedy
        What to do about it.
    row
        The number of the row; None if it is not about a single one.
    """

    part: str
    what: str
    remedy: str
    row: int | None = None


def check(database: Database) -> list[Fault]:
    """Compare everything in a catalog with its checksums; rows are read one by one.

    A row whose parent (the document of a passage, the extractor of an extraction, the embedder of a vector) is faulty
    is not told of: it shares the parent's fate.

    Raises
    ------
    IndexDirectoryError
        If the file cannot be read for a reason that lies outside of it.
    """
    faults: list[Fault] = []
    with database.reading() as connection, lenient(connection):
        connection.execute("BEGIN")
        try:
            _add(faults, "its definitions", _definitions(connection))
            _add(faults, "its pages", _pages(connection))
            _add(faults, "what belongs together", _orphans(connection))
            for name, table in TABLES.items():
                _add(faults, f"the table {name}", _rows(connection, name, table, faults))
            _add(faults, "the number of passages", _incomplete(connection, faults))
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    return faults


def fault_in(part: str, what: str, row: int | None = None) -> Fault:
    """Make a fault with the remedy for its part."""
    return Fault(part=part, what=what, remedy=_REMEDIES[part], row=row)


def _add(faults: list[Fault], what: str, found: Iterator[Fault]) -> None:
    try:
        for fault in found:
            faults.append(fault)  # noqa: PERF402 - what was found before an error counts
    except READING_ERRORS as error:
        if not is_damage(error):
            raise
        faults.append(fault_in(FILE, f"{what} cannot be read ({error})"))


def _definitions(connection: sqlite3.Connection) -> Iterator[Fault]:
    found, expected = set(schema_of(connection)), set(expected_schema())
    for kind, name in sorted({(str(kind), str(name)) for kind, name, _ in found ^ expected}):
        yield fault_in(FILE, f"the {kind} {name} is missing, altered or not ours")


def _pages(connection: sqlite3.Connection) -> Iterator[Fault]:
    for (text,) in connection.execute("PRAGMA integrity_check"):
        if text != "ok":
            only_index = any(sign in text for sign in _INDEX_SIGNS)
            yield fault_in(INDICES if only_index else FILE, text)


# What SQLite says of an index that does not say what its table says.
_INDEX_SIGNS: Final = ("missing from index", "entries in index", "entry in index", "values differ from index")


def _orphans(connection: sqlite3.Connection) -> Iterator[Fault]:
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        if table in TABLES:
            yield fault_in(table, f"row {row} of {table} has nothing to belong to in {parent}", row)


def _rows(connection: sqlite3.Connection, name: str, table: Table, faults: Iterable[Fault]) -> Iterator[Fault]:
    known = {(fault.part, fault.row) for fault in faults}
    columns = [f"{name}.{column}" for column in table.columns]
    joined, place = name, 0
    if table.parent is not None:
        place = list(table.columns).index(table.parent.key)
        columns += [f"{table.parent.table}.{column}" for column in table.parent.columns]
        joined += f" LEFT JOIN {table.parent.table} ON {table.parent.table}.rowid = {columns[place]}"
    own = len(table.columns)
    statement = f"SELECT {', '.join(columns)} FROM {joined} ORDER BY {columns[0]}"  # noqa: S608 - only names of ours
    for values in connection.execute(statement):
        if table.sound(values[:own], values[own:]) or (name, values[0]) in known:
            continue
        if table.parent is None or (table.parent.table, values[place]) not in known:
            yield fault_in(name, f"{table.name(values)} has been altered", values[0])


def _incomplete(connection: sqlite3.Connection, faults: Iterable[Fault]) -> Iterator[Fault]:
    parts = {(fault.part, fault.row) for fault in faults}
    if any(part == INDICES for part, _ in parts):
        # They would be counted by an index; mending counts them when it has made the indices anew.
        return
    for (row,) in connection.execute(INCOMPLETE):
        if ("documents", row) not in parts:
            # No row: if a passage of another document has strayed here, that one goes, and this document stays.
            yield fault_in("documents", f"the document in row {row} has not the passages it was stored with")
