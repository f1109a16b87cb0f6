"""The second look: a few passages that the first walk found are judged, and the walk begins again from the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hippograph.errors import InputError
from hippograph.protocols import CrossEncoder
from hippograph.retrieve.focus import check_focus
from hippograph.types import DoubleArray, IntArray, Passage

__all__ = ["Anchors", "SecondLook"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Anchors:
    """Passages that a walk begins from because an earlier one found them.

    Parameters
    ----------
    rows
        The passages, best first; shape (A,).
    shares
        How they divide the restarts among them; shape (A,), summing to 1.
    """

    rows: IntArray
    shares: DoubleArray


@dataclass(frozen=True, kw_only=True)
class SecondLook:
    """Walks once more, from the best passages of the first walk.

    What a question over several passages asks for last is often not near the question at all, but near a passage that
    is. So the best passages become seeds, and the walk goes on from what they mention; the nodes that lie near the
    question draw it. Thus paths are ranked, as many at a time as there are anchors, and not single passages. A
    cross-encoder helps to choose the anchors: it reads ten passages, not each pair of passages on a path.

    The defaults hold for all corpora; `benchmarks/tune_default.py` chooses them.

    Parameters
    ----------
    judge
        Reads the question with each candidate; None chooses the anchors by the first walk alone.
    candidates
        How many of the first walk's passages are read.
    verdict
        What the judge counts: a passage that it scores one higher (a logit, for most) is worth `exp(verdict)`
        times the mass.
    anchors
        How many passages the walk begins from.
    sharpness
        An anchor's share is its worth to this power; 0 divides evenly.
    share
        Share of the restarts that the anchors get, 0 to 1; the rest stays with the first seeds.
    focus
        How strongly passages near the question draw the second walk (`hippograph.retrieve.focus`).
    damping
        Probability of following an edge, 0 to 1 exclusive.

    Raises
    ------
    InputError
        If a parameter is out of range.
    """

    judge: CrossEncoder | None = None
    candidates: int = 10
    verdict: float = 0.15
    anchors: int = 4
    sharpness: float = 1.0
    share: float = 0.85
    focus: float = 0.7
    damping: float = 0.85

    def __post_init__(self) -> None:
        if not 1 <= self.anchors <= self.candidates:
            raise InputError(f"anchors is {self.anchors} of {self.candidates} candidates; give 1 to all of them")
        if not 0.0 <= self.share <= 1.0:
            raise InputError(f"share {self.share} is not a share from 0 to 1")
        for name in ("verdict", "sharpness"):
            value = getattr(self, name)
            if not np.isfinite(value) or value < 0:
                raise InputError(f"{name}={value} is not a number from 0 upwards")
        if not 0.0 <= self.damping < 1.0:
            raise InputError(f"damping is {self.damping}; give a probability from 0 to below 1")
        check_focus(self.focus)

    def judged(self, queries: Sequence[str], candidates: Sequence[Sequence[Passage]]) -> list[DoubleArray]:
        """Let the judge read the candidates of several queries.

        Parameters
        ----------
        queries
            The queries.
        candidates
            The candidates of each.

        Returns
        -------
        The scores of each query's candidates; zeros without a judge.
        """
        pairs = [
            (query, passage.headed_text)
            for query, passages in zip(queries, candidates, strict=True)
            for passage in passages
        ]
        read = self.judge is not None and self.verdict > 0 and bool(pairs)
        scores = self.judge.score(pairs).astype(np.float64) if self.judge and read else np.zeros(len(pairs))
        ends = np.cumsum([len(passages) for passages in candidates])
        return np.split(scores, ends[:-1]) if len(ends) else []

    def anchored(self, rows: IntArray, mass: DoubleArray, scores: DoubleArray) -> Anchors:
        """Choose where the second walk begins.

        Parameters
        ----------
        rows
            The candidates, best first.
        mass
            Their mass in the first walk.
        scores
            What the judge makes of them.

        Examples
        --------
        >>> look = SecondLook(anchors=2, verdict=0.5, sharpness=1.0)
        >>> anchors = look.anchored(np.array([7, 3, 5]), np.array([0.3, 0.2, 0.1]), np.array([0.0, -9.0, 0.0]))
        >>> anchors.rows.tolist(), anchors.shares.round(2).tolist()
        ([7, 5], [0.75, 0.25])
        """
        with np.errstate(divide="ignore"):
            worth = np.log(mass) + self.verdict * scores
        best = np.lexsort((rows, -worth))[: self.anchors]
        best = best[np.isfinite(worth[best])]
        shares = np.exp(self.sharpness * (worth[best] - worth[best].max(initial=-np.inf)))
        return Anchors(rows=rows[best], shares=shares / max(float(shares.sum()), np.finfo(np.float64).tiny))
