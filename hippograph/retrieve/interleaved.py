"""Interleaved retrieval: a question is looked up, then each thought that what was found leads to (IRCoT).

`InterleavedSearch` does one step at a time, for a reader whose language model thinks between the steps;
`InterleavedRetriever` does them all, given something that thinks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from hippograph.errors import InputError
from hippograph.protocols import Retriever
from hippograph.retrieve.ranked import Stopwatch, check_request
from hippograph.text.normalization import normalize
from hippograph.types import Hit, Passage, Ranking, Recognition, RecognitionStatus, Stage, Usage

__all__ = ["InterleavedRetriever", "InterleavedSearch", "Thinker", "Trail", "merge"]

Thinker: TypeAlias = Callable[[str, Sequence[Passage], Sequence[str]], str | None]
"""Given a question, the best passages so far and the thoughts so far, gives the next thought, or None to stop."""

_BADNESS: Final[tuple[RecognitionStatus, ...]] = ("done", "empty", "invalid", "failed")


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
        The ranking of the question, then that of each thought.
    hits
        All that was found, best first.
    thoughts
        What was looked for after the question; what would have found nothing else is left out.
    steps
        How often something was to be looked for, the question included, be it looked for or not.
    stalled
        How many of the last steps, in a row, brought no new passage among those that are shown.
    shown
        How many of the hits are shown to whoever thinks.
    merging
        Milliseconds spent on merging.
    """

    question: str
    rankings: tuple[Ranking, ...]
    hits: tuple[Hit, ...]
    thoughts: tuple[str, ...] = ()
    steps: int = 1
    stalled: int = 0
    shown: int = 10
    merging: float = 0.0

    @property
    def passages(self) -> tuple[Passage, ...]:
        """The passages to think about, best first."""
        return tuple(hit.passage for hit in self.hits[: self.shown])

    def ranking(self, k: int) -> Ranking:
        """Return what was found as a ranking of at most `k` hits for the question.

        The stages of its evidence are the steps; all else is the last step's. Only the recognition's status is the
        worst of any step, with what went wrong there, and its usage that of all.
        """
        names = ["question", *(f"thought {number}" for number in range(1, len(self.rankings)))]
        stages = tuple(
            Stage(name=name, passages=tuple((hit.passage.id, hit.score) for hit in ranking.hits[:k]))
            for name, ranking in zip(names, self.rankings, strict=True)
        )
        timings: dict[str, float] = {}
        for step, time in [item for ranking in self.rankings for item in ranking.timings.items()]:
            timings[step] = timings.get(step, 0.0) + time
        timings["merge"] = self.merging
        evidence = replace(self.rankings[-1].evidence, stages=stages, recognition=self._recognition())
        return Ranking(query=self.question, hits=self.hits[:k], evidence=evidence, timings=timings)

    def _recognition(self) -> Recognition | None:
        """Return what was said of the last step's triples, or that nobody knows it of an earlier step's."""
        given = [one for ranking in self.rankings if (one := ranking.evidence.recognition) is not None]
        if not given:
            return None
        worst = max(given, key=lambda one: _BADNESS.index(one.status))
        last = self.rankings[-1].evidence.recognition
        kept = last.kept if last is not None and worst.status == "done" else ()
        return replace(worst, kept=kept, usage=sum((one.usage for one in given), Usage()))


@dataclass(frozen=True, kw_only=True)
class InterleavedSearch:
    """Looks up questions and then thoughts, a step at a time; whoever thinks decides when to stop.

    A thought is looked up alone, without the question, and what it finds is merged with what was found before. A
    thought that is blank, or says what the question or an earlier thought says (case, punctuation and spaces aside),
    would find nothing else: it counts as a step, but is neither looked up nor kept.

    Parameters
    ----------
    retriever
        Looks things up.
    max_steps
        How often at most, the question included; 4 for MuSiQue and 2 for other sets in HippoRAG's experiments.
    patience
        Stop after so many steps in a row that brought nothing new to the passages shown.
    shown
        How many passages whoever thinks is shown; 10 in HippoRAG's experiments.
    depth
        How many hits of each step are merged.
    parity
        Merge scores as they are (see `merge`), and take no account of `patience`.

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
    >>> class Nearest:
    ...     def retrieve(self, queries, *, k):
    ...         found = {"Who built it?": "ship", "The Fram was built by Archer.": "archer"}
    ...         passages = [Passage(id=found[query], document=found[query], text="") for query in queries]
    ...         return [Ranking(query=query, hits=(Hit(passage=passage, score=1.0),))
    ...                 for query, passage in zip(queries, passages)]
    >>> search = InterleavedSearch(retriever=Nearest())
    >>> [trail] = search.begin(["Who built it?"])
    >>> while search.goes_on(trail):
    ...     [trail] = search.follow([trail], ["The Fram was built by Archer."])
    >>> [passage.id for passage in trail.passages], trail.thoughts, trail.steps
    (['archer', 'ship'], ('The Fram was built by Archer.',), 4)
    """

    retriever: Retriever
    max_steps: int = 4
    patience: int = 2
    shown: int = 10
    depth: int = 50
    parity: bool = False

    def __post_init__(self) -> None:
        for name in ("max_steps", "patience", "shown", "depth"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; give 1 or more")

    def begin(self, questions: Sequence[str]) -> list[Trail]:
        """Look up questions.

        Raises
        ------
        InputError
            If a question is blank.
        """
        rankings = self.retriever.retrieve(questions, k=self._depth)
        return [self._merged(Trail(question=one.query, rankings=(), hits=(), steps=0), one) for one in rankings]

    def goes_on(self, trail: Trail) -> bool:
        """Tell whether another step may be taken."""
        return trail.steps < self.max_steps and (self.parity or trail.stalled < self.patience)

    def follow(self, trails: Sequence[Trail], thoughts: Sequence[str]) -> list[Trail]:
        """Take the next step on each trail.

        Parameters
        ----------
        trails
            What was found so far.
        thoughts
            The next thought on each.

        Raises
        ------
        InputError
            If there is not one thought for each trail.
        """
        if len(trails) != len(thoughts):
            raise InputError(f"there are {len(thoughts)} thoughts for {len(trails)} trails; give one for each")
        new = [_is_new(thought, trail) for trail, thought in zip(trails, thoughts, strict=True)]
        wanted = [thought for thought, is_new in zip(thoughts, new, strict=True) if is_new]
        found = iter(self.retriever.retrieve(wanted, k=self._depth) if wanted else ())
        return [
            self._merged(replace(trail, thoughts=(*trail.thoughts, thought)), next(found))
            if is_new
            else replace(trail, steps=trail.steps + 1, stalled=trail.stalled + 1)
            for trail, thought, is_new in zip(trails, thoughts, new, strict=True)
        ]

    @property
    def _depth(self) -> int:
        return max(self.depth, self.shown)

    def _merged(self, trail: Trail, ranking: Ranking) -> Trail:
        watch = Stopwatch()
        rankings = (*trail.rankings, ranking)
        hits = merge(rankings, parity=self.parity)
        seen = {hit.passage.id for hit in trail.hits[: self.shown]}
        fresh = any(hit.passage.id not in seen for hit in hits[: self.shown])
        watch.lap("merge")
        return replace(
            trail,
            rankings=rankings,
            hits=hits,
            steps=trail.steps + 1,
            stalled=0 if fresh else trail.stalled + 1,
            shown=self.shown,
            merging=trail.merging + watch.timings["merge"],
        )


def _is_new(thought: str, trail: Trail) -> bool:
    """Tell whether looking a thought up may find anything else."""
    said = {normalize(earlier) for earlier in (trail.question, *trail.thoughts)}
    return any(letter.isalnum() for letter in thought) and normalize(thought) not in said


@dataclass(frozen=True, kw_only=True)
class InterleavedRetriever:
    """Retrieves with thoughts in between, until they end; scores are those of the retriever within.

    Parameters
    ----------
    search
        Looks up questions and thoughts.
    think
        Gives the next thought, or None to stop. For results that can be repeated, it gives the same for the same.

    References
    ----------
    Trivedi et al., Interleaving Retrieval with Chain-of-Thought Reasoning (ACL 2023).
    """

    search: InterleavedSearch
    think: Thinker = field(repr=False)

    def retrieve(self, queries: Sequence[str], *, k: int = 5) -> list[Ranking]:
        """Rank passages for each query; what is thought does not depend on `k`.

        Raises
        ------
        InputError
            If `k` is below 1 or a query is blank.
        """
        check_request(queries, k)
        search = replace(self.search, depth=max(self.search.depth, k))
        trails = search.begin(queries)
        thinking: dict[int, float] = {}
        open_ = [place for place, trail in enumerate(trails) if search.goes_on(trail)]
        while open_:
            thoughts: dict[int, str] = {}
            for place in open_:
                watch = Stopwatch()
                thought = self.think(trails[place].question, trails[place].passages, trails[place].thoughts)
                watch.lap("think")
                thinking[place] = thinking.get(place, 0.0) + watch.timings["think"]
                if thought is not None:
                    thoughts[place] = thought
            followed = search.follow([trails[place] for place in thoughts], list(thoughts.values()))
            for place, trail in zip(thoughts, followed, strict=True):
                trails[place] = trail
            open_ = [place for place in thoughts if search.goes_on(trails[place])]
        return [_timed(trail.ranking(k), thinking.get(place, 0.0)) for place, trail in enumerate(trails)]


def _timed(ranking: Ranking, thinking: float) -> Ranking:
    timings: Mapping[str, float] = {**ranking.timings, "think": thinking}
    return replace(ranking, timings=timings)
