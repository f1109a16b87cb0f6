"""Facts: what the passages state of pairs of phrases, and which of it becomes triples of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hippograph.index.naming import Names
from hippograph.index.passage_evidence import PassageEvidence
from hippograph.store.arrays import StringTable
from hippograph.store.evidence import EvidenceTables
from hippograph.store.ragged import (
    Merge,
    Selection,
    find_strings,
    merge_strings,
    occurring,
    renumbering,
    take_strings,
)
from hippograph.types import IntArray

__all__ = ["Facts", "Triples", "collect_facts", "state_triples"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """What the passages state; as in `EvidenceTables`.

    Parameters
    ----------
    phrases, phrase_entities, relations, facts
        Each fact once.
    indptr, numbers
        The facts of each passage; ragged, P lists.
    origins
        The number each fact had before, -1 for a new one; shape (X,).
    """

    phrases: StringTable
    phrase_entities: IntArray
    relations: StringTable
    facts: IntArray
    indptr: IntArray
    numbers: IntArray
    origins: IntArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Triples:
    """The facts that join two entities, in the order of their subject, object and relation.

    Parameters
    ----------
    subjects, objects
        Entity numbers, shape (T,).
    relations
        Numbers of relation phrases, shape (T,).
    facts
        The fact that each is, ascending; shape (T,).
    """

    subjects: IntArray
    objects: IntArray
    relations: IntArray
    facts: IntArray


def collect_facts(base: EvidenceTables, names: Names, added: Sequence[PassageEvidence], *, chosen: Selection) -> Facts:
    """Collect what the passages state.

    Parameters
    ----------
    base
        The former evidence.
    names
        The entities.
    added
        New passages.
    chosen
        Which of the former and the new passages make the new state, in which order.
    """
    phrases = merge_strings(base.phrases, (key for one in added for fact in one.facts for key in fact[:2]))
    relations = merge_strings(base.relations, (fact[2] for one in added for fact in one.facts))
    former = np.column_stack(
        [phrases.former[base.facts[:, 0]], phrases.former[base.facts[:, 1]], relations.former[base.facts[:, 2]]]
    )
    stated = np.array(
        [
            (phrases.numbers[subject], phrases.numbers[object_], relations.numbers[relation])
            for one in added
            for subject, object_, relation in one.facts
        ],
        dtype=np.int64,
    ).reshape(-1, 3)
    facts, place = _distinct(np.concatenate([former, stated]))
    origins = np.full(len(facts), -1, dtype=np.int64)
    origins[place[: len(former)]] = np.arange(len(former))
    indptr, places = chosen.lists(base.fact_indptr, [len(one.facts) for one in added])
    numbers = np.concatenate([place[: len(former)][base.fact_numbers], place[len(former) :]])[places]
    kept = occurring(len(facts), numbers)
    return _pruned(
        facts[kept], phrases, _phrase_entities(base, names, phrases), relations.table,
        indptr=indptr, numbers=renumbering(kept)[numbers], origins=origins[kept],
    )  # fmt: skip


def state_triples(facts: Facts) -> Triples:
    """Choose the facts whose phrases are both entities.

    Parameters
    ----------
    facts
        What the passages state.
    """
    subjects, objects = facts.phrase_entities[facts.facts[:, 0]], facts.phrase_entities[facts.facts[:, 1]]
    joined = np.flatnonzero((subjects >= 0) & (objects >= 0))
    return Triples(subjects=subjects[joined], objects=objects[joined], relations=facts.facts[joined, 2], facts=joined)


def _distinct(facts: IntArray) -> tuple[IntArray, IntArray]:
    """Sort facts and drop repeated ones; tell where each went."""
    order = np.lexsort((facts[:, 2], facts[:, 1], facts[:, 0]))
    ordered = facts[order]
    first = np.ones(len(facts), dtype=np.bool_)
    first[1:] = np.any(ordered[1:] != ordered[:-1], axis=1)
    place = np.empty(len(facts), dtype=np.int64)
    place[order] = np.cumsum(first) - 1
    return ordered[first], place


def _phrase_entities(base: EvidenceTables, names: Names, phrases: Merge) -> IntArray:
    """Tell which entity each phrase is."""
    entities = np.full(len(phrases.table), -1, dtype=np.int64)
    known = base.phrase_entities >= 0
    entities[phrases.former[known]] = names.numbers[base.phrase_entities[known]]
    new = np.flatnonzero(names.origins < 0)
    if len(new) > len(phrases.table):
        entities[:] = find_strings(names.keys, phrases.table)
        return entities
    place = find_strings(phrases.table, take_strings(names.keys, new))
    entities[place[place >= 0]] = new[place >= 0]
    entities[phrases.fresh] = find_strings(names.keys, take_strings(phrases.table, phrases.fresh))
    return entities


def _pruned(
    facts: IntArray, phrases: Merge, phrase_entities: IntArray, relations: StringTable,
    *, indptr: IntArray, numbers: IntArray, origins: IntArray,
) -> Facts:  # fmt: skip
    """Drop the phrases and relations that no fact uses any more."""
    spoken = occurring(len(phrases.table), facts[:, :2].ravel())
    related = occurring(len(relations), facts[:, 2])
    phrase_numbers, relation_numbers = renumbering(spoken), renumbering(related)
    return Facts(
        phrases=take_strings(phrases.table, np.flatnonzero(spoken)),
        phrase_entities=phrase_entities[spoken],
        relations=take_strings(relations, np.flatnonzero(related)),
        facts=np.column_stack([phrase_numbers[facts[:, :2]], relation_numbers[facts[:, 2]]]),
        indptr=indptr,
        numbers=numbers,
        origins=origins,
    )
