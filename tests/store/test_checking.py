"""Checking a catalog: no value can change without being found."""

from __future__ import annotations

import sqlite3
import struct
import tracemalloc
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hippograph.errors import DamagedIndexError
from hippograph.store.catalog import Catalog
from hippograph.store.soundness import TABLES
from tests.store.damage import fill, flipped, overwrite, root_page, say, values_of
from tests.store.samples import document

# Nothing refers to these numbers.
UNUSED = {("passages", "row"), ("extractions", "row"), ("vectors", "row"), ("sources", "row"), ("usage", "row")}
COLUMNS = [(name, column) for name, table in TABLES.items() for column in table.columns if (name, column) not in UNUSED]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "catalog.sqlite"
    with Catalog.open(path, create=True) as catalog:
        fill(catalog)
        assert catalog.check() == []
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, sound: bytes) -> Path:
    path = tmp_path / "a.hippo" / "catalog.sqlite"
    path.parent.mkdir()
    path.write_bytes(sound)
    return path


def altered(value: Any, random: Random) -> tuple[str, Any]:
    """Flip one bit of a value; return how it is written in SQL, and what is put in there."""
    if value is None:
        return "?", 1
    if isinstance(value, int):
        return "?", value ^ 1 << random.randrange(12)
    if isinstance(value, float):
        return "?", struct.unpack("<d", flipped(struct.pack("<d", value), random.randrange(6), random.randrange(8)))[0]
    data = value.encode() if isinstance(value, str) else value
    other = flipped(data, random.randrange(len(data)), random.randrange(8)) if data else b"\0"
    return ("CAST(? AS TEXT)" if isinstance(value, str) else "?"), other


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_a_flipped_bit_in_any_value_is_found(path: Path, table: str, column: str) -> None:
    random = Random(f"{table}.{column}")
    with (
        Catalog.open(path) as catalog,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("PRAGMA ignore_check_constraints = ON")
        rows = other.execute(f"SELECT rowid, {column} FROM {table}").fetchall()
        if (table, column) == ("documents", "row"):
            # What has no passages has nothing that refers to it.
            rows = other.execute("SELECT DISTINCT document, document FROM passages").fetchall()
        for row, value in random.sample(rows, min(4, len(rows))):
            mark, changed = altered(value, random)
            other.execute("BEGIN")
            try:
                other.execute(f"UPDATE {table} SET {column} = {mark} WHERE rowid = ?", (changed, row))
            except sqlite3.IntegrityError:
                # Another row has that value, and the two must differ.
                other.execute("ROLLBACK")
                continue
            other.execute("COMMIT")
            faults = catalog.check()
            assert faults, (row, value, changed)
            assert all("hippograph" in fault.remedy for fault in faults)
            number = changed if column in ("row", "number") else row
            if column not in ("row", "number", "position"):
                assert (table, row) in {(fault.part, fault.row) for fault in faults}
            other.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, number))
        assert catalog.check() == []


def test_no_flipped_bit_of_the_file_changes_a_value_unfound(path: Path, sound: bytes) -> None:
    random = Random(3)
    said = values_of(path)
    found = harmless = 0
    for attempt in range(250):
        # Half of the flips where the definitions and the small tables are.
        at = random.randrange(len(sound) if attempt % 2 else 4096 * 12)
        overwrite(path, flipped(sound, at, random.randrange(8)))
        try:
            with Catalog.open(path) as catalog:
                if catalog.check():
                    found += 1
                else:
                    assert say(catalog) == said, at
                    harmless += 1
        except DamagedIndexError:
            found += 1
    assert found > 100
    assert harmless > 0


@pytest.mark.parametrize("name", [*TABLES, "passages_by_content", "sqlite_autoindex_vectors_1"])
def test_a_page_of_garbage_is_found(path: Path, sound: bytes, name: str) -> None:
    at = root_page(path, name)
    for garbage in (bytes(4096), Random(name).randbytes(4096), b"\x05" + bytes(4095)):
        overwrite(path, sound[:at] + garbage + sound[at + 4096 :])
        with Catalog.open(path) as catalog:
            faults = catalog.check()
            assert any(fault.part == "file" for fault in faults)


@pytest.mark.parametrize(
    ("statement", "part", "told"),
    [
        ("DROP INDEX passages_by_content", "file", "index passages_by_content"),
        ("DROP TABLE usage", "file", "table usage"),
        ("CREATE TABLE more (row INTEGER PRIMARY KEY)", "file", "table more"),
        ("DELETE FROM passages WHERE id = 'd03#2'", "documents", "passages it was stored with"),
        ("DELETE FROM passages WHERE id = 'd03#0'", "documents", "passages it was stored with"),
        ("DELETE FROM documents WHERE id = 'd03'", "passages", "nothing to belong to"),
        ("DELETE FROM embedders WHERE number = 2", "vectors", "nothing to belong to"),
        ("UPDATE documents SET title = NULL WHERE id = 'd03'", "", "NOT NULL"),
        ("UPDATE passages SET page = '' WHERE id = 'd03#0'", "passages", "passage 'd03#0'"),
        ("UPDATE passages SET text = CAST(text AS BLOB) WHERE id = 'd03#0'", "passages", "passage 'd03#0'"),
    ],
)
def test_what_is_missing_or_of_another_kind_is_found(path: Path, statement: str, part: str, told: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        if not part:
            with pytest.raises(sqlite3.IntegrityError, match=told):
                other.execute(statement)
            return
        other.execute(statement)
    with Catalog.open(path) as catalog:
        faults = catalog.check()
    assert part in {fault.part for fault in faults}
    assert any(told in fault.what for fault in faults)


def test_what_belongs_to_a_damaged_row_is_not_told_of(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE documents SET source = 'elsewhere' WHERE id = 'd03'")
        other.execute("UPDATE extractors SET fingerprint = 'another' WHERE number = 1")
        other.execute("UPDATE embedders SET dimension = 9 WHERE number = 2")
    with Catalog.open(path) as catalog:
        faults = catalog.check()
    assert [fault.part for fault in faults] == ["documents", "extractors", "embedders"]
    assert "'d03'" in faults[0].what


def test_checking_takes_no_memory(tmp_path: Path) -> None:
    with Catalog.open(tmp_path / "catalog.sqlite", create=True) as catalog:
        catalog.documents.replace_all(document(f"d{number}", f"{number} " * 3000) for number in range(1000))
        tracemalloc.start()
        try:
            assert catalog.check() == []
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 1_000_000
