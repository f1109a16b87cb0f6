"""The straight line from sources to a published graph.

load -> chunk -> extract -> name entities -> embed -> link synonyms -> assemble -> publish. Every finished piece of work
is committed to the catalog at once, so an interrupted run is resumed by running it again, and work done once is never
repeated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from time import monotonic, perf_counter

from hippograph.errors import IndexMismatchError, ModelError
from hippograph.index.assemble import GRAPH_VERSION, EdgeWeights, assemble, graph_digest, passage_counts
from hippograph.index.cut_documents import Source
from hippograph.index.entities import name_entities, name_triples, triple_texts
from hippograph.index.intake import take_in
from hippograph.index.report import IndexReport, Progress, Tally
from hippograph.index.synonyms import SynonymLinker
from hippograph.protocols import Embedder, Extractor
from hippograph.store.catalog import Catalog
from hippograph.store.documents import content_digest
from hippograph.store.snapshot import Manifest, SnapshotContent, publish
from hippograph.text.chunking import SentenceChunker
from hippograph.text.normalization import NORMALIZER_VERSION
from hippograph.types import Extraction, FloatArray, Passage, SkippedItem, TextRole, Usage

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

    def index(
        self,
        sources: Sequence[Source],
        *,
        catalog: Catalog,
        directory: Path,
        published: Manifest | None = None,
        progress: Progress | None = None,
    ) -> IndexReport:
        """Bring an index up to date with sources, and publish it if anything changed.

        Parameters
        ----------
        sources
            Files, folders, documents and passages; those that the index already holds unchanged cost nothing.
        catalog
            The index's catalog.
        directory
            The index's directory, in which snapshots are published.
        published
            What the current snapshot says of itself; None if there is none.
        progress
            Is told how far each stage is.

        Raises
        ------
        InputError
            If a source does not exist.
        IndexMismatchError
            If the index was built with another embedder or extractor.
        """
        if published is not None:
            self._check_built_alike(published)
        tally = Tally(progress=progress)
        with tally.stage("load"):
            take_in(sources, chunker=self.chunker, catalog=catalog, directory=directory, tally=tally)
        with tally.stage("extract"):
            self._extract(catalog, tally)
        with tally.stage("compare"):
            state = self._state(catalog)
        current = published is not None and published.state == state
        generation = published.generation if published is not None and current else 0
        if not current:
            generation = self._build(catalog, directory, state=state, tally=tally)
        return tally.report(
            catalog.extractions.counts(self.extractor.fingerprint), generation=generation, published=not current
        )

    def _check_built_alike(self, published: Manifest) -> None:
        for part, built, given in (
            ("embedder", published.embedder, self.embedder.fingerprint),
            ("extractor", published.extractor, self.extractor.fingerprint),
        ):
            if built != given:
                raise IndexMismatchError(
                    f"the index was built with the {part} {built!r}, not {given!r}; use that {part}, or build a new "
                    "index in another directory"
                )

    def _extract(self, catalog: Catalog, tally: Tally) -> None:
        """Extract what has no extraction yet, and what failed before; save often."""
        name = self.extractor.fingerprint
        pending = catalog.extractions.pending(name)
        total, done = len(pending), 0
        if not total:
            return
        tally.tell("extract", 0, total)
        results = zip(pending, self._extractions(pending), strict=True)
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
                catalog.extractions.save(name, finished)
                usage = Usage(calls=1, items=len(finished), seconds=perf_counter() - started)
                catalog.usage.add("extract", name, usage)
            tally.failures.extend(_failures(finished))
            done += len(finished)
            tally.tell("extract", done, total)

    def _extractions(self, pending: Sequence[Passage]) -> Iterator[Extraction]:
        """Yield an extraction per passage, and complain of an extractor that gives more or fewer."""
        given = 0
        for extraction in self.extractor.extract(pending):
            given += 1
            if given > len(pending):
                break
            yield extraction
        if given != len(pending):
            more = "more" if given > len(pending) else f"{given}"
            raise ModelError(
                f"the extractor {self.extractor.fingerprint!r} gave {more} extractions for {len(pending)} passages; "
                "make it give one for each"
            )

    def _build(self, catalog: Catalog, directory: Path, *, state: str, tally: Tally) -> int:
        """Make a graph of everything in the catalog and publish it."""
        evidence = list(catalog.extractions.items(self.extractor.fingerprint))
        passages = [passage for passage, _ in evidence]
        with tally.stage("name entities"):
            entities = name_entities(evidence)
            triples = name_triples(evidence, entities)
            facts = triple_texts(triples, entities.names)
        with tally.stage("embed passages"):
            headed = [passage.headed_text for passage in passages]
            passage_vectors = self._embedded(headed, "passage", "embed passages", catalog, tally)
        with tally.stage("embed entities"):
            entity_vectors = self._embedded(entities.names, "entity", "embed entities", catalog, tally)
        with tally.stage("embed triples"):
            triple_vectors = self._embedded(facts, "triple", "embed triples", catalog, tally)
        with tally.stage("link synonyms"):
            tally.tell("link synonyms", len(entities.keys), None)
            synonyms = self.synonyms.link(entities.keys, entity_vectors)
        with tally.stage("assemble"):
            graph = assemble(entities, triples, synonyms, weights=self.weights)
            digest = graph_digest(graph, entities.keys, [content_digest(passage) for passage in passages])
        with tally.stage("publish"):
            tally.tell("publish", 1, None)
            catalog.checkpoint()
            return publish(
                directory,
                SnapshotContent(
                    embedder=self.embedder.fingerprint,
                    extractor=self.extractor.fingerprint,
                    normalizer=NORMALIZER_VERSION,
                    state=state,
                    graph_digest=digest,
                    graph=graph,
                    passages=passages,
                    entity_keys=entities.keys,
                    entity_names=entities.names,
                    entity_passages=passage_counts(entities),
                    title_entities=entities.title_entities,
                    triple_subjects=triples.subjects,
                    triple_objects=triples.objects,
                    triple_relations=triples.relations,
                    passage_vectors=passage_vectors,
                    entity_vectors=entity_vectors,
                    triple_vectors=triple_vectors,
                ),
            )

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

    def _state(self, catalog: Catalog) -> str:
        """Condense all that a snapshot is made from, to know whether the published one is up to date."""
        state = blake2b(digest_size=16)
        settings = (self.embedder.fingerprint, self.extractor.fingerprint, NORMALIZER_VERSION, GRAPH_VERSION)
        state.update(repr((settings, self.synonyms, self.weights)).encode())
        for passage, extraction in catalog.extractions.items(self.extractor.fingerprint):
            where = (passage.id, passage.source, passage.span, passage.page, dict(passage.metadata))
            what = (content_digest(passage), extraction.status, extraction.entities, extraction.triples)
            state.update(json.dumps([where, what], sort_keys=True).encode() + b"\n")
        return state.hexdigest()


def _failures(finished: Sequence[tuple[Passage, Extraction]]) -> Iterator[SkippedItem]:
    for passage, extraction in finished:
        if extraction.status in {"failed", "invalid"}:
            remedy = "run the same command again to retry" if extraction.status == "failed" else "mend the extractor"
            reason = f"the extraction is {extraction.status}: {extraction.error}; {remedy}"
            yield SkippedItem(where=passage.id, reason=reason)
