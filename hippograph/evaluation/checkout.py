"""Which commit a checkout is at, read from git's own files: git need not be installed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

__all__ = ["commit_of"]

_HASH: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def commit_of(folder: Path) -> str | None:
    """Return the commit that is checked out in a folder.

    Changes that are not committed do not show.

    Parameters
    ----------
    folder
        The root of a checkout, or of a worktree or submodule of one.

    Returns
    -------
    The hash of the commit; None if the folder is no root of a checkout, nothing was committed, or git keeps its
    references in a way that is not known here.

    References
    ----------
    Git, gitrepository-layout(5): `HEAD`, `refs`, `packed-refs`, `commondir`, and `.git` as a file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     git = Path(folder) / ".git"
    ...     git.mkdir()
    ...     _ = (git / "HEAD").write_text("5" * 40)
    ...     commit_of(Path(folder)) == "5" * 40, commit_of(git)
    (True, None)
    """
    git = folder / ".git"
    pointer = _text(git)
    if pointer.startswith("gitdir: "):
        git = folder / pointer.removeprefix("gitdir: ")
    head = _text(git / "HEAD")
    if not head.startswith("ref: "):
        return _hash(head)
    reference = head.removeprefix("ref: ")
    shared = git / (_text(git / "commondir") or ".")
    for place in (git, shared):
        loose = _hash(_text(place / reference))
        if loose is not None:
            return loose
    for line in _text(shared / "packed-refs").split("\n"):
        found, _, name = line.partition(" ")
        if name == reference:
            return _hash(found)
    return None


def _text(path: Path) -> str:
    """Return what a file says; nothing if there is none, because git leaves out what is not needed."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _hash(text: str) -> str | None:
    return text if _HASH.fullmatch(text) else None
