"""One ranking out of several, by ranks alone: scores of different queries do not compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hippograph.types import Hit

__all__ = ["fused"]

_RANKS_APART: Final = 60


def fused(rankings: Sequence[Sequence[Hit]], *, weights: Sequence[float] | None = None) -> tuple[Hit, ...]:
    """Fuse rankings by reciprocal ranks.

    Parameters
    ----------
    rankings
        Hits, best first, of each query.
    weights
        How much each ranking counts; all alike by default.

    Returns
    -------
    Every passage once, best first; its score is the sum of weight / (60 + rank). Equal scores are ordered by id.

    References
    ----------
    Cormack, Clarke, Büttcher, Reciprocal Rank Fusion Outperforms Condorcet and Individual Rank Learning Methods
    (SIGIR 2009).

    Examples
    --------
    >>> from hippograph.types import Passage
    >>> a, b, c = (Hit(passage=Passage(id=name, document=name, text=name), score=1.0) for name in "abc")
    >>> [hit.passage.id for hit in fused([[a, b], [b, c]])]
    ['b', 'a', 'c']
    """
    scores: dict[str, float] = {}
    known: dict[str, Hit] = {}
    for ranking, weight in zip(rankings, weights or [1.0] * len(rankings), strict=True):
        for rank, hit in enumerate(ranking, start=1):
            known.setdefault(hit.passage.id, hit)
            scores[hit.passage.id] = scores.get(hit.passage.id, 0.0) + weight / (_RANKS_APART + rank)
    best = sorted(scores, key=lambda id: (-scores[id], id))
    return tuple(Hit(passage=known[id].passage, score=scores[id]) for id in best)
