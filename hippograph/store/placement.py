"""Files and folders that appear whole or not at all: written beside their place, flushed, and renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Final, TextIO

from hippograph.errors import InputError
from hippograph.store.arrays import sync_directory

__all__ = ["new_file", "new_folder"]

# What a killed process leaves beside the place begins like this.
_UNFINISHED: Final = ".unfinished-"


@contextmanager
def new_folder(folder: str | Path) -> Iterator[Path]:
    """Lend an empty folder to write into, which becomes `folder` if nothing is raised, and is removed otherwise.

    Parameters
    ----------
    folder
        Where the folder is to be; missing folders above it are made. What is written must be flushed by the writer.

    Raises
    ------
    InputError
        If there is something already, other than an empty folder.
    OSError
        If it cannot be made there.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as directory:
    ...     with new_folder(f"{directory}/tables") as place:
    ...         _ = (place / "one").write_text("1")
    ...     sorted(path.name for path in Path(directory).rglob("*"))
    ['one', 'tables']
    """
    place = Path(folder).resolve()
    if place.exists() and not (place.is_dir() and not any(place.iterdir())):
        raise InputError(f"{folder} is not an empty folder; name a new one, or empty it first")
    unfinished = _beside(place)
    unfinished.mkdir()
    try:
        yield unfinished
        sync_directory(unfinished)
        if place.exists():
            # Windows renames nothing onto a folder, be it empty.
            place.rmdir()
        unfinished.rename(place)
        sync_directory(place.parent)
    except BaseException:
        # What was raised tells more than why it cannot be cleaned up after it.
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


@contextmanager
def new_file(path: str | Path) -> Iterator[TextIO]:
    """Lend a text file to write to, in UTF-8, which becomes `path` if nothing is raised, and is removed otherwise.

    Parameters
    ----------
    path
        Where the file is to be; missing folders above it are made.

    Raises
    ------
    InputError
        If there is something already.
    OSError
        If it cannot be made there.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as directory:
    ...     with new_file(f"{directory}/one") as file:
    ...         _ = file.write("1")
    ...     sorted(path.name for path in Path(directory).rglob("*"))
    ['one']
    """
    place = Path(path).resolve()
    if place.exists():
        raise InputError(f"{path} exists already; name a new file, or remove it first")
    unfinished = _beside(place)
    try:
        with unfinished.open("x", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(place)
        sync_directory(place.parent)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _beside(place: Path) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    return place.with_name(f"{_UNFINISHED}{token_hex(8)}")
