"""Intake: which of the loaded documents are new to the catalog, and which it holds already."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from hippograph.index.cut_documents import Source, gather, parts_of
from hippograph.index.loading import load
from hippograph.index.report import Tally
from hippograph.store.catalog import Catalog
from hippograph.store.documents import document_digest
from hippograph.text.chunking import SentenceChunker
from hippograph.types import Document, Passage, SkippedItem

__all__ = ["take_in"]

_DOCUMENTS_PER_COMMIT = 256

_Verdict: TypeAlias = Literal["added", "replaced", "unchanged"] | SkippedItem


def take_in(
    sources: Sequence[Source],
    *,
    chunker: SentenceChunker,
    catalog: Catalog,
    directory: Path,
    tally: Tally,
) -> None:
    """Put new and changed documents into the catalog, cut into passages.

    Parameters
    ----------
    sources
        Files, folders, documents and passages.
    chunker
        Cuts documents into passages.
    catalog
        Where they go.
    directory
        The index's directory, which the places of files are remembered relative to.
    tally
        Counts what became of them.

    Raises
    ------
    InputError
        If a source does not exist.
    """
    origins = _Origins(directory)
    holdings = _Holdings(catalog, origins)
    gathered, cut = gather(sources)
    moved: dict[str, str] = {}

    def changed() -> Iterator[tuple[Document, list[Passage]]]:
        for done, item in enumerate(load(gathered), start=1):
            tally.tell("load", done, None)
            if isinstance(item, SkippedItem):
                tally.skipped.append(item)
                continue
            passages = parts_of(item, cut) or chunker.chunk(item)
            verdict = holdings.judge(item, passages)
            tally.count(verdict)
            if verdict == "unchanged" and holdings.came_from_elsewhere(item):
                moved[item.id] = item.source
            elif verdict in ("added", "replaced"):
                yield item, passages

    catalog.documents.replace_all(changed(), batch=_DOCUMENTS_PER_COMMIT, origin=origins)
    for document, source in moved.items():
        catalog.documents.set_source(document, source, origin=origins(source))


class _Origins:
    """The places that sources name: `docs/a.md` is another file in another folder, and the same by another path.

    Files are remembered relative to the index, so that both may move together.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory.resolve()
        self._known: dict[str, str] = {"": ""}

    def __call__(self, source: str) -> str:
        if source not in self._known:
            self._known[source] = self._resolved(source)
        return self._known[source]

    def _resolved(self, source: str) -> str:
        try:
            if not Path(source).exists():
                return source
            return Path(os.path.relpath(Path(source).resolve(), self._directory)).as_posix()
        except (OSError, ValueError):
            # A source given by hand may be any text; only files have places.
            return source


class _Holdings:
    """What the catalog holds of each document, and whose each passage id is."""

    def __init__(self, catalog: Catalog, origins: _Origins) -> None:
        self._origins = origins
        self._records = catalog.documents.records()
        self._owners: dict[str, str] = {}
        # Where each document was cut, condensed: another chunker makes other passages of an unchanged document.
        self._cuts: dict[str, int] = {}
        for passage in catalog.documents.passages():
            self._owners[passage.id] = passage.document
            self._cuts[passage.document] = hash((self._cuts.get(passage.document, 0), passage.span))

    def judge(self, document: Document, passages: Sequence[Passage]) -> _Verdict:
        """Decide what becomes of a document."""
        record = self._records.get(document.id)
        same = record is not None and record.digest == document_digest(document)
        if same and self._cuts.get(document.id, 0) == _cut(passages):
            return "unchanged"
        if record is not None and not same and self.came_from_elsewhere(document):
            return _refusal(
                document,
                f"the id {document.id!r} already belongs to another document, from {record.source or 'memory'!r}, "
                "which was kept",
            )
        for passage in passages:
            if self._owners.get(passage.id, document.id) != document.id:
                return _refusal(document, f"a part of it would be called {passage.id!r}, as another document's is")
        self._owners.update((passage.id, document.id) for passage in passages)
        return "added" if record is None else "replaced"

    def came_from_elsewhere(self, document: Document) -> bool:
        """Tell whether the catalog has a document of this id from another place."""
        record = self._records.get(document.id)
        return record is not None and record.origin != self._origins(document.source)


def _refusal(document: Document, what: str) -> SkippedItem:
    return SkippedItem(
        where=document.source or f"document {document.id!r}", reason=f"{what}; give one of the two another id"
    )


def _cut(passages: Sequence[Passage]) -> int:
    """Condense where a document is cut, in the order in which the catalog lists passages."""
    cut = 0
    for passage in sorted(passages, key=lambda passage: passage.id):
        cut = hash((cut, passage.span))
    return cut
