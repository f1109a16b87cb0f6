"""Looking for damage in the current snapshot: its pointer, its manifest, its files, and whether they agree."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from hippograph.errors import DamagedIndexError, NoIndexError
from hippograph.index.assemble import graph_digest
from hippograph.index.finding import Finding, FindingKind
from hippograph.index.revision import GraphSettings, state_of
from hippograph.store.arrays import compare_file
from hippograph.store.coherence import contradictions
from hippograph.store.holds import hold
from hippograph.store.manifest import FORMAT_VERSION, MANIFEST, POINTER, Manifest, Pointer, read_pointer
from hippograph.store.snapshot import SNAPSHOTS, Snapshot, open_snapshot

__all__ = ["SnapshotCheckup", "check_snapshot", "generations"]

_AGAIN: Final = "makes it again from the catalog"


@dataclass(frozen=True, kw_only=True, eq=False)
class SnapshotCheckup:
    """What is left of the current snapshot.

    Parameters
    ----------
    findings
        What was found.
    generation
        Its number; 0 if there is none, or nothing tells it.
    manifest
        Its manifest; None if that cannot be read, or is of another format.
    embedder, extractor
        Fingerprints of what it was built with, be it of another format; None if that cannot be read.
    snapshot
        The snapshot itself; None unless it is whole.
    """

    findings: tuple[Finding, ...]
    generation: int = 0
    manifest: Manifest | None = None
    embedder: str | None = None
    extractor: str | None = None
    snapshot: Snapshot | None = None


def check_snapshot(directory: Path, *, settings: GraphSettings) -> SnapshotCheckup:
    """Look at everything in the current snapshot, which reads all of it; what is damaged is read as far as it goes.

    Parameters
    ----------
    directory
        The index directory.
    settings
        How the graph is made now.
    """
    while True:
        before = _pointed(directory)
        found = _Checkup(directory=directory, settings=settings).run()
        # A newer one may have been published meanwhile, and the one looked at removed.
        if found.snapshot is not None or _pointed(directory) == before:
            return found


def generations(directory: Path) -> list[Path]:
    """List the folders of all snapshots, be they current or not, in the order of their numbers."""
    snapshots = directory / SNAPSHOTS
    if not snapshots.is_dir():
        return []
    found = [path for path in snapshots.iterdir() if re.fullmatch("[0-9]{8,18}", path.name)]
    return sorted(found, key=lambda path: int(path.name))


def _pointed(directory: Path) -> bytes:
    try:
        return (directory / SNAPSHOTS / POINTER).read_bytes()
    except OSError:
        return b""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Checkup:
    """One look at what is current."""

    directory: Path
    settings: GraphSettings
    found: list[Finding] = field(default_factory=list)

    def run(self) -> SnapshotCheckup:
        pointer, folder = self._pointer()
        if folder is None:
            return SnapshotCheckup(findings=tuple(self.found))
        with ExitStack() as stack:
            content = self._content(folder, pointer, stack)
            manifest = None if content is None else self._manifest(folder, content)
            if manifest is not None:
                self._strangers(folder, manifest)
                self._files(folder, manifest)
            whole = pointer is not None and manifest is not None and not self._damaged()
            snapshot = self._snapshot(folder) if whole else None
        built = content or {}
        return SnapshotCheckup(
            findings=tuple(self.found),
            generation=int(folder.name),
            manifest=manifest,
            embedder=built["embedder"] if isinstance(built.get("embedder"), str) else None,
            extractor=built["extractor"] if isinstance(built.get("extractor"), str) else None,
            snapshot=snapshot,
        )

    def _damaged(self) -> bool:
        return any(finding.kind != "note" for finding in self.found)

    def _tell(self, path: Path, what: str, kind: FindingKind = "damage", remedy: str | None = None) -> None:
        again = f"hippograph doctor --repair --index {self.directory} {_AGAIN}"
        part = path.relative_to(self.directory).as_posix()
        self.found.append(Finding(part=part, kind=kind, what=" ".join(what.split()), remedy=remedy or again))

    def _pointer(self) -> tuple[Pointer | None, Path | None]:
        """Find out what is current; without a pointer that can be read, the latest there is."""
        snapshots = self.directory / SNAPSHOTS
        path, folders = snapshots / POINTER, generations(self.directory)
        try:
            pointer = read_pointer(snapshots)
        except NoIndexError:
            if snapshots.exists() and not snapshots.is_dir():
                self._tell(snapshots, "is a file where the snapshots belong", remedy="move it away, then repair")
            elif folders:
                self._tell(path, "is missing, and with it which snapshot is current")
        except DamagedIndexError:
            self._tell(path, f"does not say which snapshot is current; it holds {_pointed(self.directory)[:40]!r}")
        else:
            return pointer, snapshots / pointer.folder
        return None, folders[-1] if folders else None

    def _content(self, folder: Path, pointer: Pointer | None, stack: ExitStack) -> dict[str, Any] | None:
        """Read a manifest of any format."""
        path = folder / MANIFEST
        try:
            stack.enter_context(hold(folder))
            data = path.read_bytes()
        except (DamagedIndexError, OSError):
            self._tell(path, "is missing" if folder.is_dir() else "is missing with its whole folder")
            return None
        actual = hashlib.sha256(data).hexdigest()
        if pointer is not None and actual != pointer.sha256:
            self._tell(path, f"has been altered: its SHA-256 is {actual}, not {pointer.sha256}")
        try:
            content: object = json.loads(data)
        except ValueError as error:
            self._tell(path, f"is no manifest: {error}")
            return None
        if isinstance(content, dict) and isinstance(content.get("format_version"), int):
            return content
        self._tell(path, "is no manifest: it does not say of which format")
        return None

    def _manifest(self, folder: Path, content: dict[str, Any]) -> Manifest | None:
        path, version = folder / MANIFEST, content["format_version"]
        if version != FORMAT_VERSION:
            remedy = f"hippograph doctor --repair --index {self.directory} {_AGAIN}"
            remedy += "; so does hippograph index" if version < FORMAT_VERSION else ", or install a newer hippograph"
            self._tell(path, f"has format {version}, not {FORMAT_VERSION}", "mismatch", remedy)
            return None
        try:
            manifest = Manifest.model_validate_json(json.dumps(content))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            self._tell(path, f"is no manifest: {'.'.join(map(str, first['loc']))}: {first['msg']}")
            return None
        if manifest.generation != int(folder.name):
            self._tell(path, f"is that of snapshot {manifest.generation}")
        return manifest

    def _files(self, folder: Path, manifest: Manifest) -> None:
        for name, record in sorted(manifest.files.items()):
            path = folder / name
            if path.name != name:
                self._tell(folder / MANIFEST, f"lists {name!r}, which is no file of a snapshot")
                continue
            what = compare_file(path, record, verify=True) if path.exists() else "is missing"
            if what is not None:
                self._tell(path, what)

    def _strangers(self, folder: Path, manifest: Manifest) -> None:
        if self._damaged():
            # Nobody vouches for the list.
            return
        for path in sorted(folder.iterdir()):
            if path.name not in manifest.files and path.name != MANIFEST:
                self._tell(path, "is not part of the snapshot", "note", "nothing; it goes with the snapshot")

    def _snapshot(self, folder: Path) -> Snapshot | None:
        """Look whether the files agree with each other, which no hash tells."""
        try:
            snapshot = open_snapshot(self.directory)
        except DamagedIndexError as error:
            self._tell(folder / MANIFEST, f"lists files that do not fit: {str(error).partition('; ')[0]}")
            return None
        manifest = snapshot.manifest
        for contradiction in contradictions(snapshot):
            self._tell(folder / contradiction.file, contradiction.what)
        if self._damaged():
            # What follows relies on all of that.
            return None
        if graph_digest(snapshot.graph, snapshot.entity_keys, snapshot.evidence.contents) != manifest.graph_digest:
            self._tell(folder / MANIFEST, "tells of another graph than the files hold")
        state = state_of(self.settings, snapshot.passages.ids, snapshot.evidence.stamps)
        if manifest.settings == self.settings.digest and state != manifest.state:
            self._tell(folder / MANIFEST, "tells of another state than the files hold")
        return None if self._damaged() else snapshot
