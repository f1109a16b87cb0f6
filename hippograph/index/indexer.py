"""The straight line from sources to a published graph.

load -> chunk -> extract -> name entities -> embed -> link synonyms -> assemble -> publish. Every finished piece of work
is committed to the catalog at once, so an interrupted run is resumed by running it again, and work done once is never
repeated. What is published is the current snapshot revised by what has changed in the catalog since.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from hippograph.errors import IndexMismatchError
from hippograph.index.absent_extractor import AbsentExtractor
from hippograph.index.assemble import EdgeWeights
from hippograph.index.budget import Allowance, Budget, RunEndedError, Stop
from hippograph.index.changes import compare
from hippograph.index.cut_documents import Source
from hippograph.index.draft import Addition, draft
from hippograph.index.embedding import STAGES, embed_texts
from hippograph.index.expectation import Expectation
from hippograph.index.intake import take_in
from hippograph.index.reading import RETRY, read_passages
from hippograph.index.removal import RemovalReport, choose_documents, emptied_sources
from hippograph.index.report import IndexReport, Progress, Tally
from hippograph.index.revision import GraphSettings, NewVectors, complete, restrict, state_of
from hippograph.index.synonyms import SynonymLinker
from hippograph.protocols import Embedder, Extractor
from hippograph.store.arrays import StringTable
from hippograph.store.catalog import Catalog
from hippograph.store.evidence import STAMP_BYTES
from hippograph.store.extractors import is_language_model
from hippograph.store.index_directory import Session
from hippograph.store.snapshot import Manifest, Snapshot, open_snapshot, publish
from hippograph.text.chunking import SentenceChunker
from hippograph.text.metadata_filter import MetadataFilter
from hippograph.text.normalization import NORMALIZER_VERSION
from hippograph.types import ExtractionStatus, FloatArray, TextRole

__all__ = ["Indexer"]


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
        switch: bool = True,
        read: bool = True,
        reread: bool = False,
        retry: Collection[ExtractionStatus] = RETRY,
        budget: Budget | None = None,
        stop: Stop | None = None,
    ) -> IndexReport:
        """Bring an index up to date with sources, and publish it if anything changed.

        The extractor reads what it has not read yet, and is preferred from then on to those that have read for the
        index before. Whatever it has not read, or not with an answer that can be used, is taken from them. A language
        model does not read what others of them have read usably, for that was paid for. If the extractor is not at hand
        (`AbsentExtractor`), what it would read waits, and the rest is published.

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
        switch
            Whether another extractor may have been preferred up to now; between language models it always may.
        read
            Whether anything is read at all.
        reread
            Whether a language model reads also what other language models have read.
        retry
            Passages whose extraction by this extractor ended so are read again.
        budget
            What may be spent. When it is, what is under way is finished, and what was read by then is published. What
            it costs to embed that is set aside; should it be more after all, the budget is exceeded by a tenth at most,
            and if that does not suffice, nothing is published.
        stop
            Says that the run is to end; then what is under way is finished and kept, and nothing is published.

        Raises
        ------
        InputError
            If a source does not exist.
        ModelError
            If a model cannot work; what it has finished is kept.
        IndexMismatchError
            If the index was built with another embedder and `reembed` is not set, or prefers another extractor and
            `switch` is not set.
        DamagedIndexError
            If a file of the current snapshot has been altered.
        """
        self._check_built_alike(session, reembed=reembed, switch=switch or not read)
        allowance, tally = Allowance(budget, stop=stop), Tally(progress=progress)
        with tally.stage("load"):
            take_in(sources, chunker=self.chunker, session=session, tally=tally, exactly=exactly)
        if read:
            with tally.stage("extract"):
                self._read(session, retry=retry, reread=reread, allowance=allowance, tally=tally)
        elif not session.catalog.extractors.order() and session.published is not None:
            session.catalog.extractors.prefer(session.published.manifest.extractor)
        try:
            generation, changed = self._bring_up_to_date(session, tally, allowance)
        except RunEndedError:
            generation, changed = 0 if session.published is None else session.published.generation, False
        extractor = self.extractor.fingerprint
        if not read:
            extractor = next(iter(session.catalog.extractors.order()), extractor)
        others = [] if reread else session.catalog.extractors.other_language_models(extractor)
        extractions = session.catalog.extractions
        pending = len(extractions.pending(extractor, retry=RETRY, kept=others, repeated=True))
        return tally.report(
            extractions.counts(extractor),
            pending=pending,
            kept=extractions.kept(extractor, others),
            awaits=extractor if pending and isinstance(self.extractor, AbsentExtractor) else "",
            generation=generation,
            published=changed,
            stopped=allowance.stopped,
        )

    def _read(
        self,
        session: Session,
        *,
        retry: Collection[ExtractionStatus],
        reread: bool,
        allowance: Allowance,
        tally: Tally,
    ) -> None:
        """Have the extractor read what it is to read, if it is at hand."""
        if isinstance(self.extractor, AbsentExtractor):
            return
        expectation = self._expectation(session.catalog)
        if allowance.foresees:
            allowance.reserve(expectation.waiting(session.published))
        read_passages(
            self.extractor,
            session.catalog,
            retry=retry,
            reread=reread,
            expectation=expectation,
            allowance=allowance,
            tally=tally,
        )

    def _expectation(self, catalog: Catalog) -> Expectation:
        return Expectation(extractor=self.extractor, embedder=self.embedder, catalog=catalog)

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

        Nothing is extracted, and the order in which extractors are preferred stays: what nobody has read is left out.
        Nothing is embedded but texts whose vectors the catalog lacks.

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
        generation, _ = self._bring_up_to_date(replace(session, published=None), Tally(progress=progress), Allowance())
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

    def _check_built_alike(self, session: Session, *, reembed: bool, switch: bool) -> None:
        """Refuse an index of other models; where no snapshot tells of which, the catalog does."""
        embedders, extractors = session.catalog.vectors.embedders(), session.catalog.extractors.order()[:1]
        if session.published is not None:
            embedders = [session.published.manifest.embedder]
        embedder, extractor = self.embedder.fingerprint, self.extractor.fingerprint
        if embedders and embedder not in embedders and not reembed:
            raise IndexMismatchError(
                f"the index was built with the embedder {_or(embedders)}, not {embedder!r}; use that embedder, or "
                "build a new index in another directory"
            )
        extractors = extractors or session.catalog.extractors.all()
        alike = is_language_model(extractor) and any(map(is_language_model, extractors))
        if extractors and extractor not in extractors and not switch and not alike:
            raise IndexMismatchError(
                f"the index was read by the extractor {_or(extractors)}, not {extractor!r}; go on with that one, or "
                "have every passage read again by the other, either by its name: --extractor"
            )

    def _bring_up_to_date(self, session: Session, tally: Tally, allowance: Allowance) -> tuple[int, bool]:
        """Publish what the catalog holds; return the generation, and whether it is a new one."""
        allowance.go_on()
        catalog, published = session.catalog, session.published
        order = catalog.extractors.order()
        preferred = order[0] if order else self.extractor.fingerprint
        with tally.stage("compare"):
            held = list(catalog.extractions.stamps(order))
            stamps = np.frombuffer(b"".join(stamp for _, stamp in held), dtype=np.uint8).reshape(-1, STAMP_BYTES)
            state = state_of(self.settings, StringTable.of(name for name, _ in held), stamps)
            if published is not None and self._is_current(published.manifest, preferred, state):
                return published.generation, False
            base = self._base(session)
            kept, changed = compare(base, held)
        with tally.stage("name entities"):
            tally.tell("name entities", len(changed), None)
            added = [
                Addition(passage=passage, extraction=extraction, extractor=extractor, stamp=changed[passage.id])
                for passage, extraction, extractor in catalog.extractions.items_of(order, changed)
            ]
            revised = draft(base, kept, added)
        texts: tuple[tuple[TextRole, Sequence[str]], ...] = (
            ("passage", revised.passage_texts),
            ("entity", revised.entity_texts),
            ("triple", revised.triple_texts),
        )
        passages, entities, triples = (self._embedded(role, these, catalog, allowance, tally) for role, these in texts)
        with tally.stage("link and assemble"):
            tally.tell("link and assemble", len(revised.names.keys), None)
            content = complete(
                revised,
                NewVectors(passages=passages, entities=entities, triples=triples),
                embedder=self.embedder.fingerprint,
                extractor=preferred,
                settings=self.settings,
            )
        allowance.go_on()
        with tally.stage("publish"):
            tally.tell("publish", 1, None)
            catalog.checkpoint()
            return publish(session.directory, content), True

    def _embedded(
        self, role: TextRole, texts: Sequence[str], catalog: Catalog, allowance: Allowance, tally: Tally
    ) -> FloatArray:
        with tally.stage(STAGES[role]):
            return embed_texts(
                self.embedder,
                catalog,
                texts,
                role=role,
                expectation=self._expectation(catalog),
                allowance=allowance,
                tally=tally,
            )

    def _is_current(self, published: Manifest, preferred: str, state: str) -> bool:
        built = (published.embedder, published.extractor, published.normalizer)
        given = (self.embedder.fingerprint, preferred, NORMALIZER_VERSION)
        return built == given and published.state == state

    def _base(self, session: Session) -> Snapshot:
        """Return what to start from: the current snapshot, checked whole, if its graph was made in the same way."""
        if session.published is None:
            return Snapshot.empty()
        built = session.published.manifest
        same = (built.settings, built.normalizer) == (self.settings.digest, NORMALIZER_VERSION)
        same = same and built.embedder == self.embedder.fingerprint
        return open_snapshot(session.directory, verify=True) if same else Snapshot.empty()


def _or(names: Sequence[str]) -> str:
    return " or ".join(map(repr, names))
