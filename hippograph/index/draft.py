"""Drafts: the evidence of a new state of the index: of a former one, the passages that stay, and those that come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hippograph.index.attribution import Attribution, attribute
from hippograph.index.facts import Facts, Triples, collect_facts, state_triples
from hippograph.index.naming import Mentions, Names, Words, find_mentions, name_entities, number_words
from hippograph.index.passage_evidence import PassageEvidence, read_passage
from hippograph.store.arrays import StringTable
from hippograph.store.ragged import Selection, merge_strings, take_strings
from hippograph.store.schema import digest_of_texts
from hippograph.store.snapshot import Snapshot
from hippograph.text.scripts import join_unspaced
from hippograph.types import Extraction, IntArray, Passage, TextRole

__all__ = ["Addition", "Draft", "draft", "embedded_texts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """A passage that comes into the index.

    Parameters
    ----------
    passage, extraction
        What it says, and what was read out of it.
    extractor
        Fingerprint of the extractor that has read it.
    stamp
        What tells whether any of that has changed, 32 bytes.
    """

    passage: Passage
    extraction: Extraction
    extractor: str
    stamp: bytes


@dataclass(frozen=True, kw_only=True, eq=False)
class Draft:
    """A new state of the index before anything new in it is embedded.

    Parameters
    ----------
    base
        The former state.
    added
        New passages, in the order of their ids.
    contents, stamps
        Digest of title and text of each passage, shape (P, 16), and what tells whether it has changed, shape (P, 32).
    attribution
        Who has read which passage.
    chosen
        Which of the former and the new passages make the new state.
    names, words, mentions, facts, triples
        The new evidence.
    former_triples
        The number each triple had before, -1 for a new one; shape (T,).
    """

    base: Snapshot
    added: Sequence[Passage]
    contents: NDArray[np.uint8]
    stamps: NDArray[np.uint8]
    attribution: Attribution
    chosen: Selection
    names: Names
    words: Words
    mentions: Mentions
    facts: Facts
    triples: Triples
    former_triples: IntArray

    @property
    def passage_texts(self) -> list[str]:
        """The new passages as they are embedded."""
        return [passage.headed_text for passage in self.added]

    @property
    def entity_texts(self) -> list[str]:
        """The new entities as they are embedded."""
        return _entity_texts(take_strings(self.names.keys, np.flatnonzero(self.names.origins < 0)))

    @property
    def triple_texts(self) -> list[str]:
        """The new triples as they are embedded."""
        new, triples = np.flatnonzero(self.former_triples < 0), self.triples
        return _triple_texts(
            self.names.keys,
            self.facts.relations,
            subjects=triples.subjects[new],
            relations=triples.relations[new],
            objects=triples.objects[new],
        )


def embedded_texts(snapshot: Snapshot) -> dict[TextRole, list[str]]:
    """List all that a snapshot holds as it was embedded, in the order of its vectors.

    Parameters
    ----------
    snapshot
        The snapshot.
    """
    triples = snapshot.triples
    return {
        "passage": [passage.headed_text for passage in snapshot.passages],
        "entity": _entity_texts(snapshot.entity_keys),
        "triple": _triple_texts(
            snapshot.entity_keys,
            snapshot.evidence.relations,
            subjects=triples.subjects,
            relations=triples.relations,
            objects=triples.objects,
        ),
    }


def draft(base: Snapshot, kept: IntArray, added: Sequence[Addition]) -> Draft:
    """Revise the evidence: from here on it is known what has to be embedded.

    Parameters
    ----------
    base
        The former state; `Snapshot.empty()` to build out of nothing.
    kept
        The rows of its passages that stay as they are, ascending.
    added
        Passages that come, in the order of their ids; with an id that the former state holds only if that is not kept.
    """
    evidence = base.evidence
    chosen = Selection(rows=_order(base.passages.ids, kept, [one.passage.id for one in added]))
    read: list[PassageEvidence] = [read_passage(one.passage, one.extraction) for one in added]
    names = name_entities(evidence, base.entity_keys, read, chosen=chosen)
    words = number_words(evidence, names, read, chosen=chosen)
    facts = collect_facts(evidence, names, read, chosen=chosen)
    triples = state_triples(facts)
    # What is a triple now was one before if its fact was there and joined two entities.
    former = np.full(len(evidence.facts) + 1, -1, dtype=np.int64)
    joined = np.all(evidence.phrase_entities[evidence.facts[:, :2]] >= 0, axis=1)
    former[:-1][joined] = np.arange(len(base.triples))
    return Draft(
        base=base,
        added=[one.passage for one in added],
        contents=chosen.numbers(
            evidence.contents,
            _bytes([digest_of_texts(one.passage.title, one.passage.text) for one in added], like=evidence.contents),
        ),
        stamps=chosen.numbers(evidence.stamps, _bytes([one.stamp for one in added], like=evidence.stamps)),
        attribution=attribute(base, [one.extractor for one in added], chosen=chosen),
        chosen=chosen,
        names=names,
        words=words,
        mentions=find_mentions(evidence, names, words, chosen=chosen),
        facts=facts,
        triples=triples,
        former_triples=former[facts.origins[triples.facts]],
    )


def _entity_texts(keys: StringTable) -> list[str]:
    """Write entities by their keys, which no other passage can change."""
    return [join_unspaced(key) for key in keys]


def _triple_texts(
    keys: StringTable, phrases: StringTable, *, subjects: IntArray, relations: IntArray, objects: IntArray
) -> list[str]:
    columns = take_strings(keys, subjects), take_strings(phrases, relations), take_strings(keys, objects)
    return [join_unspaced(" ".join(parts)) for parts in zip(*columns, strict=True)]


def _order(ids: StringTable, kept: IntArray, added: Sequence[str]) -> IntArray:
    """Put the kept rows and the new ones, which are numbered behind all former ones, in the order of their ids."""
    held = take_strings(ids, kept)
    merge = merge_strings(held, added)
    order = np.empty(len(kept) + len(added), dtype=np.int64)
    order[merge.former] = kept
    order[merge.fresh] = len(ids) + np.arange(len(added))
    return order


def _bytes(rows: Sequence[bytes], *, like: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(-1, like.shape[1])
