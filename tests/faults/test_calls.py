"""The instruments: what they count is what reaches the disk, and what they strike fails as a disk does."""

import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.faults.calls import Calls, Mode, Strike
from tests.faults.python_calls import watched_python
from tests.faults.sqlite_calls import unreachable, watched_sqlite
from tests.faults.trials import Scene
from tests.faults.workload import hurried

needs_sqlite = pytest.mark.skipif(unreachable() is not None, reason=str(unreachable()))


def write_all(folder: Path) -> None:
    """Change the disk in every way that Python has for it."""
    folder.mkdir()
    with (folder / "a").open("xb", buffering=8) as file:
        file.write(b"longer than a buffer")
        file.flush()
        os.fsync(file.fileno())
    (folder / "b").write_text("text")
    np.save(folder / "c.npy", np.arange(4))
    descriptor = os.open(folder / "d", os.O_CREAT | os.O_WRONLY)
    os.write(descriptor, b"d")
    os.close(descriptor)
    (folder / "a").rename(folder / "e")
    (folder / "e").replace(folder / "f")
    (folder / "f").unlink()


def test_pythons_calls_are_counted_and_do_their_work(tmp_path):
    calls = Calls()
    with watched_python(calls):
        write_all(tmp_path / "x")
    made = [call.removeprefix("python: ") for call in calls.made]
    assert made[0] == "mkdir x"
    assert made[1] == "create a"
    assert made[2] == "write a"
    assert "sync a" in made
    assert {"create b", "write b", "create c.npy", "write c.npy", "create d", "rename a", "rename e"} < set(made)
    assert made[-1] == "delete f"
    assert (tmp_path / "x" / "b").read_text() == "text"
    assert np.load(tmp_path / "x" / "c.npy").tolist() == [0, 1, 2, 3]
    assert (tmp_path / "x" / "d").read_bytes() == b"d"


def test_nothing_is_watched_afterwards(tmp_path):
    calls = Calls()
    with watched_python(calls):
        pass
    write_all(tmp_path / "x")
    assert calls.made == []


def test_each_of_pythons_calls_can_fail(tmp_path):
    calls = Calls()
    with watched_python(calls):
        write_all(tmp_path / "undisturbed")
    for at in range(1, len(calls.made) + 1):
        struck = Calls(strike=Strike(at=at, mode="once"))
        with watched_python(struck), pytest.raises(OSError, match=os.strerror(errno.EIO)):
            write_all(tmp_path / f"{at}")


@pytest.mark.parametrize(("torn", "left"), [(True, b"half"), (False, b"")])
def test_a_write_is_torn_where_that_is_asked_for(tmp_path, torn, left):
    calls = Calls(strike=Strike(at=2, mode="full", torn=torn))
    full = pytest.raises(OSError, match="No space left")
    with watched_python(calls), (tmp_path / "a").open("xb", buffering=0) as file, full:
        file.write(b"half of ")
    assert (tmp_path / "a").read_bytes() == left


@pytest.mark.parametrize(
    ("mode", "raised", "struck"),
    [("once", "disk I/O error", 1), ("dead", "disk I/O error", 3), ("full", "database or disk is full", 3)],
)
@needs_sqlite
def test_sqlites_writes_fail_and_what_was_committed_is_there(tmp_path: Path, mode: Mode, raised: str, struck: int):
    path, calls = tmp_path / "a.sqlite", Calls()
    with watched_sqlite(calls), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE numbers (number INTEGER)")
        before = len(calls.made)
        calls.strike = Strike(at=before + 1, mode=mode)
        failures = []
        for number in range(3):
            try:
                connection.execute("INSERT INTO numbers VALUES (?)", (number,))
            except sqlite3.OperationalError as error:
                failures.append(str(error))
        assert failures == [raised] * struck
        assert calls.struck == "sqlite: write a.sqlite-wal"
        calls.strike = None
        assert [number for (number,) in connection.execute("SELECT number FROM numbers")] == [0, 1, 2][struck:]


@needs_sqlite
def test_sqlites_own_file_system_is_the_default_again(tmp_path):
    calls = Calls()
    with watched_sqlite(calls):
        pass
    with closing(sqlite3.connect(tmp_path / "a.sqlite")) as connection:
        connection.execute("CREATE TABLE numbers (number INTEGER)")
    assert calls.made == []


@needs_sqlite
def test_both_layers_are_seen_at_work(scene: Callable[[str], Scene]):
    made = " ".join(scene("add").calls)
    for call in (
        "sqlite: create catalog.sqlite-wal",
        "sqlite: extend shared memory",
        "sqlite: write catalog.sqlite-wal",
        "sqlite: sync catalog.sqlite-wal",
        "sqlite: write catalog.sqlite ",
        "sqlite: sync catalog.sqlite ",
        "python: mkdir .unfinished-",
        "python: create manifest.json",
        "python: write manifest.json",
        "python: sync manifest.json",
        "python: rename .unfinished-",
        "python: rename CURRENT",
        "python: delete ",
    ):
        assert call in made


def test_extractions_are_saved_one_by_one_in_trials(scene: Callable[[str], Scene]):
    """Or no failure would ever come between two."""
    first, told = scene("first index"), []
    with first.copy() as directory, first.operation.models().open(directory) as index, hurried():
        first.operation.do(index, lambda stage, done, total: told.append((stage, done)))
    assert [done for stage, done in told if stage == "extract"] == list(range(first.stocked.extractions + 1))
