"""Power cuts: of what was written, only what was flushed is there.

A cut is simulated from a single undisturbed run that is watched: whenever something is flushed, what would be left if
the power failed right then is put down. Two disks are simulated. The *forgetful* one keeps nothing but what was asked
for: the bytes of a file as of its last flush, the names in a folder as of that folder's last flush. The *hasty* one
keeps every name at once, and bytes as the other: a file that was never flushed is there, and empty. What a real one
keeps lies between these and everything, which is what a killed process leaves.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from tests.faults.calls import Befall, Calls
from tests.faults.trials import Scene, check_published, check_recovery, watched
from tests.faults.workload import hurried

__all__ = ["DISKS", "Disk", "Remains", "cuts", "try_cut"]

Disk: TypeAlias = Literal["forgetful", "hasty"]

DISKS: Final[tuple[Disk, ...]] = ("forgetful", "hasty")

Remains: TypeAlias = Mapping[Path, bytes | None]
"""What is left: the bytes of files and None for folders, by path."""

# SQLite makes it anew after a cut, and never flushes it.
_SHARED_MEMORY: Final = "-shm"


@dataclass(kw_only=True)
class _Platter(Calls):
    """Follows what is on the disk itself. Files and folders are known by number, for names change.

    Parameters
    ----------
    root
        The folder that is followed; all that is in it is on the disk.
    disk
        What kind of disk it is.
    remains
        What a cut would have left after each flush, without repetitions.
    """

    root: Path
    disk: Disk
    remains: list[Remains] = field(default_factory=list)
    _bytes: dict[int, bytes] = field(default_factory=dict)
    _names: dict[int, dict[str, int]] = field(default_factory=dict)
    _folders: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        for path in (self.root, *self.root.rglob("*")):
            self._flush(path)
        self._put_down()

    def next(self, layer: str, path: Path, act: str) -> Befall:
        befalls = super().next(layer, path, act)
        if act == "sync":
            self._flush(path)
            if layer == "sqlite" and path.name not in self._names[_number(path.parent)]:
                # SQLite flushes the folder as well when a log or journal is new.
                self._flush(path.parent)
            self._put_down()
        return befalls

    def _flush(self, path: Path) -> None:
        if path.is_dir():
            self._names[_number(path)] = {entry.name: _number(entry) for entry in path.iterdir()}
            self._folders.update(_number(entry) for entry in path.iterdir() if entry.is_dir())
        else:
            self._bytes[_number(path)] = path.read_bytes()

    def _put_down(self) -> None:
        remains = self._forgetful(self.root) if self.disk == "forgetful" else self._hasty()
        if not self.remains or remains != self.remains[-1]:
            self.remains.append(remains)

    def _forgetful(self, root: Path) -> dict[Path, bytes | None]:
        remains: dict[Path, bytes | None] = {}
        folders = [(Path(), _number(root))]
        while folders:
            folder, number = folders.pop()
            for name, entry in self._names.get(number, {}).items():
                if entry in self._folders:
                    remains[folder / name] = None
                    folders.append((folder / name, entry))
                else:
                    remains[folder / name] = self._bytes.get(entry, b"")
        return {path: content for path, content in remains.items() if not path.name.endswith(_SHARED_MEMORY)}

    def _hasty(self) -> dict[Path, bytes | None]:
        return {
            path.relative_to(self.root): None if path.is_dir() else self._bytes.get(_number(path), b"")
            for path in sorted(self.root.rglob("*"))
            if not path.name.endswith(_SHARED_MEMORY)
        }


def cuts(scene: Scene, disk: Disk) -> list[Remains]:
    """Say what cuts would leave of an index, in the order of time, while an operation is done."""
    with scene.copy() as directory:
        platter = _Platter(root=directory, disk=disk)
        with watched(platter), hurried(), scene.operation.models().open(directory) as index:
            scene.operation.do(index)
    return platter.remains


def try_cut(scene: Scene, remains: Remains) -> bool:
    """Check an index after a cut, and the next attempt, and return whether the cut came after the publication.

    Work of models that was committed may be lost, but no more than that.
    """
    directory = scene.folder / "cut" / "index"
    if directory.exists():
        shutil.rmtree(directory)
    directory.mkdir(parents=True)
    for path, content in sorted(remains.items()):
        if content is None:
            (directory / path).mkdir()
        else:
            (directory / path).write_bytes(content)
    left, models = check_published(scene, directory), scene.operation.models()
    with models.open(directory) as index:
        check_recovery(scene, directory, index, models)
    return left == scene.after


def _number(path: Path) -> int:
    return path.stat().st_ino
