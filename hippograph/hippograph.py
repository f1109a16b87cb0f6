"""The front door: one object for one index directory. It composes the rooms and holds no algorithm."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Unpack

from hippograph.completions import Sampling, SamplingChoice
from hippograph.composition import Composition, extractor_of, remembering
from hippograph.errors import InputError
from hippograph.index.budget import Budget, Stop
from hippograph.index.cut_documents import Source
from hippograph.index.indexer import Indexer
from hippograph.index.intake import known_sources
from hippograph.index.layers import add_layers, prune_layers
from hippograph.index.loading import load
from hippograph.index.reading import RETRY
from hippograph.index.removal import RemovalReport
from hippograph.index.report import IndexReport, Progress
from hippograph.index.standing import standing_at
from hippograph.index.summaries import Summariser
from hippograph.index.updating import UpdateOptions
from hippograph.models.onnx_embedder import OnnxEmbedder
from hippograph.protocols import CrossEncoder, Embedder, Extractor, LanguageModel, Reader, Retriever
from hippograph.readers.budget import ReadingBudget
from hippograph.readers.reading import Watch, watched
from hippograph.retrieve.explain import explain as explained
from hippograph.retrievers import default_cross_encoder
from hippograph.store.index_directory import IndexDirectory
from hippograph.text.metadata_filter import MetadataFilter, parse_filter
from hippograph.types import Answer, Explanation, ExtractionStatus, Ranking

__all__ = ["HippoGraph"]

_OWN_SETTINGS: Final = "a reader made by hand has settings of its own; give them to `parts.reader` instead"
_NOTHING: Final = ("default", None, None, None, None)


class HippoGraph:
    """An index: a directory that documents go into and ranked passages come out of.

    Nothing is read or created before the first use. The object may be shared by threads that retrieve; it sees what
    was published when it first retrieved, and what it has published itself.

    Parameters
    ----------
    directory
        The index directory; created by the first `index`.
    extractor
        Reads entities and triples out of passages: an extractor, or the name of one, `spacy`, `llm`, `none` or
        `replay:` and a path. None for the default, spaCy's small English pipeline, which then does not take over an
        index that another extractor has read.
    embedder
        Embeds passages and queries; by default bge-small on the CPU.
    language_model
        What readers, and the extractor `llm`, ask. What it has answered once is kept in the index directory and not
        asked again.
    cross_encoder
        Judges passages for the second look; by default ms-marco-MiniLM on the CPU, if it is installed.
    indexer
        Everything about how an index is built; overrides `extractor` and `embedder`.

    Attributes
    ----------
    parts
        What `retrieve` and `ask` work with: the published snapshot, and retrievers and readers by name.

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
        extractor: Extractor | str | None = None,
        embedder: Embedder | None = None,
        language_model: LanguageModel | None = None,
        cross_encoder: CrossEncoder | Literal["default"] | None = "default",
        indexer: Indexer | None = None,
    ) -> None:
        self.directory = Path(directory)
        model = None if language_model is None else remembering(language_model, self.directory)
        self._chosen = indexer is not None or extractor is not None
        self.indexer = indexer or Indexer(
            extractor=extractor_of(extractor or "spacy", model=model, directory=self.directory),
            embedder=embedder or OnnxEmbedder(),
        )
        self.parts = Composition(
            place=IndexDirectory(self.directory),
            indexer=self.indexer,
            language_model=model,
            cross_encoder=default_cross_encoder() if cross_encoder == "default" else cross_encoder,
        )

    def index(
        self,
        sources: Sequence[Source] = (),
        *,
        progress: Progress | None = None,
        wait: float = 0.0,
        exactly: bool = False,
        reembed: bool = False,
        read: bool = True,
        reread: bool = False,
        retry: Collection[ExtractionStatus] = RETRY,
        budget: Budget | None = None,
        stop: Stop | None = None,
        switch: bool | None = None,
        layers: bool | None = None,
        summariser: Summariser | str | None = None,
    ) -> IndexReport:
        """Bring the index up to date with sources; only what is missing is done.

        If the index has been read by another extractor, this one reads what it has not read yet, and is preferred from
        now on; passages that it has not read, or not usably, rest on what was read before. What a language model has
        read is not read again by another one, nor by the same one with other prompts or settings: it was paid for.

        Parameters
        ----------
        sources
            Files, folders, `Document`s and `Passage`s; without any, what an interrupted run left undone is done.
        progress
            Is told how far each stage is.
        wait
            How long to wait for another process or thread that is changing the index, in seconds.
        exactly
            Whether documents that came from these sources, or any ever indexed, and are there no more, are removed.
        reembed
            Whether the index may have been built with another embedder, whose vectors are then replaced by those of
            this one, those of summaries too. Extractions are kept.
        read
            Whether passages are read at all.
        reread
            Whether a language model reads also what other language models have read.
        retry
            Passages whose extraction ended so are read again: by default those where the model did not answer.
        budget
            What the run may spend. Then what is under way is finished, and what was read by then is published; where
            embedding has a price, too, that is set aside, and may exceed the budget by a tenth.
        stop
            Says that the run is to end: what is under way is finished and kept, and nothing is published.
        switch
            Whether another extractor may have been the preferred one; by default, if one was named for this object.
            Between language models it always may.
        layers
            Whether to bring the layers of summaries up to date, or to remove them; None removes summaries that are true
            no more, and makes none.
        summariser
            Who summarises: one of `hippograph.index.layers.SUMMARISERS`, or made by hand; by default who did before.

        Raises
        ------
        InputError
            If a source does not exist, or `wait` is negative.
        ModelError
            If a model cannot work: a wrong key, no server, no weights. What it has finished is kept.
        NoIndexError
            If the directory is a file, or holds something else than an index.
        IndexMismatchError
            If the index was built with another embedder and `reembed` is not set, or was read by another extractor
            than this one and `switch` is not set.
        DamagedIndexError
            If a part of the index is missing or altered.
        IndexDirectoryError
            If another process or thread is still changing the index, or the directory cannot be written to.
        """
        load(sources)  # complains of a source that does not exist before a directory is made for it
        writer = self.parts.summariser(summariser) if layers else None
        create = not (reembed or exactly)
        with self.parts.books(writer), self.parts.place.session(create=create, wait=wait) as session:
            report = self.indexer.index(
                sources or (known_sources(session) if exactly else ()),
                session=session,
                progress=progress,
                exactly=exactly,
                reembed=reembed,
                switch=self._chosen if switch is None else switch,
                read=read,
                reread=reread,
                retry=retry,
                budget=budget,
                stop=stop,
            )
            return add_layers(
                report,
                session,
                layers=layers,
                summariser=writer,
                embedder=self.indexer.embedder,
                progress=progress,
                budget=budget,
                stop=stop,
            )

    def update(self, sources: Sequence[str | Path] = (), **options: Unpack[UpdateOptions]) -> IndexReport:
        """Make the index hold what files and folders hold now: as `index`, and what is there no more is removed.

        Documents that came from elsewhere stay, and so do those in files that cannot be read now.

        Parameters
        ----------
        sources
            Files and folders; without any, all that were ever indexed.
        options
            All else that `index` takes and an index that is there allows.

        Raises
        ------
        InputError, NoIndexError, IndexMismatchError, DamagedIndexError, IndexDirectoryError
            As for `index`, and if nothing was ever indexed.
        """
        return self.index(sources, exactly=True, **options)

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
        ids, filter
            Ids of documents, and what chooses some by their metadata (`hippograph.text.metadata_filter` tells how).
        source
            Chooses the documents of a file, or of all files in a folder. Together with `filter`, both must hold.
        wait
            As for `index`.

        Raises
        ------
        InputError, NoIndexError, IndexMismatchError, DamagedIndexError, IndexDirectoryError
            As for `index`, and if nothing says what to remove, or the filter cannot be read.
        """
        chooses = parse_filter(filter) if isinstance(filter, str) else filter
        with self.parts.place.session(wait=wait) as session:
            report = self.indexer.remove(session, ids, filter=chooses, source=source)
            prune_layers(session)
            return report

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
        query, k
            What to look for, and how many hits at most.
        retriever
            One of `hippograph.composition.RETRIEVERS`, or a retriever made by hand.
        filter
            Documents to look at, by their metadata (`hippograph.text.metadata_filter` tells the language). The answer
            is that of an index of these documents alone.

        Raises
        ------
        InputError
            If the query is blank, `k` is below 1, there is no such retriever, or the filter cannot be read.
        NoIndexError, DamagedIndexError
            If nothing was indexed here, or a file is missing, truncated or altered.
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
        """Rank passages for several queries, each as `retrieve` does."""
        made = self.parts.retriever(retriever, filter=filter)
        with self.parts.at_work():
            return made.retrieve(queries, k=k)

    def ask(
        self,
        question: str,
        *,
        k: int | None = None,
        reader: str | Reader | None = None,
        retriever: str | Retriever = "default",
        filter: str | MetadataFilter | None = None,
        sampling: Sampling | SamplingChoice | None = None,
        budget: ReadingBudget | None = None,
        watch: Watch | None = None,
    ) -> Answer:
        """Answer a question from the passages of the index.

        Parameters
        ----------
        question
            What to answer.
        reader
            One of `hippograph.composition.READERS`, or a reader made by hand, which has all that follows of its own; by
            default `single`, or `extractive` without a language model.
        k
            How many passages are looked up at a time; None leaves it to the reader.
        retriever, filter
            What finds the passages, and where, as for `retrieve`.
        sampling
            How the language model chooses its words; None, or what a choice leaves open, is left to the reader.
        budget
            What may be spent; when it is, the best answer so far is returned.
        watch
            Is told each step when it is done; if it returns True, the best answer so far is returned.

        Raises
        ------
        InputError, NoIndexError, IndexMismatchError, DamagedIndexError
            As for `retrieve`, and if the reader lacks its language model.
        ModelError
            If something concerns every question: a wrong key, no server. Other failures are told by the answer.
        """
        if reader is None or isinstance(reader, str):
            made = self.parts.reader
            reader = made(reader, retriever=retriever, filter=filter, k=k, sampling=sampling, budget=budget)
        elif not isinstance(retriever, str) or (retriever, filter, k, sampling, budget) != _NOTHING:
            raise InputError(_OWN_SETTINGS)
        with self.parts.at_work():
            return reader.read(question) if watch is None else watched(reader.steps(question), watch)

    def explain(
        self,
        question: str,
        *,
        k: int = 5,
        passage: str | None = None,
        retriever: str | Retriever = "default",
        filter: str | MetadataFilter | None = None,
    ) -> Explanation:
        """Say why a question is answered with the passages it is: seeds, facts, paths, and what each gave.

        Parameters
        ----------
        question, k
            What is asked, and how many passages are to answer it.
        passage
            The id of a passage to explain too, be it found or not.
        retriever, filter
            As for `retrieve`; one made by hand has searched what is published, or `parts.part(filter)`.

        Raises
        ------
        InputError, NoIndexError, IndexMismatchError, DamagedIndexError
            As for `retrieve`, and if there is no such passage.
        """
        made = self.parts.retriever(retriever, filter=None if not isinstance(retriever, str) else filter)
        with self.parts.at_work():
            return explained(made, question, snapshot=self.parts.part(filter), k=k, passage=passage)

    def status(self) -> dict[str, Any]:
        """Say what the index holds, as JSON values; `docs/usage.md` explains each.

        Raises
        ------
        NoIndexError
            If nothing was indexed here; if a first run was interrupted, its catalog is told of.
        """
        return standing_at(self.parts.place.catalog(), directory=self.directory)

    def close(self) -> None:
        """Close the files; the object may be used again, and sees what is published by then."""
        self.parts.close()

    def __enter__(self) -> HippoGraph:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
