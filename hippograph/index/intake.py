"""Intake: which of the loaded documents are new to the catalog, and which it holds already."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from hippograph.errors import InputError
from hippograph.index.cut_documents import Source, gather, parts_of
from hippograph.index.formats import Found
from hippograph.index.loading import find
from hippograph.index.origins import NamedSource, Origins
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival:
    """A document that was read, and what the catalog has of it.

    `elsewhere` tells whether the catalog has one of its id that came from another file, or from none; of documents
    given in memory, whether it cites another source.
    """

    document: Document
    passages: Sequence[Passage]
    origin: str
    record: DocumentRecord | None

    @property
    def elsewhere(self) -> bool:
        if self.record is None:
            return False
        if self.in_memory:
            return self.record.source != self.document.source
        return self.record.origin != self.origin

    @property
    def in_memory(self) -> bool:
        return not self.origin and (self.record is None or not self.record.origin)

    @property
    def unchanged(self) -> bool:
        parts = tuple((one.id, *one.span, one.page) for one in self.passages)
        record = self.record
        return record is not None and record.digest == document_digest(self.document) and record.parts == parts


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
        file that cannot be read stays, and so does what another source of the index has.

    Raises
    ------
    InputError
        If a source does not exist.
    """
    catalog, origins = session.catalog, Origins(session.directory)
    named = [_named(source) for source in sources]
    given = [source for source in named if isinstance(source, NamedSource)]
    others = _overlapping(given, session, origins) if exactly else []
    intake = _Intake(catalog, origins, places=[*given, *others])
    gathered, cut = gather([*named, *others])

    def changed() -> Iterator[tuple[Document, Sequence[Passage]]]:
        for block in _blocks(find(gathered), tally):
            whole = [(found, parts_of(found.document, cut) or chunker.chunk(found.document)) for found in block]
            yield from intake.judged(whole, tally)

    catalog.documents.replace_all(changed(), batch=_DOCUMENTS_PER_COMMIT, origins=intake.places_of)
    catalog.documents.replace_all(intake.settled(tally), batch=_DOCUMENTS_PER_COMMIT, origins=intake.places_of)
    catalog.documents.set_sources(intake.moved)
    for source in given:
        catalog.sources.record(origins.of(source.path), source.name)
    if exactly:
        tally.removed += len(catalog.documents.delete(intake.lost(given, tally)))


def known_sources(session: Session) -> list[NamedSource]:
    """List the files and folders that an index was made of, with the names that its documents are cited by.

    Raises
    ------
    InputError
        If there are none, or one does not exist any more: its documents are not removed unless that is said.
    """
    origins = Origins(session.directory)
    known = session.catalog.sources.all()
    if not known:
        raise InputError(f"the index {session.directory} was made of no files or folders; name what to update it from")
    for origin, name in known.items():
        if not origins.path(origin).exists():
            raise InputError(
                f"the source {name!r} is there no more; put it back, or remove its documents with: hippograph delete "
                f"--source {shlex.quote(str(origins.path(origin)))} --index {shlex.quote(str(session.directory))}"
            )
    return [NamedSource(path=origins.path(origin), name=name) for origin, name in known.items()]


def _named(source: Source) -> NamedSource | Document | Passage:
    if isinstance(source, str | Path):
        return NamedSource(path=Path(source), name=Path(source).as_posix())
    return source


def _overlapping(given: Sequence[NamedSource], session: Session, origins: Origins) -> list[NamedSource]:
    """List the other sources of the index that share files with those given: what they have must stay."""
    places = [origins.of(source.path) for source in given]
    read = {origins.of(source.path) for source in given}
    others = []
    for origin, name in session.catalog.sources.all().items():
        path = origins.path(origin)
        place = origins.of(path)
        shared = any(origins.within(place, one) or origins.within(one, place) for one in places)
        if origin not in read and shared and path.exists():
            others.append(NamedSource(path=path, name=name))
    return others


def _blocks(items: Iterator[Found | SkippedItem], tally: Tally) -> Iterator[list[Found]]:
    """Yield some documents at a time; what is skipped is booked."""
    block: list[Found] = []
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


class _Intake:
    """Decides what becomes of documents, and remembers what has to wait until all of them have been read."""

    def __init__(self, catalog: Catalog, origins: Origins, *, places: Sequence[NamedSource]) -> None:
        self._documents = catalog.documents
        self._origins = origins
        self._read = [origins.of(source.path) for source in places]
        self._seen: set[str] = set()
        # Found where the catalog has them from.
        self._confirmed: set[str] = set()
        self._waiting: list[_Arrival] = []
        # Whose each passage id is, of documents that are about to be put in.
        self._owners: dict[str, str] = {}
        self.places_of: dict[str, str] = {}
        self.moved: dict[str, tuple[str, str]] = {}

    def judged(
        self, block: Sequence[tuple[Found, Sequence[Passage]]], tally: Tally
    ) -> Iterator[tuple[Document, Sequence[Passage]]]:
        """Yield the documents that are new or changed."""
        records = self._documents.records_of([found.document.id for found, _ in block])
        owners = self._documents.owners([passage.id for _, passages in block for passage in passages])
        for found, passages in block:
            document = found.document
            origin = self._origins.of(found.path) if found.path else ""
            arrival = _Arrival(document=document, passages=passages, origin=origin, record=records.get(document.id))
            self._seen.add(document.id)
            if arrival.elsewhere and not self._gone(arrival):
                self._waiting.append(arrival)
                continue
            if not arrival.elsewhere:
                self._confirmed.add(document.id)
            yield from self._settle(arrival, owners, tally)

    def settled(self, tally: Tally) -> Iterator[tuple[Document, Sequence[Passage]]]:
        """Yield what had to wait: documents of an id that the catalog has from another file.

        If that file was read and has them no more, they have moved. Else the former one stays.
        """
        unread = self._unread(tally)
        owners = self._documents.owners([passage.id for one in self._waiting for passage in one.passages])
        for arrival in self._waiting:
            former = "" if arrival.record is None else arrival.record.origin
            read = self._among(former, self._read) and not self._among(former, unread)
            moved = read and arrival.document.id not in self._confirmed
            if moved or (arrival.in_memory and arrival.unchanged):
                yield from self._settle(arrival, owners, tally)
            else:
                tally.count("unchanged" if arrival.unchanged else _of_another(arrival))

    def lost(self, given: Sequence[NamedSource], tally: Tally) -> list[str]:
        """List the documents that came from files and folders, and are there no more."""
        places, unread = [self._origins.of(source.path) for source in given], self._unread(tally)
        return [
            facts.id
            for facts in self._documents.facts()
            if facts.id not in self._seen
            and self._among(facts.origin, places)
            and not self._among(facts.origin, unread)
        ]

    def _settle(
        self, arrival: _Arrival, owners: Mapping[str, str], tally: Tally
    ) -> Iterator[tuple[Document, Sequence[Passage]]]:
        document = arrival.document
        if arrival.unchanged:
            tally.count("unchanged")
            if arrival.elsewhere:
                self.moved[document.id] = (document.source, arrival.origin)
            return
        verdict = self._verdict(arrival, owners)
        tally.count(verdict)
        if not isinstance(verdict, SkippedItem):
            self._owners.update((passage.id, document.id) for passage in arrival.passages)
            self.places_of[document.id] = arrival.origin
            yield document, arrival.passages

    def _verdict(self, arrival: _Arrival, owners: Mapping[str, str]) -> _Verdict:
        document = arrival.document
        for passage in arrival.passages:
            if self._owners.get(passage.id, owners.get(passage.id, document.id)) != document.id:
                return _refusal(document, f"a part of it would be called {passage.id!r}, as another document's is")
        return "added" if arrival.record is None else "replaced"

    def _gone(self, arrival: _Arrival) -> bool:
        """Tell whether the file that the catalog has a document from exists no more."""
        former = "" if arrival.record is None else arrival.record.origin
        return bool(former) and not self._origins.path(former).exists()

    def _unread(self, tally: Tally) -> list[str]:
        return [self._origins.of(item.path) for item in tally.skipped if item.path and not item.harmless]

    def _among(self, origin: str, places: Sequence[str]) -> bool:
        return any(self._origins.within(origin, place) for place in places)


def _of_another(arrival: _Arrival) -> SkippedItem:
    source = arrival.record.source if arrival.record is not None else ""
    return _refusal(
        arrival.document,
        f"the id {arrival.document.id!r} already belongs to another document, from {source or 'memory'!r}, which was "
        "kept",
    )


def _refusal(document: Document, what: str) -> SkippedItem:
    return SkippedItem(
        where=document.source or f"document {document.id!r}", reason=f"{what}; give one of the two another id"
    )
