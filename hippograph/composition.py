"""What the parts are composed of by name: extractors, retrievers and readers, over one index directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from hippograph.completions import Sampling, SamplingChoice
from hippograph.errors import IndexMismatchError, InputError, MissingExtraError, ModelError
from hippograph.index.indexer import Indexer
from hippograph.index.layers import known_summariser, summariser_named
from hippograph.index.llm_extractor import LLMExtractor
from hippograph.index.no_extractor import NoExtractor
from hippograph.index.parts import SnapshotParts
from hippograph.index.replay_extractor import ReplayExtractor
from hippograph.index.spacy_extractor import SpacyExtractor
from hippograph.index.summaries import LLMSummariser, Summariser
from hippograph.models.caching import CachingModel
from hippograph.protocols import CrossEncoder, Extractor, LanguageModel, Reader, Retriever
from hippograph.readers.budget import ReadingBudget
from hippograph.readers.memory import SummaryLayer
from hippograph.reading_by_name import READERS, Readers, named_reader
from hippograph.retrieve.layers import LayerRetriever
from hippograph.retrievers import NO_MODEL, RETRIEVERS, Retrievers, Variant, default_cross_encoder, named_variant
from hippograph.store.index_directory import IndexDirectory
from hippograph.store.layers_manifest import LAYER_NAMES
from hippograph.store.responses import RESPONSES, ResponseStore
from hippograph.store.snapshot import Snapshot, suspecting_damage
from hippograph.text.metadata_filter import MetadataFilter, parse_filter

__all__ = ["EXTRACTORS", "READERS", "RETRIEVERS", "Composition", "extractor_named", "extractor_of", "remembering"]
__all__ += ["settling"]

_OWN_SNAPSHOT: Final = (
    "a retriever made by hand has a snapshot and options of its own; give its name and the filter to `parts.retriever`"
)
EXTRACTORS: Final = ("spacy", "llm", "replay:FILE", "none")
"""The extractors that are known by name."""


def extractor_named(name: str, *, model: LanguageModel | None = None) -> Extractor:
    """Make an extractor by its name, with its defaults.

    Parameters
    ----------
    name
        `spacy`, `none`, `llm`, or `replay:` and the path of a file of extractions.
    model
        The language model that `llm` asks.

    Raises
    ------
    InputError
        If there is none of this name, or it lacks its model or its file.

    Examples
    --------
    >>> extractor_named("none").fingerprint
    'none'
    """
    kind, _, path = name.partition(":")
    if kind == "replay" and path:
        return ReplayExtractor(path=Path(path))
    if name == "spacy":
        return SpacyExtractor()
    if name == "none":
        return NoExtractor()
    if name != "llm":
        raise InputError(f"there is no extractor {name!r}; choose one of {', '.join(EXTRACTORS)}")
    if model is None:
        raise InputError(NO_MODEL.format(what="the extractor 'llm'"))
    return LLMExtractor(model=model)


def extractor_of(extractor: Extractor | str, *, model: LanguageModel | None, directory: Path) -> Extractor:
    """Take an extractor as it is or make it by its name; a language model that it asks gets the memory of an index."""
    if isinstance(extractor, str):
        return extractor_named(extractor, model=model)
    if isinstance(extractor, LLMExtractor):
        return replace(extractor, model=remembering(extractor.model, directory))
    return extractor


def remembering(model: LanguageModel, directory: Path) -> LanguageModel:
    """Give a language model the memory of an index: what it has answered there is not asked, nor paid, again."""
    if isinstance(model, CachingModel):
        return model
    return CachingModel(model=model, responses=ResponseStore(directory / RESPONSES))


@contextmanager
def settling(*users: object) -> Iterator[None]:
    """Book what language models spend in a block: if it ends well, whoever called them knows, or has kept, their usage.

    If it fails, answers that it was given are counted once more when they are asked for again.

    Parameters
    ----------
    users
        Language models, and what has one by the name of `model`; those that remember nothing are left out.
    """
    used = [user if isinstance(user, CachingModel) else getattr(user, "model", None) for user in users]
    models = {id(model): model for model in used if isinstance(model, CachingModel)}
    try:
        yield
    except BaseException:
        for model in models.values():
            model.reopen()
        raise
    for model in models.values():
        model.settle()


@dataclass(frozen=True, kw_only=True)
class Composition:
    """Makes retrievers and readers by name over what is published; threads may share it.

    Parameters
    ----------
    place
        The index directory.
    indexer
        How the index was built: queries are embedded and parts are made in the same way.
    language_model
        What readers, and the recognition `llm`, ask; None if there is none.
    cross_encoder
        What the second look and the recognition `cross-encoder` ask; None if there is none.
    """

    place: IndexDirectory
    indexer: Indexer
    language_model: LanguageModel | None = None
    cross_encoder: CrossEncoder | None = field(default_factory=default_cross_encoder)
    _parts: SnapshotParts = field(default_factory=SnapshotParts, init=False, repr=False, compare=False)

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
        snapshot = self.place.snapshot()
        built, given = snapshot.manifest.embedder, self.indexer.embedder.fingerprint
        if built != given:
            raise IndexMismatchError(
                f"the index {self.place.path} was built with the embedder {built!r}, not {given!r}; "
                f"use that embedder, or replace its vectors with: hippograph reembed --index {self.place.path}"
            )
        return snapshot

    def part(self, filter: str | MetadataFilter | None) -> Snapshot:
        """Make what an index of some documents alone would be; in time linear in the whole, and the last few are kept.

        Parameters
        ----------
        filter
            Documents to look at, by their metadata (`hippograph.text.metadata_filter` tells the language).

        Raises
        ------
        InputError
            If the filter cannot be read.
        IndexMismatchError
            If there is a filter, and the graph was made with other settings.
        """
        snapshot = self.snapshot
        if filter is None:
            return snapshot
        chooses = parse_filter(filter) if isinstance(filter, str) else filter
        self.indexer.check_settings(snapshot.manifest)
        with suspecting_damage(self.place.path):
            return self._parts.of(snapshot, chooses, settings=self.indexer.settings)

    def retriever(
        self,
        name: str | Retriever = "default",
        *,
        filter: str | MetadataFilter | None = None,
        variant: Variant | None = None,
    ) -> Retriever:
        """Make a retriever over the published index, or over what an index of some documents alone would be.

        Parameters
        ----------
        name
            One of `RETRIEVERS`, with its options behind a colon if it is to have some: `hipporag2:parity`. A retriever
            made by hand is returned as it is.
        filter
            Documents to look at, as for `part`.
        variant
            The options, if they are not in the name.

        Raises
        ------
        InputError
            If there is none of this name, it has no such option, the filter cannot be read, or something is asked of a
            retriever that was made by hand.
        IndexMismatchError
            If there is a filter, and the graph was made with other settings.
        """
        if not isinstance(name, str):
            if filter is not None or variant is not None:
                raise InputError(_OWN_SNAPSHOT)
            return name
        known, named = named_variant(name)
        if variant is not None and variant.given and named.given:
            raise InputError(f"the retriever {name!r} has options of its own beside {variant}; give them in one place")
        return self._retrievers.make(known, self.part(filter), named if named.given else variant or Variant())

    @cached_property
    def _retrievers(self) -> Retrievers:
        extractor = self.indexer.extractor
        return Retrievers(
            place=self.place,
            embedder=self.indexer.embedder,
            language_model=self.language_model,
            cross_encoder=self.cross_encoder,
            # Others may know the passages of one index only, or no names at all.
            extractor=extractor if isinstance(extractor, SpacyExtractor | LLMExtractor) else None,
        )

    def reader(
        self,
        name: str | None = None,
        *,
        retriever: str | Retriever = "default",
        filter: str | MetadataFilter | None = None,
        k: int | None = None,
        sampling: Sampling | SamplingChoice | None = None,
        budget: ReadingBudget | None = None,
    ) -> Reader:
        """Make a reader.

        Parameters
        ----------
        name
            One of `READERS`, with its options behind a colon if it is to have some: `notes:clue`. None is `single`, or
            `extractive` where there is no language model.
        retriever
            Finds the passages it reads: by name, as for `retriever`, or made by hand.
        filter
            Documents to read, as for `part`.
        k
            How many passages are looked up at a time; None leaves it to the reader.
        sampling
            How the language model chooses its words; None leaves it to the reader, and so does what a choice leaves
            open.
        budget
            What the reading of a question may spend.

        Raises
        ------
        InputError
            If there is none of this name, it has no such option, it lacks its language model, or `k` is below 1; and as
            for `retriever`.
        """
        remembers = name is not None and named_reader(name)[0] == "memory"
        made = self.retriever(retriever, filter=filter)
        readers = Readers(
            language_model=self.language_model, cross_encoder=self.cross_encoder, embedder=self.indexer.embedder
        )
        layers = self.layers(filter) if remembers else {}
        return readers.make(name, retriever=made, layers=layers, k=k, sampling=sampling, budget=budget)

    def layers(self, filter: str | MetadataFilter | None = None) -> dict[SummaryLayer, Retriever]:
        """Make what ranks the summaries of the index's layers, by the layer; nothing if it has none.

        Parameters
        ----------
        filter
            Documents to look at, as for `part`: summaries of others are not found.

        Raises
        ------
        InputError
            If the filter cannot be read.
        DamagedIndexError
            If a file of the layers is missing, truncated or altered.
        """
        layers = self.place.layers()
        if layers is None:
            return {}
        part, embedder = self.part(filter), self.indexer.embedder
        return {
            layer: LayerRetriever(snapshot=part, layers=layers, embedder=embedder, layer=layer)
            for layer in LAYER_NAMES
            if layers.rows(layer)
        }

    def summariser(self, chosen: Summariser | str | None = None) -> Summariser:
        """Make who summarises for the layers, by name or as who did before; one made by hand gets the index's memory.

        Raises
        ------
        InputError
            If there is none of this name, or it lacks its language model.
        """
        if chosen is None or isinstance(chosen, str):
            return summariser_named(chosen or known_summariser(self.place.path), model=self.language_model)
        if isinstance(chosen, LLMSummariser):
            return replace(chosen, model=remembering(chosen.model, self.place.path))
        return chosen

    def books(self, *users: object) -> AbstractContextManager[None]:
        """Book what language models spend in a block, those of other users included; see `settling`."""
        return settling(self.language_model, self.indexer.extractor, *users)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Retrieve or read in a block: what it spends is booked, and if it fails, altered files are looked for.

        Raises
        ------
        DamagedIndexError
            In place of another error, if a file of the current snapshot has been altered.
        """
        innocent = (InputError, MissingExtraError, ModelError)
        with self.books(), suspecting_damage(self.place.path, innocent=innocent):
            yield

    def close(self) -> None:
        """Close the files; the object may be used again, and sees what is published by then."""
        self.place.close()
        self._parts.clear()
