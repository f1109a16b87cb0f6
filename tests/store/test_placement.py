"""What is placed appears whole or not at all, whatever fails."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hippograph.errors import InputError
from hippograph.store.arrays import sync_directory
from hippograph.store.placement import new_file, new_folder


def place_folder(at: Path) -> None:
    with new_folder(at) as folder:
        (folder / "one").write_text("1")
        assert not at.exists() or list(at.iterdir()) == []


def place_file(at: Path) -> None:
    with new_file(at) as file:
        file.write("1\n")
        assert not at.exists()


def everything(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_a_new_or_an_empty_folder_is_filled(tmp_path: Path) -> None:
    place_folder(tmp_path / "new" / "deep")
    (tmp_path / "empty").mkdir()
    place_folder(tmp_path / "empty")
    assert everything(tmp_path) == ["empty", "empty/one", "new", "new/deep", "new/deep/one"]


def test_a_link_to_an_empty_folder_is_filled_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    place_folder(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert everything(tmp_path / "there") == ["one"]


def test_a_file_is_placed_in_utf_8_with_line_feeds(tmp_path: Path) -> None:
    place_file(tmp_path / "new" / "file")
    assert (tmp_path / "new" / "file").read_bytes() == b"1\n"
    assert everything(tmp_path) == ["new", "new/file"]


@pytest.mark.parametrize("place", [place_folder, place_file])
def test_what_is_there_is_left_alone(place: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("mine")
    for taken in ("folder", "folder/file"):
        with pytest.raises(InputError, match=taken):
            place(tmp_path / taken)
    assert everything(tmp_path) == ["folder", "folder/file"]
    assert (tmp_path / "folder" / "file").read_text() == "mine"


@pytest.mark.parametrize("at", ["new", "empty"])
def test_an_exception_inside_leaves_nothing(at: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / at) as folder:
        (folder / "half").write_text(str(1 / 0))
    with pytest.raises(ZeroDivisionError), new_file(tmp_path / "new") as file:
        file.write(str(1 / 0))
    assert everything(tmp_path) == ["empty"]


@pytest.mark.parametrize("place", [place_folder, place_file])
def test_every_call_that_may_fail_leaves_all_or_nothing(
    place: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = []
    for nth in range(20):
        root = tmp_path / str(nth)
        root.mkdir()
        left = [nth]

        def failing(real: Callable[..., object], left: list[int] = left) -> Callable[..., object]:
            def call(*arguments: object, **named: object) -> object:
                left[0] -= 1
                if left[0] == -1:
                    raise OSError(28, "No space left on device")
                return real(*arguments, **named)

            return call

        with monkeypatch.context() as patched:
            patched.setattr("hippograph.store.placement.sync_directory", failing(sync_directory))
            patched.setattr(os, "fsync", failing(os.fsync))
            patched.setattr(Path, "rename", failing(Path.rename))
            patched.setattr(Path, "mkdir", failing(Path.mkdir))
            try:
                place(root / "it")
                outcomes.append("placed")
            except OSError:
                outcomes.append("failed")
        whole = ["it"] if place is place_file else ["it", "it/one"]
        # The last call makes the new name durable: by then everything is where it should be.
        assert everything(root) in ([whole] if outcomes[-1] == "placed" else [[], whole])
    assert outcomes == sorted(outcomes)
    assert 4 <= outcomes.count("failed") < 20
