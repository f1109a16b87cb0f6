"""Lexical retrieval: BM25 over titles and texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from hippograph.errors import InputError
from hippograph.retrieve.bm25 import bm25
from hippograph.retrieve.nearest import top
from hippograph.retrieve.ranked import Stopwatch, check_request, hits
from hippograph.store.snapshot import Snapshot
from hippograph.types import Ranking

__all__ = ["BM25Retriever"]


@dataclass(frozen=True, kw_only=True)
class BM25Retriever:
    """Ranks passages by BM25; no model and no graph. Scores are above 0, and comparable within a ranking.

    Parameters
    ----------
    snapshot
        The index.
    k1
        How slowly repetition of a term loses worth, 0 or more; 1.2 as in SQLite's FTS5.
    b
        How much long passages are held back, 0 to 1; 0.75 as in SQLite's FTS5.
    title_weight
        How often a word in a title counts, 0 or more.

    Raises
    ------
    InputError
        If a parameter is out of range.

    References
    ----------
    Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009).
    """

    snapshot: Snapshot
    k1: float = 1.2
    b: float = 0.75
    title_weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.k1 < inf:
            raise InputError(f"k1 is {self.k1}; give 0 or more")
        if not 0.0 <= self.b <= 1.0:
            raise InputError(f"b is {self.b}; give a share from 0 to 1")
        if not 0.0 <= self.title_weight < inf:
            raise InputError(f"title_weight is {self.title_weight}; give 0 or more")

    def retrieve(self, queries: Sequence[str], *, k: int = 5) -> list[Ranking]:
        """Rank passages for each query; a query without a known word finds nothing.

        Raises
        ------
        InputError
            If `k` is below 1 or a query is blank.
        """
        check_request(queries, k)
        rankings = []
        for query in queries:
            watch = Stopwatch()
            rows, scores = bm25(self.snapshot.postings, query, k1=self.k1, b=self.b, title_weight=self.title_weight)
            watch.lap("search")
            best = top(scores, k=k)
            found = hits(rows[best].tolist(), scores[best].tolist(), self.snapshot)
            watch.lap("rank")
            rankings.append(Ranking(query=query, hits=found, timings=watch.timings))
        return rankings
