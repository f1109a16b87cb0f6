"""A retriever that thinks between its steps (IRCoT), given something that thinks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Final, TypeAlias

from hippograph.errors import InputError
from hippograph.protocols import Retriever
from hippograph.readers.interleaved_search import InterleavedSearch, Trail
from hippograph.types import Passage, Ranking, Recognition, RecognitionStatus, Stage, Usage

__all__ = ["InterleavedRetriever", "Thinker"]

Thinker: TypeAlias = Callable[[str, Sequence[Passage], Sequence[str]], str | None]
"""Given a question, the best passages so far and the thoughts so far, gives the next thought, or None to stop."""

_BADNESS: Final[tuple[RecognitionStatus, ...]] = ("done", "empty", "invalid", "failed")


@dataclass(frozen=True, kw_only=True)
class InterleavedRetriever:
    """Retrieves with thoughts in between, until they end; scores are those of the retriever within.

    Parameters
    ----------
    retriever
        Looks up questions and thoughts.
    think
        Gives the next thought, or None to stop. For results that can be repeated, it gives the same for the same.
    search
        When to stop, and how to merge.
    depth
        How many hits of each step are merged.

    Raises
    ------
    InputError
        If `depth` is below 1.

    References
    ----------
    Trivedi et al., Interleaving Retrieval with Chain-of-Thought Reasoning (ACL 2023).
    """

    retriever: Retriever
    think: Thinker = field(repr=False)
    search: InterleavedSearch = field(default_factory=InterleavedSearch)
    depth: int = 50

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise InputError(f"depth is {self.depth}; give 1 or more")

    def retrieve(self, queries: Sequence[str], *, k: int = 5) -> list[Ranking]:
        """Rank passages for each query; what is thought does not depend on `k`.

        Raises
        ------
        InputError
            If `k` is below 1 or a query is blank.
        """
        if k < 1:
            raise InputError(f"k is {k}; ask for 1 hit or more")
        depth = max(self.depth, self.search.shown, k)
        first = self.retriever.retrieve(queries, k=depth)
        trails = [self.search.begin(ranking.query, [ranking]) for ranking in first]
        thinking = [0.0] * len(trails)
        open_ = [place for place, trail in enumerate(trails) if self.search.goes_on(trail)]
        while open_:
            thoughts: dict[int, str] = {}
            for place in open_:
                began = perf_counter()
                thought = self.think(trails[place].question, trails[place].passages, trails[place].thoughts)
                thinking[place] += 1000 * (perf_counter() - began)
                if thought is not None:
                    thoughts[place] = thought
            wanted = {
                place: self.search.to_look_up(thought)
                for place, thought in thoughts.items()
                if self.search.is_new(thought, trails[place])
            }
            rankings = self.retriever.retrieve(list(wanted.values()), k=depth) if wanted else []
            found = dict(zip(wanted, rankings, strict=True))
            for place, thought in thoughts.items():
                trails[place] = self.search.follow(trails[place], thought, found.get(place))
            open_ = [place for place in thoughts if self.search.goes_on(trails[place])]
        return [_ranking(trail, k, thinking[place]) for place, trail in enumerate(trails)]


def _ranking(trail: Trail, k: int, thinking: float) -> Ranking:
    """Return what was found as a ranking of at most `k` hits for the question.

    The stages of its evidence are the steps; all else is the last step's. Only the recognition's status is the worst of
    any step, with what went wrong there, and its usage that of all.
    """
    names = ["question", *(f"thought {number}" for number in range(1, len(trail.rankings)))]
    stages = tuple(
        Stage(name=name, passages=tuple((hit.passage.id, hit.score) for hit in ranking.hits[:k]))
        for name, ranking in zip(names, trail.rankings, strict=True)
    )
    timings: dict[str, float] = {}
    for step, time in [item for ranking in trail.rankings for item in ranking.timings.items()]:
        timings[step] = timings.get(step, 0.0) + time
    evidence = replace(trail.rankings[-1].evidence, stages=stages, recognition=_recognition(trail))
    timings["think"] = thinking
    return Ranking(query=trail.question, hits=trail.hits[:k], evidence=evidence, timings=timings)


def _recognition(trail: Trail) -> Recognition | None:
    """Return what was said of the last step's triples, or that nobody knows it of an earlier step's."""
    given = [one for ranking in trail.rankings if (one := ranking.evidence.recognition) is not None]
    if not given:
        return None
    worst = max(given, key=lambda one: _BADNESS.index(one.status))
    last = trail.rankings[-1].evidence.recognition
    kept = last.kept if last is not None and worst.status == "done" else ()
    return replace(worst, kept=kept, usage=sum((one.usage for one in given), Usage()))
