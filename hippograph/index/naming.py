"""Naming: which entities the passages state, and which of them every passage mentions.

An entity is a normalised name. Two things make one: the extractor found it in a passage, or it is a passage's title.
Every name found anywhere is then looked up in every passage, so a passage is tied to the entities it mentions even
where the extractor overlooked them. Measured on multi-hop questions, that look-up is worth more than any other step.

Everything here revises what a former state of the index knew: only new passages, and those that a name that appears or
vanishes may touch, are looked through. Out of nothing, that is all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hippograph.index.passage_evidence import PassageEvidence
from hippograph.store.arrays import StringTable
from hippograph.store.evidence import EvidenceTables
from hippograph.store.name_lookup import NameTrie, Texts, trie_of
from hippograph.store.ragged import (
    Selection,
    indptr_of,
    merge_strings,
    occurring,
    places_of,
    renumbering,
    take_strings,
)
from hippograph.text.normalization import normalize
from hippograph.types import IntArray

__all__ = ["Mentions", "Names", "Words", "displayed_names", "find_mentions", "name_entities", "number_words"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Names:
    """The entities of the passages, and the spellings that make them.

    Parameters
    ----------
    keys
        Normalised names, ascending; length E.
    origins
        The number each entity had before, -1 for a new one; shape (E,).
    numbers
        The number that each former entity has now, -1 if it is gone.
    spellings, spelling_entities
        Names as written, ascending, and what each names.
    stated_indptr, stated_spellings, stated_counts, title_spellings
        As in `EvidenceTables`.
    """

    keys: StringTable
    origins: IntArray
    numbers: IntArray
    spellings: StringTable
    spelling_entities: IntArray
    stated_indptr: IntArray
    stated_spellings: IntArray
    stated_counts: IntArray
    title_spellings: IntArray

    @property
    def title_entities(self) -> IntArray:
        """The entity that each passage's title names, -1 for none; shape (P,)."""
        named = self.title_spellings >= 0
        entities = np.full(len(named), -1, dtype=np.int64)
        entities[named] = self.spelling_entities[self.title_spellings[named]]
        return entities


@dataclass(frozen=True, kw_only=True, eq=False)
class Words:
    """The tokens of the passages and the names, as numbers; as in `EvidenceTables`.

    Parameters
    ----------
    words
        The vocabulary, ascending.
    token_indptr, token_words, token_names, title_tokens
        The tokens of the passages.
    name_indptr, name_words
        The tokens of the entities' keys.
    """

    words: StringTable
    token_indptr: IntArray
    token_words: NDArray[np.int32]
    token_names: NDArray[np.bool_]
    title_tokens: IntArray
    name_indptr: IntArray
    name_words: IntArray

    @property
    def texts(self) -> Texts:
        """What names are looked up in: the passages without their titles."""
        return Texts(indptr=self.token_indptr, words=self.token_words, names=self.token_names, skip=self.title_tokens)


@dataclass(frozen=True, kw_only=True, eq=False)
class Mentions:
    """Which entities each passage mentions, ascending, and how often.

    Parameters
    ----------
    indptr, entities, counts
        Ragged, P lists.
    """

    indptr: IntArray
    entities: IntArray
    counts: IntArray


def name_entities(
    base: EvidenceTables, keys: StringTable, added: Sequence[PassageEvidence], *, chosen: Selection
) -> Names:
    """Collect the spellings that the passages state, and the entities they make.

    Parameters
    ----------
    base, keys
        The former evidence and its entities.
    added
        New passages.
    chosen
        Which of the former and the new passages make the new state, in which order.
    """
    merge = merge_strings(base.spellings, (name for one in added for name in (*one.stated, one.title_spelling) if name))
    number = merge.numbers
    stated = [sorted((number[name], count) for name, count in one.stated.items()) for one in added]
    flat = np.array([pair for pairs in stated for pair in pairs], dtype=np.int64).reshape(-1, 2)
    indptr, places = chosen.lists(base.stated_indptr, [len(pairs) for pairs in stated])
    spellings = np.concatenate([merge.former[base.stated_spellings], flat[:, 0]])[places]
    titles = chosen.numbers(
        _mapped(merge.former, base.title_spellings), [number.get(one.title_spelling, -1) for one in added]
    )
    fresh = [normalize(name) for name in take_strings(merge.table, merge.fresh)]
    merged = merge_strings(keys, fresh)
    entities = np.empty(len(merge.table), dtype=np.int64)
    entities[merge.former] = merged.former[base.spelling_entities]
    entities[merge.fresh] = [merged.numbers[key] for key in fresh]
    kept = occurring(len(merge.table), spellings, titles)
    named = occurring(len(merged.table), entities[kept])
    spelling_numbers, entity_numbers = renumbering(kept), renumbering(named)
    origins = np.full(len(merged.table), -1, dtype=np.int64)
    origins[merged.former] = np.arange(len(keys))
    return Names(
        keys=_kept(merged.table, named),
        origins=origins[named],
        numbers=entity_numbers[merged.former],
        spellings=_kept(merge.table, kept),
        spelling_entities=entity_numbers[entities[kept]],
        stated_indptr=indptr,
        stated_spellings=spelling_numbers[spellings],
        stated_counts=np.concatenate([base.stated_counts, flat[:, 1]])[places],
        title_spellings=_mapped(spelling_numbers, titles),
    )


def number_words(base: EvidenceTables, names: Names, added: Sequence[PassageEvidence], *, chosen: Selection) -> Words:
    """Give numbers to the tokens of passages and names.

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
    fresh = [key.split(" ") for key in take_strings(names.keys, np.flatnonzero(names.origins < 0))]
    tokens = {word for one in added for word in one.words}
    merge = merge_strings(base.words, tokens.union(*fresh))
    number = merge.numbers
    indptr, places = chosen.lists(base.token_indptr, [len(one.words) for one in added])
    former = merge.former.astype(np.int32)
    said = np.fromiter((number[word] for one in added for word in one.words), dtype=np.int32)
    token_words = np.concatenate([former[base.token_words], said])[places]
    flags = np.fromiter((flag for one in added for flag in one.names), dtype=np.bool_)
    # A new entity is put behind the former ones, in its order.
    behind = len(names.numbers) + np.cumsum(names.origins < 0) - 1
    entities = Selection(rows=np.where(names.origins >= 0, names.origins, behind))
    name_indptr, name_places = entities.lists(base.name_indptr, [len(words) for words in fresh])
    named = np.fromiter((number[word] for words in fresh for word in words), dtype=np.int64)
    name_words = np.concatenate([merge.former[base.name_words], named])[name_places]
    kept = occurring(len(merge.table), token_words, name_words)
    numbers = renumbering(kept)
    return Words(
        words=_kept(merge.table, kept),
        token_indptr=indptr,
        token_words=numbers.astype(np.int32)[token_words],
        token_names=np.concatenate([base.token_names, flags])[places],
        title_tokens=chosen.numbers(base.title_tokens, [one.title_tokens for one in added]),
        name_indptr=name_indptr,
        name_words=numbers[name_words],
    )


def find_mentions(base: EvidenceTables, names: Names, words: Words, *, chosen: Selection) -> Mentions:
    """Find every mention of every entity.

    A passage mentions what the extractor found in it, what its title names, and every known name in its text.

    Parameters
    ----------
    base
        The former evidence.
    names, words
        The entities and tokens.
    chosen
        Which of the former and the new passages make the new state, in which order.
    """
    n_former = len(base.title_tokens)
    rows = _touched(base, names, words, chosen=chosen)
    found = _counted(names, words, rows)
    # Lists that were not touched are the former ones; the others are put behind them.
    source = chosen.rows.copy()
    source[rows] = n_former + np.arange(len(rows))
    indptr, places = Selection(rows=source).lists(base.mention_indptr, np.diff(found.indptr).tolist())
    return Mentions(
        indptr=indptr,
        entities=np.concatenate([_mapped(names.numbers, base.mention_entities), found.entities])[places],
        counts=np.concatenate([base.mention_counts, found.counts])[places],
    )


def displayed_names(names: Names) -> StringTable:
    """Choose the spelling seen most often of each entity, the smallest of equally frequent ones; length E."""
    seen = np.bincount(names.stated_spellings, weights=names.stated_counts, minlength=len(names.spellings))
    seen += np.bincount(names.title_spellings[names.title_spellings >= 0], minlength=len(names.spellings))
    order = np.lexsort((-seen, names.spelling_entities))
    firsts = np.searchsorted(names.spelling_entities[order], np.arange(len(names.keys)))
    return take_strings(names.spellings, order[firsts])


def _touched(base: EvidenceTables, names: Names, words: Words, *, chosen: Selection) -> IntArray:
    """List the passages whose mentions may differ from what they were: new ones, and those that a name touches."""
    touched = chosen.rows >= len(base.title_tokens)
    gone = _mapped(names.numbers, base.mention_entities) < 0
    holders = np.zeros(len(base.title_tokens), dtype=np.bool_)
    owners = np.repeat(np.arange(len(base.title_tokens)), np.diff(base.mention_indptr))
    holders[owners[gone]] = True
    former = np.flatnonzero(~touched)
    touched[former] = holders[chosen.rows[former]]
    fresh = np.flatnonzero(names.origins < 0)
    if len(fresh) and len(former):
        trie = _trie(words, entities=fresh)
        touched[trie.rows_with_any(words.texts, np.flatnonzero(~touched))] = True
    return np.flatnonzero(touched)


def _counted(names: Names, words: Words, rows: IntArray) -> Mentions:
    """Count the mentions in some passages."""
    n_entities = max(1, len(names.keys))
    places = np.full(len(names.title_spellings), -1, dtype=np.int64)
    places[rows] = np.arange(len(rows))
    looked_up = _trie(words).longest(words.texts, rows)
    found, found_counts = np.unique(places[looked_up.rows] * n_entities + looked_up.entities, return_counts=True)
    stated_indptr, at = places_of(names.stated_indptr, rows)
    owners = np.repeat(np.arange(len(rows)), np.diff(stated_indptr))
    stated = owners * n_entities + names.spelling_entities[names.stated_spellings[at]]
    titles = names.title_entities[rows]
    titled = np.flatnonzero(titles >= 0) * n_entities + titles[titles >= 0]
    pairs = np.unique(np.concatenate([found, stated, titled]))
    counts = np.zeros(len(pairs), dtype=np.int64)
    np.add.at(counts, np.searchsorted(pairs, stated), names.stated_counts[at])
    place = np.searchsorted(pairs, found)
    counts[place] = np.maximum(counts[place], found_counts)
    counts[np.searchsorted(pairs, titled)] += 1
    lengths = np.bincount(pairs // n_entities, minlength=len(rows))
    return Mentions(indptr=indptr_of(lengths), entities=pairs % n_entities, counts=counts)


def _trie(words: Words, *, entities: IntArray | None = None) -> NameTrie:
    return trie_of(words.words, words.name_indptr, words.name_words, entities=entities)


def _mapped(numbers: IntArray, values: IntArray) -> IntArray:
    """Renumber values, of which those below 0 stay."""
    mapped = np.full(len(values), -1, dtype=np.int64)
    there = values >= 0
    mapped[there] = numbers[values[there]]
    return mapped


def _kept(table: StringTable, kept: NDArray[np.bool_]) -> StringTable:
    return table if kept.all() else take_strings(table, np.flatnonzero(kept))
