"""One writer at a time: a lock that the operating system takes back when its process ends, however it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from time import monotonic, sleep
from typing import Final

from hippograph.errors import IndexDirectoryError, InputError

__all__ = ["LOCK", "writing"]

LOCK: Final = "lock"
"""The file's name. It stays; what counts is who holds it."""

# Between two attempts, seconds: short against any change of an index, and a hundred of them cost a millisecond.
_PAUSE: Final = 0.02

# What this process has open here, so that its forks can let go of it.
_open: set[FileIO] = set()


@contextmanager
def writing(directory: Path, *, wait: float = 0.0) -> Iterator[None]:
    """Hold the right to change an index; readers need none.

    Threads exclude each other as processes do, and a thread that holds the right cannot have it again. A forked child
    does not inherit it, so that the lock ends with the process that took it, whatever children it leaves behind.

    Parameters
    ----------
    directory
        The directory of the index, which must exist.
    wait
        How long to wait for another writer, in seconds; 0 or more, infinity included.

    Raises
    ------
    InputError
        If `wait` is negative or no number.
    IndexDirectoryError
        If another process or thread is still writing after that time, or the file cannot be made or locked.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, writing(Path(folder)):
    ...     with writing(Path(folder), wait=0.1):
    ...         pass
    Traceback (most recent call last):
    hippograph.errors.IndexDirectoryError: the index ... is still being changed by another process or thread
    after 0.1 s; try again when it has finished, or wait for it longer: --wait SECONDS
    """
    if not wait >= 0:
        raise InputError(f"wait is {wait}; give the seconds to wait for another writer, 0 or more")
    file = _taken(directory, wait)
    try:
        yield
    finally:
        _let_go(file)


def _taken(directory: Path, wait: float) -> FileIO:
    deadline = monotonic() + wait
    while True:
        file = _attempt(directory)
        if file is not None:
            return file
        left = deadline - monotonic()
        if left <= 0:
            raise IndexDirectoryError(
                f"the index {directory} is {'still ' if wait else ''}being changed by another process or thread"
                f"{f' after {wait:g} s' if wait else ''}; try again when it has finished, or wait for it"
                f"{' longer' if wait else ''}: --wait SECONDS"
            )
        sleep(min(_PAUSE, left))


def _attempt(directory: Path) -> FileIO | None:
    """Open and lock the file; None if someone else has it locked."""
    path = directory / LOCK
    try:
        file = FileIO(path, "ab")
        _open.add(file)
        try:
            # The directory may have been deleted and made anew since the file was opened, with another writer in it.
            if _lock(file) and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except BaseException:
            _let_go(file)
            raise
    except OSError as error:
        raise IndexDirectoryError(
            f"the index {directory} cannot be locked for writing ({error.strerror}); check that it exists, that it may "
            "be written to, and that its file system knows locks"
        ) from error
    _let_go(file)
    return None


def _let_go(file: FileIO) -> None:
    _open.discard(file)
    file.close()


def _let_go_of_all() -> None:
    # Closing takes nothing from the parent: a lock ends when the last copy of the open file is closed.
    for file in tuple(_open):
        _let_go(file)


if sys.platform == "win32":
    import errno
    import msvcrt

    def _lock(file: FileIO) -> bool:
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in {errno.EACCES, errno.EDEADLK}:
                return False
            raise
        return True

else:
    import fcntl

    os.register_at_fork(after_in_child=_let_go_of_all)

    def _lock(file: FileIO) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
