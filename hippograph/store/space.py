"""A full disk: an error that says so, and what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hippograph.errors import IndexDirectoryError

__all__ = ["needing_space"]

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def needing_space(directory: Path) -> Iterator[None]:
    """Turn the errors of a full disk, or of a full quota, into one with the remedy.

    Parameters
    ----------
    directory
        The directory of the index.

    Raises
    ------
    IndexDirectoryError
        If the disk is full.

    Examples
    --------
    >>> with needing_space(Path("notes.hippo")):
    ...     raise OSError(errno.ENOSPC, "No space left on device")
    Traceback (most recent call last):
    hippograph.errors.IndexDirectoryError: the disk of the index notes.hippo is full ([Errno ...] No space left on
    device); free some space and run the same command again: what is finished is not done twice
    """
    try:
        yield
    except (OSError, IndexDirectoryError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError) or cause.errno not in _FULL:
            raise
        raise IndexDirectoryError(
            f"the disk of the index {directory} is full ({cause}); free some space and run the same command again: "
            "what is finished is not done twice"
        ) from error
