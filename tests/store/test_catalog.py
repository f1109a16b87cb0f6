"""Opening a catalog, damage, versions, threads."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

from hippograph.errors import (
    DamagedIndexError,
    IndexDirectoryError,
    IndexMismatchError,
    InputError,
    NoIndexError,
)
from hippograph.store import connections
from hippograph.store.catalog import Catalog
from hippograph.store.vectors import vector_key
from hippograph.types import Extraction, Usage
from tests.store.samples import document, unit_rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "wiki 100% #1?.hippo" / "catalog.sqlite"


def test_what_is_written_is_there_after_opening_again(path: Path) -> None:
    with Catalog.open(path, create=True) as catalog:
        catalog.documents.replace(*document("oslo", "A capital."))
        catalog.usage.add("extract", "model", Usage(calls=1, items=2, input_tokens=3, seconds=0.5))
        catalog.checkpoint()
    with Catalog.open(path, write=True) as catalog:
        assert catalog.documents.counts() == (1, 1)
        catalog.usage.add("extract", "model", Usage(calls=10, seconds=1.0))
        catalog.usage.add("embed", "model", Usage(items=7))
        assert catalog.usage.totals() == {
            ("embed", "model"): Usage(items=7),
            ("extract", "model"): Usage(calls=11, items=2, input_tokens=3, seconds=1.5),
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
    with pytest.raises(DamagedIndexError, match=r"doctor --repair.*restore"), Catalog.open(path) as catalog:
        list(catalog.documents.passages())


def test_a_missing_table_is_damage(path: Path) -> None:
    Catalog.open(path, create=True).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE vectors")
    with Catalog.open(path, write=True) as catalog:
        catalog.documents.replace(*document("oslo", "A capital."))
        assert catalog.vectors.missing("e", "entity", ["Oslo"]) == ["Oslo"]
        with pytest.raises(DamagedIndexError, match="no such table: vectors"):
            catalog.vectors.save("e", "entity", ["Oslo"], unit_rows(1))


def test_a_newer_format_and_another_programs_file_do_not_match(path: Path) -> None:
    Catalog.open(path, create=True).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE later (row INTEGER PRIMARY KEY)")
        connection.execute("PRAGMA user_version = 4")
    for create in (False, True):
        with pytest.raises(IndexMismatchError, match=r"format 4.*newer hippograph"):
            Catalog.open(path, create=create)
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
    monkeypatch.setattr(connections, "_PATIENCE", 0.05)
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


def test_threads_read_and_write_at_once(path: Path) -> None:
    with Catalog.open(path, create=True) as catalog, ThreadPoolExecutor(8) as pool:
        catalog.documents.replace_all(document(f"d{number:03d}", f"text {number}") for number in range(200))
        expected = list(catalog.documents.passages())

        def read(_: int) -> bool:
            return list(catalog.documents.passages()) == expected

        def rewrite(number: int) -> bool:
            catalog.documents.replace(*document(f"d{number:03d}", f"text {number}"))
            catalog.usage.add("stage", "model", Usage(calls=1))
            return True

        jobs = [pool.submit(job, number) for number in range(60) for job in (read, rewrite)]
        assert all(job.result() for job in jobs)
        assert catalog.usage.totals()["stage", "model"].calls == 60
        assert catalog.check() == []


def test_a_reader_changes_nothing(path: Path) -> None:
    with Catalog.open(path, create=True) as catalog:
        catalog.documents.replace(*document("oslo", "A capital."))
    before = path.read_bytes()
    with Catalog.open(path) as catalog:
        assert catalog.documents.counts() == (1, 1)
        with pytest.raises(IndexDirectoryError, match="opened for reading"):
            catalog.documents.replace(*document("oslo", "A village."))
        with pytest.raises(IndexDirectoryError, match="opened for reading"):
            catalog.checkpoint()
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["catalog.sqlite"]


def test_a_reader_sees_what_a_writer_has_not_yet_put_into_the_file(path: Path) -> None:
    with Catalog.open(path, create=True) as writer, Catalog.open(path) as reader:
        writer.documents.replace(*document("oslo", "A capital."))
        assert reader.documents.counts() == (1, 1)
        passages = reader.documents.passages()
        assert next(passages).id == "oslo"
        writer.documents.replace(*document("bergen", "A town."))
        # Nor does a reader of an old state keep the writer from making sure of the new one.
        started = perf_counter()
        writer.checkpoint()
        assert perf_counter() - started < 5
        assert list(passages) == []
        assert reader.documents.counts() == (2, 2)


READ = """
import sys
from hippograph.errors import IndexDirectoryError
from hippograph.store.catalog import Catalog
try:
    with Catalog.open(sys.argv[1]) as catalog:
        print(catalog.documents.counts(), list(catalog.documents.owners(["oslo", "bergen"])), catalog.check())
        catalog.documents.delete(["oslo"])
except IndexDirectoryError as error:
    print(type(error).__name__, error)
"""


def read_where_nothing_may_be_written(path: Path) -> str:
    """Read a catalog in a process that may not write to its folder."""
    command = [sys.executable, "-c", READ, str(path)]
    if sys.platform == "linux" and shutil.which("unshare"):
        # Root may write wherever permissions forbid it, so the folder is mounted for reading only.
        mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        command = ["unshare", "-Urm", "sh", "-c", mount, str(path.parent), *command]
        if subprocess.run(["unshare", "-Urm", "true"], check=False, capture_output=True).returncode:
            pytest.skip("this machine allows no mounts of one's own")
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if not hasattr(os, "getuid") or os.getuid() == 0:
        pytest.skip("this user may write anywhere")
    path.parent.chmod(0o500)
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    finally:
        path.parent.chmod(0o700)


def test_a_catalog_can_be_read_where_nothing_may_be_written(path: Path) -> None:
    with Catalog.open(path, create=True) as catalog:
        catalog.documents.replace(*document("oslo", "A capital."))
    assert re.match(r"\(1, 1\) \['oslo'\] \[\]\nIndexDirectoryError .*reading", read_where_nothing_may_be_written(path))
    # While a writer has it open, the writer's log is read, too.
    with Catalog.open(path, write=True) as catalog:
        catalog.documents.replace(*document("bergen", "A town."))
        assert read_where_nothing_may_be_written(path).startswith("(2, 2) ['bergen', 'oslo'] []")


def test_what_only_a_log_holds_is_not_passed_over(path: Path) -> None:
    with Catalog.open(path, create=True) as catalog:
        catalog.documents.replace(*document("oslo", "A capital."))
        copy = path.parent.parent / "copy" / path.name
        copy.parent.mkdir()
        for name in (path.name, f"{path.name}-wal"):
            shutil.copy(path.with_name(name), copy.with_name(name))
    assert re.match("IndexDirectoryError .*cannot be opened", read_where_nothing_may_be_written(copy))
    with Catalog.open(copy) as catalog:
        assert catalog.documents.counts() == (1, 1)


def test_a_file_read_without_locks_must_not_change_meanwhile(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Catalog.open(path, create=True) as catalog:
        catalog.documents.replace_all([document("a", "A."), document("b", "B.")])
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)
        reader = Catalog.open(path)
        passages = reader.documents.passages()
        assert next(passages).id == "a"
    with Catalog.open(path, write=True) as writer:
        writer.documents.replace(*document("c", "C."))
    with pytest.raises(IndexDirectoryError, match="run the command again"):
        list(passages)
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)
        assert reader.documents.counts() == (3, 3)
        reader.close()


@pytest.mark.parametrize("at", [*range(60, 64), *range(68, 72)])
def test_an_altered_header_is_no_other_format_and_no_other_program(path: Path, at: int) -> None:
    Catalog.open(path, create=True).close()
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)
    with pytest.raises(DamagedIndexError, match="header"):
        Catalog.open(path)


def test_sources_are_known_by_their_origins(path: Path) -> None:
    with Catalog.open(path, create=True) as catalog:
        assert catalog.sources.all() == {}
        catalog.sources.record("../b", "b")
        catalog.sources.record("../a", "./a")
        catalog.sources.record("../b", "../here/b")
    with Catalog.open(path, write=True) as catalog:
        assert list(catalog.sources.all().items()) == [("../a", "./a"), ("../b", "../here/b")]
        assert [catalog.sources.forget(origin) for origin in ("../a", "../a", "../c", "\udcff")] == [True] + [False] * 3
        assert catalog.sources.all() == {"../b": "../here/b"}
        with pytest.raises(InputError, match="surrogate"):
            catalog.sources.record("\udcff", "a")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("UPDATE sources SET source = '../there/b'")
        with pytest.raises(DamagedIndexError, match="doctor --repair"):
            catalog.sources.all()


def test_altered_usage_is_not_added_to(path: Path) -> None:
    with Catalog.open(path, create=True) as catalog:
        catalog.usage.add("extract", "model", Usage(calls=1))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("UPDATE usage SET output_tokens = 64")
        with pytest.raises(DamagedIndexError, match="'model'"):
            catalog.usage.totals()
        with pytest.raises(DamagedIndexError, match="'model'"):
            catalog.usage.add("extract", "model", Usage(calls=1))


def test_pruning_deletes_what_no_document_needs_and_gives_the_space_back(path: Path) -> None:
    texts = [f"text {number} " * 200 for number in range(300)]
    with Catalog.open(path, create=True) as catalog:
        catalog.documents.replace_all(document(f"d{number:03d}", text) for number, text in enumerate(texts))
        passages = list(catalog.documents.passages())
        for name in ("one", "two"):
            catalog.extractions.save(name, [(passage, Extraction(status="empty")) for passage in passages])
            catalog.vectors.save(name, "passage", texts, unit_rows(len(texts)))
        catalog.checkpoint()
        size = path.stat().st_size
        catalog.documents.delete(passage.id for passage in passages[10:])
        kept = texts[:10]
        vectors = catalog.vectors.load("one", "passage", kept)
        keys = [vector_key("passage", text) for text in [*kept, "never seen"]]
        assert catalog.prune(embedder="one", keys=keys) == (2 * 290, 290 + 300)
        assert catalog.prune(embedder="one", keys=keys) == (0, 0)
        assert catalog.extractions.counts("two")["empty"] == 10
        assert catalog.vectors.missing("one", "passage", texts) == texts[10:]
        assert catalog.vectors.missing("two", "passage", texts) == texts
        assert np.array_equal(catalog.vectors.load("one", "passage", kept), vectors)
        assert catalog.check() == []
    assert path.stat().st_size < size / 5
