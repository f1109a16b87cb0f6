"""The manifest of a snapshot, and the pointer to the current one."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hippograph.errors import IndexMismatchError, NoIndexError
from hippograph.store.arrays import FileRecord, damage

__all__ = ["FORMAT_VERSION", "MANIFEST", "POINTER", "Counts", "Manifest", "Pointer", "is_outdated", "read_manifest"]
__all__ += ["read_pointer"]

FORMAT_VERSION: Final = 3
"""Raised whenever the files of a snapshot or their meaning change; a snapshot of another format is not read."""

MANIFEST: Final = "manifest.json"
POINTER: Final = "CURRENT"

_Count = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Counts(_Strict):
    """How much a snapshot holds.

    Parameters
    ----------
    documents
        Documents with at least one passage.
    passages, entities, triples
        P, E and T.
    edges
        Edges of the graph, each counted once.
    """

    documents: _Count
    passages: _Count
    entities: _Count
    triples: _Count
    edges: _Count


class Manifest(_Strict):
    """What a snapshot says of itself.

    Parameters
    ----------
    format_version
        The format of the files.
    generation
        The number of the snapshot; each has the next one. 0 for one that is not published.
    embedder
        Fingerprint of the embedder that the vectors are of.
    dimension
        Length of a vector; 0 if there are none.
    extractor
        Fingerprint of the extractor that was preferred when it was published.
    extractors
        Fingerprints of those that the entities and triples are from, ascending; `EvidenceTables.readers` tells which of
        them has read which passage.
    normalizer
        Version of the rule that makes keys of names.
    settings
        Condenses how the graph is made of the evidence.
    state
        Condenses everything that the snapshot was made from.
    graph_digest
        Condenses what the graph contains.
    counts
        How much there is of everything.
    files
        Size and SHA-256 of every file.
    """

    format_version: int = FORMAT_VERSION
    generation: _Count
    embedder: str
    dimension: _Count
    extractor: str
    extractors: tuple[str, ...]
    normalizer: str
    settings: str
    state: str
    graph_digest: str
    counts: Counts
    files: dict[str, FileRecord]

    def encoded(self) -> bytes:
        """Return the manifest as the bytes of its file, always the same for the same content."""
        return json.dumps(self.model_dump(), indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """Which snapshot is current, and the hash of its manifest, which in turn holds those of all other files.

    Parameters
    ----------
    generation
        The number of the snapshot.
    sha256
        The hash of its manifest, 64 hexadecimal digits.

    Examples
    --------
    >>> Pointer(generation=3, sha256="0" * 64).folder
    '00000003'
    """

    generation: int
    sha256: str

    @property
    def folder(self) -> str:
        """The name of the snapshot's folder."""
        return f"{self.generation:08d}"

    def encoded(self) -> bytes:
        """Return the pointer as the bytes of its file."""
        return f"{self.folder} {self.sha256}\n".encode()


def read_pointer(snapshots: Path) -> Pointer:
    """Read which snapshot is current.

    Raises
    ------
    NoIndexError
        If nothing was ever published there.
    DamagedIndexError
        If the pointer cannot be read.
    """
    path = snapshots / POINTER
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NoIndexError(
            f"there is no published index in {snapshots.parent}; "
            f"make one with: hippograph index SOURCE --index {snapshots.parent}"
        ) from error
    except OSError as error:
        raise damage(path, f"cannot be read ({error})") from error
    found = re.fullmatch(rb"([0-9]{8,18}) ([0-9a-f]{64})\n", data)
    if found is None:
        raise damage(path, f"holds {data[:40]!r} instead of the number of a snapshot")
    return Pointer(generation=int(found[1]), sha256=found[2].decode())


def is_outdated(snapshots: Path) -> bool:
    """Tell whether the current snapshot, which `read_manifest` refuses for its format, is of an older one.

    Raises
    ------
    DamagedIndexError
        If its manifest is missing or is none.
    """
    path = snapshots / read_pointer(snapshots).folder / MANIFEST
    try:
        version = json.loads(path.read_bytes())["format_version"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise damage(path, f"is not a manifest ({error})") from error
    return isinstance(version, int) and version < FORMAT_VERSION


def read_manifest(folder: Path, pointer: Pointer) -> Manifest:
    """Read and check the manifest of the snapshot that a pointer names.

    Raises
    ------
    IndexMismatchError
        If the snapshot has another format.
    DamagedIndexError
        If the manifest is missing or altered.
    """
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
    except OSError as error:
        raise damage(path, f"cannot be read ({error})") from error
    actual = hashlib.sha256(data).hexdigest()
    if actual != pointer.sha256:
        raise damage(path, f"has been altered: its SHA-256 is {actual}, not {pointer.sha256}")
    try:
        content = json.loads(data)
        version = content["format_version"]
    except (ValueError, TypeError, KeyError) as error:
        raise damage(path, f"is not a manifest ({error})") from error
    if not isinstance(version, int):
        raise damage(path, f"is not a manifest (its format is {version!r})")
    if version != FORMAT_VERSION:
        raise IndexMismatchError(
            f"{path} has format {version}, and this hippograph reads format {FORMAT_VERSION}; make it "
            f"again from the catalog with: hippograph doctor --repair --index {folder.parent.parent}"
        )
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise damage(path, f"is not a manifest ({error.errors(include_url=False)[0]})") from error
    if manifest.generation != pointer.generation:
        raise damage(path, f"is that of snapshot {manifest.generation}, not of {pointer.generation}")
    return manifest
