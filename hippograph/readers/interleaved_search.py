"""Interleaved retrieval (IRCoT): what comes of looking a question up, and then each thought that leads on from there.

Nothing here looks anything up or thinks: a reader does both at its desk, `InterleavedRetriever` with what it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hippograph.errors import InputError
from hippograph.readers.queries import as_query, new_queries
from hippograph.types import Hit, Passage, Ranking

__all__ = ["InterleavedSearch", "Trail", "merge"]


def merge(rankings: Sequence[Ranking], *, parity: bool = False) -> tuple[Hit, ...]:
    """Merge the rankings of several queries: each passage keeps its largest score.

    Scores of walks and cosines do not compare: of a retriever that falls back to cosines for some queries, these would
    come first whatever they are worth. So where both kinds come together, the hits of a ranking without a walk get the
    mean score that the walks give at their ranks.

    Parameters
    ----------
    rankings
        Of the same retriever, each for another query.
    parity
        Compare all scores as they are, as HippoRAG does.

    Returns
    -------
    All hits, best first; equal scores in the order of the passages' ids.

    References
    ----------
    Trivedi et al., Interleaving Retrieval with Chain-of-Thought Reasoning (ACL 2023); merged as in the program of
    HippoRAG (NeurIPS 2024), `ircot_hipporag.py`.

    Examples
    --------
    >>> from hippograph.types import Evidence, WalkReport
    >>> a, b, c = (Passage(id=name, document=name, text=name) for name in "abc")
    >>> walk = Evidence(walk=WalkReport(engine="exact", iterations=9, residual=0.0))
    >>> walked = Ranking(query="q", hits=(Hit(passage=a, score=0.02), Hit(passage=b, score=0.01)), evidence=walk)
    >>> nearest = Ranking(query="t", hits=(Hit(passage=c, score=0.8), Hit(passage=b, score=0.7)))
    >>> [hit.passage.id for hit in merge([walked, nearest])], [hit.score for hit in merge([walked, nearest])]
    (['a', 'c', 'b'], [0.02, 0.02, 0.01])
    >>> [hit.passage.id for hit in merge([walked, nearest], parity=True)]
    ['c', 'b', 'a']
    """
    best: dict[str, Hit] = {}
    for ranking, scores in zip(rankings, _comparable(rankings, parity=parity), strict=True):
        for hit, score in zip(ranking.hits, scores, strict=True):
            known = best.get(hit.passage.id)
            if known is None or score > known.score:
                best[hit.passage.id] = Hit(passage=hit.passage, score=score)
    return tuple(sorted(best.values(), key=lambda hit: (-hit.score, hit.passage.id)))


def _comparable(rankings: Sequence[Ranking], *, parity: bool) -> list[list[float]]:
    """Return the scores of each ranking's hits on one scale."""
    scores = [[hit.score for hit in ranking.hits] for ranking in rankings]
    has_walked = [ranking.evidence.walk is not None for ranking in rankings]
    walked = [own for own, walks in zip(scores, has_walked, strict=True) if walks and own]
    if parity or not walked or all(has_walked):
        return scores
    longest = max(len(own) for own in scores)
    typical: list[float] = []
    for rank in range(longest):
        there = [own[rank] for own in walked if rank < len(own)]
        # Below the last rank that a walk has a score for, it falls off as the ranks grow.
        score = sum(there) / len(there) if there else typical[-1] * rank / (rank + 1)
        typical.append(min(score, typical[-1]) if typical else score)
    return [own if walks else typical[: len(own)] for own, walks in zip(scores, has_walked, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """What was looked for and found on the way from a question.

    Parameters
    ----------
    question
        The question.
    rankings
        What was found, in the order in which it was looked for.
    hits
        All that was found, best first.
    thoughts
        The thoughts that were looked up.
    steps
        How often something was to be looked for, the question included, be it looked for or not.
    stalled
        How many of the last steps, in a row, brought no new passage among those that are shown.
    shown
        How many of the hits are shown to whoever thinks.
    """

    question: str
    rankings: tuple[Ranking, ...]
    hits: tuple[Hit, ...]
    thoughts: tuple[str, ...] = ()
    steps: int = 1
    stalled: int = 0
    shown: int = 10

    @property
    def passages(self) -> tuple[Passage, ...]:
        """The passages to think about, best first."""
        return tuple(hit.passage for hit in self.hits[: self.shown])


@dataclass(frozen=True, kw_only=True)
class InterleavedSearch:
    """Keeps the trail of a question, and tells when to stop.

    A thought is to be looked up alone, without the question, and what it finds is merged with what was found before. A
    thought that is blank, or says what the question or an earlier thought says (case, punctuation and spaces aside),
    would find nothing else: it counts as a step, and is neither looked up nor kept.

    Parameters
    ----------
    max_steps
        How often to look at most, the question included; 4 for MuSiQue and 2 for other sets in HippoRAG's experiments.
    patience
        Stop after so many steps in a row that brought nothing new to the passages shown.
    shown
        How many passages whoever thinks is shown; 10 in HippoRAG's experiments.
    parity
        Merge scores as they are (see `merge`), take no account of `patience`, and keep every thought.

    Raises
    ------
    InputError
        If a number is below 1.

    References
    ----------
    Trivedi et al., Interleaving Retrieval with Chain-of-Thought Reasoning (ACL 2023), section 3; Gutiérrez et al.,
    HippoRAG (NeurIPS 2024), section 3.

    Examples
    --------
    >>> ship, archer = (Passage(id=name, document=name, text=name) for name in ("ship", "archer"))
    >>> search = InterleavedSearch(max_steps=3)
    >>> asked = "Who built it?"
    >>> trail = search.begin(asked, [Ranking(query=asked, hits=(Hit(passage=ship, score=0.5),))])
    >>> thought = "The Fram was built by Archer."
    >>> search.is_new(thought, trail), search.goes_on(trail)
    (True, True)
    >>> trail = search.follow(trail, thought, Ranking(query=thought, hits=(Hit(passage=archer, score=0.9),)))
    >>> [passage.id for passage in trail.passages], search.is_new("the fram was built by archer", trail)
    (['archer', 'ship'], False)
    """

    max_steps: int = 4
    patience: int = 2
    shown: int = 10
    parity: bool = False

    def __post_init__(self) -> None:
        for name in ("max_steps", "patience", "shown"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; give 1 or more")

    def begin(self, question: str, rankings: Sequence[Ranking]) -> Trail:
        """Begin with what was found for a question: its ranking, and those of other queries for it if there are any."""
        hits = merge(rankings, parity=self.parity)
        return Trail(question=question, rankings=tuple(rankings), hits=hits, shown=self.shown)

    def goes_on(self, trail: Trail) -> bool:
        """Tell whether another step may be taken."""
        return trail.steps < self.max_steps and (self.parity or trail.stalled < self.patience)

    def is_new(self, thought: str, trail: Trail) -> bool:
        """Tell whether looking a thought up may find anything else."""
        return bool(new_queries([thought], [trail.question, *trail.thoughts]))

    def to_look_up(self, thought: str) -> str:
        """Return what of a thought is looked up: all of it, but for thoughts that run on."""
        return thought if self.parity else as_query(thought)

    def follow(self, trail: Trail, thought: str, ranking: Ranking | None) -> Trail:
        """Take a step.

        Parameters
        ----------
        trail
            What was found so far.
        thought
            What came next.
        ranking
            What it found; None if it is not new, and was not looked up.
        """
        thoughts = (*trail.thoughts, thought)
        if ranking is None:
            kept = thoughts if self.parity else trail.thoughts
            return replace(trail, thoughts=kept, steps=trail.steps + 1, stalled=trail.stalled + 1)
        rankings = (*trail.rankings, ranking)
        hits = merge(rankings, parity=self.parity)
        seen = {passage.id for passage in trail.passages}
        fresh = any(hit.passage.id not in seen for hit in hits[: self.shown])
        return replace(
            trail,
            rankings=rankings,
            hits=hits,
            thoughts=thoughts,
            steps=trail.steps + 1,
            stalled=0 if fresh else trail.stalled + 1,
        )
