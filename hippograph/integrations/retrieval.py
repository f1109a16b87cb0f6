"""What the adapters have in common: which index and retriever they ask, and what they tell of a passage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hippograph.composition import RETRIEVERS
from hippograph.errors import InputError
from hippograph.hippograph import HippoGraph
from hippograph.protocols import Retriever
from hippograph.retrieve.ranked import check_request
from hippograph.text.metadata_filter import MetadataFilter, parse_filter
from hippograph.types import Hit, Passage

__all__ = ["Retrieval", "joined", "opened", "provenance"]

_NO_INDEX: Final = "there is no index; give a directory or a HippoGraph, or a retriever made by hand"
_OWN_SNAPSHOT: Final = "a retriever made by hand has a snapshot of its own; make it over `parts.part(filter)` instead"
_PREFIX: Final = "metadata."


def opened(index: HippoGraph | str | Path | None) -> HippoGraph | None:
    """Return the index of a directory; nothing is read before the first query.

    Raises
    ------
    InputError
        If it is something else.

    Examples
    --------
    >>> opened("wiki.hippo").directory.name
    'wiki.hippo'
    """
    if index is None or isinstance(index, HippoGraph):
        return index
    if isinstance(index, str | Path):
        return HippoGraph(index)
    raise InputError(f"index is {index!r}; give a directory or a HippoGraph, and what else retrieves as retriever=")


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """How the queries of a pipeline are answered; threads may share it.

    Parameters
    ----------
    index
        The index; None if the retriever is made by hand.
    retriever
        One of `hippograph.composition.RETRIEVERS`, or a retriever made by hand.
    k
        How many hits at most.
    filter
        Documents to look at, by their metadata (`hippograph.text.metadata_filter` tells the language).

    Raises
    ------
    InputError
        If there is neither an index nor a retriever made by hand, `k` is below 1, there is no retriever of this name,
        the filter cannot be read, or there is a filter beside a retriever made by hand.
    """

    index: HippoGraph | None
    retriever: str | Retriever = "default"
    k: int = 5
    filter: str | MetadataFilter | None = None

    def __post_init__(self) -> None:
        check_request([], self.k)
        if isinstance(self.filter, str):
            parse_filter(self.filter)
        if not isinstance(self.retriever, str):
            given: object = self.retriever  # an index has a method of the same name
            if isinstance(given, HippoGraph) or not isinstance(given, Retriever):
                raise InputError(f"retriever is {given!r}; give a name, or a retriever, and an index as index=")
            if self.filter is not None:
                raise InputError(
                    "a retriever made by hand has a snapshot of its own; make it over `parts.part(filter)`"
                )
        elif self.index is None:
            raise InputError(_NO_INDEX)
        elif self.retriever not in RETRIEVERS:
            raise InputError(f"there is no retriever {self.retriever!r}; choose one of {', '.join(RETRIEVERS)}")

    def hits(self, query: str) -> tuple[Hit, ...]:
        """Rank passages for a query.

        Raises
        ------
        InputError
            If the query is blank.
        NoIndexError, IndexMismatchError, DamagedIndexError
            As `HippoGraph.retrieve` does.
        """
        if not isinstance(self.retriever, str):
            (ranking,) = self.retriever.retrieve([query], k=self.k)
            return ranking.hits
        if self.index is None:
            raise InputError(_NO_INDEX)
        return self.index.retrieve(query, k=self.k, retriever=self.retriever, filter=self.filter).hits


def provenance(passage: Passage) -> dict[str, Any]:
    """Tell where a passage stands, by the names that `hippograph retrieve --json` uses.

    Examples
    --------
    >>> provenance(Passage(id="oslo#0", document="oslo", title="Oslo", text="A capital.", span=(0, 10)))
    {'document': 'oslo', 'source': '', 'title': 'Oslo', 'span': [0, 10], 'page': None}
    """
    return {
        "document": passage.document,
        "source": passage.source,
        "title": passage.title,
        "span": list(passage.span),
        "page": passage.page,
    }


def joined(own: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Join what hippograph tells and the user's metadata without loss.

    A key of the user's that hippograph uses itself gets the prefix `metadata.`, and so does one that has it already.

    Examples
    --------
    >>> joined({"source": "a.txt"}, {"source": "The Times", "year": 1912})
    {'source': 'a.txt', 'metadata.source': 'The Times', 'year': 1912}
    """
    return dict(own) | {
        f"{_PREFIX}{key}" if key in own or key.startswith(_PREFIX) else key: value for key, value in metadata.items()
    }
