"""The front door: one object for one index directory. It composes the rooms and holds no algorithm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Final

from hippograph.errors import DamagedIndexError, IndexMismatchError, InputError, NoIndexError
from hippograph.index.cut_documents import Source
from hippograph.index.indexer import Indexer
from hippograph.index.loading import load
from hippograph.index.report import IndexReport, Progress
from hippograph.index.spacy_extractor import SpacyExtractor
from hippograph.models.onnx_embedder import OnnxEmbedder
from hippograph.protocols import Embedder, Extractor, Retriever
from hippograph.retrieve.dense import DenseRetriever
from hippograph.retrieve.hybrid import HybridRetriever
from hippograph.retrieve.lexical import BM25Retriever
from hippograph.retrieve.pagerank import PageRankRetriever
from hippograph.store.catalog import Catalog
from hippograph.store.database import make_directory
from hippograph.store.lock import LOCK, writing
from hippograph.store.publication import collect
from hippograph.store.snapshot import SNAPSHOTS, Snapshot, open_snapshot
from hippograph.types import Ranking, Usage

__all__ = ["RETRIEVERS", "HippoGraph"]

RETRIEVERS: Final = ("default", "dense", "bm25", "hybrid")
"""The retrievers that `HippoGraph.retriever` knows by name."""

_CATALOG = "catalog.sqlite"


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
        self._opening = Lock()
        self._open_snapshot: Snapshot | None = None
        self._open_catalog: Catalog | None = None

    def index(self, sources: Sequence[Source], *, progress: Progress | None = None, wait: float = 0.0) -> IndexReport:
        """Bring the index up to date with sources; only what is missing is done.

        Parameters
        ----------
        sources
            Files, folders, `Document`s and `Passage`s.
        progress
            Is told how far each stage is.
        wait
            How long to wait for another process or thread that is changing the index, in seconds.

        Raises
        ------
        InputError
            If a source does not exist, or `wait` is negative.
        NoIndexError
            If the directory is a file, or holds something else than an index.
        IndexMismatchError
            If the index was built with another embedder or extractor.
        IndexDirectoryError
            If another process or thread is still changing the index, or the directory cannot be written to.
        """
        load(sources)  # complains of a source that does not exist before a directory is made for it
        self._refuse_foreign_directory()
        make_directory(self.directory)
        with writing(self.directory, wait=wait):
            collect(self.directory / SNAPSHOTS)
            catalog = self._catalog(create=True)
            try:
                published: Snapshot | None = open_snapshot(self.directory)
            except NoIndexError:
                published = None
            try:
                report = self.indexer.index(
                    sources, catalog=catalog, directory=self.directory, published=published, progress=progress
                )
            finally:
                with self._opening:
                    self._open_snapshot = None
            published = None  # nor does this run hold the former one any more
            collect(self.directory / SNAPSHOTS)
        return report

    def retrieve(self, query: str, *, k: int = 5, retriever: str | Retriever = "default") -> Ranking:
        """Rank passages for one query.

        Parameters
        ----------
        query
            What to look for.
        k
            How many hits at most.
        retriever
            One of `RETRIEVERS`, or a retriever made by hand.

        Raises
        ------
        InputError
            If the query is blank, `k` is below 1, or there is no retriever of this name.
        NoIndexError
            If nothing was indexed here.
        """
        (ranking,) = self.retrieve_all([query], k=k, retriever=retriever)
        return ranking

    def retrieve_all(
        self, queries: Sequence[str], *, k: int = 5, retriever: str | Retriever = "default"
    ) -> list[Ranking]:
        """Rank passages for several queries; each ranking is what `retrieve` gives for its query.

        Raises
        ------
        InputError, NoIndexError
            As for `retrieve`.
        """
        chosen = self.retriever(retriever) if isinstance(retriever, str) else retriever
        return chosen.retrieve(queries, k=k)

    def retriever(self, name: str = "default") -> Retriever:
        """Make a retriever over the published index.

        Raises
        ------
        InputError
            If there is none of this name.
        """
        if name not in RETRIEVERS:
            raise InputError(f"there is no retriever {name!r}; choose one of {', '.join(RETRIEVERS)}")
        snapshot, embedder = self.snapshot, self.indexer.embedder
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
        # Who opens it and who publishes the next take turns, so that no former one is kept after the publication.
        with self._opening:
            if self._open_snapshot is None:
                self._open_snapshot = self._opened()
            return self._open_snapshot

    def status(self) -> dict[str, object]:
        """Say what the index holds, as JSON values; `docs/usage.md` explains each.

        Raises
        ------
        NoIndexError
            If nothing was indexed here.
        """
        manifest = open_snapshot(self.directory).manifest
        catalog = self._catalog()
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
            "bytes": sum(file.stat().st_size for file in self.directory.rglob("*") if file.is_file()),
            "usage": [_usage(stage, model, usage) for (stage, model), usage in catalog.usage.totals().items()],
        }

    def close(self) -> None:
        """Close the files; the object may be used again."""
        with self._opening:
            self._open_snapshot = None
            if self._open_catalog is not None:
                self._open_catalog.close()
                self._open_catalog = None

    def __enter__(self) -> HippoGraph:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _opened(self) -> Snapshot:
        snapshot = open_snapshot(self.directory)
        built, given = snapshot.manifest.embedder, self.indexer.embedder.fingerprint
        if built != given:
            raise IndexMismatchError(
                f"the index {self.directory} was built with the embedder {built!r}, not {given!r}; "
                "use that embedder, or build a new index in another directory"
            )
        return snapshot

    def _catalog(self, *, create: bool = False) -> Catalog:
        with self._opening:
            if self._open_catalog is None:
                self._open_catalog = Catalog.open(self.directory / _CATALOG, create=create)
            return self._open_catalog

    def _refuse_foreign_directory(self) -> None:
        if self.directory.exists() and not self.directory.is_dir():
            raise NoIndexError(f"{self.directory} is a file; name an empty or a new directory for the index")
        if not self.directory.is_dir():
            return
        held = {path.name for path in self.directory.iterdir()} - {LOCK}
        # Looked for last: another process may be making the index just now, and that file is the first it makes.
        if (self.directory / _CATALOG).exists():
            return
        if SNAPSHOTS in held:
            raise DamagedIndexError(
                f"{self.directory} has lost its {_CATALOG}; put it back, or delete the directory and index again"
            )
        if held:
            raise NoIndexError(f"{self.directory} holds other things than an index; name an empty or a new directory")


def _usage(stage: str, model: str, usage: Usage) -> dict[str, object]:
    return {
        "stage": stage,
        "model": model,
        "calls": usage.calls,
        "items": usage.items,
        "tokens": usage.tokens,
        "seconds": round(usage.seconds, 3),
    }
