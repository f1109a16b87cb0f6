"""Revision: a new state of the index made of a former one, the passages that stay, and those that come.

The result is a pure function of the passages and their extractions, bit for bit, whatever the former state was. So
one function serves to build out of nothing, to add, to replace, to delete, and to hide passages from a query.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from hippograph.graph.knowledge_graph import KnowledgeGraph
from hippograph.index.assemble import GRAPH_VERSION, EdgeWeights, assemble, graph_digest, passage_counts
from hippograph.index.draft import Draft, draft
from hippograph.index.naming import displayed_names
from hippograph.index.synonyms import NearNames, SynonymLinker
from hippograph.store.arrays import StringTable
from hippograph.store.evidence import EvidenceTables
from hippograph.store.manifest import Counts, Manifest
from hippograph.store.postings import invert
from hippograph.store.snapshot import Snapshot
from hippograph.store.tables import PassageTable, TripleTable
from hippograph.text.normalization import NORMALIZER_VERSION
from hippograph.types import FloatArray, IntArray

__all__ = ["GraphSettings", "NewVectors", "complete", "restrict", "state_of"]


@dataclass(frozen=True, kw_only=True)
class GraphSettings:
    """How a graph is made of the evidence.

    Parameters
    ----------
    synonyms
        Links names that mean the same.
    weights
        How strong each kind of edge is.
    """

    synonyms: SynonymLinker = field(default_factory=SynonymLinker)
    weights: EdgeWeights = field(default_factory=EdgeWeights)

    @property
    def digest(self) -> str:
        """Condenses the settings and the version of the rules."""
        return blake2b(repr((GRAPH_VERSION, self)).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, kw_only=True, eq=False)
class NewVectors:
    """The vectors of what is new in a draft, in the order of its texts.

    Parameters
    ----------
    passages, entities, triples
        One row of length 1 for each text of the draft; shapes (n, d).
    """

    passages: FloatArray
    entities: FloatArray
    triples: FloatArray


def complete(draft: Draft, vectors: NewVectors, *, embedder: str, extractor: str, settings: GraphSettings) -> Snapshot:
    """Link synonyms, assemble the graph, and put everything together.

    Parameters
    ----------
    draft
        The evidence.
    vectors
        What is new, embedded.
    embedder, extractor
        Fingerprints of the embedder, and of the extractor that is preferred.
    settings
        How the graph is made; those of the former state, if it holds anything.
    """
    base, names, words = draft.base, draft.names, draft.words
    # An index of nothing has no dimension, whatever it once held.
    width = max(base.manifest.dimension, vectors.passages.shape[1]) if len(draft.chosen.rows) else 0
    entity_vectors = _extended(base.entity_vectors, vectors.entities, names.origins, width=width)
    near = _near(draft, entity_vectors, settings.synonyms)
    graph = assemble(
        draft.mentions,
        names.title_entities,
        draft.facts,
        draft.triples,
        settings.synonyms.pairs(near),
        n_entities=len(names.keys),
        weights=settings.weights,
    )
    passages, displayed = base.passages.revised(draft.chosen, draft.added), displayed_names(names)
    return Snapshot(
        manifest=Manifest(
            generation=0,
            embedder=embedder,
            dimension=width,
            extractor=extractor,
            extractors=draft.attribution.extractors,
            normalizer=NORMALIZER_VERSION,
            settings=settings.digest,
            state=state_of(settings, passages.ids, draft.stamps),
            graph_digest=graph_digest(graph, names.keys, draft.contents),
            counts=_counts(draft, graph, passages),
            files={},
        ),
        graph=graph,
        passages=passages,
        entity_keys=names.keys,
        entity_names=displayed,
        entity_passages=passage_counts(draft.mentions, n_entities=len(names.keys)),
        title_entities=names.title_entities,
        triples=_triple_table(draft, displayed),
        passage_vectors=_extended(base.passage_vectors, vectors.passages, draft.chosen.rows, width=width),
        entity_vectors=entity_vectors,
        triple_vectors=_extended(base.triple_vectors, vectors.triples, draft.former_triples, width=width),
        evidence=_evidence(draft, near),
        postings=invert(
            words.token_words, words.words, passage_indptr=words.token_indptr, title_tokens=words.title_tokens
        ),
    )


def restrict(snapshot: Snapshot, kept: IntArray, *, settings: GraphSettings) -> Snapshot:
    """Make, in memory, the snapshot that an index of some of the passages alone would have.

    Parameters
    ----------
    snapshot
        The snapshot.
    kept
        The rows of the passages to keep, ascending.
    settings
        How the graph is made; those of the snapshot.
    """
    nothing = np.empty((0, snapshot.manifest.dimension), dtype=np.float32)
    part = complete(
        draft(snapshot, kept, []),
        NewVectors(passages=nothing, entities=nothing, triples=nothing),
        embedder=snapshot.manifest.embedder,
        extractor=snapshot.manifest.extractor,
        settings=settings,
    )
    # What did not change is still that of the whole.
    return replace(part, hold=snapshot.hold)


def state_of(settings: GraphSettings, ids: StringTable, stamps: NDArray[np.uint8]) -> str:
    """Condense all that a snapshot is made from, to know whether a published one is up to date.

    Parameters
    ----------
    settings
        How the graph is made.
    ids
        Ids of the passages, ascending; length P.
    stamps
        What tells whether any of them has changed, shape (P, 32).
    """
    state = blake2b(settings.digest.encode(), digest_size=16)
    for part in (ids.offsets, ids.blob, stamps):
        state.update(np.ascontiguousarray(part).tobytes())
    return state.hexdigest()


def _counts(draft: Draft, graph: KnowledgeGraph, passages: PassageTable) -> Counts:
    return Counts(
        documents=len(set(passages.documents)),
        passages=len(passages),
        entities=len(draft.names.keys),
        triples=len(draft.triples.facts),
        edges=graph.n_edges,
    )


def _near(draft: Draft, vectors: FloatArray, synonyms: SynonymLinker) -> NearNames:
    former = draft.base.evidence
    return synonyms.near(
        draft.names.keys,
        vectors,
        former=NearNames(
            indptr=former.near_indptr,
            entities=former.near_entities,
            cosines=former.near_cosines,
            counts=former.near_counts,
        ),
        former_keys=draft.base.entity_keys,
        former_vectors=draft.base.entity_vectors,
        origins=draft.names.origins,
    )


def _triple_table(draft: Draft, displayed: StringTable) -> TripleTable:
    return TripleTable(
        subjects=draft.triples.subjects,
        objects=draft.triples.objects,
        relations=draft.triples.relations,
        phrases=draft.facts.relations,
        names=displayed,
    )


def _evidence(draft: Draft, near: NearNames) -> EvidenceTables:
    names, words, facts = draft.names, draft.words, draft.facts
    return EvidenceTables(
        contents=draft.contents,
        stamps=draft.stamps,
        readers=draft.attribution.readers,
        words=words.words,
        token_indptr=words.token_indptr,
        token_words=words.token_words,
        token_names=words.token_names,
        title_tokens=words.title_tokens,
        spellings=names.spellings,
        spelling_entities=names.spelling_entities,
        stated_indptr=names.stated_indptr,
        stated_spellings=names.stated_spellings,
        stated_counts=names.stated_counts,
        title_spellings=names.title_spellings,
        phrases=facts.phrases,
        phrase_entities=facts.phrase_entities,
        relations=facts.relations,
        facts=facts.facts,
        fact_indptr=facts.indptr,
        fact_numbers=facts.numbers,
        mention_indptr=draft.mentions.indptr,
        mention_entities=draft.mentions.entities,
        mention_counts=draft.mentions.counts,
        name_indptr=words.name_indptr,
        name_words=words.name_words,
        near_indptr=near.indptr,
        near_entities=near.entities,
        near_cosines=near.cosines,
        near_counts=near.counts,
    )


def _extended(base: FloatArray, new: FloatArray, origins: IntArray, *, width: int) -> FloatArray:
    """Take rows of a matrix by their former numbers, and new ones, in their order, where there is none."""
    fresh = (origins < 0) | (origins >= len(base))
    if not len(origins):
        return np.empty((0, width), dtype=np.float32)
    if not len(base):
        return new
    vectors = np.take(base, np.where(fresh, 0, origins), axis=0)
    if len(new):
        vectors[fresh] = new
    return vectors
