"""Files of what is derived from an index at the first use, checked when they are read and replaced in one step.

They can be made again at any time, so nothing here is the truth of anything: a file that is damaged or not there is
made anew, and where none can be written there is a warning and no more.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Final

from hippograph.errors import DamagedIndexError, IndexDirectoryError, NoIndexError
from hippograph.store.arrays import SNAPSHOTS, sync_directory
from hippograph.store.lock import writing
from hippograph.store.manifest import read_pointer

__all__ = ["DERIVED", "DerivedFile"]

_log = logging.getLogger("hippograph.store")

DERIVED: Final = "derived"
"""The folder of derived files in an index directory."""

_HASH_BYTES: Final = 32
_UNFINISHED: Final = ".unfinished-"
# How long another process may take to write its file, seconds.
_PATIENCE: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class DerivedFile:
    """A magic line, the SHA-256 of all that follows, and what follows.

    Parameters
    ----------
    directory
        The index directory; None for a file that never is.
    name
        The name of the file.
    magic
        Its first line, which tells the format.
    generation
        The number of the snapshot that its content is for; 0 for a part of one, or for one in memory.
    """

    directory: Path | None
    name: str
    magic: bytes
    generation: int

    def read(self) -> memoryview | None:
        """Return the content; None of a file that is damaged or not there."""
        if self.directory is None:
            return None
        path = self._path(self.directory)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("%s cannot be read (%s) and is made again", path, error.strerror)
            return None
        begin = len(self.magic) + _HASH_BYTES
        content = memoryview(data)[begin:]
        if data[:begin] != self.magic + hashlib.sha256(content).digest():
            _log.warning("%s is damaged and is made again", path)
            return None
        return content

    def replace(self, content: Callable[[], bytes | None]) -> None:
        """Write other content, or say that it cannot be done.

        Parameters
        ----------
        content
            Returns the content, while nobody else writes; None leaves the file as it is.
        """
        if self.directory is None:
            return
        path = self._path(self.directory)
        try:
            path.parent.mkdir(exist_ok=True)
            with writing(path.parent, wait=_PATIENCE):
                for leftover in path.parent.glob(f"{_UNFINISHED}*"):
                    leftover.unlink(missing_ok=True)
                other = content()
                if other is not None:
                    _replace(path, self.magic + hashlib.sha256(other).digest() + other)
        except (OSError, IndexDirectoryError) as error:
            _log.warning("%s is not kept, and is made again at the next use: %s", self.name, error)

    def is_current(self) -> bool:
        """Tell whether the snapshot is the current one, so that nobody needs more than it does."""
        if self.directory is None or not self.generation:
            return False
        try:
            return read_pointer(self.directory / SNAPSHOTS).generation == self.generation
        except (NoIndexError, DamagedIndexError) as error:
            _log.debug("nothing is deleted from %s: %s", self.name, error)
            return False

    def _path(self, directory: Path) -> Path:
        return directory / DERIVED / self.name


def _replace(path: Path, data: bytes) -> None:
    """Put a file in the place of another, in one step that either happens or does not."""
    unfinished = path.with_name(f"{_UNFINISHED}{token_hex(8)}")
    try:
        with unfinished.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)
