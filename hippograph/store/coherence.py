"""Whether a snapshot agrees with itself: what no hash can tell, for they are taken of whatever was written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hippograph.errors import DamagedIndexError, InputError
from hippograph.store.arrays import StringTable
from hippograph.store.schema import digest_of_texts
from hippograph.store.snapshot import Snapshot
from hippograph.types import FloatArray, IntArray

__all__ = ["Contradiction", "contradictions"]

# A row of length 1 in float32 is off by less.
_TOLERANCE: Final = 1e-3
_BLOCK: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """A part of a snapshot that does not fit the others, or cannot be.

    Parameters
    ----------
    file
        The file of the snapshot that holds it.
    what
        What is wrong with it.
    """

    file: str
    what: str


def contradictions(snapshot: Snapshot) -> Iterator[Contradiction]:
    """Look for numbers that name nothing, tables out of order, texts that are none and a graph that is none.

    Whoever reads a snapshot relies on all of this. Takes time linear in its size.

    Parameters
    ----------
    snapshot
        The snapshot.
    """
    yield from _tables(snapshot)
    yield from _lists(snapshot)
    yield from _numbers(snapshot)
    yield from _triples(snapshot)
    for name in ("passage_vectors", "entity_vectors", "triple_vectors"):
        yield from _vectors(f"{name}.npy", getattr(snapshot, name))
    try:
        snapshot.graph.validate()
    except InputError as error:
        yield Contradiction(file="graph_indices.npy", what=f"is no graph: {error}")


def _tables(snapshot: Snapshot) -> Iterator[Contradiction]:
    evidence, passages = snapshot.evidence, snapshot.passages
    for name, table, ascends in (
        ("words", evidence.words, True),
        ("spellings", evidence.spellings, True),
        ("phrases", evidence.phrases, True),
        ("relations", evidence.relations, True),
        ("posting_terms", snapshot.postings.terms, True),
        ("entity_keys", snapshot.entity_keys, True),
        ("entity_names", snapshot.entity_names, False),
        ("passage_ids", passages.ids, True),
        ("passage_documents", passages.documents, False),
        ("passage_sources", passages.sources, False),
    ):
        what = _fault_of_table(table, ascends=ascends)
        if what is not None:
            yield Contradiction(file=f"{name}.utf8", what=what)
    try:
        yield from _texts(snapshot)
    except DamagedIndexError:
        yield Contradiction(file="passage_texts.utf8", what="or another column of the passages is not UTF-8")


def _fault_of_table(table: StringTable, *, ascends: bool) -> str | None:
    try:
        for number, (one, other) in enumerate(pairwise(table)):
            if ascends and one >= other:
                return f"does not ascend: {other!r}, number {number + 1}, comes after {one!r}"
    except DamagedIndexError:
        return "is not UTF-8"
    return None


def _texts(snapshot: Snapshot) -> Iterator[Contradiction]:
    passages, contents = snapshot.passages, snapshot.evidence.contents
    for row, (title, text) in enumerate(zip(passages.titles, passages.texts, strict=True)):
        if digest_of_texts(title, text) != contents[row].tobytes():
            yield Contradiction(file="contents.npy", what=f"has the digest of another text at passage {row}")
            break
    for row, written in enumerate(passages.metadata):
        if not _is_flat(written):
            yield Contradiction(file="passage_metadata.utf8", what=f"holds no flat object at passage {row}")
            break
    if any(one >= other for one, other in pairwise(snapshot.manifest.extractors)):
        yield Contradiction(file="manifest.json", what="names extractors that do not ascend")
    documents = len(set(passages.documents))
    if documents != snapshot.manifest.counts.documents:
        what = f"counts {snapshot.manifest.counts.documents} documents, and the passages are of {documents}"
        yield Contradiction(file="manifest.json", what=what)


def _is_flat(written: str) -> bool:
    try:
        metadata = json.loads(written)
    except ValueError:
        return False
    return isinstance(metadata, dict) and all(isinstance(value, str | int | float) for value in metadata.values())


def _lists(snapshot: Snapshot) -> Iterator[Contradiction]:
    """Check where lists begin and end, and that those that ascend do."""
    evidence, postings = snapshot.evidence, snapshot.postings
    for name, values, others, ascends in (
        ("token", "token_words", ("token_names",), False),
        ("stated", "stated_spellings", ("stated_counts",), True),
        ("fact", "fact_numbers", (), True),
        ("mention", "mention_entities", ("mention_counts",), True),
        ("name", "name_words", (), False),
        ("near", "near_entities", ("near_cosines",), False),
    ):
        indptr, elements = getattr(evidence, f"{name}_indptr"), getattr(evidence, values)
        if indptr[0] != 0 or indptr[-1] != len(elements) or np.any(indptr[1:] < indptr[:-1]):
            yield Contradiction(file=f"{name}_indptr.npy", what=f"does not fit {values}.npy")
        elif ascends and not _ascend(indptr, elements):
            yield Contradiction(file=f"{values}.npy", what="does not ascend within a passage")
        for other in others:
            if len(getattr(evidence, other)) != len(elements):
                yield Contradiction(file=f"{other}.npy", what=f"does not fit {values}.npy")
    if not _ascend(postings.indptr, postings.positions):
        yield Contradiction(file="posting_positions.npy", what="does not ascend within a term")
    if not np.array_equal(postings.passage_indptr, evidence.token_indptr):
        yield Contradiction(file="posting_passage_indptr.npy", what="is not token_indptr.npy")
    if not np.array_equal(postings.title_tokens, evidence.title_tokens):
        yield Contradiction(file="posting_title_tokens.npy", what="is not title_tokens.npy")


def _ascend(indptr: IntArray, values: NDArray[np.integer[Any]]) -> bool:
    falls = np.flatnonzero(values[1:] <= values[:-1]) + 1
    # Where a list begins, the values may fall.
    return bool(np.all(np.isin(falls, indptr, assume_unique=False)))


def _numbers(snapshot: Snapshot) -> Iterator[Contradiction]:
    """Check that all numbers name something."""
    evidence, counts = snapshot.evidence, snapshot.manifest.counts
    n_words, n_spellings, n_facts = len(evidence.words), len(evidence.spellings), len(evidence.facts)
    n_tokens, n_relations = len(evidence.token_words), len(evidence.relations)
    lengths = np.diff(evidence.token_indptr)
    checked: Sequence[tuple[str, NDArray[Any], int, int | NDArray[Any] | None]] = (
        ("readers", evidence.readers, 0, len(snapshot.manifest.extractors)),
        ("token_words", evidence.token_words, 0, n_words),
        ("title_tokens", evidence.title_tokens, 0, lengths + 1),
        ("spelling_entities", evidence.spelling_entities, 0, counts.entities),
        ("stated_spellings", evidence.stated_spellings, 0, n_spellings),
        ("stated_counts", evidence.stated_counts, 1, None),
        ("title_spellings", evidence.title_spellings, -1, n_spellings),
        ("phrase_entities", evidence.phrase_entities, -1, counts.entities),
        ("facts", evidence.facts[:, :2], 0, len(evidence.phrases)),
        ("facts", evidence.facts[:, 2], 0, n_relations),
        ("fact_numbers", evidence.fact_numbers, 0, n_facts),
        ("mention_entities", evidence.mention_entities, 0, counts.entities),
        ("mention_counts", evidence.mention_counts, 1, None),
        ("name_words", evidence.name_words, 0, n_words),
        ("near_entities", evidence.near_entities, 0, counts.entities),
        ("near_cosines", evidence.near_cosines, -2, 2),
        ("near_counts", evidence.near_counts, 0, None),
        ("entity_passages", snapshot.entity_passages, 0, counts.passages + 1),
        ("triple_relations", snapshot.triples.relations, 0, n_relations),
        ("posting_positions", snapshot.postings.positions, 0, n_tokens),
        ("passage_places", snapshot.passages.places[:, :2], 0, None),
        ("passage_places", snapshot.passages.places[:, 2], -1, None),
    )
    for name, values, lowest, end in checked:
        # Written so that what is no number fails, too.
        if not (np.all(values >= lowest) and (end is None or np.all(values < end))):
            yield Contradiction(file=f"{name}.npy", what="names what does not exist")
    for name, values, table in (
        ("spelling_entities", evidence.spelling_entities, evidence.spellings),
        ("phrase_entities", evidence.phrase_entities, evidence.phrases),
    ):
        if len(values) != len(table):
            yield Contradiction(file=f"{name}.npy", what=f"has {len(values)} rows instead of {len(table)}")


def _triples(snapshot: Snapshot) -> Iterator[Contradiction]:
    """Check that the facts ascend, and that the triples are those that join two entities."""
    facts, phrases = snapshot.evidence.facts, snapshot.evidence.phrase_entities
    order = np.lexsort((facts[:, 2], facts[:, 1], facts[:, 0]))
    if not np.array_equal(order, np.arange(len(facts))) or not np.all(np.any(facts[1:] != facts[:-1], axis=1)):
        yield Contradiction(file="facts.npy", what="does not ascend")
    if len(facts) and not (facts[:, :2].min() >= 0 and facts[:, :2].max() < len(phrases)):
        # Told already.
        return
    ends = phrases[facts[:, :2]]
    joined = np.all(ends >= 0, axis=1)
    triples = snapshot.triples
    held = np.column_stack([triples.subjects, triples.objects, triples.relations])
    if not np.array_equal(np.column_stack([ends[joined], facts[joined, 2]]), held):
        yield Contradiction(file="triple_subjects.npy", what="and the other triples are not those of the facts")


def _vectors(file: str, vectors: FloatArray) -> Iterator[Contradiction]:
    for at in range(0, len(vectors), _BLOCK):
        lengths = np.linalg.norm(vectors[at : at + _BLOCK].astype(np.float64), axis=1)
        wrong = np.flatnonzero(~(np.abs(lengths - 1.0) <= _TOLERANCE))
        if len(wrong):
            yield Contradiction(file=file, what=f"has a row of length {lengths[wrong[0]]:g}, number {at + wrong[0]}")
            return
