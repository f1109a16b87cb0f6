"""Publishing: crashes at any instant, leftovers, readers of older snapshots."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hippograph.errors import DamagedIndexError, NoIndexError
from hippograph.store import arrays, snapshot
from hippograph.store.manifest import read_pointer
from hippograph.store.publication import collect
from hippograph.store.snapshot import open_snapshot, publish
from tests.store.samples import many_passages, snapshot_content
from tests.store.test_snapshot import KEYS, assert_same

OLD = snapshot_content(many_passages(3), KEYS[:2])
NEW = snapshot_content(many_passages(4), KEYS)


@pytest.fixture(autouse=True)
def _without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    # No power is cut here, so only that and when it is flushed matters, and it is what takes the time.
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


class Fault:
    """Lets so many calls that touch the disk pass, and fails the next one, or all from there on."""

    def __init__(self, *, passes: int, lasting: bool) -> None:
        self.passes, self.lasting, self.calls = passes, lasting, 0

    def wrap(self, call: Callable[..., Any], *, half: bool = False) -> Callable[..., Any]:
        def faulty(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.calls == self.passes + 1 or (self.lasting and self.calls > self.passes):
                if half:
                    call(args[0], args[1][: len(args[1]) // 2])
                raise OSError(28, "No space left on device")
            return call(*args, **kwargs)

        return faulty


@contextmanager
def fault(*, passes: int, lasting: bool) -> Iterator[Fault]:
    broken = Fault(passes=passes, lasting=lasting)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays._HashedFile, "write", broken.wrap(arrays._HashedFile.write, half=True))
        patch.setattr(os, "fsync", broken.wrap(os.fsync))
        patch.setattr(Path, "mkdir", broken.wrap(Path.mkdir))
        patch.setattr(Path, "rename", broken.wrap(Path.rename))
        patch.setattr(Path, "replace", broken.wrap(Path.replace))
        patch.setattr(shutil, "rmtree", broken.wrap(shutil.rmtree))
        yield broken


@pytest.mark.parametrize("lasting", [False, True])
def test_a_crash_at_any_instant_leaves_a_whole_snapshot(tmp_path: Path, lasting: bool) -> None:
    publish(tmp_path / "template", OLD)
    publish(tmp_path / "template", OLD)
    with fault(passes=10**9, lasting=False) as counted:
        publish(tmp_path / "count", NEW)
    outcomes = set()
    # Some of the writes of files, and each of the steps that make the files the current snapshot.
    for passes in [*range(0, counted.calls - 16, 13), *range(counted.calls - 16, counted.calls + 2)]:
        directory = tmp_path / "victim"
        shutil.copytree(tmp_path / "template", directory, copy_function=os.link)
        with fault(passes=passes, lasting=lasting):
            try:
                publish(directory, NEW)
                outcome = "published"
            except OSError:
                outcome = "failed"
        found = open_snapshot(directory, verify=True)
        # After the one step that counts, the flush behind it may still fail.
        outcomes.add((outcome, found.generation))
        assert_same(found, NEW if found.generation == 3 else OLD)
        again = publish(directory, NEW)
        assert again > found.generation
        assert_same(open_snapshot(directory, verify=True), NEW)
        folders = sorted(entry.name for entry in (directory / "snapshots").iterdir())
        assert folders == sorted({f"{found.generation:08d}", f"{again:08d}", "CURRENT"})
        shutil.rmtree(directory)
    assert outcomes == {("failed", 2), ("failed", 3), ("published", 3)}


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_crash_at_the_first_publication_leaves_no_index(tmp_path: Path) -> None:
    for passes in (0, 1, 5, 40):
        with fault(passes=passes, lasting=True), pytest.raises(OSError, match="No space"):
            publish(tmp_path, NEW)
        with pytest.raises(NoIndexError):
            open_snapshot(tmp_path)
    publish(tmp_path, NEW)
    assert_same(open_snapshot(tmp_path, verify=True), NEW)


def test_leftovers_of_a_killed_run_are_removed_and_nothing_else(tmp_path: Path) -> None:
    publish(tmp_path, OLD)
    snapshots = tmp_path / "snapshots"
    (snapshots / ".unfinished-00000002" / "deep").mkdir(parents=True)
    (snapshots / "00000007").mkdir()
    (snapshots / "notes of the user").mkdir()
    assert publish(tmp_path, NEW) == 8
    assert names(snapshots) == ["00000008", "CURRENT", "notes of the user"]


def test_what_is_open_stays_and_everything_else_but_the_current_one_goes(tmp_path: Path) -> None:
    snapshots = tmp_path / "snapshots"
    publish(tmp_path, OLD)
    first = open_snapshot(tmp_path)
    for generation in range(2, 6):
        assert publish(tmp_path, NEW) == generation
    assert names(snapshots) == ["00000001", "00000005", "CURRENT"]
    again = replace(first)
    fifth = open_snapshot(tmp_path)
    publish(tmp_path, NEW)
    del first
    assert collect(snapshots) == []
    assert names(snapshots) == ["00000001", "00000005", "00000006", "CURRENT"]
    assert_same(again, OLD)
    del again
    assert collect(snapshots) == [1]
    assert_same(fifth, NEW)
    del fifth
    assert collect(snapshots) == [5]
    assert collect(snapshots) == []
    assert names(snapshots) == ["00000006", "CURRENT"]


def test_what_could_not_be_opened_is_not_held(tmp_path: Path) -> None:
    publish(tmp_path, OLD)
    (tmp_path / "snapshots" / "00000001" / "graph_indices.npy").write_bytes(b"")
    with pytest.raises(DamagedIndexError) as kept:
        open_snapshot(tmp_path)
    assert publish(tmp_path, NEW) == 2
    assert names(tmp_path / "snapshots") == ["00000002", "CURRENT"]
    assert kept.tb is not None


def test_collecting_removes_leftovers_and_what_was_never_pointed_to(tmp_path: Path) -> None:
    snapshots = tmp_path / "snapshots"
    assert collect(snapshots) == []
    assert not snapshots.exists()
    publish(tmp_path, OLD)
    (snapshots / ".unfinished-00000002").mkdir()
    (snapshots / ".unfinished-former-00000000").mkdir()
    shutil.copytree(snapshots / "00000001", snapshots / "00000002")
    assert collect(snapshots) == [2]
    assert names(snapshots) == ["00000001", "CURRENT"]


def test_nothing_is_removed_where_it_is_not_known_what_is_current(tmp_path: Path) -> None:
    snapshots = tmp_path / "snapshots"
    publish(tmp_path, OLD)
    (snapshots / "CURRENT").write_bytes(b"what?")
    with pytest.raises(DamagedIndexError, match="CURRENT"):
        collect(snapshots)
    (snapshots / "CURRENT").unlink()
    assert collect(snapshots) == []
    assert names(snapshots) == ["00000001"]


@pytest.mark.parametrize("lasting", [False, True])
def test_a_crash_while_collecting_leaves_a_whole_snapshot(tmp_path: Path, lasting: bool) -> None:
    template = tmp_path / "template"
    publish(template, OLD)
    publish(template, NEW)
    (template / "snapshots" / ".unfinished-00000009").mkdir()
    for number in (1, 4):
        shutil.copytree(template / "snapshots" / "00000002", template / "snapshots" / f"0000000{number}")
    removed = []
    for passes in range(10):
        directory = tmp_path / str(passes)
        shutil.copytree(template, directory, copy_function=os.link)
        with fault(passes=passes, lasting=lasting) as broken, suppress(OSError):
            removed.append(collect(directory / "snapshots"))
        assert_same(open_snapshot(directory, verify=True), NEW)
        collect(directory / "snapshots")
        assert names(directory / "snapshots") == ["00000002", "CURRENT"]
    # An empty leftover, a flush, and two folders that are renamed and deleted.
    assert broken.calls == 6
    assert [1, 4] in removed
    assert len(removed) < 10


def test_what_cannot_be_removed_is_told_and_does_not_undo_the_publication(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    publish(tmp_path, OLD)

    def mapped(path: Path) -> None:
        raise PermissionError(13, "in use", str(path))

    monkeypatch.setattr(shutil, "rmtree", mapped)
    with caplog.at_level(logging.WARNING, logger="hippograph"):
        assert publish(tmp_path, NEW) == 2
    assert "00000001" in caplog.text
    assert_same(open_snapshot(tmp_path), NEW)
    monkeypatch.undo()
    collect(tmp_path / "snapshots")
    assert names(tmp_path / "snapshots") == ["00000002", "CURRENT"]


def test_readers_always_find_a_whole_one_while_others_are_published(tmp_path: Path) -> None:
    publish(tmp_path, OLD)

    def write() -> list[int]:
        return [publish(tmp_path, OLD if number % 2 else NEW) for number in range(15)]

    generations = []
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        while not writer.done():
            found = open_snapshot(tmp_path, verify=True)
            generations.append(found.generation)
            assert_same(found, OLD if found.generation % 2 else NEW)
        assert writer.result() == list(range(2, 17))
    assert generations == sorted(generations)


def test_a_reader_that_was_overtaken_takes_the_newer_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path, OLD)
    first = read_pointer(tmp_path / "snapshots")
    for _ in range(3):
        publish(tmp_path, NEW)
    answers = [first]
    monkeypatch.setattr(snapshot, "read_pointer", lambda folder: answers.pop() if answers else read_pointer(folder))
    assert open_snapshot(tmp_path).generation == 4
    shutil.rmtree(tmp_path / "snapshots" / "00000004")
    with pytest.raises(DamagedIndexError, match="00000004"):
        open_snapshot(tmp_path)


def test_arrays_of_a_snapshot_cannot_be_written_to(tmp_path: Path) -> None:
    publish(tmp_path, OLD)
    found = open_snapshot(tmp_path)
    with pytest.raises(ValueError, match="read-only"):
        found.graph.weights[0] = 2.0
    assert np.array_equal(found.graph.weights, OLD.graph.weights)
