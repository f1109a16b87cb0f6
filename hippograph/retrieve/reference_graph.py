"""The phrase graph as the programs of HippoRAG and HippoRAG 2 build it, so that what they do can be repeated.

Every subject and object of a triple is a phrase, in ASCII; no name is looked for in a text, and no title counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from hippograph.errors import InputError
from hippograph.graph.knowledge_graph import KnowledgeGraph, from_edges
from hippograph.protocols import Embedder
from hippograph.retrieve.phrase_graph import PhraseGraph
from hippograph.retrieve.reference_batches import reference_vectors
from hippograph.store.derived_arrays import derived_array
from hippograph.text.ascii_normalization import normalize_ascii
from hippograph.types import DoubleArray, FloatArray, IntArray, Triple

__all__ = ["ReferenceRules", "reference_phrases"]

# Cosines that are computed at a time: 16 MB of them, and where all are synonyms some 200 MB of pairs.
_CELLS: Final = 1 << 22
# To be changed with the way in which synonyms are found: kept ones are then found again.
_SYNONYMS: Final = b"synonyms 1"
_PAIR: Final = np.dtype([("place", "<i8"), ("cosine", "<f4")])


@dataclass(frozen=True, kw_only=True)
class ReferenceRules:
    """How the programs build their graph; each rule that is thought a mistake can be switched off.

    The defaults are those of HippoRAG 2's program (`utils/config_utils.py`) and of HippoRAG's (`create_graph.py`).

    Parameters
    ----------
    synonym_overwrite
        Whether the weight of a synonym edge replaces that of the relation between the same phrases, rather than being
        added to it.
    double_edges
        Whether relations and synonyms count once in each direction, so twice between two nodes, where the edge to a
        passage counts once. If not, the larger of the two directions counts.
    passage_edge
        Weight of the edge between a passage and each phrase of its triples.
    synonym_threshold
        Smallest cosine of synonyms.
    synonym_neighbours
        How many of the nearest phrases, itself included, are looked at for each.
    synonym_most
        How many of them become synonyms at most.
    synonym_letters
        How many letters and digits a phrase must have for synonyms to be looked for.

    Raises
    ------
    InputError
        If the threshold is no cosine above 0, or a number is below 0, or `passage_edge` is 0.

    References
    ----------
    Gutiérrez et al., HippoRAG (NeurIPS 2024), section 2.2; From RAG to Memory (ICML 2025), section 3.
    """

    synonym_overwrite: bool = True
    double_edges: bool = True
    passage_edge: float = 1.0
    synonym_threshold: float = 0.8
    synonym_neighbours: int = 2047
    synonym_most: int = 101
    synonym_letters: int = 3

    def __post_init__(self) -> None:
        if not 0.0 < self.synonym_threshold <= 1.0:
            raise InputError(
                f"synonym_threshold {self.synonym_threshold} is not a cosine above 0; the reference has 0.8"
            )
        if not (np.isfinite(self.passage_edge) and self.passage_edge > 0):
            raise InputError(f"passage_edge {self.passage_edge} is not a weight above 0; the reference has 1")
        for name in ("synonym_neighbours", "synonym_most", "synonym_letters"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} {getattr(self, name)} is below 0; give a number of phrases or letters")


def reference_phrases(
    stated: Sequence[Sequence[Triple]],
    *,
    embedder: Embedder,
    directory: Path | None,
    generation: int,
    rules: ReferenceRules | None = None,
    order: Sequence[int] | None = None,
) -> PhraseGraph:
    """Build the phrase graph of what passages state.

    Where vectors depend on the texts embedded beside them, phrases are embedded in ascending order, as by the program,
    and facts in the order in which they are first stated. The program takes those in the order of a set, which is
    another one at each start.

    Parameters
    ----------
    stated
        The triples of each passage as they were extracted; length P. Repeated ones of a passage count once.
    embedder
        Embeds phrases, as entities, and facts, as triples: the text of a fact is Python's notation of its three
        normalised parts.
    directory
        The index directory, where vectors are kept; None keeps nothing.
    generation
        The number of the snapshot of which these are all passages; 0 for a part of one. Vectors that no passage of the
        current one needs are deleted.
    rules
        How the graph is built; as the reference does by default.
    order
        The places of the passages in the order in which the program would be given them; as they stand by default.
    """
    rules = rules or ReferenceRules()
    passages, numbers, facts = _numbered(stated)
    names = sorted({phrase for fact in facts for phrase in (fact.subject, fact.object)})
    phrases = {name: number for number, name in enumerate(names)}
    subjects = np.array([phrases[fact.subject] for fact in facts], dtype=np.int64)
    objects = np.array([phrases[fact.object] for fact in facts], dtype=np.int64)
    vectors = reference_vectors(directory, "phrases", names, embedder=embedder, role="entity", generation=generation)
    first = _first_stated(passages, numbers, range(len(stated)) if order is None else order)
    texts = [str(tuple(facts[fact])) for fact in first]
    found = reference_vectors(directory, "facts", texts, embedder=embedder, role="triple", generation=generation)
    fact_vectors = found.copy()
    fact_vectors[first] = found
    occurrences = _occurrences(passages, numbers, subjects, objects, shape=(len(stated), len(names)))
    relations = _relations(subjects[numbers], objects[numbers], size=len(names))
    asked = (rules.synonym_threshold, rules.synonym_neighbours, rules.synonym_most, rules.synonym_letters)
    inputs = [_SYNONYMS, repr(asked).encode(), repr(names).encode(), vectors.tobytes()]
    find = partial(_synonyms, names, vectors, rules)
    pairs = derived_array(directory, "synonyms", inputs, find, generation=generation)
    synonyms = _Weights(places=pairs["place"], values=pairs["cosine"].astype(np.float64), size=len(names))
    return PhraseGraph(
        graph=_joined(relations, synonyms, occurrences, rules),
        names=names,
        phrase_vectors=vectors,
        occurrences=occurrences,
        facts=facts,
        subjects=subjects,
        objects=objects,
        fact_vectors=fact_vectors,
        normalized=normalize_ascii,
    )


@dataclass(frozen=True, kw_only=True)
class _Weights:
    """Weights of ordered pairs of phrases, each once, at the first one's number times the size plus the other's."""

    places: IntArray
    values: DoubleArray
    size: int


def _numbered(stated: Sequence[Sequence[Triple]]) -> tuple[IntArray, IntArray, list[Triple]]:
    """Return the passage and the fact of each statement, and the facts, ascending."""
    normal = [
        [Triple(*(normalize_ascii(part) for part in triple)) for triple in dict.fromkeys(triples)] for triples in stated
    ]
    facts = sorted({fact for triples in normal for fact in triples})
    known = {fact: number for number, fact in enumerate(facts)}
    passages = np.repeat(np.arange(len(normal)), [len(triples) for triples in normal])
    return passages, np.array([known[fact] for triples in normal for fact in triples], dtype=np.int64), facts


def _first_stated(passages: IntArray, numbers: IntArray, order: Sequence[int]) -> list[int]:
    """Return the facts in the order in which they are first stated, if passages are read in an order."""
    turns = np.empty(len(order), dtype=np.int64)
    turns[order] = np.arange(len(order))
    return list(dict.fromkeys(numbers[np.argsort(turns[passages], kind="stable")].tolist()))


def _occurrences(
    passages: IntArray, numbers: IntArray, subjects: IntArray, objects: IntArray, *, shape: tuple[int, int]
) -> csr_array:
    """Count the distinct facts of each passage that each phrase is part of."""
    pairs = np.unique(np.column_stack([passages, numbers]), axis=0)
    rows, facts = pairs[:, 0], pairs[:, 1]
    apart = subjects[facts] != objects[facts]
    ends = np.concatenate([subjects[facts], objects[facts][apart]])
    counted = coo_array((np.ones(len(ends)), (np.concatenate([rows, rows[apart]]), ends)), shape=shape).tocsr()
    counted.sum_duplicates()
    return counted


def _relations(subjects: IntArray, objects: IntArray, *, size: int) -> _Weights:
    """Count how often two phrases are stated together, in both directions."""
    apart = subjects != objects
    ends = [subjects[apart], objects[apart]]
    places, counts = np.unique(np.concatenate(ends) * size + np.concatenate(ends[::-1]), return_counts=True)
    return _Weights(places=places, values=counts.astype(np.float64), size=size)


def _synonyms(names: Sequence[str], vectors: FloatArray, rules: ReferenceRules) -> NDArray[np.void]:
    """Find the synonyms of each phrase, in one direction; records of a place, as in `_Weights`, and a cosine."""
    asking = np.array([len(re.sub("[^a-z0-9]", "", name)) >= rules.synonym_letters for name in names], dtype=np.bool_)
    written = np.array([bool(name) for name in names], dtype=np.bool_)
    parts = [np.empty(0, dtype=_PAIR)]
    block = max(1, _CELLS // max(1, len(names)))
    for at in range(0, len(names), block):
        cosines = vectors[at : at + block] @ vectors.T
        # Flat: of a mask of two dimensions, NumPy counts the coordinates ten times as slowly.
        rows, others = np.divmod(np.flatnonzero(cosines >= rules.synonym_threshold), len(names))
        values = cosines[rows, others]
        order = np.lexsort((others, -values, rows))
        rows, others, values = rows[order], others[order], values[order]
        owners = rows + at
        kept = (_ranks(rows) < rules.synonym_neighbours) & asking[owners] & written[others] & (owners != others)
        owners, others, values = owners[kept], others[kept], values[kept]
        kept = _ranks(owners) < rules.synonym_most
        pairs = np.empty(np.count_nonzero(kept), dtype=_PAIR)
        pairs["place"], pairs["cosine"] = owners[kept] * len(names) + others[kept], values[kept]
        parts.append(pairs)
    return np.concatenate(parts)


def _ranks(owners: IntArray) -> IntArray:
    """Count, for each element, how many of the same owner stand before it; owners ascend."""
    ranks: IntArray = np.arange(len(owners)) - np.searchsorted(owners, owners, side="left")
    return ranks


def _joined(relations: _Weights, synonyms: _Weights, occurrences: csr_array, rules: ReferenceRules) -> KnowledgeGraph:
    """Make one graph of relations, synonyms and the passages in which phrases occur."""
    size = relations.size
    kept = ~np.isin(relations.places, synonyms.places) if rules.synonym_overwrite else slice(None)
    places = np.concatenate([relations.places[kept], synonyms.places])
    values = np.concatenate([relations.values[kept], synonyms.values])
    rows, cols = np.divmod(places, max(1, size))
    if not rules.double_edges:
        rows, cols, values = _larger(rows, cols, values, size=size)
    found = occurrences.tocoo()
    passages, phrases = found.coords
    return from_edges(
        np.concatenate([rows, phrases]),
        np.concatenate([cols, passages + size]),
        np.concatenate([values, np.full(len(phrases), rules.passage_edge)]),
        n_entities=size,
        n_passages=occurrences.shape[0],
    )


def _larger(
    rows: IntArray, cols: IntArray, values: DoubleArray, *, size: int
) -> tuple[IntArray, IntArray, DoubleArray]:
    """Add what is stated of an ordered pair, and of its two directions take the larger."""
    places, inverse = np.unique(rows * max(1, size) + cols, return_inverse=True)
    sums = np.bincount(inverse, weights=values, minlength=len(places))
    rows, cols = np.divmod(places, max(1, size))
    pairs, inverse = np.unique(np.minimum(rows, cols) * max(1, size) + np.maximum(rows, cols), return_inverse=True)
    largest = np.zeros(len(pairs))
    np.maximum.at(largest, inverse, sums)
    low, high = np.divmod(pairs, max(1, size))
    return low, high, largest
