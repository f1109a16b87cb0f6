"""Activation: from the entities a query names, through sentences like the query, to the entities beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hippograph.retrieve.nearest import top
from hippograph.retrieve.sentence_graph import SentenceGraph
from hippograph.types import DoubleArray, IntArray

__all__ = ["Activation", "Bridge", "bridge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """A sentence that an entity passed its activation on through.

    Parameters
    ----------
    entity
        Whose activation.
    sentence
        Through which sentence.
    similarity
        How like the query the sentence is.
    reached
        The entities beside it, ascending.
    """

    entity: int
    sentence: int
    similarity: float
    reached: tuple[int, ...]


@dataclass(kw_only=True)
class Activation:
    """Which entities a query has activated, by entity in the order of activation.

    Parameters
    ----------
    weights
        All that each was given, in sum; it restarts the walk.
    strengths
        What each passes on, and adds to the passages that mention it.
    tiers
        1 for an entity that the query names, one more for each sentence in between.
    bridges
        How it came about.
    """

    weights: dict[int, float] = field(default_factory=dict)
    strengths: dict[int, float] = field(default_factory=dict)
    tiers: dict[int, int] = field(default_factory=dict)
    bridges: list[Bridge] = field(default_factory=list)


def bridge(
    graph: SentenceGraph,
    seeds: Mapping[int, float],
    similarities: Callable[[IntArray], DoubleArray],
    *,
    tiers: int,
    threshold: float,
    sentences: int,
    parity: bool = False,
) -> Activation:
    """Pass activation on from the entities that a query names, a tier at a time.

    In each tier, the entities that the tier before activated choose in turn, the strongest first and equal ones by
    number, the sentences most like the query among those that hold them and that nobody has chosen yet. Through a
    sentence of likeness `c`, an entity of strength `a` gives each other entity in it `a * c`, unless that is below the
    threshold. An entity's weight is the sum of what it was given; its strength is the largest part of it, and it passes
    that on once, in the tier after the first that it was activated in.

    Parameters
    ----------
    graph
        Which sentences hold which entities.
    seeds
        The entities named, and how strongly.
    similarities
        Tells how like the query some of the sentences are: their cosines, or what is made of them.
    tiers
        How many tiers there are, the named entities' included.
    threshold
        What is below it is not passed on, and passes nothing on.
    sentences
        How many sentences an entity chooses.
    parity
        Do as the reference does: entities choose in the order in which they were activated; a sentence gives to the
        entity too that chose it; an entity's strength and tier are those of the last time that it was given something,
        and it passes that on again.

    Examples
    --------
    >>> from hippograph.graph.knowledge_graph import from_edges
    >>> from hippograph.retrieve.substrings import Substrings
    >>> from hippograph.store.arrays import StringTable
    >>> nothing = np.zeros(0, dtype=np.int64)
    >>> graph = SentenceGraph(
    ...     graph=from_edges([], [], [], n_entities=2, n_passages=0), sentences=StringTable.of(["Fram lies in Oslo."]),
    ...     sentence_indptr=np.array([0, 2]), sentence_entities=np.array([0, 1]),
    ...     entity_indptr=np.array([0, 1, 2]), entity_sentences=np.array([0, 0]),
    ...     mention_indptr=np.zeros(3, dtype=np.int64), mention_passages=nothing, mention_counts=nothing,
    ...     texts=Substrings(texts=list))
    >>> cosines = np.array([0.75])
    >>> found = bridge(graph, {0: 1.0}, cosines.__getitem__, tiers=3, threshold=0.5, sentences=1)
    >>> found.weights, found.tiers
    ({0: 1.0, 1: 0.75}, {0: 1, 1: 2})
    """
    found = Activation(weights=dict(seeds), strengths=dict(seeds), tiers=dict.fromkeys(seeds, 1))
    used = np.zeros(len(graph.sentences), dtype=np.bool_)
    current = dict(found.strengths)
    for tier in range(2, tiers + 1):
        strong = [(entity, strength) for entity, strength in current.items() if strength >= threshold]
        if not parity:
            strong.sort(key=lambda pair: (-pair[1], pair[0]))
        cosines = _cosines(graph, strong, used, similarities)
        given: dict[int, float] = {}
        for entity, strength in strong:
            held = graph.sentences_with(entity)
            free = held[~used[held]]
            chosen = free[top(cosines[free], k=sentences)]
            used[chosen] = True
            for sentence in chosen.tolist():
                similarity = float(cosines[sentence])
                worth = strength * similarity
                beside = [other for other in graph.entities_in(sentence).tolist() if parity or other != entity]
                reached = tuple(beside) if worth >= threshold else ()
                found.bridges.append(Bridge(entity=entity, sentence=sentence, similarity=similarity, reached=reached))
                for other in reached:
                    found.weights[other] = found.weights.get(other, 0.0) + worth
                    given[other] = worth if parity else max(worth, given.get(other, 0.0))
        current = _activated(found, given, tier, parity=parity)
    return found


def _activated(found: Activation, given: dict[int, float], tier: int, *, parity: bool) -> dict[int, float]:
    """Book the strengths that a tier has given, and return those that are passed on."""
    fresh = {entity: worth for entity, worth in given.items() if parity or entity not in found.tiers}
    for entity, worth in given.items():
        found.strengths[entity] = worth if parity else max(worth, found.strengths.get(entity, 0.0))
    found.tiers.update(dict.fromkeys(fresh, tier))
    return fresh


def _cosines(
    graph: SentenceGraph,
    strong: Sequence[tuple[int, float]],
    used: NDArray[np.bool_],
    similarities: Callable[[IntArray], DoubleArray],
) -> DoubleArray:
    """Compare to the query the sentences that entities may choose from; shape (S,), 0 for all others."""
    wanted = np.zeros_like(used)
    for entity, _ in strong:
        wanted[graph.sentences_with(entity)] = True
    free = np.flatnonzero(wanted & ~used)
    cosines = np.zeros(len(used))
    cosines[free] = similarities(free)
    return cosines
