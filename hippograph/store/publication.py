"""How a finished snapshot becomes the current one: written beside, flushed, renamed, pointed to."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hippograph.errors import NoIndexError
from hippograph.store.arrays import BundleWriter, sync_directory
from hippograph.store.manifest import POINTER, Pointer, read_pointer

__all__ = ["install"]

_log = logging.getLogger("hippograph.store")

# What a crashed run leaves behind begins like this.
_UNFINISHED: Final = ".unfinished-"


def install(snapshots: Path, write: Callable[[Path, int], Pointer]) -> int:
    """Have a snapshot written and make it the current one.

    Parameters
    ----------
    snapshots
        The folder of the snapshots; made if need be.
    write
        Writes the files into an empty folder, each flushed to the disk, for a snapshot of the given number, and
        returns the pointer to it.

    Returns
    -------
    The number of the new snapshot.

    Raises
    ------
    OSError
        If the disk is full or may not be written to; the former snapshot is then still current.
    """
    if not snapshots.is_dir():
        snapshots.mkdir(parents=True)
        sync_directory(snapshots.parent)
    for leftover in snapshots.glob(f"{_UNFINISHED}*"):
        _remove(leftover)
    former = _former(snapshots)
    generation = 1 + max([former, *_generations(snapshots)])
    unfinished = snapshots / f"{_UNFINISHED}{generation:08d}"
    unfinished.mkdir()
    try:
        pointer = write(unfinished, generation)
        sync_directory(unfinished)
        unfinished.rename(snapshots / pointer.folder)
        sync_directory(snapshots)
        _point(snapshots, pointer)
    except BaseException:
        # Frees the disk, if that is what was full.
        _remove(unfinished)
        raise
    for number, folder in _generations(snapshots).items():
        if number not in (generation, former):
            _remove(folder)
    return generation


def _point(snapshots: Path, pointer: Pointer) -> None:
    folder = snapshots / f"{_UNFINISHED}pointer"
    folder.mkdir()
    try:
        BundleWriter(folder).write_bytes(POINTER, pointer.encoded())
        (folder / POINTER).replace(snapshots / POINTER)
        sync_directory(snapshots)
    finally:
        _remove(folder)


def _former(snapshots: Path) -> int:
    try:
        return read_pointer(snapshots).generation
    except NoIndexError:
        return 0


def _generations(snapshots: Path) -> dict[int, Path]:
    return {int(entry.name): entry for entry in snapshots.iterdir() if re.fullmatch("[0-9]{8,18}", entry.name)}


def _remove(folder: Path) -> None:
    if not folder.exists():
        return
    try:
        shutil.rmtree(folder)
    except OSError as error:
        # Windows keeps files that someone has mapped. The next publication tries again.
        _log.warning("cannot remove %s yet: %s", folder, error)
