"""One ranking out of those of several queries."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import Final

from hippograph.types import Hit

__all__ = ["fused"]

# Of ranks: 60, as published, counts a tenth place of two rankings for more than the first of one, and what a query asks
# for is at the top of its ranking alone.
_RANKS_APART: Final = 1
# Sums of shares may be off by rounding.
_WHOLE: Final = 1 + 1e-6


def fused(rankings: Sequence[Sequence[Hit]], *, weights: Sequence[float] | None = None) -> tuple[Hit, ...]:
    """Fuse the rankings of several queries.

    Scores of different queries do not compare, unless they are shares of one whole, as those of walks are: each is at
    least 0, and those of a ranking are at most 1 together. If all are, they are added up; a ranking that is sure of its
    first passage then counts for more than one that is not. If some are not, reciprocal ranks are added up.

    Parameters
    ----------
    rankings
        Hits, best first, of each query.
    weights
        How much each ranking counts; all alike by default.

    Returns
    -------
    Every passage once, best first; its score is the sum of weight * share, or else of weight / (1 + rank). Equal scores
    are ordered by id.

    References
    ----------
    Fox, Shaw, Combination of Multiple Searches (TREC-2, 1994): the sum of scores. Cormack, Clarke, Büttcher, Reciprocal
    Rank Fusion Outperforms Condorcet and Individual Rank Learning Methods (SIGIR 2009).

    Examples
    --------
    >>> from hippograph.types import Passage
    >>> a, b, c = (Passage(id=name, document=name, text=name) for name in "abc")
    >>> sure, unsure = [Hit(passage=a, score=0.7), Hit(passage=b, score=0.1)], [Hit(passage=c, score=0.2)]
    >>> [hit.passage.id for hit in fused([unsure, sure])]
    ['a', 'c', 'b']

    Cosines are no shares:

    >>> near = [Hit(passage=a, score=0.8), Hit(passage=b, score=0.7)], [Hit(passage=b, score=0.6)]
    >>> [(hit.passage.id, round(hit.score, 2)) for hit in fused(near)]
    [('b', 0.83), ('a', 0.5)]
    """
    are_shares = all(_are_shares(ranking) for ranking in rankings)
    scores: dict[str, float] = {}
    known: dict[str, Hit] = {}
    for ranking, weight in zip(rankings, weights or [1.0] * len(rankings), strict=True):
        for rank, hit in enumerate(ranking, start=1):
            known.setdefault(hit.passage.id, hit)
            worth = hit.score if are_shares else 1 / (_RANKS_APART + rank)
            scores[hit.passage.id] = scores.get(hit.passage.id, 0.0) + weight * worth
    best = sorted(scores, key=lambda id: (-scores[id], id))
    return tuple(Hit(passage=known[id].passage, score=scores[id]) for id in best)


def _are_shares(ranking: Sequence[Hit]) -> bool:
    return all(hit.score >= 0 for hit in ranking) and fsum(hit.score for hit in ranking) <= _WHOLE
