"""The catalog: one SQLite file that holds all that an index knows; everything else can be made again from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from hippograph.store.database import Database
from hippograph.store.documents import Documents
from hippograph.store.extractions import Extractions
from hippograph.store.full_text import FullText
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
    ...     print(catalog.documents.counts(), [name for name, _ in catalog.search(["capital"], k=5)])
    ...     print([passage.id for passage in catalog.extractions.pending("an extractor")])
    ...     print(catalog.vectors.missing("an embedder", "entity", ["Oslo"]))
    (1, 1) ['oslo']
    ['oslo']
    ['Oslo']
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._full_text = FullText(database)
        self.documents = Documents(database)
        self.extractions = Extractions(database)
        self.vectors = Vectors(database)
        self.usage = UsageLedger(database)

    @classmethod
    def open(cls, path: str | Path, *, create: bool = False) -> Catalog:
        """Open a catalog.

        Parameters
        ----------
        path
            The file, by custom `catalog.sqlite` in the directory of the index.
        create
            Whether to make it, and its directory, if there is none.

        Raises
        ------
        NoIndexError
            If there is no catalog and `create` is not set.
        IndexMismatchError
            If it was made by a newer hippograph, or by another program.
        DamagedIndexError
            If it is not an SQLite database or cannot be read.
        IndexDirectoryError
            If it cannot be opened or written to.
        """
        return cls(Database.open(Path(path), create=create))

    def search(self, terms: Sequence[str], *, k: int, title_weight: float = 1.0) -> list[tuple[str, float]]:
        """Rank the passages that contain any of the terms by BM25 [1]_.

        A term of several words must occur as a phrase. Case and diacritics do not matter. A run of Chinese, Japanese,
        Korean, Thai, Lao, Khmer or Burmese characters is looked up by its overlapping pairs of characters, so that a
        whole question may be given as one term. SQLite fixes the parameters of BM25: k1 = 1.2, b = 0.75.

        Parameters
        ----------
        terms
            Words or phrases, as text: nothing in them is query syntax. Repeated terms count once.
        k
            At most so many passages, 1 or more.
        title_weight
            What an occurrence in the title counts, where one in the text counts 1; 0 or more.

        Returns
        -------
        Ids of passages and their scores, above 0, best first; equal scores in the order of the ids.

        Raises
        ------
        InputError
            If `k` or `title_weight` is out of range.

        References
        ----------
        .. [1] Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.
        """
        return self._full_text.search(terms, k=k, title_weight=title_weight)

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
