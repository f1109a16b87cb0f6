"""Examining an index: what is wrong with it, and what to do about it. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from hippograph.errors import (
    DamagedIndexError,
    IndexDirectoryError,
    IndexMismatchError,
    MissingExtraError,
    ModelError,
    NoIndexError,
)
from hippograph.index.draft import embedded_texts
from hippograph.index.finding import Examination, Finding, FindingKind, counted
from hippograph.index.indexer import Indexer
from hippograph.index.snapshot_checkup import SnapshotCheckup, check_snapshot, generations
from hippograph.protocols import Embedder, Extractor
from hippograph.store.catalog import Catalog
from hippograph.store.checking import Fault
from hippograph.store.evidence import STAMP_BYTES
from hippograph.store.holds import is_held
from hippograph.store.index_directory import CATALOG
from hippograph.store.lock import LOCK, writing
from hippograph.store.manifest import MANIFEST
from hippograph.store.responses import BATCHES, RESPONSES, damage_of
from hippograph.store.snapshot import SNAPSHOTS, Snapshot
from hippograph.text.normalization import NORMALIZER_VERSION

__all__ = ["CatalogState", "Diagnosis", "Disagreement", "compare", "diagnose", "examine", "fingerprint_of"]
__all__ += ["require_index"]

CatalogState: TypeAlias = Literal["open", "other", "lost", "unreachable"]
"""`open`: it could be read; `other`: of another format or program; `lost`: missing, or not to be read at all."""

_LEFT_BEHIND: Final = ".unfinished-*"


@dataclass(frozen=True, kw_only=True, eq=False)
class Diagnosis:
    """An examination, and what a repair needs to know besides.

    Parameters
    ----------
    examination
        What was found.
    snapshot
        What is left of the snapshot.
    catalog
        What is left of the catalog.
    """

    examination: Examination
    snapshot: SnapshotCheckup
    catalog: CatalogState


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """How a snapshot and the catalog it should be made from differ.

    Parameters
    ----------
    behind
        How many passages the snapshot does not hold as the catalog does, or holds although they were removed.
    waiting
        How many passages of the catalog no extractor has read yet.
    unknown
        Rows of the passages whose texts the catalog has never heard of, although it knew all of them when the snapshot
        was made.
    """

    behind: int
    waiting: int
    unknown: tuple[int, ...]


def examine(directory: str | Path, *, indexer: Indexer) -> Examination:
    """Look at everything in an index, and change nothing; it may be in use, and need not be writable.

    What is damaged is read as far as it goes, so all that is wrong is found in one go. It reads the whole index.

    Parameters
    ----------
    directory
        The index directory.
    indexer
        What the index should have been built with.

    Raises
    ------
    NoIndexError
        If there is no index, not even a part of one.
    """
    return diagnose(Path(directory), indexer=indexer).examination


def diagnose(directory: Path, *, indexer: Indexer, alone: bool = False) -> Diagnosis:
    """Examine an index.

    Parameters
    ----------
    directory
        The index directory.
    indexer
        What the index should have been built with.
    alone
        Whether the caller holds the right to change the index.

    Raises
    ------
    NoIndexError
        If there is no index, not even a part of one.
    """
    require_index(directory)
    checkup = check_snapshot(directory, settings=indexer.settings)
    state, findings = _check_catalog(directory, checkup)
    findings += [*checkup.findings, *_models(directory, checkup, indexer)]
    findings += _answers(directory)
    findings += _leftovers(directory, checkup.generation, alone=alone)
    return Diagnosis(
        examination=Examination(directory=directory, generation=checkup.generation, findings=tuple(findings)),
        snapshot=checkup,
        catalog=state,
    )


def require_index(directory: Path) -> None:
    """Refuse a directory that does not hold even a part of an index.

    Raises
    ------
    NoIndexError
        If it does not.
    """
    if not any((directory / part).exists() for part in (CATALOG, SNAPSHOTS)):
        message = f"there is no index in {directory}; make one with: hippograph index SOURCE --index {directory}"
        raise NoIndexError(message)


def fingerprint_of(model: Embedder | Extractor) -> str | None:
    """Return the fingerprint of a model; None if it is not installed."""
    try:
        return model.fingerprint
    except (ModelError, MissingExtraError):
        return None


def compare(catalog: Catalog, snapshot: Snapshot) -> Disagreement:
    """Compare a snapshot with the catalog; no text is read.

    Raises
    ------
    DamagedIndexError
        If the catalog cannot be read.
    """
    ids, order = snapshot.passages.ids, catalog.extractors.order() or [snapshot.manifest.extractor]
    held = dict(catalog.extractions.stamps(order))
    _, passages = catalog.documents.counts()
    waiting, stamps = passages - len(held), snapshot.evidence.stamps.tobytes()
    others, changed = {}, set()
    for row, name in enumerate(ids):
        stamp = held.pop(name, None)
        if stamp == stamps[row * STAMP_BYTES : (row + 1) * STAMP_BYTES]:
            continue
        others[row] = name
        if stamp is not None:
            changed.add(row)
    contents = {row: snapshot.evidence.contents[row].tobytes() for row in others}
    known = catalog.extractions.known(catalog.extractors.all(), contents.values())
    owners = catalog.documents.owners(others.values())
    # What is there and was not read waits to be read again.
    unread = {row for row, name in others.items() if name in owners} - changed
    unknown = tuple(row for row in others if contents[row] not in known and row not in unread)
    return Disagreement(behind=len(others) - len(unknown) - len(unread) + len(held), waiting=waiting, unknown=unknown)


def _check_catalog(directory: Path, checkup: SnapshotCheckup) -> tuple[CatalogState, list[Finding]]:
    path = directory / CATALOG
    try:
        if not path.exists():
            raise NoIndexError(f"{path} is missing")
        with Catalog.open(path) as catalog:
            findings = [_told(directory, fault, checkup) for fault in catalog.check()]
            return "open", [*findings, *_story(directory, catalog, checkup)]
    except (NoIndexError, DamagedIndexError) as error:
        what = "is missing or empty" if isinstance(error, NoIndexError) else _what(error)
        return "lost", [Finding(part=CATALOG, kind="damage", what=what, remedy=_rescue(directory, checkup))]
    except IndexDirectoryError as error:
        what, _, remedy = str(error).partition("; ")
        other = isinstance(error, IndexMismatchError)
        finding = Finding(part=CATALOG, kind="mismatch" if other else "damage", what=what, remedy=remedy)
        return "other" if other else "unreachable", [finding]


def _told(directory: Path, fault: Fault, checkup: SnapshotCheckup) -> Finding:
    remedy = fault.remedy
    if checkup.snapshot is not None and fault.part in ("documents", "passages", "vectors"):
        remedy = f"hippograph doctor --repair --index {directory} copies it from the snapshot"
    return Finding(part=CATALOG, kind="damage", what=fault.what, remedy=remedy)


def _rescue(directory: Path, checkup: SnapshotCheckup) -> str:
    repair = f"hippograph doctor --repair --index {directory}"
    if checkup.snapshot is not None:
        return f"{repair} makes it again from the snapshot, which can be searched meanwhile"
    return f"restore it from a copy, or delete {directory} and index again; if only its header is altered, {repair}"


def _story(directory: Path, catalog: Catalog, checkup: SnapshotCheckup) -> Iterator[Finding]:
    """Tell whether catalog and snapshot tell the same story."""
    publish = f"hippograph index SOURCE --index {directory} goes on where it stopped"
    try:
        _, passages = catalog.documents.counts()
        if not checkup.generation and not checkup.findings:
            remedy = f"{publish}; hippograph doctor --repair --index {directory} publishes what the catalog holds"
            what = "holds nothing that is published: the first run was stopped, or the snapshots were deleted"
            yield Finding(part=SNAPSHOTS, kind="damage" if passages else "note", what=what, remedy=remedy)
        if checkup.snapshot is None:
            return
        found, manifest = compare(catalog, checkup.snapshot), checkup.snapshot.manifest
        folder = f"{SNAPSHOTS}/{checkup.generation:08d}"
        if found.unknown:
            what = f"knows nothing of {counted(len(found.unknown), 'passage')} of the snapshot: it is an older copy, "
            what += "or that of another index"
            remedy = f"put the right one back; else hippograph doctor --repair --index {directory} adds what it lacks"
            yield Finding(part=CATALOG, kind="mismatch", what=what, remedy=remedy)
        if found.behind:
            what = f"is behind the catalog by {counted(found.behind, 'passage')}"
            yield Finding(part=folder, kind="note", what=what, remedy=publish)
        if found.waiting:
            what = f"holds {counted(found.waiting, 'passage')} that no extractor has read"
            yield Finding(part=CATALOG, kind="note", what=what, remedy=publish)
        texts = embedded_texts(checkup.snapshot)
        missing = sum(len(catalog.vectors.missing(manifest.embedder, role, texts[role])) for role in texts)
        if missing:
            what = f"lacks {counted(missing, 'vector')} that the snapshot has"
            remedy = f"hippograph doctor --repair --index {directory} copies what is missing"
            yield Finding(part=CATALOG, kind="note", what=what, remedy=remedy)
    except DamagedIndexError as error:
        # Most of it was told already; what stopped this comparison may be new.
        yield Finding(part=CATALOG, kind="damage", what=_what(error), remedy=_rescue(directory, checkup))


def _models(directory: Path, checkup: SnapshotCheckup, indexer: Indexer) -> Iterator[Finding]:
    part = f"{SNAPSHOTS}/{checkup.generation:08d}/{MANIFEST}"
    reembed = f"replace its vectors with: hippograph reembed --index {directory}"
    again = f"have every passage read again: hippograph index --extractor NAME --index {directory}"
    parts: Sequence[tuple[str, Embedder | Extractor, str | None, FindingKind, str]] = (
        ("embedder", indexer.embedder, checkup.embedder, "mismatch", reembed),
        # Extractors may take turns.
        ("extractor", indexer.extractor, checkup.extractor, "note", again),
    )
    for name, model, built, kind, instead in parts:
        given = fingerprint_of(model)
        if built is None or built == given:
            continue
        if given is None:
            what = f"was built with the {name} {built!r}; the one in use cannot be loaded"
            yield Finding(part=part, kind="note", what=what, remedy=f"install the {name} or name it: --{name}")
        else:
            what = f"was built with the {name} {built!r}, not {given!r}"
            remedy = f"use that {name} (--{name}), or {instead}"
            yield Finding(part=part, kind=kind, what=what, remedy=remedy)
    if checkup.manifest is None:
        return
    again = f"hippograph doctor --repair --index {directory} makes the graph anew, and so does hippograph index"
    if checkup.manifest.normalizer != NORMALIZER_VERSION:
        what = f"has names normalised by version {checkup.manifest.normalizer!r}, not {NORMALIZER_VERSION!r}"
        yield Finding(part=part, kind="mismatch", what=what, remedy=again)
    if checkup.manifest.settings != indexer.settings.digest:
        what = "has a graph made with other settings, or by another version of hippograph"
        yield Finding(part=part, kind="mismatch", what=what, remedy=again)


def _answers(directory: Path) -> Iterator[Finding]:
    """Tell of damage to what lies beside the index: what models have answered, and what was left to be answered."""
    new = "nothing; the next run puts it aside, begins a new one, and asks for its answers again"
    lost = "delete it; the batches that are under way are then sent, and paid for, again"
    for name, remedy in ((RESPONSES, new), (BATCHES, lost)):
        damage = damage_of(directory / name)
        if damage:
            yield Finding(part=name, kind="note", what=f"cannot be read ({damage})", remedy=remedy)


def _leftovers(directory: Path, current: int, *, alone: bool) -> Iterator[Finding]:
    """Tell what killed runs have left; while another run is at work, nobody knows what is its own."""
    if alone or not (directory / LOCK).exists():
        yield from _left_behind(directory, current)
        return
    try:
        with writing(directory):
            yield from _left_behind(directory, current)
    except IndexDirectoryError as error:
        what, _, remedy = str(error).partition("; ")
        what = f"keeps from being seen what killed runs left: {what}"
        yield Finding(part=LOCK, kind="note", what=what, remedy=remedy)


def _left_behind(directory: Path, current: int) -> Iterator[Finding]:
    for pattern, what, remedy in (
        (f"{CATALOG}-damaged-*", "was put aside by a repair", "delete it when the index is as it should be"),
        (f"{RESPONSES}-damaged-*", "was put aside, for it could not be read", "delete it"),
        (f"{CATALOG}-[mr]e*ed", "was left behind by a repair that was killed", "delete it"),
    ):
        for path in sorted(directory.glob(pattern)):
            yield Finding(part=path.name, kind="note", what=what, remedy=remedy)
    remedy = "nothing; the next change of the index removes it"
    for path in sorted((directory / SNAPSHOTS).glob(_LEFT_BEHIND)):
        part = path.relative_to(directory).as_posix()
        yield Finding(part=part, kind="note", what="was left behind by a run that was killed", remedy=remedy)
    for folder in generations(directory):
        if int(folder.name) != current and not is_held(folder):
            part = folder.relative_to(directory).as_posix()
            yield Finding(part=part, kind="note", what="is not current, and nobody reads it", remedy=remedy)


def _what(error: Exception) -> str:
    return str(error).partition("; ")[0]
