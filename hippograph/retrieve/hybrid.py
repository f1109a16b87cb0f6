"""Hybrid retrieval: several rankings fused by rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hippograph.errors import InputError
from hippograph.protocols import Retriever
from hippograph.retrieve.ranked import Stopwatch, check_request
from hippograph.types import Hit, Passage, Ranking

__all__ = ["HybridRetriever", "fuse"]


def fuse(rankings: Sequence[Ranking], *, k: int, constant: float = 60.0) -> tuple[Hit, ...]:
    """Fuse rankings of one query by reciprocal rank.

    A passage scores the sum of `1 / (constant + rank)` over the rankings that hold it, ranks counted from 1.

    Parameters
    ----------
    rankings
        Rankings of the same query.
    k
        How many hits to return.
    constant
        How slowly a rank loses worth.

    References
    ----------
    Cormack, Clarke, Buettcher, Reciprocal Rank Fusion Outperforms Condorcet (SIGIR 2009), section 2.

    Examples
    --------
    >>> a, b = (Hit(passage=Passage(id=name, document=name, text=name), score=1.0) for name in "ab")
    >>> fused = fuse([Ranking(query="q", hits=(a, b)), Ranking(query="q", hits=(b,))], k=2)
    >>> [hit.passage.id for hit in fused]
    ['b', 'a']
    """
    scores: dict[str, float] = {}
    passages: dict[str, Passage] = {}
    for ranking in rankings:
        for rank, hit in enumerate(ranking.hits, start=1):
            passages[hit.passage.id] = hit.passage
            scores[hit.passage.id] = scores.get(hit.passage.id, 0.0) + 1.0 / (constant + rank)
    best = sorted(scores, key=lambda passage: (-scores[passage], passage))[:k]
    return tuple(Hit(passage=passages[passage], score=scores[passage]) for passage in best)


@dataclass(frozen=True, kw_only=True)
class HybridRetriever:
    """Fuses the rankings of other retrievers, by default of dense and lexical search.

    Parameters
    ----------
    retrievers
        Whose rankings are fused.
    depth
        How many hits of each are fused.
    constant
        The constant of reciprocal rank fusion; 60 in the paper.

    Raises
    ------
    InputError
        If `depth` is below 1 or `constant` below 0.

    References
    ----------
    Cormack, Clarke, Buettcher, Reciprocal Rank Fusion Outperforms Condorcet (SIGIR 2009).
    """

    retrievers: tuple[Retriever, ...]
    depth: int = 100
    constant: float = 60.0

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise InputError(f"depth {self.depth} fuses nothing; give 1 or more")
        if not self.constant >= 0:
            raise InputError(f"constant {self.constant} is not a number from 0 upwards; 60 is customary")

    def retrieve(self, queries: Sequence[str], *, k: int = 5) -> list[Ranking]:
        """Rank passages for each query.

        Raises
        ------
        InputError
            If `k` is below 1 or a query is blank.
        """
        check_request(queries, k)
        parts = [retriever.retrieve(queries, k=max(k, self.depth)) for retriever in self.retrievers]
        rankings = []
        for query, *several in zip(queries, *parts, strict=True):
            watch = Stopwatch()
            found = fuse(several, k=k, constant=self.constant)
            watch.lap("fuse")
            timings: dict[str, float] = {}
            for step, time in [item for ranking in several for item in ranking.timings.items()]:
                timings[step] = timings.get(step, 0.0) + time
            timings |= watch.timings
            rankings.append(Ranking(query=query, hits=found, timings=timings))
        return rankings
