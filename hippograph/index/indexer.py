"""The straight line from sources to a published graph.

load -> chunk -> extract -> name entities -> embed -> link synonyms -> assemble -> publish. Every finished piece of work
is committed to the catalog at once, so an interrupted run is resumed by running it again, and work done once is never
repeated. What is published is the current snapshot revised by what has changed in the catalog since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic, perf_counter

import numpy as np

from hippograph.errors import IndexMismatchError, ModelError
from hippograph.index.assemble import EdgeWeights
from hippograph.index.cut_documents import Source
from hippograph.index.draft import Addition, draft
from hippograph.index.intake import take_in
from hippograph.index.removal import RemovalReport, choose_documents, emptied_sources
from hippograph.index.report import IndexReport, Progress, Tally
from hippograph.index.revision import GraphSettings, NewVectors, complete, restrict, state_of
from hippograph.index.synonyms import SynonymLinker
from hippograph.protocols import Embedder, Extractor
from hippograph.store.arrays import StringTable
from hippograph.store.catalog import Catalog
from hippograph.store.evidence import STAMP_BYTES
from hippograph.store.index_directory import Session
from hippograph.store.snapshot import Manifest, Snapshot, open_snapshot, publish
from hippograph.text.chunking import SentenceChunker
from hippograph.text.metadata_filter import MetadataFilter
from hippograph.text.normalization import NORMALIZER_VERSION
from hippograph.types import Extraction, FloatArray, IntArray, Passage, SkippedItem, TextRole, Usage

__all__ = ["Indexer"]

_TEXTS_PER_COMMIT = 256
_SECONDS_PER_COMMIT = 1.0


@dataclass(frozen=True, kw_only=True)
class Indexer:
    """Builds and extends an index.

    Parameters
    ----------
    extractor
        Reads entities and triples out of passages.
    embedder
        Embeds passages, entities and triples.
    chunker
        Cuts documents into passages.
    synonyms
        Links names that mean the same.
    weights
        How strong each kind of edge is.
    """

    extractor: Extractor
    embedder: Embedder
    chunker: SentenceChunker = field(default_factory=SentenceChunker)
    synonyms: SynonymLinker = field(default_factory=SynonymLinker)
    weights: EdgeWeights = field(default_factory=EdgeWeights)

    @property
    def settings(self) -> GraphSettings:
        """How the graph is made of the evidence."""
        return GraphSettings(synonyms=self.synonyms, weights=self.weights)

    def index(
        self,
        sources: Sequence[Source],
        *,
        session: Session,
        progress: Progress | None = None,
        exactly: bool = False,
        reembed: bool = False,
    ) -> IndexReport:
        """Bring an index up to date with sources, and publish it if anything changed.

        Parameters
        ----------
        sources
            Files, folders, documents and passages; those that the index already holds unchanged cost nothing.
        session
            The index, and the right to change it.
        progress
            Is told how far each stage is.
        exactly
            Whether documents that came from one of the sources and are there no more are removed from the index.
        reembed
            Whether the index may have been built with another embedder, whose vectors are then replaced.

        Raises
        ------
        InputError
            If a source does not exist.
        IndexMismatchError
            If the index was built with another extractor, or embedder unless `reembed` is set.
        DamagedIndexError
            If a file of the current snapshot has been altered.
        """
        self._check_built_alike(session, reembed=reembed)
        tally = Tally(progress=progress)
        with tally.stage("load"):
            take_in(sources, chunker=self.chunker, session=session, tally=tally, exactly=exactly)
        with tally.stage("extract"):
            self._extract(session.catalog, tally)
        generation, changed = self._bring_up_to_date(session, tally)
        return tally.report(
            session.catalog.extractions.counts(self.extractor.fingerprint), generation=generation, published=changed
        )

    def remove(
        self,
        session: Session,
        ids: Sequence[str],
        *,
        filter: MetadataFilter | None = None,
        source: str | Path | None = None,
    ) -> RemovalReport:
        """Remove documents and publish the rest; no model is called.

        Parameters
        ----------
        session
            The index, and the right to change it.
        ids, filter, source
            Which documents; see `choose_documents`.

        Raises
        ------
        InputError
            If nothing says which.
        IndexMismatchError
            If the graph was made with other settings.
        DamagedIndexError
            If a file of the current snapshot has been altered.
        """
        if session.published is not None:
            self.check_settings(session.published.manifest)
        chosen, missing = choose_documents(session, ids, filter=filter, source=source)
        removed = session.catalog.documents.delete(chosen)
        for origin in emptied_sources(session):
            session.catalog.sources.forget(origin)
        generation = self._publish_removals(session)
        return RemovalReport(removed=tuple(removed), missing=tuple(missing), generation=generation)

    def rebuild(self, session: Session, *, progress: Progress | None = None) -> int:
        """Make the snapshot anew out of the catalog alone, and return its generation.

        Nothing is extracted: what waits for the extractor is left out. Nothing is embedded but texts whose vectors the
        catalog lacks.

        Parameters
        ----------
        session
            The index, and the right to change it; what is published is not looked at.
        progress
            Is told how far each stage is.

        Raises
        ------
        DamagedIndexError
            If a part of the catalog that is needed has been altered.
        """
        generation, _ = self._bring_up_to_date(replace(session, published=None), Tally(progress=progress))
        return generation

    def _publish_removals(self, session: Session) -> int:
        """Publish the current snapshot without the documents that the catalog has lost.

        What else is new in the catalog waits for the next `index`.
        """
        published = session.published
        if published is None:
            return 0
        held = set(session.catalog.documents.ids())
        kept = [row for row, document in enumerate(published.passages.documents) if document in held]
        if len(kept) == len(published.passages):
            return published.generation
        base = open_snapshot(session.directory, verify=True)
        rest = restrict(base, np.array(kept, dtype=np.int64), settings=self.settings)
        session.catalog.checkpoint()
        return publish(session.directory, rest)

    def check_settings(self, published: Manifest) -> None:
        """Refuse to derive anything from a snapshot whose graph was made in another way.

        Raises
        ------
        IndexMismatchError
            If it was.
        """
        if (published.settings, published.normalizer) != (self.settings.digest, NORMALIZER_VERSION):
            raise IndexMismatchError(
                "the graph was made with other settings, or by another version of hippograph, than are in use now; "
                "run `hippograph index` to make it anew, or use the same settings"
            )

    def _check_built_alike(self, session: Session, *, reembed: bool) -> None:
        """Refuse an index of other models; where no snapshot tells of which, the catalog does."""
        embedders, extractors = session.catalog.vectors.embedders(), session.catalog.extractors.all()
        if session.published is not None:
            embedders, extractors = [session.published.manifest.embedder], [session.published.manifest.extractor]
        for part, built, given, exchangeable in (
            ("embedder", embedders, self.embedder.fingerprint, reembed),
            ("extractor", extractors, self.extractor.fingerprint, False),
        ):
            if built and given not in built and not exchangeable:
                raise IndexMismatchError(
                    f"the index was built with the {part} {' or '.join(map(repr, built))}, not {given!r}; use that "
                    f"{part}, or build a new index in another directory"
                )

    def _extract(self, catalog: Catalog, tally: Tally) -> None:
        """Extract what has no extraction yet, and what failed before; save often."""
        name = self.extractor.fingerprint
        pending = catalog.extractions.pending(name)
        total, done = len(pending), 0
        if not total:
            return
        tally.tell("extract", 0, total)
        results = self._extractions(pending)
        while done < total:
            started, stop = perf_counter(), monotonic() + _SECONDS_PER_COMMIT
            finished: list[tuple[Passage, Extraction]] = []
            try:
                with tally.model("extract"):
                    for pair in results:
                        finished.append(pair)
                        if monotonic() >= stop:
                            break
            finally:
                # Whatever stops the extractor, what it has finished is kept.
                if finished:
                    catalog.extractions.save(name, finished)
                usage = Usage(calls=1, items=len(finished), seconds=perf_counter() - started)
                catalog.usage.add("extract", name, usage)
            tally.failures.extend(_failures(finished))
            done += len(finished)
            tally.tell("extract", done, total)

    def _extractions(self, pending: Iterable[Passage]) -> Iterator[tuple[Passage, Extraction]]:
        """Yield passages with their extractions, and complain of an extractor that does not give one for each."""
        waiting: dict[str, Passage] = {}

        def handed_out() -> Iterator[Passage]:
            for passage in pending:
                waiting[passage.id] = passage
                yield passage

        for given, extraction in self.extractor.extract(handed_out()):
            passage = waiting.pop(given.id, None)
            if passage is None:
                raise ModelError(
                    f"the extractor {self.extractor.fingerprint!r} gave an extraction of passage {given.id!r}, which "
                    "it was not asked for, or gave before; make it give one for each passage"
                )
            yield passage, extraction
        if waiting:
            raise ModelError(
                f"the extractor {self.extractor.fingerprint!r} gave no extraction of passage {next(iter(waiting))!r} "
                f"and {len(waiting) - 1} others; make it give one for each passage"
            )

    def _bring_up_to_date(self, session: Session, tally: Tally) -> tuple[int, bool]:
        """Publish what the catalog holds; return the generation, and whether it is a new one."""
        catalog, published = session.catalog, session.published
        with tally.stage("compare"):
            held = list(catalog.extractions.stamps([self.extractor.fingerprint]))
            stamps = np.frombuffer(b"".join(stamp for _, stamp in held), dtype=np.uint8).reshape(-1, STAMP_BYTES)
            state = state_of(self.settings, StringTable.of(name for name, _ in held), stamps)
            if published is not None and self._is_current(published.manifest, state):
                return published.generation, False
            base = self._base(session)
            kept, changed = _compare(base, held)
        with tally.stage("name entities"):
            tally.tell("name entities", len(changed), None)
            items = catalog.extractions.items_of([self.extractor.fingerprint], list(changed))
            added = [
                Addition(passage=passage, extraction=extraction, stamp=changed[passage.id])
                for passage, extraction, _ in items
            ]
            revised = draft(base, kept, added)
        with tally.stage("embed passages"):
            passages = self._embedded(revised.passage_texts, "passage", "embed passages", catalog, tally)
        with tally.stage("embed entities"):
            entities = self._embedded(revised.entity_texts, "entity", "embed entities", catalog, tally)
        with tally.stage("embed triples"):
            triples = self._embedded(revised.triple_texts, "triple", "embed triples", catalog, tally)
        with tally.stage("link and assemble"):
            tally.tell("link and assemble", len(revised.names.keys), None)
            content = complete(
                revised,
                NewVectors(passages=passages, entities=entities, triples=triples),
                embedder=self.embedder.fingerprint,
                extractor=self.extractor.fingerprint,
                settings=self.settings,
            )
        with tally.stage("publish"):
            tally.tell("publish", 1, None)
            catalog.checkpoint()
            return publish(session.directory, content), True

    def _is_current(self, published: Manifest, state: str) -> bool:
        built = (published.embedder, published.extractor, published.normalizer)
        given = (self.embedder.fingerprint, self.extractor.fingerprint, NORMALIZER_VERSION)
        return built == given and published.state == state

    def _base(self, session: Session) -> Snapshot:
        """Return what to start from: the current snapshot, checked whole, if its graph was made in the same way."""
        if session.published is None:
            return Snapshot.empty()
        built = session.published.manifest
        same = (built.settings, built.normalizer) == (self.settings.digest, NORMALIZER_VERSION)
        models = (built.embedder, built.extractor) == (self.embedder.fingerprint, self.extractor.fingerprint)
        return open_snapshot(session.directory, verify=True) if same and models else Snapshot.empty()

    def _embedded(self, texts: Sequence[str], role: TextRole, stage: str, catalog: Catalog, tally: Tally) -> FloatArray:
        """Embed the texts that the catalog has no vectors of, save often, and return the vectors of all."""
        name = self.embedder.fingerprint
        missing = catalog.vectors.missing(name, role, texts)
        if missing:
            tally.tell(stage, 0, len(missing))
        for start in range(0, len(missing), _TEXTS_PER_COMMIT):
            block = missing[start : start + _TEXTS_PER_COMMIT]
            started = perf_counter()
            with tally.model(stage):
                vectors = self.embedder.embed(block, role=role)
            catalog.usage.add(stage, name, Usage(calls=1, items=len(block), seconds=perf_counter() - started))
            catalog.vectors.save(name, role, block, vectors)
            tally.tell(stage, start + len(block), len(missing))
        return catalog.vectors.load(name, role, texts)


def _compare(base: Snapshot, held: Sequence[tuple[str, bytes]]) -> tuple[IntArray, dict[str, bytes]]:
    """Tell which rows of a snapshot are as the catalog has them, and what else the catalog has."""
    rows = {name: row for row, name in enumerate(base.passages.ids)}
    stamps = base.evidence.stamps.tobytes()
    kept, changed = [], {}
    for name, stamp in held:
        row = rows.get(name)
        if row is not None and stamps[row * STAMP_BYTES : (row + 1) * STAMP_BYTES] == stamp:
            kept.append(row)
        else:
            changed[name] = stamp
    return np.array(kept, dtype=np.int64), changed


def _failures(finished: Sequence[tuple[Passage, Extraction]]) -> Iterator[SkippedItem]:
    for passage, extraction in finished:
        if extraction.status in {"failed", "invalid"}:
            remedy = "run the same command again to retry" if extraction.status == "failed" else "mend the extractor"
            reason = f"the extraction is {extraction.status}: {extraction.error}; {remedy}"
            yield SkippedItem(where=passage.id, reason=reason)
