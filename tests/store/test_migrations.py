"""Catalogs of older formats: brought up to date by who may write, whole or not at all."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hippograph.errors import DamagedIndexError, IndexMismatchError
from hippograph.store import migrations
from hippograph.store.catalog import Catalog
from hippograph.store.documents import DocumentRecord, document_digest
from hippograph.store.extractions import Reading
from hippograph.store.schema import FORMAT_VERSION, digest_of_texts, expected_schema, schema_of
from hippograph.types import Document, Extraction, Passage, Triple, Usage
from tests.store.samples import TEXTS, document, fresh_catalog, unit_rows

FORMAT_1 = (
    """CREATE TABLE documents (
        row INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        source TEXT NOT NULL,
        origin TEXT NOT NULL,
        title TEXT NOT NULL,
        digest TEXT NOT NULL,
        metadata TEXT NOT NULL
    )""",
    """CREATE TABLE passages (
        row INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        document INTEGER NOT NULL REFERENCES documents(row),
        position INTEGER NOT NULL,
        content BLOB NOT NULL,
        start INTEGER NOT NULL,
        end INTEGER NOT NULL,
        page INTEGER,
        title TEXT NOT NULL,
        text TEXT NOT NULL
    )""",
    "CREATE UNIQUE INDEX passages_by_document ON passages(document, position)",
    "CREATE INDEX passages_by_content ON passages(content, id)",
    "CREATE TABLE extractors (number INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE)",
    """CREATE TABLE extractions (
        row INTEGER PRIMARY KEY,
        extractor INTEGER NOT NULL REFERENCES extractors(number),
        content BLOB NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('done', 'empty', 'invalid', 'failed')),
        entities TEXT NOT NULL,
        triples TEXT NOT NULL,
        error TEXT NOT NULL,
        UNIQUE (extractor, content)
    )""",
    """CREATE TABLE embedders (
        number INTEGER PRIMARY KEY,
        fingerprint TEXT NOT NULL UNIQUE,
        dimension INTEGER NOT NULL
    )""",
    """CREATE TABLE vectors (
        row INTEGER PRIMARY KEY,
        embedder INTEGER NOT NULL REFERENCES embedders(number),
        key BLOB NOT NULL,
        vector BLOB NOT NULL,
        UNIQUE (embedder, key)
    )""",
    """CREATE TABLE usage (
        stage TEXT NOT NULL,
        model TEXT NOT NULL,
        calls INTEGER NOT NULL,
        items INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        seconds REAL NOT NULL,
        PRIMARY KEY (stage, model)
    ) WITHOUT ROWID""",
    """CREATE VIRTUAL TABLE full_text USING fts5(
        title, text, content='', tokenize="unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
    )""",
    "PRAGMA application_id = 1212764240",
    "PRAGMA user_version = 1",
)
FORMAT_2 = (
    """CREATE TABLE documents (
        row INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        stamp BLOB NOT NULL,
        parts INTEGER NOT NULL,
        source TEXT NOT NULL,
        origin TEXT NOT NULL,
        title TEXT NOT NULL,
        digest TEXT NOT NULL,
        metadata TEXT NOT NULL
    )""",
    """CREATE TABLE passages (
        row INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        document INTEGER NOT NULL REFERENCES documents(row),
        position INTEGER NOT NULL,
        stamp BLOB NOT NULL,
        content BLOB NOT NULL,
        start INTEGER NOT NULL,
        end INTEGER NOT NULL,
        page INTEGER,
        title TEXT NOT NULL,
        text TEXT NOT NULL
    )""",
    "CREATE UNIQUE INDEX passages_by_document ON passages(document, position)",
    "CREATE INDEX passages_by_content ON passages(content, id, stamp)",
    """CREATE TABLE extractors (
        number INTEGER PRIMARY KEY,
        fingerprint TEXT NOT NULL UNIQUE,
        stamp BLOB NOT NULL
    )""",
    """CREATE TABLE extractions (
        row INTEGER PRIMARY KEY,
        extractor INTEGER NOT NULL REFERENCES extractors(number),
        content BLOB NOT NULL,
        stamp BLOB NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('done', 'empty', 'invalid', 'failed')),
        entities TEXT NOT NULL,
        triples TEXT NOT NULL,
        error TEXT NOT NULL,
        UNIQUE (extractor, content)
    )""",
    "CREATE INDEX extractions_by_content ON extractions(extractor, content, status, stamp)",
    """CREATE TABLE embedders (
        number INTEGER PRIMARY KEY,
        fingerprint TEXT NOT NULL UNIQUE,
        dimension INTEGER NOT NULL,
        stamp BLOB NOT NULL
    )""",
    """CREATE TABLE vectors (
        row INTEGER PRIMARY KEY,
        embedder INTEGER NOT NULL REFERENCES embedders(number),
        key BLOB NOT NULL,
        checksum INTEGER NOT NULL,
        vector BLOB NOT NULL,
        UNIQUE (embedder, key)
    )""",
    """CREATE TABLE sources (
        row INTEGER PRIMARY KEY,
        origin TEXT NOT NULL UNIQUE,
        source TEXT NOT NULL,
        stamp BLOB NOT NULL
    )""",
    """CREATE TABLE usage (
        row INTEGER PRIMARY KEY,
        stage TEXT NOT NULL,
        model TEXT NOT NULL,
        calls INTEGER NOT NULL,
        items INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        seconds REAL NOT NULL,
        stamp BLOB NOT NULL,
        UNIQUE (stage, model)
    )""",
    "PRAGMA application_id = 1212764240",
    "PRAGMA user_version = 2",
)
TABLES = ("documents", "passages", "extractors", "extractions", "embedders", "vectors", "usage")
FINGERPRINTS = ("extractor:one", "extractor:two")

Pairs = list[tuple[Document, list[Passage]]]


def pairs() -> Pairs:
    found = [
        document(f"d{number}", *TEXTS[number : number + number % 4], title=f"T{number}", metadata={"year": number})
        for number in range(6)
    ]
    return [*found, document("文 9", *TEXTS[:1], title="T0", source="folder/a.txt")]


def as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def write_format_1(path: Path) -> None:
    """Write the file that hippograph 0.1.0 wrote, row by row."""
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        for statement in FORMAT_1:
            connection.execute(statement)
        for row, (whole, passages) in enumerate(pairs(), start=3):
            metadata = as_json(dict(whole.metadata))
            origin = f"../{whole.source}"
            values: list[Any] = [row, whole.id, whole.source, origin, whole.title, document_digest(whole), metadata]
            connection.execute("INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?)", values)
            for position, passage in enumerate(passages):
                content = digest_of_texts(passage.title, passage.text)
                values = [passage.id, row, position, content, *passage.span, passage.page, passage.title, passage.text]
                cursor = connection.execute("INSERT INTO passages VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
                values = [cursor.lastrowid, passage.title, passage.text]
                connection.execute("INSERT INTO full_text (rowid, title, text) VALUES (?, ?, ?)", values)
                for number in (1, 2):
                    values = [number, content, as_json([passage.id, "北京"]), as_json([["a", "b", passage.text]])]
                    statement = "INSERT OR IGNORE INTO extractions VALUES (NULL, ?, ?, 'done', ?, ?, '')"
                    connection.execute(statement, values)
        connection.executemany("INSERT INTO extractors VALUES (?, ?)", enumerate(FINGERPRINTS, start=1))
        connection.execute("INSERT INTO embedders VALUES (7, 'embedder', 8)")
        for text, vector in zip(TEXTS, unit_rows(len(TEXTS)).astype("<f2"), strict=True):
            values = [digest_of_texts("passage", text), vector.tobytes()]
            connection.execute("INSERT INTO vectors VALUES (NULL, 7, ?, ?)", values)
        connection.execute("INSERT INTO usage VALUES ('extract', 'extractor:one', 1, 2, 3, 0.25)")


def write_format_2(path: Path) -> None:
    """Write the file that the step from format 1 makes; a test below compares its tables with those of format 2."""
    write_format_1(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection, pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "FORMAT_VERSION", 2)
        migrations.migrate(connection, path)


def rows(path: Path) -> list[list[tuple[Any, ...]]]:
    """All rows of the tables that all formats have, in the columns of format 1."""
    with closing(sqlite3.connect(path)) as connection, closing(sqlite3.connect(":memory:")) as old:
        for statement in FORMAT_1:
            old.execute(statement)
        found = []
        for table in TABLES:
            columns = ", ".join(name for _, name, *_ in old.execute(f"PRAGMA table_info({table})"))
            if table == "usage" and version(path) > 2:
                columns = columns.replace("tokens", "input_tokens + output_tokens")
            found.append(connection.execute(f"SELECT {columns} FROM {table} ORDER BY {columns}").fetchall())
        return found


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check_migrated(path: Path) -> None:
    """Compare a migrated catalog with what went into it, and with one made in the current format."""
    with Catalog.open(path) as catalog, fresh_catalog() as fresh:
        fresh.documents.replace_all(pairs(), origins={one.id: f"../{one.source}" for one, _ in pairs()})
        assert catalog.check() == []
        records = catalog.documents.records_of(catalog.documents.ids())
        assert records == fresh.documents.records_of(fresh.documents.ids())
        assert records["文 9"] == DocumentRecord(
            source="folder/a.txt",
            origin="../folder/a.txt",
            digest=document_digest(pairs()[-1][0]),
            parts=(("文 9", 0, 31, None),),
        )
        assert list(catalog.documents.facts()) == list(fresh.documents.facts())
        passages = list(fresh.documents.passages())
        assert list(catalog.documents.passages()) == passages
        assert catalog.sources.all() == {}
        for name in FINGERPRINTS:
            # Of two passages that say the same, the first was read.
            first: dict[tuple[str, str], str] = {}
            for passage in sorted(passages, key=lambda passage: passage.id):
                first.setdefault((passage.title, passage.text), passage.id)
            found = [
                Extraction(
                    status="done",
                    entities=(first[passage.title, passage.text], "北京"),
                    triples=(Triple("a", "b", passage.text),),
                )
                for passage in passages
            ]
            fresh.extractions.save(name, zip(passages, found, strict=True))
            read = [Reading(passage, one, name) for passage, one in zip(passages, found, strict=True)]
            assert list(catalog.extractions.items([name])) == read
            assert list(catalog.extractions.stamps([name])) == list(fresh.extractions.stamps([name]))
            assert len(catalog.extractions.pending(name)) == 0
        fresh.vectors.save("embedder", "passage", TEXTS, unit_rows(len(TEXTS)))
        loaded = catalog.vectors.load("embedder", "passage", TEXTS)
        assert np.array_equal(loaded, fresh.vectors.load("embedder", "passage", TEXTS))
        usage = Usage(calls=1, items=2, input_tokens=3, seconds=0.25)
        # Which of the two was in use, nothing tells.
        assert (catalog.extractors.all(), catalog.extractors.order()) == ([*FINGERPRINTS], [])
        assert catalog.usage.totals() == {("extract", "extractor:one"): usage}
    with closing(sqlite3.connect(path)) as connection:
        assert schema_of(connection) == expected_schema()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "old.hippo" / "catalog.sqlite"
    write_format_1(path)
    return path


@pytest.fixture
def path_2(tmp_path: Path) -> Path:
    path = tmp_path / "newer.hippo" / "catalog.sqlite"
    write_format_2(path)
    return path


def test_format_1_becomes_format_2_first(path_2: Path) -> None:
    with closing(sqlite3.connect(path_2)) as connection, closing(sqlite3.connect(":memory:")) as made:
        for statement in FORMAT_2:
            made.execute(statement)
        assert schema_of(connection) == schema_of(made)
    assert version(path_2) == 2


@pytest.mark.parametrize("write", [write_format_1, write_format_2])
@pytest.mark.parametrize("way", [{"create": True}, {"write": True}])
def test_older_formats_are_brought_up_to_date_by_who_may_write(
    tmp_path: Path, write: Callable[[Path], None], way: dict[str, bool]
) -> None:
    path = tmp_path / "old.hippo" / "catalog.sqlite"
    write(path)
    before = rows(path)
    Catalog.open(path, **way).close()
    assert version(path) == FORMAT_VERSION
    assert rows(path) == before
    check_migrated(path)
    with Catalog.open(path, write=True) as catalog:
        catalog.documents.replace(*document("new", "New."))
        assert catalog.documents.delete(["d1"]) == ["d1"]
        catalog.extractions.save("extractor:three", [(catalog.extractions.pending("extractor:three")[0], DONE)])
        catalog.vectors.save("another", "entity", ["Oslo"], unit_rows(1, 4))
        assert catalog.check() == []


DONE = Extraction(status="done", entities=("Oslo",))


def test_a_reader_is_told_what_to_do_and_changes_nothing(path: Path, path_2: Path) -> None:
    for number, old in enumerate((path, path_2), 1):
        before = old.read_bytes()
        with pytest.raises(IndexMismatchError, match=rf"format {number}.*hippograph doctor --repair --index .*\.hippo"):
            Catalog.open(old)
        assert old.read_bytes() == before


def alter(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_the_only_extractor_is_the_preferred_one(path_2: Path) -> None:
    alter(path_2, "DELETE FROM extractions WHERE extractor = 1", "DELETE FROM extractors WHERE number = 1")
    with Catalog.open(path_2, write=True) as catalog:
        assert catalog.extractors.order() == ["extractor:two"]
        assert catalog.check() == []


def test_what_was_altered_before_is_found_afterwards(path_2: Path) -> None:
    alter(path_2, "UPDATE usage SET calls = 9", "UPDATE extractors SET fingerprint = 'extractor:onf' WHERE number = 1")
    with Catalog.open(path_2, write=True) as catalog:
        assert [fault.part for fault in catalog.check()] == ["extractors", "usage"]


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_failure_in_the_last_step_leaves_format_2(path_2: Path, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    before = path_2.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "stamp_of", fail_at(call, lambda: [][0]))
        with pytest.raises(IndexError):
            Catalog.open(path_2, write=True)
    assert (version(path_2), path_2.read_bytes()) == (2, before)
    Catalog.open(path_2, write=True).close()
    check_migrated(path_2)


def fail_at(call: int, act: Callable[[], object]) -> Callable[..., bytes]:
    """Make a stamp that acts at the n-th call."""
    calls = iter(range(1, 10**6))

    def stamp(*values: Any) -> bytes:
        if next(calls) == call:
            act()
        return digest_of_texts(repr(values))

    return stamp


@pytest.mark.parametrize("call", [1, 2, 8, 12, 20, 30])
@pytest.mark.parametrize("error", [OSError("the disk went away"), KeyboardInterrupt(), MemoryError()])
def test_a_failure_midway_leaves_format_1(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: int, error: BaseException
) -> None:
    def fail() -> None:
        raise error

    before = rows(path)
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "stamp_of", fail_at(call, fail))
        with pytest.raises(type(error)):
            Catalog.open(path, write=True)
    assert version(path) == 1
    assert rows(path) == before
    with pytest.raises(IndexMismatchError, match="format 1"):
        Catalog.open(path)
    Catalog.open(path, write=True).close()
    check_migrated(path)


KILLED = """
import os, signal, sys
from hippograph.store import migrations
from hippograph.store.catalog import Catalog
from tests.store.test_migrations import fail_at
migrations.stamp_of = fail_at(int(sys.argv[2]), lambda: os.kill(os.getpid(), signal.SIGKILL))
Catalog.open(sys.argv[1], write=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system knows no SIGKILL")
@pytest.mark.parametrize("call", [5, 25])
def test_a_kill_midway_leaves_format_1(path: Path, call: int) -> None:
    before = rows(path)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), str(call)], check=False, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == -signal.SIGKILL
    assert version(path) == 1
    assert rows(path) == before
    Catalog.open(path, write=True).close()
    check_migrated(path)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM documents WHERE id = 'd3'",
        "DELETE FROM extractors",
        "UPDATE vectors SET embedder = 8 WHERE row = 1",
    ],
)
def test_rows_that_belong_to_nothing_are_damage(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)
    before = rows(path)
    with pytest.raises(DamagedIndexError, match="contradicts itself"):
        Catalog.open(path, write=True)
    assert version(path) == 1
    assert rows(path) == before


def test_every_older_format_has_a_step() -> None:
    assert sorted(migrations.STEPS) == list(range(1, FORMAT_VERSION))
