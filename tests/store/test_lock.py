"""The lock of the one who writes: between processes and threads, and through deaths of every kind."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Event

import pytest

from hippograph.errors import IndexDirectoryError, InputError
from hippograph.store.lock import LOCK, writing

HOLDER = """
import sys, time
from pathlib import Path
from hippograph.store.lock import writing
with writing(Path(sys.argv[1])):
    {before}
    print("held", flush=True)
    {then}
"""
SLEEP = "time.sleep(60)"


@contextmanager
def holder(directory: Path, *, before: str = "pass", then: str = SLEEP) -> Iterator[subprocess.Popen[str]]:
    """A process that has the lock."""
    program = HOLDER.format(before=before, then=then)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(directory)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def free(directory: Path) -> bool:
    try:
        with writing(directory):
            return True
    except IndexDirectoryError:
        return False


def test_another_process_is_refused_until_the_holder_is_killed(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        with pytest.raises(IndexDirectoryError, match="being changed by another process") as caught, writing(tmp_path):
            pass
        assert str(tmp_path) in str(caught.value)
        assert "--wait SECONDS" in str(caught.value)
        process.kill()
        process.wait()
        # The operating system has taken the lock back before it tells of the death.
        assert free(tmp_path)


def test_who_waits_gets_it_when_the_holder_has_finished(tmp_path: Path) -> None:
    with holder(tmp_path, then="time.sleep(0.3)"):
        started = time.monotonic()
        with writing(tmp_path, wait=float("inf")):
            assert time.monotonic() - started > 0.1
            assert not free(tmp_path)


def test_who_waits_in_vain_is_told_for_how_long(tmp_path: Path) -> None:
    with writing(tmp_path):
        started = time.monotonic()
        with pytest.raises(IndexDirectoryError, match=r"after 0\.15 s"), writing(tmp_path, wait=0.15):
            pass
        assert 0.15 <= time.monotonic() - started < 5
    assert free(tmp_path)


@pytest.mark.parametrize("wait", [-1.0, float("nan"), float("-inf")])
def test_a_wait_that_is_none_is_refused(tmp_path: Path, wait: float) -> None:
    with pytest.raises(InputError, match="wait is"), writing(tmp_path, wait=wait):
        pass
    assert not (tmp_path / LOCK).exists()


def test_threads_exclude_each_other(tmp_path: Path) -> None:
    inside = 0
    together = Barrier(6)

    def change(number: int) -> int:
        nonlocal inside
        together.wait()
        with writing(tmp_path, wait=30):
            inside += 1
            alone = inside == 1
            time.sleep(0.01)
            inside -= 1
        return alone

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(change, range(6)))


def test_a_second_thread_that_does_not_wait_is_refused(tmp_path: Path) -> None:
    with writing(tmp_path), ThreadPoolExecutor(1) as pool:
        assert not pool.submit(free, tmp_path).result()
    assert free(tmp_path)


def test_an_error_inside_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(KeyError), writing(tmp_path):
        raise KeyError
    assert free(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_the_lock_dies_with_its_process_and_not_with_its_children(tmp_path: Path) -> None:
    # The child would outlive its parent by a minute; it ends when this test closes the pipe.
    fork = "import os; reading, _ = os.pipe(); child = os.fork()"
    then = "os.read(0, 1) if child == 0 else time.sleep(60)"
    program = HOLDER.format(before=fork, then=then).replace('print("held"', 'child and print("held"')
    command = [sys.executable, "-W", "error", "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert not free(tmp_path)
        process.kill()
        process.wait()
        with writing(tmp_path, wait=10):
            pass


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_the_end_of_a_forked_child_takes_nothing_from_its_parent(tmp_path: Path) -> None:
    fork = "import os; child = os.fork(); os._exit(0) if child == 0 else os.waitpid(child, 0)"
    with holder(tmp_path, before=fork):
        assert not free(tmp_path)
    assert free(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not delete what is open")
def test_who_waited_for_a_directory_that_was_made_anew_locks_the_new_one(tmp_path: Path) -> None:
    directory, entered, leave = tmp_path / "it.hippo", Event(), Event()
    directory.mkdir()

    def second() -> None:
        with writing(directory, wait=30):
            entered.set()
            assert leave.wait(30)

    with ThreadPoolExecutor(1) as pool:
        with writing(directory):
            waiting = pool.submit(second)
            assert not entered.wait(0.1)
            shutil.rmtree(directory)
            directory.mkdir()
            # The first one's lock is on a file that is gone.
            assert entered.wait(30)
            assert not free(directory)
        assert not free(directory)
        leave.set()
        waiting.result()
    assert free(directory)


def test_a_directory_that_does_not_exist_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(IndexDirectoryError, match="nowhere"), writing(tmp_path / "nowhere"):
        pass


def test_no_file_stays_open(tmp_path: Path) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("there is no /proc here")
    with writing(tmp_path):
        before = len(list(descriptors.iterdir()))
        for _ in range(5):
            assert not free(tmp_path)
        assert len(list(descriptors.iterdir())) == before
