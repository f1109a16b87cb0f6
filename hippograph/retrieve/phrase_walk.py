"""What HippoRAG and HippoRAG 2 do alike: scale scores, walk from many resets at once, and tell of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hippograph.graph.knowledge_graph import KnowledgeGraph
from hippograph.graph.pagerank import Walk, personalized_pageranks
from hippograph.retrieve.phrase_graph import PhraseGraph
from hippograph.store.tables import PassageTable
from hippograph.types import DoubleArray, Hit, Seed, Stage

__all__ = ["blocks", "min_max", "named_seeds", "stage", "walks"]

# Numbers in one array of a walk: 32 MB, of which a walk has half a dozen.
_NUMBERS: Final = 1 << 22
# Beyond so many walks at a time, reading the graph costs next to nothing.
_MOST: Final = 32
# Of the seeds, so many are named; the dense ones are as many as there are passages.
_NAMED: Final = 100


def min_max(scores: NDArray[np.floating[Any]]) -> DoubleArray:
    """Scale scores to the range from 0 to 1; equal ones are all 1.

    Parameters
    ----------
    scores
        Shape (n,).

    Examples
    --------
    >>> min_max(np.array([0.5, 1.0, 0.75])).tolist(), min_max(np.array([0.5, 0.5])).tolist()
    ([0.0, 1.0, 0.5], [1.0, 1.0])
    """
    values = scores.astype(np.float64)
    if not len(values):
        return values
    low, high = values.min(), values.max()
    scaled: DoubleArray = (values - low) / (high - low) if high > low else np.ones(len(values))
    return scaled


def blocks(length: int, *, n_nodes: int) -> Iterator[slice]:
    """Divide so many queries into blocks that are walked together, so that memory is bounded.

    Parameters
    ----------
    length
        How many queries.
    n_nodes
        How many nodes the graph has.

    Examples
    --------
    >>> [(block.start, block.stop) for block in blocks(3, n_nodes=1 << 21)]
    [(0, 2), (2, 4)]
    """
    size = min(_MOST, max(1, _NUMBERS // max(1, n_nodes)))
    for at in range(0, length, size):
        yield slice(at, at + size)


def walks(
    graph: KnowledgeGraph, resets: Sequence[DoubleArray | None], *, damping: float, tolerance: float
) -> list[Walk | None]:
    """Walk from several reset vectors, each as it would be alone; None where there is none.

    Parameters
    ----------
    graph
        The graph.
    resets
        Reset vectors, shape (N,) each.
    damping, tolerance
        As for `personalized_pageranks`.
    """
    columns = [reset for reset in resets if reset is not None]
    if not columns:
        return [None] * len(resets)
    walked = iter(personalized_pageranks(graph, np.stack(columns, axis=1), damping=damping, tolerance=tolerance))
    return [None if reset is None else next(walked) for reset in resets]


def named_seeds(
    reset: DoubleArray | None, reasons: Mapping[int, str], phrases: PhraseGraph, passages: PassageTable
) -> tuple[Seed, ...]:
    """Name the heaviest hundred seeds, heaviest first, equal ones by node.

    Parameters
    ----------
    reset
        The reset vector, shape (N,); None if there is none.
    reasons
        Why each seeded phrase is one; passages are for being near the query.
    phrases
        The graph that is walked.
    passages
        Its passages.
    """
    if reset is None:
        return ()
    seeded = np.flatnonzero(reset)
    heaviest = seeded[np.lexsort((seeded, -reset[seeded]))][:_NAMED]
    n_phrases = phrases.graph.n_entities
    return tuple(
        Seed(node=phrases.names[node], kind="entity", weight=float(reset[node]), reason=reasons[node])
        if node < n_phrases
        else Seed(node=passages.ids[node - n_phrases], kind="passage", weight=float(reset[node]), reason="dense")
        for node in heaviest.tolist()
    )


def stage(name: str, hits: Sequence[Hit]) -> Stage:
    """Note how the passages rank after a step."""
    return Stage(name=name, passages=tuple((hit.passage.id, hit.score) for hit in hits))
