"""What reading and embedding are expected to cost, passage by passage, while a budget is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from hippograph.index.changes import compare
from hippograph.index.estimate import EMBEDDED_PER_TOKEN
from hippograph.models.prices import Price
from hippograph.protocols import Embedder, Extractor, Metered
from hippograph.store.catalog import Catalog
from hippograph.store.snapshot import Snapshot
from hippograph.text.token_estimate import estimate_tokens
from hippograph.types import Passage, Usage

__all__ = ["Expectation", "Priced"]


@runtime_checkable
class Priced(Protocol):
    """Knows beforehand what it will spend; extractors that are paid for may."""

    def expected(self, passage: Passage) -> Usage:
        """Return what it is expected to take to read a passage: tokens, and their cost if that is known."""
        ...


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What an extractor and an embedder are expected to spend.

    The sum over many passages is off by some percent, that of a single one by a quarter; other models and texts than
    those that the ratios are taken from may take more or less.

    Parameters
    ----------
    extractor
        If it is `Priced`, it is asked; else nothing is expected of it.
    embedder
        If it is metered, it is expected to read the passage, and 1.2 tokens of names and facts for each of its tokens.
    catalog
        Knows what is embedded already.
    """

    extractor: Extractor
    embedder: Embedder
    catalog: Catalog

    def reading(self, passage: Passage) -> Usage:
        """Expect what it takes to read a passage."""
        return self.extractor.expected(passage) if isinstance(self.extractor, Priced) else Usage()

    def embedding(self, passage: Passage) -> Usage:
        """Expect what it takes to embed a passage, and what is read out of it."""
        if not isinstance(self.embedder, Metered):
            return Usage()
        text = passage.headed_text
        tokens = estimate_tokens(text)
        missing = self.catalog.vectors.missing(self.embedder.fingerprint, "passage", [text])
        return self._embedding(round(EMBEDDED_PER_TOKEN * tokens) + (tokens if missing else 0))

    def waiting(self, published: Snapshot | None) -> Usage:
        """Expect what it takes to embed what was read before this run, and is not published."""
        if not isinstance(self.embedder, Metered):
            return Usage()
        extractions, order = self.catalog.extractions, self.catalog.extractors.order()
        same = published is not None and published.manifest.embedder == self.embedder.fingerprint
        base = published if published is not None and same else Snapshot.empty()
        _, changed = compare(base, list(extractions.stamps(order)))
        return sum((self.embedding(one.passage) for one in extractions.items_of(order, changed)), start=Usage())

    def text(self, text: str) -> Usage:
        """Expect what it takes to embed a text."""
        return self._embedding(estimate_tokens(text))

    def _embedding(self, tokens: int) -> Usage:
        price = getattr(self.embedder, "price", None)
        return Usage(input_tokens=tokens, cost=price.cost(tokens, 0) if isinstance(price, Price) else 0.0)
