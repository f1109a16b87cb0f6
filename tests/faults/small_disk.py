"""A real file system that is too small: an operation runs out of space, gets more, and is done again.

A process with a mount namespace of its own mounts a file system in memory that is as large as the index that is there
plus so many pages, or that takes so many files more. Run as a program, this is that process.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.faults.attendant import Attendant, attend
from tests.faults.trials import Scene, attempt, check_published, check_reader, check_recovery, prepare
from tests.faults.workload import hurried

__all__ = ["Shortage", "SmallDisk", "obstacle"]

_NAMESPACE: Final = ("unshare", "--user", "--map-root-user", "--mount")
_PAGE: Final = 4096


@dataclass(frozen=True, kw_only=True)
class Shortage:
    """How a trial went.

    Parameters
    ----------
    room
        Pages or files that were left for the operation.
    of
        What there was too little of: "pages" or "files".
    complaint
        What the operation complained of; empty if there was enough room.
    objection
        What is wrong with that complaint, None if nothing is.
    published
        Whether the new state was published before there was more room.
    """

    room: int
    of: str
    complaint: str
    objection: str | None
    published: bool


def obstacle() -> str | None:
    """Say why no file system can be mounted here; None if one can."""
    if shutil.which("unshare") is None or shutil.which("mount") is None:
        return "there is no unshare(1) or no mount(8)"
    probe = subprocess.run(
        [*_NAMESPACE, "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/mnt"],
        capture_output=True,
        text=True,
        check=False,
    )
    return probe.stderr.strip() or "a file system cannot be mounted" if probe.returncode else None


class SmallDisk(Attendant):
    """A process with a disk of its own that may be too small; a context, at whose end both are gone.

    Parameters
    ----------
    folder
        An empty folder, over which the disk is mounted.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__("tests.faults.small_disk", prefix=_NAMESPACE)
        self._folder = folder

    def __enter__(self) -> "SmallDisk":
        return self

    def run(self, operation: str, *, of: str, room: int) -> Shortage:
        """Try an operation with too little room.

        Parameters
        ----------
        operation
            What is done.
        of
            What there is too little of: "pages" of 4096 bytes, or "files".
        room
            How many are left for the operation.

        Raises
        ------
        AssertionError
            If the index does not come out of it as it should.
        """
        return Shortage(**self.ask({"operation": operation, "folder": str(self._folder), "of": of, "room": room}))


@cache
def _scene(operation: str, folder: Path) -> Scene:
    folder.mkdir()
    return prepare(operation, folder)


def _try(scene: Scene, *, of: str, room: int) -> Shortage:
    disk = scene.folder / "disk"
    disk.mkdir(exist_ok=True)
    _mount("-t", "tmpfs", "tmpfs", str(disk))
    with scene.copy("disk") as directory, scene.reader(directory) as reader:
        _limit(disk, of=of, room=room)
        with scene.operation.models().open(directory) as index, hurried():
            complaint = attempt(scene.operation, index, full=True)
            left = check_published(scene, directory)
        assert complaint is not None or left == scene.after, "nobody complained"
        _mount("-o", "remount,size=1g,nr_inodes=100k", str(disk))
        models = scene.operation.models()
        with models.open(directory) as index:
            check_recovery(scene, directory, index, models)
        check_reader(scene, reader)
    subprocess.run(["umount", "--lazy", str(disk)], check=True)
    return Shortage(
        room=room,
        of=of,
        complaint="" if complaint is None else complaint.text,
        objection=None if complaint is None else complaint.objection,
        published=left == scene.after,
    )


def _limit(disk: Path, *, of: str, room: int) -> None:
    """Leave so much room in a file system and no more."""
    space = os.statvfs(disk)
    if of == "pages":
        # The file system counts in pages of its own, which need not be of 4096 bytes.
        used = (space.f_blocks - space.f_bfree) * space.f_frsize
        _mount("-o", f"remount,size={used + max(room, 1) * _PAGE}", str(disk))
    else:
        _mount("-o", f"remount,nr_inodes={space.f_files - space.f_ffree + room}", str(disk))


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _attend(order: Mapping[str, Any]) -> dict[str, object]:
    folder = Path(order["folder"])
    if not folder.is_mount():
        _mount("-t", "tmpfs", "tmpfs", str(folder))
    scene = _scene(order["operation"], folder / order["operation"])
    return asdict(_try(scene, of=order["of"], room=order["room"]))


if __name__ == "__main__":
    attend(_attend)
