"""What the edges of a graph are made of: the evidence of a snapshot, read back for those who export it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hippograph.store.arrays import damage
from hippograph.store.evidence import EvidenceTables
from hippograph.store.ragged import indptr_of, places_of
from hippograph.store.snapshot import Snapshot
from hippograph.types import DoubleArray, IntArray

__all__ = ["KINDS", "EdgeBlock", "Statements", "edge_blocks", "statements", "synonym_pairs"]

KINDS: Final = ("title", "mention", "relation", "synonym")
"""What an edge may be made of. Between an entity and a passage: the passage's title names it, or the passage mentions
it. Between two entities: a triple joins them, their names are alike, or both."""

_BLOCK: Final = 1 << 16
_PHRASES: Final = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class EdgeBlock:
    """Some edges of a graph.

    Parameters
    ----------
    sources, targets
        The nodes of each edge, `source < target`; shape (n,).
    weights
        Shape (n,).
    kinds
        What each edge is made of, in the order of `KINDS`; shape (n, 4).
    phrase_indptr, phrases
        Numbers of the relations between the two, at most five, those stated by most passages first; ragged, n lists.
    """

    sources: IntArray
    targets: IntArray
    weights: DoubleArray
    kinds: NDArray[np.bool_]
    phrase_indptr: IntArray
    phrases: IntArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Statements:
    """Which passages state each triple.

    Parameters
    ----------
    indptr, passages
        Passage numbers, ascending; ragged, T lists.
    """

    indptr: IntArray
    passages: IntArray


def statements(snapshot: Snapshot) -> Statements:
    """Tell which passages state each triple.

    Raises
    ------
    DamagedIndexError
        If the triples are not those of the evidence.
    """
    evidence, triples = snapshot.evidence, snapshot.triples
    ends = evidence.phrase_entities[evidence.facts[:, :2]]
    joined = np.flatnonzero(np.all(ends >= 0, axis=1))
    held = np.column_stack([triples.subjects, triples.objects, triples.relations])
    if not np.array_equal(np.column_stack([ends[joined], evidence.facts[joined, 2]]), held):
        raise damage(Path("facts.npy"), "does not fit the triples")
    triple_of = np.full(len(evidence.facts), -1, dtype=np.int64)
    triple_of[joined] = np.arange(len(joined))
    stated = triple_of[evidence.fact_numbers]
    passages = np.repeat(np.arange(len(snapshot.passages)), np.diff(evidence.fact_indptr))[stated >= 0]
    stated = stated[stated >= 0]
    order = np.argsort(stated, kind="stable")
    return Statements(indptr=indptr_of(np.bincount(stated, minlength=len(triples))), passages=passages[order])


def synonym_pairs(evidence: EvidenceTables) -> tuple[IntArray, IntArray, DoubleArray]:
    """Make pairs of the lists of alike names: two names are synonyms if either has the other in its list.

    Returns
    -------
    The two entities of each pair, `left < right`, in ascending order and each once, and their cosine; shapes (S,).
    """
    n_entities = len(evidence.near_counts)
    owners = np.repeat(np.arange(n_entities), np.diff(evidence.near_indptr))
    left, right = np.minimum(owners, evidence.near_entities), np.maximum(owners, evidence.near_entities)
    _, first = np.unique(left * n_entities + right, return_index=True)
    return left[first], right[first], evidence.near_cosines[first]


def edge_blocks(snapshot: Snapshot) -> Iterator[EdgeBlock]:
    """Yield the edges of the graph, each once, in the order of their nodes, a bounded number at a time.

    There is at least one block, which is empty if there are no edges.

    Raises
    ------
    DamagedIndexError
        If the triples are not those of the evidence.
    """
    graph = snapshot.graph
    relations = _related(snapshot)
    left, right, _ = synonym_pairs(snapshot.evidence)
    synonyms = left * graph.n_nodes + right
    for at in range(0, max(1, len(graph.indices)), _BLOCK):
        targets = graph.indices[at : at + _BLOCK].astype(np.int64)
        # A node without neighbours begins where the next one does, so the last that begins here is the owner.
        sources = np.searchsorted(graph.indptr, np.arange(at, at + len(targets)), side="right") - 1
        once = sources < targets
        sources, targets, weights = sources[once], targets[once], graph.weights[at : at + _BLOCK][once]
        joins_entities = targets < graph.n_entities
        titled = np.zeros(len(targets), dtype=np.bool_)
        passages = targets[~joins_entities] - graph.n_entities
        titled[~joins_entities] = snapshot.title_entities[passages] == sources[~joins_entities]
        pairs = sources * graph.n_nodes + targets
        related, places = _found(relations.pairs, pairs)
        indptr, phrases = places_of(relations.indptr, places[related])
        lengths = np.zeros(len(pairs), dtype=np.int64)
        lengths[related] = np.diff(indptr)
        yield EdgeBlock(
            sources=sources,
            targets=targets,
            weights=weights,
            kinds=np.column_stack([titled, ~joins_entities & ~titled, related, _found(synonyms, pairs)[0]]),
            phrase_indptr=indptr_of(lengths),
            phrases=relations.phrases[phrases],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Relations:
    """The relation phrases between pairs of entities: pairs as numbers, ascending, and a ragged list for each."""

    pairs: IntArray
    indptr: IntArray
    phrases: IntArray


def _related(snapshot: Snapshot) -> _Relations:
    triples, indptr = snapshot.triples, statements(snapshot).indptr
    low, high = np.minimum(triples.subjects, triples.objects), np.maximum(triples.subjects, triples.objects)
    pairs, phrases, stated = low * snapshot.graph.n_nodes + high, triples.relations, np.diff(indptr)
    # One phrase may join two entities either way round.
    order = np.lexsort((phrases, pairs))
    pairs, phrases = pairs[order], phrases[order]
    first = np.ones(len(pairs), dtype=np.bool_)
    first[1:] = (pairs[1:] != pairs[:-1]) | (phrases[1:] != phrases[:-1])
    starts = np.flatnonzero(first)
    stated = np.add.reduceat(stated[order], starts) if len(starts) else stated
    pairs, phrases = pairs[starts], phrases[starts]
    order = np.lexsort((phrases, -stated, pairs))
    pairs, phrases = pairs[order], phrases[order]
    kept = np.arange(len(pairs)) - np.searchsorted(pairs, pairs, side="left") < _PHRASES
    distinct, lengths = np.unique(pairs[kept], return_counts=True)
    return _Relations(pairs=distinct, indptr=indptr_of(lengths), phrases=phrases[kept])


def _found(among: IntArray, numbers: IntArray) -> tuple[NDArray[np.bool_], IntArray]:
    """Look numbers up among ascending ones: which are there, and where."""
    places = np.searchsorted(among, numbers)
    there = places < len(among)
    there[there] = among[places[there]] == numbers[there]
    return there, places
