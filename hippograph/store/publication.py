"""How a finished snapshot becomes the current one: written beside, flushed, renamed, pointed to; and how others go."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hippograph.errors import DamagedIndexError, NoIndexError
from hippograph.store.arrays import BundleWriter, sync_directory
from hippograph.store.holds import withdraw
from hippograph.store.manifest import POINTER, Pointer, read_pointer

__all__ = ["collect", "install"]

_log = logging.getLogger("hippograph.store")

# What a crashed run leaves behind begins like this.
_UNFINISHED: Final = ".unfinished-"


def install(snapshots: Path, write: Callable[[Path, int], Pointer]) -> int:
    """Have a snapshot written, make it the current one, and remove all others that nobody holds.

    Only who holds the right to write to the index may call it. A pointer to the current one that cannot be read is
    replaced.

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
    _remove_leftovers(snapshots)
    generation = 1 + max([_known(snapshots), *_generations(snapshots)])
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
    _remove_others(snapshots, generation)
    return generation


def collect(snapshots: Path) -> list[int]:
    """Remove what a killed run left behind, and all snapshots but the current one that nobody holds.

    Only who holds the right to write to the index may call it. Where no snapshot is current, none is removed.

    Parameters
    ----------
    snapshots
        The folder of the snapshots; none is as good as an empty one.

    Returns
    -------
    The numbers of the snapshots that were removed, ascending.

    Raises
    ------
    DamagedIndexError
        If the pointer to the current snapshot cannot be read.
    OSError
        If the folder cannot be read.
    """
    if not snapshots.is_dir():
        return []
    _remove_leftovers(snapshots)
    current = _current(snapshots)
    if not current or not _generations(snapshots).keys() - {current}:
        return []
    # A run that was killed may have pointed to the current one a moment ago: no power cut may bring back the former
    # pointer when what it points to is gone.
    sync_directory(snapshots)
    return _remove_others(snapshots, current)


def _point(snapshots: Path, pointer: Pointer) -> None:
    folder = snapshots / f"{_UNFINISHED}pointer"
    folder.mkdir()
    try:
        BundleWriter(folder).write_bytes(POINTER, pointer.encoded())
        (folder / POINTER).replace(snapshots / POINTER)
        sync_directory(snapshots)
    finally:
        _remove(folder)


def _current(snapshots: Path) -> int:
    """Return the number of the current snapshot, 0 if there is none."""
    try:
        return read_pointer(snapshots).generation
    except NoIndexError:
        return 0


def _known(snapshots: Path) -> int:
    """Return the number of the current snapshot, 0 if the pointer to it tells none."""
    try:
        return _current(snapshots)
    except DamagedIndexError as error:
        _log.warning("%s", error)
        return 0


def _generations(snapshots: Path) -> dict[int, Path]:
    return {int(entry.name): entry for entry in snapshots.iterdir() if re.fullmatch("[0-9]{8,18}", entry.name)}


def _remove_leftovers(snapshots: Path) -> None:
    for leftover in snapshots.glob(f"{_UNFINISHED}*"):
        _remove(leftover)


def _remove_others(snapshots: Path, current: int) -> list[int]:
    removed = []
    for number, folder in sorted(_generations(snapshots).items()):
        # Under this name it is removed by the next run if this one is killed.
        away = snapshots / f"{_UNFINISHED}former-{folder.name}"
        try:
            if number == current or not withdraw(folder, to=away):
                continue
        except OSError as error:
            _log.warning("cannot remove %s yet: %s", folder, error)
            continue
        removed.append(number)
        _remove(away)
    return removed


def _remove(folder: Path) -> None:
    if not folder.exists():
        return
    try:
        shutil.rmtree(folder)
    except OSError as error:
        # Windows keeps files that someone has mapped. The next run tries again.
        _log.warning("cannot remove %s yet: %s", folder, error)
