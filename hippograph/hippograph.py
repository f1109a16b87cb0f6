"""The front door: one object for one index directory. It composes the rooms and holds no algorithm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from hippograph.errors import IndexMismatchError, InputError, MissingExtraError, ModelError
from hippograph.index.cut_documents import Source
from hippograph.index.indexer import Indexer
from hippograph.index.intake import known_sources
from hippograph.index.loading import load
from hippograph.index.parts import SnapshotParts
from hippograph.index.removal import RemovalReport
from hippograph.index.report import IndexReport, Progress
from hippograph.index.spacy_extractor import SpacyExtractor
from hippograph.models.onnx_embedder import OnnxEmbedder
from hippograph.protocols import Embedder, Extractor, Retriever
from hippograph.retrieve.dense import DenseRetriever
from hippograph.retrieve.hybrid import HybridRetriever
from hippograph.retrieve.lexical import BM25Retriever
from hippograph.retrieve.pagerank import PageRankRetriever
from hippograph.store.index_directory import IndexDirectory
from hippograph.store.snapshot import Snapshot, open_snapshot, suspecting_damage
from hippograph.text.metadata_filter import MetadataFilter, parse_filter
from hippograph.types import Ranking, Usage

__all__ = ["RETRIEVERS", "HippoGraph"]

RETRIEVERS: Final = ("default", "dense", "bm25", "hybrid")
"""The retrievers that `HippoGraph.retriever` knows by name."""


class HippoGraph:
    """An index: a directory that documents go into and ranked passages come out of.

    Nothing is read or created before the first use. The object may be shared by threads that retrieve; it sees what
    was published when it first retrieved, and what it has published itself.

    Parameters
    ----------
    directory
        The index directory; created by the first `index`.
    extractor
        Reads entities and triples out of passages; by default spaCy's small English pipeline.
    embedder
        Embeds passages and queries; by default bge-small on the CPU.
    indexer
        Everything about how an index is built; overrides `extractor` and `embedder`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from hippograph.testing.toy_corpus import toy_passages
    >>> with TemporaryDirectory() as folder, HippoGraph(f"{folder}/toy.hippo") as hippograph:
    ...     report = hippograph.index(toy_passages()[:6])
    ...     ranking = hippograph.retrieve("Which ship lies at anchor?", k=3)
    ...     print(report.added, len(ranking.hits), hippograph.status()["passages"])
    6 3 6
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        extractor: Extractor | None = None,
        embedder: Embedder | None = None,
        indexer: Indexer | None = None,
    ) -> None:
        self.directory = Path(directory)
        self.indexer = indexer or Indexer(extractor=extractor or SpacyExtractor(), embedder=embedder or OnnxEmbedder())
        self._place = IndexDirectory(self.directory)
        self._parts = SnapshotParts()

    def index(
        self,
        sources: Sequence[Source] = (),
        *,
        progress: Progress | None = None,
        wait: float = 0.0,
        reembed: bool = False,
    ) -> IndexReport:
        """Bring the index up to date with sources; only what is missing is done.

        Parameters
        ----------
        sources
            Files, folders, `Document`s and `Passage`s; without any, what an interrupted run left undone is done.
        progress
            Is told how far each stage is.
        wait
            How long to wait for another process or thread that is changing the index, in seconds.
        reembed
            Whether the index may have been built with another embedder, whose vectors are then replaced by those of
            this one. Extractions are kept.

        Raises
        ------
        InputError
            If a source does not exist, or `wait` is negative.
        NoIndexError
            If the directory is a file, or holds something else than an index.
        IndexMismatchError
            If the index was built with another extractor, or embedder unless `reembed` is set.
        DamagedIndexError
            If a part of the index is missing or altered.
        IndexDirectoryError
            If another process or thread is still changing the index, or the directory cannot be written to.
        """
        load(sources)  # complains of a source that does not exist before a directory is made for it
        with self._place.session(create=not reembed, wait=wait) as session:
            return self.indexer.index(sources, session=session, progress=progress, reembed=reembed)

    def update(
        self, sources: Sequence[str | Path] = (), *, progress: Progress | None = None, wait: float = 0.0
    ) -> IndexReport:
        """Make the index hold what files and folders hold now: as `index`, and what is there no more is removed.

        Documents that came from elsewhere stay, and so do those in files that cannot be read now.

        Parameters
        ----------
        sources
            Files and folders; without any, all that were ever indexed.
        progress
            Is told how far each stage is.
        wait
            How long to wait for another process or thread that is changing the index, in seconds.

        Raises
        ------
        InputError
            If a source does not exist, or none was ever indexed.
        NoIndexError, IndexMismatchError, DamagedIndexError, IndexDirectoryError
            As for `index`.
        """
        load(sources)
        with self._place.session(wait=wait) as session:
            chosen = sources or known_sources(session)
            return self.indexer.index(chosen, session=session, progress=progress, exactly=True)

    def delete(
        self,
        ids: Sequence[str] = (),
        *,
        filter: str | MetadataFilter | None = None,
        source: str | Path | None = None,
        wait: float = 0.0,
    ) -> RemovalReport:
        """Remove documents; no model is called.

        Parameters
        ----------
        ids
            Ids of documents.
        filter
            Chooses documents by their metadata (`hippograph.text.metadata_filter` tells the language).
        source
            Chooses the documents of a file, or of all files in a folder. Together with `filter`, both must hold.
        wait
            How long to wait for another process or thread that is changing the index, in seconds.

        Raises
        ------
        InputError
            If nothing says what to remove, or the filter cannot be read.
        NoIndexError, IndexMismatchError, DamagedIndexError, IndexDirectoryError
            As for `index`.
        """
        chooses = parse_filter(filter) if isinstance(filter, str) else filter
        with self._place.session(wait=wait) as session:
            return self.indexer.remove(session, ids, filter=chooses, source=source)

    def retrieve(
        self,
        query: str,
        *,
        k: int = 5,
        retriever: str | Retriever = "default",
        filter: str | MetadataFilter | None = None,
    ) -> Ranking:
        """Rank passages for one query.

        Parameters
        ----------
        query
            What to look for.
        k
            How many hits at most.
        retriever
            One of `RETRIEVERS`, or a retriever made by hand.
        filter
            Documents to look at, by their metadata (`hippograph.text.metadata_filter` tells the language). The answer
            is that of an index of these documents alone.

        Raises
        ------
        InputError
            If the query is blank, `k` is below 1, there is no retriever of this name, the filter cannot be read, or
            there is a filter beside a retriever made by hand.
        NoIndexError
            If nothing was indexed here.
        DamagedIndexError
            If a file is missing, truncated or altered; that it is altered is only seen when it cannot be worked with.
        """
        (ranking,) = self.retrieve_all([query], k=k, retriever=retriever, filter=filter)
        return ranking

    def retrieve_all(
        self,
        queries: Sequence[str],
        *,
        k: int = 5,
        retriever: str | Retriever = "default",
        filter: str | MetadataFilter | None = None,
    ) -> list[Ranking]:
        """Rank passages for several queries; each ranking is what `retrieve` gives for its query.

        Raises
        ------
        InputError, NoIndexError, DamagedIndexError
            As for `retrieve`.
        """
        if isinstance(retriever, str):
            made = self.retriever(retriever, filter=filter)
            with suspecting_damage(self.directory, innocent=(InputError, MissingExtraError, ModelError)):
                return made.retrieve(queries, k=k)
        if filter is not None:
            raise InputError("a retriever made by hand has a snapshot of its own; give `retriever` the filter instead")
        return retriever.retrieve(queries, k=k)

    def retriever(self, name: str = "default", *, filter: str | MetadataFilter | None = None) -> Retriever:
        """Make a retriever over the published index, or over what an index of some documents alone would be.

        The first use of a filter makes that index in memory, in time linear in the whole one; the last few are kept.

        Parameters
        ----------
        name
            One of `RETRIEVERS`.
        filter
            Documents to look at, as for `retrieve`.

        Raises
        ------
        InputError
            If there is none of this name, or the filter cannot be read.
        IndexMismatchError
            If there is a filter, and the graph was made with other settings.
        """
        if name not in RETRIEVERS:
            raise InputError(f"there is no retriever {name!r}; choose one of {', '.join(RETRIEVERS)}")
        snapshot, embedder = self._part(filter), self.indexer.embedder
        if name == "default":
            return PageRankRetriever(snapshot=snapshot, embedder=embedder)
        dense = DenseRetriever(snapshot=snapshot, embedder=embedder)
        if name == "dense":
            return dense
        lexical = BM25Retriever(snapshot=snapshot)
        return lexical if name == "bm25" else HybridRetriever(retrievers=(dense, lexical))

    @property
    def snapshot(self) -> Snapshot:
        """The published index: graph, vectors and passages.

        Raises
        ------
        NoIndexError
            If nothing was indexed here.
        IndexMismatchError
            If it was built with another embedder.
        DamagedIndexError
            If a file is missing, truncated or altered.
        """
        snapshot = self._place.snapshot()
        built, given = snapshot.manifest.embedder, self.indexer.embedder.fingerprint
        if built != given:
            raise IndexMismatchError(
                f"the index {self.directory} was built with the embedder {built!r}, not {given!r}; "
                f"use that embedder, or replace its vectors with: hippograph reembed --index {self.directory}"
            )
        return snapshot

    def status(self) -> dict[str, object]:
        """Say what the index holds, as JSON values; `docs/usage.md` explains each.

        Raises
        ------
        NoIndexError
            If nothing was indexed here.
        """
        catalog = self._place.catalog()
        manifest = open_snapshot(self.directory).manifest
        documents, passages = catalog.documents.counts()
        return {
            "directory": str(self.directory),
            "documents": documents,
            "passages": passages,
            "entities": manifest.counts.entities,
            "triples": manifest.counts.triples,
            "edges": manifest.counts.edges,
            "extraction": dict(catalog.extractions.counts(manifest.extractor)),
            "generation": manifest.generation,
            "graph_digest": manifest.graph_digest,
            "embedder": manifest.embedder,
            "extractor": manifest.extractor,
            "sources": list(catalog.sources.all().values()),
            "bytes": sum(file.stat().st_size for file in self.directory.rglob("*") if file.is_file()),
            "usage": [_usage(stage, model, usage) for (stage, model), usage in catalog.usage.totals().items()],
        }

    def close(self) -> None:
        """Close the files; the object may be used again, and sees what is published by then."""
        self._place.close()
        self._parts.clear()

    def _part(self, filter: str | MetadataFilter | None) -> Snapshot:
        snapshot = self.snapshot
        if filter is None:
            return snapshot
        chooses = parse_filter(filter) if isinstance(filter, str) else filter
        self.indexer.check_settings(snapshot.manifest)
        with suspecting_damage(self.directory):
            return self._parts.of(snapshot, chooses, settings=self.indexer.settings)

    def __enter__(self) -> HippoGraph:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _usage(stage: str, model: str, usage: Usage) -> dict[str, object]:
    return {
        "stage": stage,
        "model": model,
        "calls": usage.calls,
        "items": usage.items,
        "tokens": usage.tokens,
        "seconds": round(usage.seconds, 3),
    }
