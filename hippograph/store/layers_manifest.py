"""What the layers of an index say of themselves."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hippograph.errors import IndexMismatchError
from hippograph.store.arrays import FileRecord, damage
from hippograph.store.manifest import MANIFEST, Pointer

__all__ = ["LAYER_NAMES", "LayerName", "LayersManifest", "SummaryFailure", "read_layers_manifest"]

LayerName: TypeAlias = Literal["semantic", "episodic"]
"""`semantic`: clusters of passages, and clusters of clusters; `episodic`: what stands one after the other."""

LAYER_NAMES: Final[tuple[LayerName, ...]] = ("semantic", "episodic")

_FORMAT: Final = 1
_Count = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SummaryFailure(_Strict):
    """A summary that could not be made; the next run tries again.

    Parameters
    ----------
    layer, level
        Where it belongs.
    key
        Names what was to be summarised.
    error
        What went wrong.
    """

    layer: LayerName
    level: _Count
    key: str
    error: str


class LayersManifest(_Strict):
    """What the layers say of themselves.

    Parameters
    ----------
    format_version
        The format of the files.
    generation
        The number of these layers; each that is published has the next one. 0 for those that are not.
    embedder, summariser
        Fingerprints of what embedded the summaries and of what made them.
    dimension
        Length of a vector; 0 if there are none.
    shape
        Condenses how passages are brought together.
    state
        That of the snapshot whose passages were summarised (`Manifest.state`).
    semantic, episodic
        Summaries in each layer.
    levels
        Levels of the semantic layer.
    passages
        Passages below the summaries.
    lacking
        Summaries that are still to be made, since the model failed at them or below them, or the run ended before.
    failures
        Those that the model failed at.
    files
        Size and SHA-256 of every file.
    """

    format_version: int = _FORMAT
    generation: _Count = 0
    embedder: str
    summariser: str
    dimension: _Count
    shape: str
    state: str
    semantic: _Count
    episodic: _Count
    levels: _Count
    passages: _Count
    lacking: _Count
    failures: tuple[SummaryFailure, ...] = ()
    files: dict[str, FileRecord] = Field(default_factory=dict)

    @property
    def summaries(self) -> int:
        """How many there are in both layers."""
        return self.semantic + self.episodic

    def encoded(self) -> bytes:
        """Return the manifest as the bytes of its file, always the same for the same content."""
        return json.dumps(self.model_dump(), indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def read_layers_manifest(folder: Path, pointer: Pointer) -> LayersManifest:
    """Read and check the manifest of the layers that a pointer names.

    Raises
    ------
    IndexMismatchError
        If they have another format.
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
        version = json.loads(data)["format_version"]
        if version != _FORMAT:
            raise IndexMismatchError(
                f"{path} has format {version!r}, and this hippograph reads format {_FORMAT}; make the summaries again "
                f"with: hippograph index --layers --index {folder.parent.parent}"
            )
        manifest = LayersManifest.model_validate_json(data)
    except ValidationError as error:
        raise damage(path, f"is not a manifest ({error.errors(include_url=False)[0]})") from error
    except (ValueError, TypeError, KeyError) as error:
        raise damage(path, f"is not a manifest ({error})") from error
    if manifest.generation != pointer.generation:
        raise damage(path, f"is that of layers {manifest.generation}, not of {pointer.generation}")
    return manifest
