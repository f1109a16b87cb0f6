"""The catalog: one SQLite file that holds all that an index knows; everything else can be made again from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

from hippograph.store.checking import Fault, check
from hippograph.store.database import Database
from hippograph.store.documents import Documents
from hippograph.store.extractions import Extractions
from hippograph.store.extractors import Extractors
from hippograph.store.mending import LostDocument, mend
from hippograph.store.sources import Sources
from hippograph.store.statements import Statements
from hippograph.store.usage import UsageLedger
from hippograph.store.vectors import Vectors

__all__ = ["Catalog"]


class Catalog:
    """The truth of an index, part by part; `Catalog.open` makes one.

    Every operation of a part is one transaction: after a crash, all of it is there or nothing. Threads may share a
    catalog; other processes may read while one writes.

    Parameters
    ----------
    database
        The open file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from hippograph.types import Document, Passage
    >>> oslo = Document(id="oslo", text="A capital.", title="Oslo")
    >>> with TemporaryDirectory() as folder, Catalog.open(Path(folder) / "catalog.sqlite", create=True) as catalog:
    ...     catalog.documents.replace(oslo, [Passage(id="oslo", document="oslo", text=oslo.text, title=oslo.title)])
    ...     print(catalog.documents.counts(), catalog.check())
    ...     print([passage.id for passage in catalog.extractions.pending("an extractor")])
    ...     print(catalog.vectors.missing("an embedder", "entity", ["Oslo"]))
    (1, 1) []
    ['oslo']
    ['Oslo']
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.documents = Documents(database)
        self.extractors = Extractors(database)
        self.extractions = Extractions(database)
        self.statements = Statements(database)
        self.vectors = Vectors(database)
        self.sources = Sources(database)
        self.usage = UsageLedger(database)

    @classmethod
    def open(cls, path: str | Path, *, create: bool = False, write: bool = False) -> Catalog:
        """Open a catalog, by default only to read it.

        A catalog of an older format is brought up to date if it may be changed.

        It can be read where nothing may be written, from a read-only medium, say. What another machine writes to it
        there while an answer is being read makes that answer fail; later ones see it.

        Parameters
        ----------
        path
            The file, by custom `catalog.sqlite` in the directory of the index.
        create
            Whether to make it, and its directory, if there is none; then it may be changed.
        write
            Whether it may be changed.

        Raises
        ------
        NoIndexError
            If there is no catalog and `create` is not set.
        IndexMismatchError
            If it was made by a newer hippograph, or by another program, or by an older hippograph and may not be
            changed.
        DamagedIndexError
            If it is not an SQLite database or cannot be read.
        IndexDirectoryError
            If it cannot be opened or written to.
        """
        return cls(Database.open(Path(path), create=create, write=write))

    def check(self) -> list[Fault]:
        """Compare everything in the catalog with its checksums; an empty list means that all is as it was stored.

        Rows are read one by one, so it takes no more memory than the list of what is wrong.

        Raises
        ------
        IndexDirectoryError
            If the file cannot be read for a reason that lies outside of it.
        """
        return check(self._database)

    def mend(self, faults: Sequence[Fault]) -> list[LostDocument]:
        """Mend what `check` found: what is sound is kept, all else goes.

        Vectors and extractions that go are made again by the next index run. A document goes if any part of it is
        damaged, so that none is there by half.

        Parameters
        ----------
        faults
            What `check` returned.

        Returns
        -------
        The documents to index again, in the order of their ids.

        Raises
        ------
        DamagedIndexError
            If documents, passages or extractions cannot be read at all; nothing is changed then.
        IndexDirectoryError
            If the catalog was opened for reading, or the disk is full.
        """
        return mend(self._database, faults)

    def prune(self, *, embedder: str, keys: Iterable[bytes]) -> tuple[int, int]:
        """Delete what no document needs any more, and give the space back to the disk.

        Parameters
        ----------
        embedder
            The fingerprint of the embedder in use; the vectors of others go.
        keys
            The `vector_key` of each text that is still in use; the vectors of others go.

        Returns
        -------
        How many extractions, those of texts that no passage has, and how many vectors were deleted.
        """
        deleted = self.extractions.forget_unread(), self.vectors.keep_only(embedder, keys)
        self._database.compact()
        return deleted

    def checkpoint(self) -> None:
        """Put everything that is saved on the disk itself; without, a power cut may lose the last transactions.

        Call it before publishing a snapshot, which must not know more than the catalog it is derived from.
        """
        self._database.checkpoint()

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._database.close()

    def __enter__(self) -> Catalog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
