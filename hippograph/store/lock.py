"""One writer at a time: a lock that the operating system takes back when its process ends, however it ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from hippograph.errors import IndexDirectoryError

__all__ = ["LOCK", "writing"]

LOCK: Final = "lock"
"""The file's name. It stays; what counts is who holds it."""


@contextmanager
def writing(directory: Path) -> Iterator[None]:
    """Hold the right to change an index; readers need none.

    Parameters
    ----------
    directory
        The directory of the index, which must exist.

    Raises
    ------
    IndexDirectoryError
        If another process, or another part of this one, is writing, or the file cannot be made.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, writing(Path(folder)):
    ...     with writing(Path(folder)):
    ...         pass
    Traceback (most recent call last):
    hippograph.errors.IndexDirectoryError: the index ... is being changed by another process; wait until it has finished
    """
    try:
        file = (directory / LOCK).open("ab")
    except OSError as error:
        raise IndexDirectoryError(
            f"the index {directory} cannot be locked for writing ({error.strerror}); check its permissions"
        ) from error
    with file:
        try:
            _lock(file)
        except OSError as error:
            raise IndexDirectoryError(
                f"the index {directory} is being changed by another process; wait until it has finished"
            ) from error
        yield


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
