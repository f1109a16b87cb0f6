"""What a part must do to take the place of another: protocols of one to three members each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Protocol, runtime_checkable

from hippograph.completions import Completion, ModelRequest
from hippograph.types import (
    Answer,
    Extraction,
    FloatArray,
    Passage,
    Ranking,
    Recognition,
    Step,
    TextRole,
    Triple,
    Usage,
)

__all__ = [
    "Asking",
    "BatchEmbedder",
    "CrossEncoder",
    "Embedder",
    "Extractor",
    "LanguageModel",
    "Metered",
    "Reader",
    "Reading",
    "RecognitionMemory",
    "Retriever",
]


@runtime_checkable
class LanguageModel(Protocol):
    """Answers requests; many at a time, on threads or machines of its own."""

    @property
    def fingerprint(self) -> str:
        """Names the model whose answers these are."""
        ...

    @property
    def concurrency(self) -> int:
        """How many requests it works on at a time; more of them wait."""
        ...

    def submit(self, request: ModelRequest) -> Future[Completion]:
        """Take a request and return at once; the future ends when the model has answered or given up.

        What concerns one request alone (a wrong answer, a server that fails again and again) is told by the
        completion's status. What concerns all (a wrong key, no such model, no server) is raised by the future, as
        `ModelError`. A future that has not begun can be cancelled.
        """
        ...


@runtime_checkable
class Metered(Protocol):
    """Counts what it spends; embedders that are paid for do."""

    def spent(self) -> Usage:
        """Return what was spent since this was last asked."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into unit vectors."""

    @property
    def fingerprint(self) -> str:
        """Names everything that changes the vectors: model, weights, pooling, prefixes."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    def embed(self, texts: Sequence[str], *, role: TextRole) -> FloatArray:
        """Embed texts.

        A text's vector must not depend on the texts beside it: an index is a pure function of its passages.

        Returns
        -------
        Shape (len(texts), dimension), float32, rows of Euclidean length 1.
        """
        ...


@runtime_checkable
class BatchEmbedder(Protocol):
    """Embeds texts in padded batches too, as most programs do; for repeating those, and for nothing else."""

    def embed_batched(self, texts: Sequence[str], *, role: TextRole, batch: int) -> FloatArray:
        """Embed consecutive slices of `batch` texts together, each padded to its longest text.

        Unlike with `Embedder.embed`, a text's vector may depend on the texts of its slice.

        Returns
        -------
        Shape (len(texts), dimension), float32, rows of Euclidean length 1.
        """
        ...


@runtime_checkable
class CrossEncoder(Protocol):
    """Reads two texts together and says how well the second answers the first."""

    @property
    def fingerprint(self) -> str:
        """Names everything that changes the scores: model, weights, how much is read."""
        ...

    def score(self, pairs: Sequence[tuple[str, str]]) -> FloatArray:
        """Score pairs of a query and a text.

        A pair's score must not depend on the pairs beside it.

        Returns
        -------
        Shape (len(pairs),), float32, finite logits: higher is better, 0 is neither here nor there, and scores of
        different queries compare. Of a model that answers with probabilities, give the logarithm of the odds.
        """
        ...


@runtime_checkable
class RecognitionMemory(Protocol):
    """Recognises, among triples that look near a query, those that bear on it (HippoRAG 2, section 3.2)."""

    def recognise(self, queries: Sequence[str], triples: Sequence[Sequence[Triple]]) -> list[Recognition]:
        """Judge the candidates of each query, in the order of the queries.

        A judge that fails says so by the status; it never looks as if nothing were relevant.
        """
        ...


@runtime_checkable
class Extractor(Protocol):
    """Reads entities and triples out of passages."""

    @property
    def fingerprint(self) -> str:
        """Names everything that changes the extractions: rules, model, prompt."""
        ...

    def extract(self, passages: Iterable[Passage]) -> Iterator[tuple[Passage, Extraction]]:
        """Yield each passage with its extraction as soon as it is known, in any order.

        Passages are drawn as they can be worked on, not all at once: who gives them may end early, and there may be
        more than fit into memory.
        """
        ...


@runtime_checkable
class Retriever(Protocol):
    """Ranks the passages of an index for queries."""

    def retrieve(self, queries: Sequence[str], *, k: int) -> list[Ranking]:
        """Return one ranking of at most `k` hits per query, in the order of the queries.

        Raises
        ------
        InputError
            If `k` is below 1 or a query is blank.
        """
        ...


@runtime_checkable
class Asking(Protocol):
    """Asks a language model for each query that it is given; retrievers with a judge of facts may."""

    @property
    def calls_per_query(self) -> int:
        """How many calls it makes for a query, those that are repeated not counted; 0 if it asks none."""
        ...


@runtime_checkable
class Reading(Protocol):
    """A question on its way to an answer: an iterator of steps."""

    @property
    def answer(self) -> Answer:
        """The answer; what is left to do for it is done first."""
        ...

    def __iter__(self) -> Iterator[Step]:
        """Return itself."""
        ...

    def __next__(self) -> Step:
        """Do the next step."""
        ...

    def stop(self) -> Answer:
        """Do nothing more, and return the best answer so far."""
        ...


@runtime_checkable
class Reader(Protocol):
    """Answers questions from the passages of an index."""

    def read(self, question: str) -> Answer:
        """Return an answer and how it came about; a model that fails is told by the answer, not raised.

        Raises
        ------
        InputError
            If the question is blank.
        ModelError
            If something is wrong that concerns every question: a wrong key, no such model, no server.
        """
        ...

    def steps(self, question: str) -> Reading:
        """Read a question step by step; errors are those of `read`."""
        ...
