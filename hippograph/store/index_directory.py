"""An index directory: its catalog, its current snapshot, and the right to change them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from hippograph.errors import DamagedIndexError, IndexMismatchError, NoIndexError
from hippograph.store.catalog import Catalog
from hippograph.store.database import make_directory
from hippograph.store.derived import DERIVED
from hippograph.store.layers import Layers, collect_layers, current_layers, open_layers
from hippograph.store.lock import LOCK, writing
from hippograph.store.manifest import Pointer, is_outdated
from hippograph.store.publication import collect
from hippograph.store.responses import BATCHES, RESPONSES
from hippograph.store.snapshot import SNAPSHOTS, Snapshot, open_snapshot
from hippograph.store.space import needing_space

__all__ = ["CATALOG", "IndexDirectory", "Session"]

CATALOG: Final = "catalog.sqlite"
"""The name of the catalog's file."""

# What was paid for outlives a catalog: answers of language models, and the ledger of batches that bring some.
_APART: Final = (RESPONSES, BATCHES)


@dataclass(frozen=True, kw_only=True, eq=False)
class Session:
    """What the one process that may change an index works with.

    Parameters
    ----------
    directory
        The index directory.
    catalog
        The open catalog.
    published
        The current snapshot; None if nothing was published yet, or it is of an older format.
    """

    directory: Path
    catalog: Catalog
    published: Snapshot | None


class IndexDirectory:
    """Opens the parts of an index when they are needed, once each; threads may share it.

    Parameters
    ----------
    path
        The directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opening = Lock()
        self._snapshot: Snapshot | None = None
        self._catalog: Catalog | None = None
        self._layers: tuple[Pointer, Layers] | None = None

    def snapshot(self) -> Snapshot:
        """Return the current snapshot, as of the first call or the last publication by this object.

        Raises
        ------
        NoIndexError
            If nothing was ever published there.
        IndexMismatchError
            If it has another format.
        DamagedIndexError
            If a file is missing or truncated.
        """
        # Who opens it and who publishes the next take turns, so that no former one is kept after the publication.
        with self._opening:
            if self._snapshot is None:
                self._snapshot = open_snapshot(self.path)
            return self._snapshot

    def layers(self) -> Layers | None:
        """Return the layers that are current now, opened once for as long as they are; None if there are none.

        Raises
        ------
        IndexMismatchError
            If they have another format.
        DamagedIndexError
            If a file is missing or truncated.
        """
        with self._opening:
            pointer = current_layers(self.path)
            if self._layers is not None and self._layers[0] == pointer:
                return self._layers[1]
            layers = None if pointer is None else open_layers(self.path)
            # If others are published just now, these are they, and are opened once more.
            self._layers = None if pointer is None or layers is None else (pointer, layers)
            return layers

    def catalog(self) -> Catalog:
        """Return the catalog, to be read; that takes no right to write to the directory.

        Raises
        ------
        NoIndexError
            If there is none.
        IndexMismatchError, DamagedIndexError, IndexDirectoryError
            If it is lost or cannot be opened.
        """
        self._refuse_lost()
        with self._opening:
            if self._catalog is None:
                self._catalog = Catalog.open(self.path / CATALOG)
            return self._catalog

    @contextmanager
    def session(self, *, create: bool = False, wait: float = 0.0) -> Iterator[Session]:
        """Lend the right to change the index; whatever is published meanwhile is what `snapshot` returns afterwards.

        Parameters
        ----------
        create
            Whether to make the directory and the catalog if there are none.
        wait
            How long to wait for another process or thread that is changing the index, in seconds.

        Raises
        ------
        NoIndexError
            If the directory is a file, holds something else than an index, or holds nothing and `create` is not set.
        IndexDirectoryError
            If another process or thread is still changing the index, or the directory cannot be written to, or the
            disk is full.
        """
        self._refuse_foreign()
        if create:
            with needing_space(self.path):
                make_directory(self.path)
        elif not (self.path / CATALOG).exists():
            raise NoIndexError(
                f"there is no index in {self.path}; make one with: hippograph index SOURCE --index {self.path}"
            )
        with (
            needing_space(self.path),
            writing(self.path, wait=wait),
            Catalog.open(self.path / CATALOG, create=create, write=True) as catalog,
        ):
            collect(self.path / SNAPSHOTS)
            published = self._published()
            try:
                yield Session(directory=self.path, catalog=catalog, published=published)
            finally:
                self.refresh()
                # Nor does this session hold the former snapshot any more.
                if published is not None and published.hold is not None:
                    published.hold.release()
            collect(self.path / SNAPSHOTS)
            collect_layers(self.path)

    def refresh(self) -> None:
        """Let go of the snapshot and the layers, so that the next use opens what is current by then."""
        with self._opening:
            self._snapshot = self._layers = None

    def close(self) -> None:
        """Close the files; the object may be used again."""
        with self._opening:
            self._snapshot = self._layers = None
            if self._catalog is not None:
                self._catalog.close()
                self._catalog = None

    def _published(self) -> Snapshot | None:
        try:
            return open_snapshot(self.path)
        except NoIndexError:
            return None
        except IndexMismatchError:
            # What an older hippograph made is made anew from the catalog; what a newer one made is left to it.
            if is_outdated(self.path / SNAPSHOTS):
                return None
            raise

    def _refuse_foreign(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise NoIndexError(f"{self.path} is a file; name an empty or a new directory for the index")
        if not self.path.is_dir():
            return
        self._refuse_lost()
        held = {path.name for path in self.path.iterdir() if not path.name.startswith(_APART)} - {LOCK, DERIVED}
        # Looked for last: another process may be making the index just now, and that file is the first it makes.
        if held and not (self.path / CATALOG).exists():
            raise NoIndexError(f"{self.path} holds other things than an index; name an empty or a new directory")

    def _refuse_lost(self) -> None:
        """Refuse an index without its catalog, or with an empty file in its place: it would be begun anew."""
        # Looked for last: another process may be making the index just now, and that file is the first it makes.
        published, catalog = (self.path / SNAPSHOTS).exists(), self.path / CATALOG
        if published and not (catalog.exists() and catalog.stat().st_size):
            raise DamagedIndexError(
                f"{self.path} has lost its {CATALOG}; put it back, or make it again from the snapshot with: "
                f"hippograph doctor --repair --index {self.path}"
            )
