"""Dense retrieval: passages by the cosine of their vectors to the query's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hippograph.protocols import Embedder
from hippograph.retrieve.nearest import cosines, top
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
        watch = Stopwatch()
        vectors = self.embedder.embed(queries, role="query")
        watch.lap("embed")
        embedding = watch.timings["embed"] / max(1, len(queries))
        rankings = []
        for query, vector in zip(queries, vectors, strict=True):
            watch = Stopwatch()
            similarities = cosines(self.snapshot.passage_vectors, vector)
            rows = top(similarities, k=k)
            found = hits(rows.tolist(), similarities[rows].tolist(), self.snapshot)
            watch.lap("rank")
            rankings.append(Ranking(query=query, hits=found, timings={"embed": embedding} | watch.timings))
        return rankings
