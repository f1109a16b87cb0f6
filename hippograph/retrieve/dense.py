"""Dense retrieval: passages by the cosine of their vectors to the query's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hippograph.protocols import Embedder
from hippograph.retrieve.nearest import top
from hippograph.retrieve.ranked import Stopwatch, check_request, hits
from hippograph.store.snapshot import Snapshot
from hippograph.types import Ranking

__all__ = ["DenseRetriever"]


@dataclass(frozen=True, kw_only=True)
class DenseRetriever:
    """Ranks passages by cosine, exhaustively; no graph. Scores are cosines, -1 to 1.

    Parameters
    ----------
    snapshot
        The index.
    embedder
        The embedder it was built with.
    """

    snapshot: Snapshot
    embedder: Embedder

    def retrieve(self, queries: Sequence[str], *, k: int = 5) -> list[Ranking]:
        """Rank passages for each query.

        Raises
        ------
        InputError
            If `k` is below 1 or a query is blank.
        """
        check_request(queries, k)
        vectors = self.embedder.embed(queries, role="query")
        rankings = []
        for query, vector in zip(queries, vectors, strict=True):
            watch = Stopwatch()
            cosines = self.snapshot.passage_vectors @ vector
            rows = top(cosines, k=k)
            found = hits(rows.tolist(), cosines[rows].tolist(), self.snapshot)
            watch.lap("rank")
            rankings.append(Ranking(query=query, hits=found, timings=watch.timings))
        return rankings
