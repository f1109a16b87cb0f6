import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import DamagedIndexError, HippographError, IndexMismatchError
from hippograph.store.catalog import Catalog
from hippograph.store.responses import RESPONSES, ResponseStore, damage_of

WRITER = """
import sys
from pathlib import Path
from hippograph.store.responses import ResponseStore
store = ResponseStore(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    store.save(f"{sys.argv[2]}{number}", f"answer {number}")
    print(number, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "wiki 100% #1?.hippo" / RESPONSES


@pytest.fixture
def filled(path: Path) -> Path:
    store = ResponseStore(path)
    for number in range(200):
        store.save(f"key {number}", f"answer {number} " * 20)
    store.close()
    return path


def test_nothing_is_made_before_the_first_answer(path):
    store = ResponseStore(path)
    assert (store.load("key"), store.counts(), store.clear()) == (None, (0, 0), 0)
    assert not path.parent.exists()


def test_what_is_saved_is_there_after_opening_again(path):
    one, two = ResponseStore(path), ResponseStore(path)
    one.save("a", "Oslo")
    assert two.load("a") == "Oslo"
    two.save("a", "Bergen")
    two.save("b", "")
    assert (one.load("a"), one.load("b"), one.load("c")) == ("Bergen", "", None)
    one.close()
    two.close()
    assert [file.name for file in path.parent.iterdir()] == [RESPONSES]
    assert one.load("a") == "Bergen"
    assert one.counts() == (2, path.stat().st_size)
    assert one.clear() == 2
    assert (one.load("a"), one.counts().answers) == (None, 0)
    one.close()


def test_clearing_gives_space_back(filled):
    store = ResponseStore(filled)
    before = store.counts().bytes
    assert store.clear() == 200
    assert store.counts().bytes < before / 4
    store.close()


@given(answers=st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(), max_size=8))
def test_any_text_comes_back(tmp_path_factory, answers):
    store = ResponseStore(tmp_path_factory.mktemp("any") / RESPONSES)
    for key, value in answers.items():
        store.save(key, value)
    assert {key: store.load(key) for key in answers} == answers
    store.close()


def test_lone_surrogates_come_back(path):
    store = ResponseStore(path)
    store.save("a", "\ud800")
    assert store.load("a") == "\ud800"
    store.close()


def test_threads_read_and_write_at_once(path):
    store = ResponseStore(path)

    def work(number: int) -> bool:
        store.save(f"key {number % 50}", f"answer {number % 50}")
        return store.load(f"key {number % 50}") == f"answer {number % 50}"

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(400)))
    assert store.counts().answers == 50
    store.close()


def test_several_make_it_at_once(path):
    stores = [ResponseStore(path) for _ in range(4)]
    barrier = Barrier(4)

    def make(number: int) -> bool:
        barrier.wait(timeout=10)
        stores[number].save(f"key {number}", "Oslo")
        return stores[number].load(f"key {number}") == "Oslo"

    for _ in range(10):
        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(make, range(4)))
        for store in stores:
            store.close()
        shutil.rmtree(path.parent)


def test_processes_make_and_write_it_at_once(path):
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*command, name, "150"], stdout=subprocess.PIPE) for name in "abc"]
    assert [writer.communicate()[1] for writer in writers] == [None] * 3
    assert [writer.returncode for writer in writers] == [0] * 3
    store = ResponseStore(path)
    assert store.counts().answers == 450
    assert {store.load(f"{name}{number}") for name in "abc" for number in range(150)} == {
        f"answer {number}" for number in range(150)
    }
    store.close()


def test_what_was_saved_outlasts_a_kill(path):
    command = [sys.executable, "-c", WRITER, str(path), "a", "1000000"]
    for _ in range(2):  # the second time with the log of the first, which was never closed
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            told = [int(writer.stdout.readline()) for _ in range(40)]
            writer.send_signal(signal.SIGKILL)
        store = ResponseStore(path)
        assert [store.load(f"a{number}") for number in told] == [f"answer {number}" for number in told]
        store.close()


@pytest.mark.parametrize("size", [0, 10])
def test_what_a_death_at_birth_leaves(path, size):
    path.parent.mkdir()
    if size:  # a database in write-ahead mode, and nothing in it
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    else:
        path.touch()
    store = ResponseStore(path)
    assert (store.load("a"), store.counts()) == (None, (0, 0))
    store.save("a", "Oslo")
    assert store.load("a") == "Oslo"
    store.close()


@pytest.mark.parametrize("part", ["value", "key"])
def test_an_altered_answer_counts_as_missing(filled, part, caplog):
    with closing(sqlite3.connect(filled)) as connection:
        change = {"value": "value = CAST('answer 8' AS BLOB)", "key": "key = 'other'"}[part]
        connection.execute(f"UPDATE responses SET {change} WHERE key = 'key 7'")
        connection.commit()
    store = ResponseStore(filled)
    assert store.load("other" if part == "key" else "key 7") is None
    assert "was altered" in caplog.text
    store.save("key 7", "again")
    assert store.load("key 7") == "again"
    store.close()


def test_a_damaged_file_is_put_aside_and_a_new_one_begun(filled, caplog):
    content, sound = filled.read_bytes(), damage_of(filled)
    broken = (b"no database" * 1000, content[: len(content) // 2], content[:4096] + bytes(len(content) - 4096))
    for number, data in enumerate(broken, start=1):
        filled.write_bytes(data)
        assert damage_of(filled)
        store, other = ResponseStore(filled), ResponseStore(filled)
        assert other.load("key 0") is None or number > 1
        [store.load(f"key {row}") for row in range(200)]
        store.save("new", "Bergen")
        assert (store.load("new"), other.load("new"), store.counts().answers) == ("Bergen", "Bergen", 1)
        store.close()
        other.close()
        aside = filled.with_name(f"{RESPONSES}-damaged-{number}")
        assert aside.read_bytes() == data
        assert caplog.text.count("was put aside") == number
        assert f"was put aside as {aside.name}" in caplog.text
    assert (sound, damage_of(filled), damage_of(filled.with_name("none"))) == ("", "", "")


def test_a_file_is_put_aside_where_it_is_written_too(filled):
    for work in (lambda store: store.save("a", "Oslo"), lambda store: store.clear(), lambda store: store.counts()):
        filled.write_bytes(b"no database" * 1000)
        store = ResponseStore(filled)
        work(store)
        assert store.load("key 7") is None
        store.close()
    assert len(list(filled.parent.glob(f"{RESPONSES}-damaged-*"))) == 3


def test_a_damaged_file_that_cannot_be_put_aside_is_named_with_the_remedy(filled, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("read-only")

    filled.write_bytes(b"no database" * 1000)
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(DamagedIndexError, match="delete it; the answers are then asked for again") as caught:
        ResponseStore(filled).load("key 1")
    assert str(filled) in str(caught.value)


@given(at=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7))
def test_a_flipped_bit_never_changes_an_answer(tmp_path_factory, at, bit):
    path = tmp_path_factory.mktemp("flip") / RESPONSES
    store = ResponseStore(path)
    answers = {f"key {number}": f"answer {number} " * 20 for number in range(30)}
    for key, value in answers.items():
        store.save(key, value)
    store.close()
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 1 << bit
    path.write_bytes(content)
    for key, value in answers.items():
        with suppress(HippographError):
            assert store.load(key) in (value, None)
    store.close()


def test_other_files_are_refused(path):
    Catalog.open(path, create=True).close()
    store = ResponseStore(path)
    for call in (lambda: store.load("a"), lambda: store.save("a", "b"), store.counts, store.clear):
        with pytest.raises(IndexMismatchError, match="no store of answers"):
            call()
    with Catalog.open(path) as catalog:
        assert catalog.documents.counts() == (0, 0)


def test_an_altered_mark_does_no_harm(filled):
    with closing(sqlite3.connect(filled)) as connection:
        connection.execute("PRAGMA application_id = 7")
    store = ResponseStore(filled)
    assert (store.load("key 7") or "").startswith("answer 7")
    store.save("new", "Bergen")
    assert store.load("new") == "Bergen"
    store.close()


def test_another_format_is_refused(filled):
    with closing(sqlite3.connect(filled)) as connection:
        connection.execute("PRAGMA user_version = 3")
    with pytest.raises(IndexMismatchError, match="format 3"):
        ResponseStore(filled).load("key 1")


def test_a_file_of_the_first_format_is_read_and_brought_up_to_date(filled):
    with closing(sqlite3.connect(filled)) as connection:  # as it was before anybody asked whose answers they are
        connection.execute("DROP INDEX responses_by_run")
        for column in ("run", "booked"):
            connection.execute(f"ALTER TABLE responses DROP COLUMN {column}")
        connection.execute("PRAGMA user_version = 1")
    store = ResponseStore(filled)
    assert (store.load("key 7") or "").startswith("answer 7")
    assert not store.claim("key 7", run="a")
    store.settle(run="a")
    store.save("new", "Bergen", run="a")
    assert [store.claim(key, run="b") for key in ("key 7", "new", "new", "none")] == [False, True, False, False]
    store.close()
    with closing(sqlite3.connect(filled)) as connection:
        assert connection.execute("PRAGMA user_version").fetchall() == [(2,)]
        assert connection.execute("SELECT count(*) FROM responses WHERE booked").fetchall() == [(200,)]


def test_an_answer_is_claimed_until_it_is_booked(path):
    one, two = ResponseStore(path), ResponseStore(path)
    one.settle(run="a")
    assert not one.claim("x", run="a")
    assert not path.exists()
    for key in "xyz":
        one.save(key, "Oslo", run="a")
    assert not one.claim("x", run="a")
    assert two.claim("x", run="b")
    assert not two.claim("x", run="b")
    two.settle(run="a")
    assert [one.claim(key, run="c") for key in "xyz"] == [True, False, False]
    one.save("y", "Bergen", run="c")
    assert two.claim("y", run="d")
    one.close()
    two.close()


def test_where_nothing_may_be_written_answers_are_read_and_not_kept(filled):
    program = f"""
import logging
from pathlib import Path
from hippograph.store.responses import ResponseStore
logging.basicConfig(format="%(message)s")
store = ResponseStore(Path({str(filled)!r}))
for number in (1, 2):
    store.save(f"new {{number}}", "Bergen")
print(store.load("key 7")[:8], store.load("new 1"), store.counts().answers)
"""
    command = [sys.executable, "-c", program]
    if sys.platform == "linux" and shutil.which("unshare"):
        mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        if subprocess.run(["unshare", "-Urm", "true"], check=False, capture_output=True).returncode:
            pytest.skip("this machine allows no mounts of one's own")
        command = ["unshare", "-Urm", "sh", "-c", mount, str(filled.parent), *command]
    elif not hasattr(os, "getuid") or os.getuid() == 0:
        pytest.skip("this user may write anywhere")
    filled.parent.chmod(0o500)
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    finally:
        filled.parent.chmod(0o700)
    assert done.stdout == "answer 7 None 200\n"
    assert done.stderr.count("answers are not kept") == 1


def test_a_file_read_without_locks_is_opened_again_when_it_changes(filled, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)
        reader = ResponseStore(filled)
        assert reader.load("key 7") is not None
        writer = ResponseStore(filled)
        writer.save("new", "Bergen")
        writer.close()
        assert reader.load("new") == "Bergen"
        reader.close()


def test_a_full_disk_is_told(path, monkeypatch, caplog):
    store = ResponseStore(path)
    store.save("a", "Oslo")
    with store._writing() as connection:
        [(pages,)] = connection.execute("PRAGMA page_count")
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with caplog.at_level(logging.WARNING), pytest.raises(HippographError, match="the disk is full"):
        store.save("b", "Bergen" * 10_000)
    assert store.load("a") == "Oslo"
    assert not caplog.text
    store.close()
