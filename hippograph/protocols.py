"""What a part must do to take the place of another: protocols of one to three members each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from hippograph.types import Extraction, FloatArray, Passage, Ranking, TextRole

__all__ = ["Embedder", "Extractor", "Retriever"]


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
class Extractor(Protocol):
    """Reads entities and triples out of passages."""

    @property
    def fingerprint(self) -> str:
        """Names everything that changes the extractions: rules, model, prompt."""
        ...

    def extract(self, passages: Sequence[Passage]) -> Iterator[Extraction]:
        """Yield one extraction per passage, in order, each as soon as it is known."""
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
