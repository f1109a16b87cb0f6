"""What a reader holds is not removed, and what nobody holds is, however the readers ended."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hippograph.errors import DamagedIndexError
from hippograph.store import holds
from hippograph.store.holds import Hold, hold, is_held, withdraw

READER = """
import os, sys, time
from pathlib import Path
from hippograph.store.holds import hold
held = hold(Path(sys.argv[1]))
child = os.fork() if {forks} else 1
if child:
    print("held", flush=True)
    time.sleep(60)
os.read(0, 1)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made(tmp_path / "00000001")


def made(folder: Path) -> Path:
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    return folder


def removed(folder: Path) -> bool:
    """Withdraw a folder; what could not be withdrawn must be where it was."""
    away = folder.with_name(f"away-{len(list(folder.parent.iterdir()))}")
    gone = withdraw(folder, to=away)
    assert (folder.exists(), away.exists()) == (not gone, gone)
    return gone


@contextmanager
def reader(folder: Path, *, forks: bool = False) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a folder; its fork, if it has one, holds it until the standard input is closed."""
    command = [sys.executable, "-c", READER.format(forks=forks), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_what_nobody_holds_is_removed(folder: Path) -> None:
    assert removed(folder)
    with pytest.raises(DamagedIndexError, match=r"manifest\.json"):
        hold(folder)


def test_what_another_process_holds_stays_until_it_is_killed(folder: Path) -> None:
    with reader(folder) as process:
        assert not removed(folder)
        process.kill()
        process.wait()
        assert removed(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_fork_of_a_reader_holds_too(folder: Path) -> None:
    with reader(folder, forks=True) as process:
        process.kill()
        process.wait()
        assert not removed(folder)
        assert process.stdin is not None
        process.stdin.close()
        deadline = Event()
        while not withdraw(folder, to=folder.with_name("away")):
            assert not deadline.wait(0.02)


def test_holds_of_one_process_are_independent(folder: Path) -> None:
    one, other = hold(folder), hold(folder)
    one.release()
    one.release()
    assert not removed(folder)
    with other:
        assert not removed(folder)
    assert removed(folder)


def test_what_nobody_refers_to_any_more_is_not_held(folder: Path) -> None:
    held = hold(folder)
    assert not removed(folder)
    del held
    gc.collect()
    assert removed(folder)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_what_may_not_be_written_to_can_be_held(folder: Path) -> None:
    (folder / "manifest.json").chmod(0o400)
    folder.chmod(0o500)
    with hold(folder):
        pass
    folder.chmod(0o700)


def test_no_file_is_opened_for_writing_by_a_reader(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def read_only(path: Path, flags: int) -> int:
        assert flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) == 0
        return opened(path, flags)

    monkeypatch.setattr(os, "open", read_only)
    with hold(folder):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not rename what is open")
@pytest.mark.parametrize("again", [False, True])
def test_a_reader_that_opened_it_and_was_overtaken_does_not_hold_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    share = holds._share

    def overtaken(descriptor: int, path: Path) -> bool:
        assert removed(folder)
        if again:
            # Another one under the same name is not the one that was opened.
            made(folder)
        return share(descriptor, path)

    monkeypatch.setattr(holds, "_share", overtaken)
    with pytest.raises(DamagedIndexError, match="just been removed"):
        hold(folder)
    monkeypatch.undo()
    if again:
        assert removed(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not lock manifests")
def test_a_reader_does_not_wait_for_who_is_removing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename, outcome = Path.rename, []

    def meanwhile(source: Path, to: Path) -> Path:
        with pytest.raises(DamagedIndexError, match="just been removed"):
            hold(folder)
        outcome.append("refused")
        return rename(source, to)

    monkeypatch.setattr(Path, "rename", meanwhile)
    assert removed(folder)
    assert outcome == ["refused"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_fork_while_it_is_removed_locks_nobody_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, copies = os.open, []

    def forked(path: Path, flags: int) -> int:
        descriptor = opened(path, flags)
        # What a fork has that does not end before the removal: the same open file.
        copies.append(os.dup(descriptor))
        return descriptor

    def full(source: Path, to: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", forked)
        patch.setattr(Path, "rename", full)
        with pytest.raises(OSError, match="No space"):
            withdraw(folder, to=folder.with_name("away"))
    with hold(folder):
        assert not removed(folder)
    os.close(copies[0])


def test_a_folder_without_a_manifest_is_removed(tmp_path: Path) -> None:
    (tmp_path / "00000007").mkdir()
    assert removed(tmp_path / "00000007")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not lock manifests")
def test_where_nothing_can_be_locked_one_reads_all_the_same_and_removes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unsupported(descriptor: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", unsupported)
    with hold(folder):
        assert "knows no locks" in caplog.text
    with pytest.raises(OSError, match="No locks"):
        withdraw(folder, to=folder.with_name("away"))
    assert folder.is_dir()


def test_threads_that_come_and_go_never_lose_what_they_hold(folder: Path) -> None:
    gone, errors = Event(), []

    def read() -> None:
        while not gone.is_set():
            try:
                with hold(folder):
                    if not (folder / "manifest.json").exists():
                        errors.append("lost")
            except DamagedIndexError:
                return

    readers = [Thread(target=read) for _ in range(4)]
    for thread in readers:
        thread.start()
    attempts = 0
    while attempts < 300 and not withdraw(folder, to=folder.with_name("away")):
        attempts += 1
    gone.set()
    for thread in readers:
        thread.join()
    assert errors == []


def test_whether_somebody_holds_a_folder_can_be_asked(folder: Path) -> None:
    assert not is_held(folder)
    with hold(folder), hold(folder):
        assert is_held(folder)
    with reader(folder):
        assert is_held(folder)
    assert not is_held(folder)
    assert removed(folder)
    assert not is_held(folder)


class Sharing(RuleBasedStateMachine):
    """Readers come and go in any order, and the remover tries whenever it likes."""

    @initialize()
    def begin(self) -> None:
        self.context = TemporaryDirectory()
        self.folder = made(Path(self.context.name) / "00000001")
        self.held: list[Hold] = []
        self.number = 0

    @rule()
    def come(self) -> None:
        self.held.append(hold(self.folder))

    @rule(choice=st.integers(min_value=0))
    def go(self, choice: int) -> None:
        if self.held:
            self.held.pop(choice % len(self.held)).release()

    @rule()
    def remove(self) -> None:
        self.number += 1
        assert withdraw(self.folder, to=self.folder.with_name(f"away-{self.number}")) == (not self.held)
        if not self.held:
            made(self.folder)

    @invariant()
    def what_is_held_is_there(self) -> None:
        assert not hasattr(self, "folder") or (self.folder / "manifest.json").is_file()

    def teardown(self) -> None:
        for held in self.held:
            held.release()
        self.context.cleanup()


TestSharing = Sharing.TestCase
TestSharing.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
