"""Readers hold the snapshot they opened; what somebody holds is not removed.

A reader shares a lock on the snapshot's manifest as long as it has the snapshot open. Who removes a snapshot first
takes that lock for itself alone, which fails as long as anybody shares it, in whatever process. The operating system
takes a lock back when the last copy of the open file is closed, however its process ends. On Windows an open file
keeps its folder from being renamed, and no lock is needed.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TypeVar
from weakref import finalize

from hippograph.store.arrays import damage
from hippograph.store.manifest import MANIFEST

__all__ = ["Hold", "hold", "is_held", "opened", "withdraw"]

T = TypeVar("T")

_log = logging.getLogger("hippograph.store")


class Hold:
    """Keeps a snapshot's files from being removed, until it is released or nobody refers to it any more.

    Holds are independent of each other, within a process too. A forked child has a copy of its parent's: the snapshot
    is held until both have released it.

    Parameters
    ----------
    descriptor
        The open manifest, which the hold closes.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as snapshots:
    ...     folder = Path(snapshots) / "00000001"
    ...     folder.mkdir()
    ...     _ = (folder / "manifest.json").write_text("{}")
    ...     with hold(folder):
    ...         print(withdraw(folder, to=folder.with_name("away")))
    ...     print(withdraw(folder, to=folder.with_name("away")))
    False
    True
    """

    def __init__(self, descriptor: int) -> None:
        # The lock is not undone but left to end with the file, for a forked child may have the same.
        self._close = finalize(self, os.close, descriptor)
        self._close.atexit = False

    def release(self) -> None:
        """Let the snapshot be removed; may be called twice."""
        self._close()

    def __enter__(self) -> Hold:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def hold(folder: Path) -> Hold:
    """Hold a snapshot, which takes no right to write to it.

    Parameters
    ----------
    folder
        The snapshot's folder.

    Raises
    ------
    DamagedIndexError
        If it has no manifest: it is damaged or has just been removed, which the pointer to the current one tells.
    """
    path = folder / MANIFEST
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise damage(path, f"cannot be read ({error})") from error
    held = Hold(descriptor)
    if not _share(descriptor, path):
        held.release()
        raise damage(path, "has just been removed")
    return held


def opened(folder: Path, read: Callable[[Hold], T]) -> T:
    """Hold a folder and read it; if it cannot be read, it is not held any more.

    Parameters
    ----------
    folder
        The folder of a snapshot, or of layers.
    read
        Makes of it what keeps the hold.

    Raises
    ------
    DamagedIndexError
        As for `hold`.
    """
    held = hold(folder)
    try:
        return read(held)
    except BaseException:
        # An error that is kept must not keep the files.
        held.release()
        raise


def is_held(folder: Path) -> bool:
    """Tell whether somebody holds a snapshot, or may: on Windows only its removal can tell.

    Parameters
    ----------
    folder
        The snapshot's folder. It must not be the current one: who opens it at this moment would find it removed.
    """
    return _is_held(folder)


def withdraw(folder: Path, *, to: Path) -> bool:
    """Rename a snapshot's folder, after which no reader finds it, unless somebody holds it.

    Parameters
    ----------
    folder
        The snapshot's folder. It must not be the current one, or a reader may find nothing.
    to
        Its new path, in the same file system.

    Returns
    -------
    Whether nobody held it.

    Raises
    ------
    OSError
        If it cannot be locked or renamed.
    """
    return _withdraw(folder, to)


if sys.platform == "win32":

    def _share(descriptor: int, path: Path) -> bool:
        return True

    def _is_held(folder: Path) -> bool:
        return True

    def _withdraw(folder: Path, to: Path) -> bool:
        try:
            folder.rename(to)
        except PermissionError:
            return False
        return True

else:
    import fcntl

    def _share(descriptor: int, path: Path) -> bool:
        """Share the lock on an open manifest; False if whoever removes the folder was faster."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            # Where files cannot be locked they can still be read, and nobody who could not lock it removes a folder.
            _log.warning("%s cannot be held while it is open, for its file system knows no locks: %s", path, error)
        try:
            return os.path.samestat(os.fstat(descriptor), path.stat())
        except OSError:
            return False

    def _is_held(folder: Path) -> bool:
        try:
            descriptor = os.open(folder / MANIFEST, os.O_RDONLY)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Undone, not left to end with the file: a fork of this process may have a copy of it.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _withdraw(folder: Path, to: Path) -> bool:
        try:
            # Network file systems lock a file for one alone only if it is open for writing.
            descriptor = os.open(folder / MANIFEST, os.O_RDWR)
        except FileNotFoundError:
            # What has no manifest cannot be held.
            folder.rename(to)
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                folder.rename(to)
            finally:
                # Undone, not left to end with the file: a fork of this process may have a copy of it.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True
