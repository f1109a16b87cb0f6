"""What a query is answered with, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hippograph.types.arrays import NodeKind, RecognitionStatus
from hippograph.types.documents import Passage, Triple, Usage

__all__ = ["Evidence", "Hit", "LinkedTriple", "Ranking", "Recognition", "Seed", "Stage", "WalkReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A node at which the walk restarts.

    Parameters
    ----------
    node
        The entity's name or the passage's id.
    kind
        Which of the two it is.
    weight
        Its share of the restart distribution, 0 to 1.
    reason
        Why it was seeded: the query names it as the index does (`mention`), in another `spelling`, with a
        `misspelling`, by an `abbreviation`, in a `short form`, by `part of a name` or by a `similar name`; a `triple`
        near the query speaks of it; its `title` is named; or it is near the query (`dense`). Several are joined by
        `, `.
    """

    node: str
    kind: NodeKind
    weight: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedTriple:
    """A triple of the index near the query.

    Parameters
    ----------
    triple
        The fact.
    similarity
        Cosine to the query, -1 to 1.
    kept
        Whether it seeded the walk.
    """

    triple: Triple
    similarity: float
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """Which of the triples near a query bear on it.

    Parameters
    ----------
    status
        Whether the judge kept some, kept none, gave an unusable answer or did not answer.
    kept
        Places of the triples that bear on the query, the most useful first; empty unless the status is `done`.
    error
        What went wrong, when the status is `invalid` or `failed`.
    usage
        What was spent on it; it does not count when recognitions are compared.
    first_usage
        What it cost when it was first given, if that was not now; None if it was.
    """

    status: RecognitionStatus
    kept: tuple[int, ...] = ()
    error: str = ""
    usage: Usage = field(default_factory=Usage, compare=False)
    first_usage: Usage | None = field(default=None, compare=False)

    @property
    def worth(self) -> Usage:
        """What it cost when it was first given: now, or then; the same whether or not it is known from before."""
        return self.usage if self.first_usage is None else self.first_usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How the passages ranked after one step on the way to a ranking.

    Parameters
    ----------
    name
        The step: `dense`, `walk`, `second look`.
    passages
        Ids of the best passages by then, best first, and their scores; scores compare within a stage only.
    """

    name: str
    passages: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkReport:
    """How a walk ended.

    Parameters
    ----------
    engine
        `exact` (power iteration) or `push` (local forward push).
    iterations
        Matrix products, or rounds of pushes.
    residual
        `exact`: the last L1 change; `push`: the largest residual per unit of degree, the certificate's bound.
    """

    engine: Literal["exact", "push"]
    iterations: int
    residual: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Why a ranking is as it is.

    Parameters
    ----------
    seeds
        Where the walk restarted, heaviest first; empty for retrievers that do not walk.
    triples
        Facts near the query, nearest first.
    walk
        How the walk ended; None for retrievers that do not walk.
    recognition
        What was said of the triples; None if nobody was asked.
    stages
        How the passages ranked after each step, in order; empty for retrievers of one step.
    """

    seeds: tuple[Seed, ...] = ()
    triples: tuple[LinkedTriple, ...] = ()
    walk: WalkReport | None = None
    recognition: Recognition | None = None
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A retrieved passage and its score; scores compare within one ranking only."""

    passage: Passage
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The answer to one query.

    Parameters
    ----------
    query
        The query as asked.
    hits
        Passages, best first; equal scores are ordered by passage id.
    evidence
        Why.
    timings
        Milliseconds by step.
    """

    query: str
    hits: tuple[Hit, ...]
    evidence: Evidence = field(default_factory=Evidence)
    timings: Mapping[str, float] = field(default_factory=dict)
