"""No extraction: an index of titles, for corpora whose passages are entries on something."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hippograph.types import Extraction, Passage

__all__ = ["NoExtractor"]


@dataclass(frozen=True, kw_only=True)
class NoExtractor:
    """Finds nothing in a passage; its title is still an entity, and is found wherever it is mentioned.

    Examples
    --------
    >>> [(_, found)] = NoExtractor().extract([Passage(id="1", document="1", text="Oslo")])
    >>> found.status
    'empty'
    """

    @property
    def fingerprint(self) -> str:
        """Name the extractor."""
        return "none"

    def extract(self, passages: Iterable[Passage]) -> Iterator[tuple[Passage, Extraction]]:
        """Yield each passage with an empty extraction."""
        for passage in passages:
            yield passage, Extraction(status="empty")
