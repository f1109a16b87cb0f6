"""The layers of an index: summaries of its passages, in a bundle of their own that is published as a whole.

They are derived from a snapshot and live beside it, with numbers of their own: passages may change while the summaries
stay as they are. So each summary tells by digest which texts it speaks of, and is shown only where all are still there.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from hippograph.errors import DamagedIndexError, NoIndexError
from hippograph.store.arrays import LAYERS, Bundle, BundleWriter, StringTable, damage, sync_directory
from hippograph.store.holds import Hold, opened
from hippograph.store.layers_manifest import LAYER_NAMES, LayerName, LayersManifest, read_layers_manifest
from hippograph.store.manifest import MANIFEST, POINTER, Pointer, read_pointer
from hippograph.store.publication import collect, install
from hippograph.store.ragged import occurring, places_of, renumbering, take_strings
from hippograph.store.snapshot import Snapshot
from hippograph.types import FloatArray, IntArray

__all__ = ["Layers", "collect_layers", "current_layers", "open_layers", "publish_layers", "remove_layers"]

_log = logging.getLogger("hippograph.store")

_DIGEST: Final = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Layers:
    """The summaries of an index: immutable, and shared by all that have them open. S summaries of M passages.

    The semantic ones come first, from the lowest level up; within a level, and in the episodic layer, they are in the
    order of their first passages.

    Parameters
    ----------
    manifest
        What the layers say of themselves.
    levels
        The level of each summary, from 1; shape (S,).
    keys
        What names each: 32 hexadecimal digits that condense who summarises and what; equal texts in the same order
        below two of them have equal keys. Length S.
    texts
        The summaries; length S.
    child_indptr, children
        What each summarises, in the order in which it was read: on level 1 numbers of passages in `passage_ids`, above
        that of summaries. Ragged, S lists.
    passage_indptr, passages
        All passages below each summary, ascending; ragged, S lists.
    passage_ids
        The passages below the summaries, in the order of documents; length M.
    contents
        Digests of the titles and texts that were summarised, as `EvidenceTables.contents`; uint8, shape (M, 16).
    vectors
        Shape (S, d), rows of length 1.
    hold
        Keeps the files from being removed while they are mapped; None for layers that are only in memory.
    """

    manifest: LayersManifest
    levels: IntArray
    keys: StringTable
    texts: StringTable
    child_indptr: IntArray
    children: IntArray
    passage_indptr: IntArray
    passages: IntArray
    passage_ids: StringTable
    contents: NDArray[np.uint8]
    vectors: FloatArray
    hold: Hold | None = None
    # Keyed weakly: whoever let go of a snapshot must not be kept from removing its files.
    _founded: WeakKeyDictionary[Snapshot, NDArray[np.bool_]] = field(
        default_factory=WeakKeyDictionary, init=False, repr=False
    )
    _founding: Lock = field(default_factory=Lock, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.keys)

    def rows(self, layer: LayerName) -> range:
        """Return the rows of the summaries of a layer."""
        semantic = self.manifest.semantic
        return range(semantic) if layer == "semantic" else range(semantic, len(self))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each summary is called: its layer and the beginning of its key, and a number where that is not enough.

        Two summaries of the same texts, which stand in the index twice, differ in that number.
        """
        seen: dict[str, int] = {}
        names = []
        for layer in LAYER_NAMES:
            for row in self.rows(layer):
                name = f"{layer}:{self.keys[row][:_DIGEST]}"
                seen[name] = seen.get(name, 0) + 1
                names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
        return tuple(names)

    def passages_below(self, row: int) -> tuple[str, ...]:
        """Return the ids of the passages that a summary speaks of, in the order of documents."""
        places = self.passages[int(self.passage_indptr[row]) : int(self.passage_indptr[row + 1])]
        return tuple(self.passage_ids[place] for place in places.tolist())

    def founded(self, snapshot: Snapshot) -> NDArray[np.bool_]:
        """Tell which summaries speak of nothing but what a snapshot, or a part of one, holds; shape (S,).

        All passages are looked at, once for each snapshot.
        """
        with self._founding:
            if snapshot not in self._founded:
                self._founded[snapshot] = self._look_for(snapshot)
            return self._founded[snapshot]

    def _look_for(self, snapshot: Snapshot) -> NDArray[np.bool_]:
        held = set(zip(snapshot.passages.ids, map(bytes, snapshot.evidence.contents), strict=True))
        pairs = zip(self.passage_ids, map(bytes, self.contents), strict=True)
        gone = np.fromiter((pair not in held for pair in pairs), dtype=np.bool_, count=len(self.passage_ids))
        lost = np.concatenate([[0], np.cumsum(gone[self.passages])])
        founded: NDArray[np.bool_] = lost[self.passage_indptr[1:]] == lost[self.passage_indptr[:-1]]
        founded.flags.writeable = False
        return founded

    def restricted(self, kept: NDArray[np.bool_]) -> Layers:
        """Return the layers without some of the summaries, in memory, and without what only those speak of.

        Parameters
        ----------
        kept
            Which stay, shape (S,). What a summary that stays was made of must stay too.
        """
        rows = np.flatnonzero(kept)
        passage_indptr, below = places_of(self.passage_indptr, rows)
        child_indptr, places = places_of(self.child_indptr, rows)
        there = occurring(len(self.passage_ids), self.passages[below])
        passages, summaries = renumbering(there), renumbering(kept)
        children, bottom = self.children[places], np.repeat(self.levels[rows] == 1, np.diff(child_indptr))
        children[bottom] = passages[children[bottom]]
        children[~bottom] = summaries[children[~bottom]]
        semantic = int(np.count_nonzero(kept[: self.manifest.semantic]))
        return replace(
            self,
            manifest=self.manifest.model_copy(
                update={
                    # They are those of no snapshot any more.
                    "state": "",
                    "semantic": semantic,
                    "episodic": len(rows) - semantic,
                    "levels": int(self.levels[rows[:semantic]].max()) if semantic else 0,
                    "passages": int(np.count_nonzero(there)),
                }
            ),
            levels=self.levels[rows],
            keys=take_strings(self.keys, rows),
            texts=take_strings(self.texts, rows),
            child_indptr=child_indptr,
            children=children,
            passage_indptr=passage_indptr,
            passages=passages[self.passages[below]],
            passage_ids=take_strings(self.passage_ids, np.flatnonzero(there)),
            contents=self.contents[there],
            vectors=self.vectors[rows],
        )


def publish_layers(directory: str | Path, layers: Layers) -> int:
    """Write layers and make them the current ones, in one step that either happens or does not.

    A crash at any instant leaves the former ones current and whole. Only who holds the right to write to the index may
    call it.

    Returns
    -------
    Their number, one above the highest there.

    Raises
    ------
    OSError
        If the disk is full or may not be written to.
    """

    def write(folder: Path, generation: int) -> Pointer:
        writer = BundleWriter(folder)
        for name in ("keys", "texts", "passage_ids"):
            writer.write_table(name, getattr(layers, name))
        for name in ("levels", "child_indptr", "children", "passage_indptr", "passages", "contents", "vectors"):
            writer.write_array(name, getattr(layers, name))
        manifest = layers.manifest.model_copy(update={"generation": generation, "files": writer.files})
        return Pointer(generation=generation, sha256=writer.write_bytes(MANIFEST, manifest.encoded()).sha256)

    return install(Path(directory) / LAYERS, write)


def open_layers(directory: str | Path, *, verify: bool = False) -> Layers | None:
    """Open the current layers of an index, and hold them; None if it has none.

    Parameters
    ----------
    directory
        The directory of the index.
    verify
        Whether to compare the hash of every file, which reads them whole. Sizes are always compared.

    Raises
    ------
    IndexMismatchError
        If they have another format.
    DamagedIndexError
        If a file is missing, truncated or altered.
    """
    folder = Path(directory) / LAYERS
    pointer = _pointer(folder)
    while pointer is not None:
        try:
            current = folder / pointer.folder
            return opened(current, partial(_read, current, pointer, verify=verify))
        except DamagedIndexError:
            latest = _pointer(folder)
            if latest == pointer:
                raise
            # Not damaged: others were published, or all removed, since the pointer was read.
            pointer = latest
    return None


def current_layers(directory: str | Path) -> Pointer | None:
    """Say which layers of an index are the current ones, without opening them; None if it has none.

    Raises
    ------
    DamagedIndexError
        If that cannot be read.
    """
    return _pointer(Path(directory) / LAYERS)


def remove_layers(directory: str | Path) -> bool:
    """Remove all layers of an index, those that somebody has open included; tell whether there were any.

    Only who holds the right to write to the index may call it. On Windows, files that somebody has mapped stay until
    the next writer comes.
    """
    folder = Path(directory) / LAYERS
    if not folder.is_dir():
        return False
    there = (folder / POINTER).exists()
    (folder / POINTER).unlink(missing_ok=True)
    # No power cut may bring back the pointer when what it points to is gone.
    sync_directory(folder)
    try:
        shutil.rmtree(folder)
    except OSError as error:
        _log.warning("cannot remove %s yet: %s", folder, error)
    return there


def collect_layers(directory: str | Path) -> None:
    """Remove what a killed run left behind, and all layers but the current ones that nobody holds.

    Only who holds the right to write to the index may call it. Where the pointer cannot be read, nothing is removed,
    for who opens the layers is told so.
    """
    folder = Path(directory) / LAYERS
    try:
        if folder.is_dir() and _pointer(folder) is None:
            remove_layers(directory)
        else:
            collect(folder)
    except DamagedIndexError as error:
        _log.warning("%s", error)


def _pointer(folder: Path) -> Pointer | None:
    try:
        return read_pointer(folder)
    except NoIndexError:
        return None


def _read(folder: Path, pointer: Pointer, held: Hold, *, verify: bool) -> Layers:
    manifest = read_layers_manifest(folder, pointer)
    bundle = Bundle(folder, manifest.files, verify=verify)
    count, passages = manifest.summaries, manifest.passages
    child_indptr, children = _lists(bundle, "child_indptr", "children", count, limit=max(count, passages))
    passage_indptr, below = _lists(bundle, "passage_indptr", "passages", count, limit=passages)
    return Layers(
        manifest=manifest,
        levels=bundle.array("levels", np.int64, (count,)),
        keys=bundle.strings("keys", count),
        texts=bundle.strings("texts", count),
        child_indptr=child_indptr,
        children=children,
        passage_indptr=passage_indptr,
        passages=below,
        passage_ids=bundle.strings("passage_ids", passages),
        contents=bundle.array("contents", np.uint8, (passages, _DIGEST)),
        vectors=bundle.array("vectors", np.float32, (count, manifest.dimension)),
        hold=held,
    )


def _lists(bundle: Bundle, starts: str, values: str, count: int, *, limit: int) -> tuple[IntArray, IntArray]:
    """Read lists of numbers below a limit."""
    indptr: IntArray = bundle.array(starts, np.int64, (count + 1,))
    if indptr[0] != 0 or np.any(indptr[1:] < indptr[:-1]):
        raise damage(bundle.path(f"{starts}.npy"), "does not begin with 0, or falls")
    numbers: IntArray = bundle.array(values, np.int64, (int(indptr[-1]),))
    if len(numbers) and not (numbers.min() >= 0 and numbers.max() < limit):
        raise damage(bundle.path(f"{values}.npy"), f"names what does not exist; numbers must be below {limit}")
    return indptr, numbers
