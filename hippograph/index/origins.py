"""Origins: which file or folder a source is, however it is named."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

__all__ = ["Origins", "lies_in"]


class Origins:
    """The places that sources name: `docs/a.md` is another file in another folder, and the same by another path.

    Files are remembered relative to the index, so that both may move together.

    Parameters
    ----------
    directory
        The index directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory.resolve()
        self._known: dict[str, str] = {"": ""}

    def __call__(self, source: str) -> str:
        """Return the origin that a source is: its path from the index directory on, or itself if it is no path."""
        if source not in self._known:
            self._known[source] = self._resolved(source)
        return self._known[source]

    def path(self, origin: str) -> Path:
        """Return the file or folder that an origin is."""
        return self._directory / origin

    def _resolved(self, source: str) -> str:
        try:
            if not Path(source).exists():
                return source
            return Path(os.path.relpath(Path(source).resolve(), self._directory)).as_posix()
        except (OSError, ValueError):
            # A source given by hand may be any text; only files have places.
            return source


def lies_in(origin: str, place: str) -> bool:
    """Tell whether an origin is a place or lies in it.

    Examples
    --------
    >>> lies_in("../docs/a.md", "../docs"), lies_in("../docs", "../docs"), lies_in("../docs-2/a.md", "../docs")
    (True, True, False)
    """
    return bool(origin) and (origin == place or PurePosixPath(place) in PurePosixPath(origin).parents)
