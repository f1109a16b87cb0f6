"""No extraction: an index of titles, for corpora whose passages are entries on something."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hippograph.types import Extraction, Passage

__all__ = ["NoExtractor"]


@dataclass(frozen=True, kw_only=True)
class NoExtractor:
    """Finds nothing in a passage; its title is still an entity, and is found wherever it is mentioned.

    Examples
    --------
    >>> [found.status for found in NoExtractor().extract([Passage(id="1", document="1", text="Oslo")])]
    ['empty']
    """

    @property
    def fingerprint(self) -> str:
        """Name the extractor."""
        return "none"

    def extract(self, passages: Sequence[Passage]) -> Iterator[Extraction]:
        """Yield an empty extraction per passage."""
        for _ in passages:
            yield Extraction(status="empty")
