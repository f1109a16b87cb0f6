"""Opening a catalog, damage, versions, threads."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from hippograph.errors import (
    DamagedIndexError,
    IndexDirectoryError,
    IndexMismatchError,
    InputError,
    NoIndexError,
)
from hippograph.store import database
from hippograph.store.catalog import Catalog
from hippograph.types import Usage
from tests.store.samples import document, unit_rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "wiki 100% #1?.hippo" / "catalog.sqlite"


def test_what_is_written_is_there_after_opening_again(path: Path) -> None:
    with Catalog.open(path, create=True) as catalog:
        catalog.documents.replace(*document("oslo", "A capital."))
        catalog.usage.add("extract", "model", Usage(calls=1, items=2, tokens=3, seconds=0.5))
        catalog.checkpoint()
    with Catalog.open(path) as catalog:
        assert catalog.documents.counts() == (1, 1)
        catalog.usage.add("extract", "model", Usage(calls=10, seconds=1.0))
        catalog.usage.add("embed", "model", Usage(items=7))
        assert catalog.usage.totals() == {
            ("embed", "model"): Usage(items=7),
            ("extract", "model"): Usage(calls=11, items=2, tokens=3, seconds=1.5),
        }
    assert [entry.name for entry in path.parent.iterdir()] == ["catalog.sqlite"]


def test_nothing_is_made_unasked(path: Path) -> None:
    with pytest.raises(NoIndexError, match="hippograph index"):
        Catalog.open(path)
    assert not path.parent.exists()


def test_a_file_without_tables_is_no_index_and_can_become_one(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with pytest.raises(NoIndexError):
        Catalog.open(path)
    with Catalog.open(path, create=True) as catalog:
        assert catalog.documents.counts() == (0, 0)


@pytest.mark.parametrize("create", [False, True])
@pytest.mark.parametrize("content", [b"not a database at all" * 300, b"SQLite format 3\0" + bytes(range(256)) * 40])
def test_garbage_is_damage(path: Path, content: bytes, create: bool) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(DamagedIndexError, match=r"catalog\.sqlite.*index again"):
        Catalog.open(path, create=create)
    assert path.read_bytes() == content


def test_overwritten_pages_are_damage_wherever_they_are_met(path: Path) -> None:
    with Catalog.open(path, create=True) as catalog:
        catalog.documents.replace_all(document(f"d{number}", "Some text. " * 50) for number in range(200))
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(DamagedIndexError, match="restore"), Catalog.open(path) as catalog:
        list(catalog.documents.passages())


def test_a_missing_table_is_damage(path: Path) -> None:
    Catalog.open(path, create=True).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE vectors")
    with Catalog.open(path) as catalog:
        catalog.documents.replace(*document("oslo", "A capital."))
        assert catalog.vectors.missing("e", "entity", ["Oslo"]) == ["Oslo"]
        with pytest.raises(DamagedIndexError, match="no such table: vectors"):
            catalog.vectors.save("e", "entity", ["Oslo"], unit_rows(1))


def test_a_newer_format_and_another_programs_file_do_not_match(path: Path) -> None:
    Catalog.open(path, create=True).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    with pytest.raises(IndexMismatchError, match="format 2"):
        Catalog.open(path, create=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA application_id = 7")
    with pytest.raises(IndexMismatchError, match="another program"):
        Catalog.open(path)


def test_a_closed_catalog_says_so(path: Path) -> None:
    with Catalog.open(path, create=True) as catalog:
        passages = catalog.documents.passages()
        catalog.documents.replace_all([document("a", "A."), document("b", "B.")])
        assert next(passages).id == "a"
    catalog.close()
    passages.close()  # type: ignore[attr-defined]
    with pytest.raises(IndexDirectoryError, match="closed"):
        catalog.documents.counts()
    with pytest.raises(IndexDirectoryError, match="closed"):
        catalog.documents.replace(*document("a", "A."))


def test_another_processs_transaction_is_waited_for_then_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_PATIENCE", 0.05)
    with Catalog.open(path, create=True) as catalog, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(IndexDirectoryError, match="another process") as caught:
            catalog.documents.replace(*document("a", "A."))
        assert not isinstance(caught.value, DamagedIndexError)
        other.execute("ROLLBACK")
        catalog.documents.replace(*document("a", "A."))
        assert catalog.documents.counts() == (1, 1)


def test_an_iteration_sees_one_state_and_blocks_nobody(path: Path) -> None:
    with Catalog.open(path, create=True) as catalog:
        catalog.documents.replace_all(document(f"d{number}", f"Text {number}.") for number in range(50))
        seen = []
        for passage in catalog.documents.passages():
            seen.append(passage.id)
            catalog.documents.replace(*document(f"d{99 - len(seen)}", "Another text."))
        assert seen == sorted(f"d{number}" for number in range(50))


def test_threads_search_and_write_at_once(path: Path) -> None:
    with Catalog.open(path, create=True) as catalog, ThreadPoolExecutor(8) as pool:
        catalog.documents.replace_all(document(f"d{number:03d}", f"word{number % 10} common") for number in range(200))
        expected = [catalog.search([f"word{number}"], k=300) for number in range(10)]

        def search(number: int) -> bool:
            return catalog.search([f"word{number % 10}"], k=300) == expected[number % 10]

        def rewrite(number: int) -> bool:
            catalog.documents.replace(*document(f"d{number:03d}", f"word{number % 10} common"))
            catalog.usage.add("stage", "model", Usage(calls=1))
            return True

        jobs = [pool.submit(job, number) for number in range(100) for job in (search, rewrite)]
        assert all(job.result() for job in jobs)
        assert catalog.usage.totals()["stage", "model"].calls == 100


def test_an_impossible_search_is_refused(path: Path) -> None:
    with Catalog.open(path, create=True) as catalog:
        with pytest.raises(InputError, match="k is 0"):
            catalog.search(["a"], k=0)
        with pytest.raises(InputError, match="title_weight"):
            catalog.search(["a"], k=1, title_weight=float("nan"))
