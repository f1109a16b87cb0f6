"""What HippoRAG and HippoRAG 2 do alike: scale scores, walk from many resets at once, and tell of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hippograph.graph.knowledge_graph import KnowledgeGraph
from hippograph.graph.pagerank import Walk, personalized_pageranks
from hippograph.retrieve.phrase_graph import PhraseGraph
from hippograph.store.tables import PassageTable
from hippograph.types import DoubleArray, Seed

__all__ = ["min_max", "named_seeds", "walks"]

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
