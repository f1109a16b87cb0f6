"""Origins: which file or folder a source is, however it is named."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["NamedSource", "Origins"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSource:
    """A file or folder, and what to call it.

    Parameters
    ----------
    path
        Where to read it.
    name
        Its path as the user named it, with forward slashes: what its documents are cited by.
    """

    path: Path
    name: str


class Origins:
    """The places of files and folders, remembered relative to the index, so that both may move together.

    Parameters
    ----------
    directory
        The index directory.

    Examples
    --------
    >>> origins = Origins(Path("/data/wiki.hippo"))
    >>> origins.of("/data/docs/a.md"), origins.within("../docs/a.md", "../docs"), origins.within("../../other", "..")
    ('../docs/a.md', True, False)
    """

    def __init__(self, directory: Path) -> None:
        self._directory = os.path.realpath(directory)

    def of(self, path: str | Path) -> str:
        """Return the origin of a file or folder, which need not exist.

        Links are not followed: a link that is set to another folder is still the same source, with other contents.
        """
        absolute = os.path.normpath(Path(path).absolute())
        try:
            return Path(os.path.relpath(absolute, self._directory)).as_posix()
        except ValueError:
            # Another drive, on Windows.
            return Path(absolute).as_posix()

    def path(self, origin: str) -> Path:
        """Return the file or folder that an origin is."""
        return Path(self._absolute(origin))

    def within(self, origin: str, place: str) -> bool:
        """Tell whether an origin is a place or lies in it; nothing does that came from no file."""
        if not origin:
            return False
        inner, outer = self._absolute(origin), self._absolute(place)
        return inner == outer or inner.startswith(outer.rstrip(os.sep) + os.sep)

    def _absolute(self, origin: str) -> str:
        return os.path.normpath(os.path.join(self._directory, origin))  # noqa: PTH118 - pathlib keeps the dots
