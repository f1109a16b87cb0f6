"""Intake: which of the loaded documents are new to the catalog, and which it holds already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from hippograph.errors import InputError
from hippograph.index.cut_documents import Source, gather, parts_of
from hippograph.index.loading import load
from hippograph.index.origins import Origins, lies_in
from hippograph.index.report import Tally
from hippograph.store.catalog import Catalog
from hippograph.store.documents import document_digest
from hippograph.store.holdings import DocumentRecord
from hippograph.store.index_directory import Session
from hippograph.text.chunking import SentenceChunker
from hippograph.types import Document, Passage, SkippedItem

__all__ = ["known_sources", "take_in"]

_DOCUMENTS_PER_COMMIT = 256

_Verdict: TypeAlias = Literal["added", "replaced", "unchanged"] | SkippedItem


def take_in(
    sources: Sequence[Source],
    *,
    chunker: SentenceChunker,
    session: Session,
    tally: Tally,
    exactly: bool = False,
) -> None:
    """Put new and changed documents into the catalog, cut into passages.

    Parameters
    ----------
    sources
        Files, folders, documents and passages.
    chunker
        Cuts documents into passages.
    session
        The index, and the right to change it.
    tally
        Counts what became of them.
    exactly
        Whether documents that came from one of the files and folders and are there no more are removed. What lies in a
        file that cannot be read stays.

    Raises
    ------
    InputError
        If a source does not exist.
    """
    catalog = session.catalog
    origins = Origins(session.directory)
    holdings = _Holdings(catalog, origins)
    gathered, cut = gather(sources)
    moved: dict[str, str] = {}
    seen: set[str] = set()

    def changed() -> Iterator[tuple[Document, list[Passage]]]:
        for block in _blocks(load(gathered), tally):
            known = holdings.of([(item, parts_of(item, cut) or chunker.chunk(item)) for item in block])
            for item, passages, verdict, elsewhere in known:
                seen.add(item.id)
                tally.count(verdict)
                if verdict == "unchanged" and elsewhere:
                    moved[item.id] = item.source
                elif verdict in ("added", "replaced"):
                    yield item, passages

    catalog.documents.replace_all(changed(), batch=_DOCUMENTS_PER_COMMIT, origin=origins)
    catalog.documents.set_sources(moved, origin=origins)
    places = {origins(str(source)): str(source) for source in sources if isinstance(source, str | Path)}
    for place, named in places.items():
        catalog.sources.record(place, named)
    if exactly:
        unread = [origins(item.where.rpartition(", ")[0] or item.where) for item in tally.skipped if not item.harmless]
        gone = [facts for facts in catalog.documents.facts() if facts.id not in seen]
        lost = [facts.id for facts in gone if _in(facts.origin, places) and not _in(facts.origin, unread)]
        tally.removed += len(catalog.documents.delete(lost))


def _in(origin: str, places: Iterable[str]) -> bool:
    return any(lies_in(origin, place) for place in places)


def known_sources(session: Session) -> list[Path]:
    """List the files and folders that an index was made of.

    Raises
    ------
    InputError
        If there are none, or one does not exist any more: its documents are not removed unless that is said.
    """
    origins = Origins(session.directory)
    known = session.catalog.sources.all()
    if not known:
        raise InputError(f"the index {session.directory} was made of no files or folders; name what to update it from")
    for origin, named in known.items():
        if not origins.path(origin).exists():
            raise InputError(
                f"the source {named!r} is there no more; put it back, or remove its documents with: "
                f"hippograph delete --source {named} --index {session.directory}"
            )
    return [origins.path(origin) for origin in known]


def _blocks(items: Iterator[Document | SkippedItem], tally: Tally) -> Iterator[list[Document]]:
    """Yield some documents at a time; what is skipped is booked."""
    block: list[Document] = []
    for done, item in enumerate(items, start=1):
        tally.tell("load", done, None)
        if isinstance(item, SkippedItem):
            tally.skipped.append(item)
            continue
        block.append(item)
        if len(block) == _DOCUMENTS_PER_COMMIT:
            yield block
            block = []
    yield block


class _Holdings:
    """What the catalog holds of each document, and whose each passage id is."""

    def __init__(self, catalog: Catalog, origins: Origins) -> None:
        self._documents = catalog.documents
        self._origins = origins
        # Those of documents that are about to be put in.
        self._owners: dict[str, str] = {}

    def of(
        self, block: Sequence[tuple[Document, list[Passage]]]
    ) -> Iterator[tuple[Document, list[Passage], _Verdict, bool]]:
        """Decide what becomes of documents, and tell whether the catalog has them from another place."""
        records = self._documents.records_of([document.id for document, _ in block])
        owners = self._documents.owners([passage.id for _, passages in block for passage in passages])
        for document, passages in block:
            record = records.get(document.id)
            elsewhere = record is not None and record.origin != self._origins(document.source)
            verdict = self._judge(document, passages, record, owners, elsewhere=elsewhere)
            if verdict in ("added", "replaced"):
                self._owners.update((passage.id, document.id) for passage in passages)
            yield document, passages, verdict, elsewhere

    def _judge(
        self,
        document: Document,
        passages: Sequence[Passage],
        record: DocumentRecord | None,
        owners: Mapping[str, str],
        *,
        elsewhere: bool,
    ) -> _Verdict:
        same = record is not None and record.digest == document_digest(document)
        if same and record is not None and record.spans == tuple(passage.span for passage in passages):
            return "unchanged"
        # A source that led nowhere is its own origin; found now, under the same name, it is the same.
        named = record is not None and record.origin == record.source == document.source
        if record is not None and not same and elsewhere and not named:
            return _refusal(
                document,
                f"the id {document.id!r} already belongs to another document, from {record.source or 'memory'!r}, "
                "which was kept",
            )
        for passage in passages:
            if self._owners.get(passage.id, owners.get(passage.id, document.id)) != document.id:
                return _refusal(document, f"a part of it would be called {passage.id!r}, as another document's is")
        return "added" if record is None else "replaced"


def _refusal(document: Document, what: str) -> SkippedItem:
    return SkippedItem(
        where=document.source or f"document {document.id!r}", reason=f"{what}; give one of the two another id"
    )
