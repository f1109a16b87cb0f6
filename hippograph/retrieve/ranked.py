"""What every retriever does first and last: check the request, and turn scores into hits."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hippograph.errors import InputError
from hippograph.store.snapshot import Snapshot
from hippograph.types import Hit, IntArray, Stage

__all__ = ["Stopwatch", "check_request", "hits", "stage", "stage_of_hits"]


def check_request(queries: Sequence[str], k: int) -> None:
    """Refuse a request that cannot be answered.

    Raises
    ------
    InputError
        If `k` is no whole number from 1 up, the queries are one string, or a query is no text or blank.

    Examples
    --------
    >>> check_request(["Who built the Fram?", " "], 5)
    Traceback (most recent call last):
    hippograph.errors.InputError: query 1 is blank: ' '; ask something
    """
    if not isinstance(k, int | np.integer):
        raise InputError(f"k is {k!r}; ask for a whole number of hits")
    if k < 1:
        raise InputError(f"k is {k}; ask for 1 hit or more")
    if isinstance(queries, str):
        raise InputError(f"queries is one string, {queries!r}; give a list of queries")
    for place, query in enumerate(queries):
        if not isinstance(query, str):
            raise InputError(f"query {place} is {query!r}, not a text; ask a question")
        if not query.strip():
            raise InputError(f"query {place} is blank: {query!r}; ask something")


def hits(rows: Sequence[int], scores: Sequence[float], snapshot: Snapshot) -> tuple[Hit, ...]:
    """Look up the passages of ranked rows.

    Parameters
    ----------
    rows
        Passage rows, best first.
    scores
        Their scores.
    snapshot
        The index.
    """
    return tuple(
        Hit(passage=snapshot.passages[int(row)], score=float(score)) for row, score in zip(rows, scores, strict=True)
    )


def stage(name: str, rows: IntArray, scores: NDArray[np.floating[Any]], ids: Sequence[str]) -> Stage:
    """Note how the passages rank after a step.

    Parameters
    ----------
    name
        The step.
    rows
        Passage rows, best first.
    scores
        Their scores.
    ids
        What the passages are called, by row.
    """
    ranked = zip(rows.tolist(), scores.tolist(), strict=True)
    return Stage(name=name, passages=tuple((ids[row], float(score)) for row, score in ranked))


def stage_of_hits(name: str, hits: Sequence[Hit]) -> Stage:
    """Note how the passages rank after a step, where they are looked up already."""
    return Stage(name=name, passages=tuple((hit.passage.id, hit.score) for hit in hits))


class Stopwatch:
    """Milliseconds by step, in the order of the steps."""

    def __init__(self) -> None:
        self.timings: dict[str, float] = {}
        self._since = perf_counter()

    def shares(self, count: int) -> dict[str, float]:
        """Divide the times evenly among so many queries that were worked on together."""
        return {step: time / count for step, time in self.timings.items()}

    def lap(self, step: str) -> None:
        """Book the time since the last lap to a step."""
        now = perf_counter()
        self.timings[step] = self.timings.get(step, 0.0) + (now - self._since) * 1000.0
        self._since = now
