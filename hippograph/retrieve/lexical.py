"""Lexical retrieval: BM25 over titles and texts."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from hippograph.retrieve.ranked import Stopwatch, check_request, hits
from hippograph.store.catalog import Catalog
from hippograph.store.snapshot import Snapshot
from hippograph.types import Ranking

__all__ = ["BM25Retriever"]

_BETWEEN_TERMS = re.compile(r"[\s'’/–—-]+")


@dataclass(frozen=True, kw_only=True)
class BM25Retriever:
    """Ranks passages by BM25 as SQLite's FTS5 computes it (k1 = 1.2, b = 0.75); no model.

    Parameters
    ----------
    snapshot
        The index.
    catalog
        Its catalog, which holds the full text.

    References
    ----------
    Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009).
    """

    snapshot: Snapshot
    catalog: Catalog

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
            terms = [term for term in _BETWEEN_TERMS.split(query) if term]
            known = self._search(terms, k)
            watch.lap("search")
            ranked = hits([row for row, _ in known], [score for _, score in known], self.snapshot)
            watch.lap("rank")
            rankings.append(Ranking(query=query, hits=ranked, timings=watch.timings))
        return rankings

    def _search(self, terms: Sequence[str], k: int) -> list[tuple[int, float]]:
        """Return the rows and scores of the best passages that the snapshot has.

        While an index run is under way, the catalog already holds passages that no snapshot has yet.
        """
        asked = k
        while True:
            found = self.catalog.search(terms, k=asked)
            places = [(self._row(passage), score) for passage, score in found]
            known = [(row, score) for row, score in places if row is not None]
            if len(known) >= k or len(found) < asked:
                return known[:k]
            asked *= 2

    def _row(self, passage: str) -> int | None:
        ids = self.snapshot.passages.ids
        row = bisect_left(ids, passage)
        return row if row < len(ids) and ids[row] == passage else None
