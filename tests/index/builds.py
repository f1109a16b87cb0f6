"""Graphs built of drawn or written evidence, without a catalog."""

from collections.abc import Mapping, Sequence

import numpy as np

from hippograph.index.draft import Addition, draft
from hippograph.index.revision import GraphSettings, NewVectors, complete
from hippograph.store.schema import digest_of_texts
from hippograph.store.snapshot import Snapshot
from hippograph.testing.doubles import HashingEmbedder
from hippograph.types import Extraction, Passage

EMBEDDER = HashingEmbedder(dimension=16)


def addition(passage: Passage, extraction: Extraction, extractor: str = "drawn") -> Addition:
    stamp = digest_of_texts(passage.id, passage.title, passage.text, repr(extraction), extractor)
    return Addition(passage=passage, extraction=extraction, extractor=extractor, stamp=stamp + stamp)


def revised(
    base: Snapshot,
    kept: Sequence[int],
    added: Sequence[Addition],
    settings: GraphSettings | None = None,
    embedder: HashingEmbedder = EMBEDDER,
) -> Snapshot:
    drafted = draft(base, np.array(kept, dtype=np.int64), added)
    vectors = NewVectors(
        passages=embedder.embed(drafted.passage_texts, role="passage"),
        entities=embedder.embed(drafted.entity_texts, role="entity"),
        triples=embedder.embed(drafted.triple_texts, role="triple"),
    )
    return complete(
        drafted, vectors, embedder=embedder.fingerprint, extractor="drawn", settings=settings or GraphSettings()
    )


def built(
    evidence: Sequence[tuple[Passage, Extraction]],
    settings: GraphSettings | None = None,
    embedder: HashingEmbedder = EMBEDDER,
) -> Snapshot:
    """Build out of nothing."""
    ordered = sorted(evidence, key=lambda pair: pair[0].id)
    return revised(Snapshot.empty(), [], [addition(*pair) for pair in ordered], settings, embedder)


def mentions(snapshot: Snapshot, row: int) -> Mapping[str, int]:
    """Name the entities that a passage mentions, and how often."""
    tables = snapshot.evidence
    places = slice(int(tables.mention_indptr[row]), int(tables.mention_indptr[row + 1]))
    pairs = zip(tables.mention_entities[places].tolist(), tables.mention_counts[places].tolist(), strict=True)
    return {snapshot.entity_keys[entity]: count for entity, count in pairs}
