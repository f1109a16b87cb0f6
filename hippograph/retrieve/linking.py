"""Linking: which entities and triples of the index a query speaks of."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from hippograph.protocols import Embedder
from hippograph.retrieve.abbreviations import abbreviated
from hippograph.retrieve.name_parts import partly_named
from hippograph.retrieve.name_table import is_in, name_table
from hippograph.retrieve.nearest import nearest
from hippograph.retrieve.query_words import Mention, QueryWords
from hippograph.retrieve.spellings import loosely_spelt, misspelt
from hippograph.retrieve.titles import qualified_passages
from hippograph.store.snapshot import Snapshot
from hippograph.text.function_words import is_grammar, reads_as_name
from hippograph.text.spelling import ARTICLES

__all__ = ["EntityLink", "EntityLinker", "find_names"]

_FEW_WORDS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityLink:
    """An entity that a query speaks of.

    Parameters
    ----------
    entity
        Its number.
    confidence
        How sure the link is, 0 to 1.
    reason
        `mention`: as the index writes the name; `spelling`: with other diacritics, hyphens, numerals or a plural;
        `misspelling`; `abbreviation`: by its initials; `short form`: with other middle names or initials; `part of a
        name`; `similar name`: by vectors; `triple`.
    start, end
        The first and one-past-last character of the words of the query that say so, at the surest mention; links with
        the same ones are readings of one mention. Both are 0 for links through triples, which no single words make.
    passages
        Of several passages that the name is the title of, those that the query means by what it says in addition, by
        number; () if there is no telling.
    """

    entity: int
    confidence: float
    reason: str
    start: int = 0
    end: int = 0
    passages: tuple[int, ...] = ()


def find_names(words: Sequence[str], keys: Sequence[str]) -> list[tuple[int, int, int]]:
    """Find names in a list of tokens, the longest at each place, from left to right, without overlaps.

    Parameters
    ----------
    words
        The tokens' keys.
    keys
        Normalised names in ascending order; may lie on disk, only a few are looked at.

    Returns
    -------
    First token, one past the last token, and the name's number.

    Examples
    --------
    >>> find_names(["who", "left", "new", "york", "city"], ["city", "new", "new york", "paris"])
    [(2, 4, 2), (4, 5, 0)]
    """
    found = []
    at = 0
    while at < len(words):
        longest = _longest_name(words, at, keys)
        if longest is None:
            at += 1
        else:
            found.append((at, *longest))
            at = longest[0]
    return found


def _longest_name(words: Sequence[str], at: int, keys: Sequence[str]) -> tuple[int, int] | None:
    """Walk down the sorted names as down a trie: each token narrows the range of names that begin like this."""
    low, high = 0, len(keys)
    prefix = ""
    longest = None
    for end in range(at, len(words)):
        prefix += words[end]
        low = bisect_left(keys, prefix, low, high)
        if low < high and keys[low] == prefix:
            longest = (end + 1, low)
        prefix += " "
        low = bisect_left(keys, prefix, low, high)
        # "!" is the character after the space, so this is the end of the names that go on with another token.
        high = bisect_left(keys, prefix[:-1] + "!", low, high)
        if low >= high:
            break
    return longest


@dataclass(frozen=True, kw_only=True)
class EntityLinker:
    """Links queries to entities: by the dictionary of all names, by spelling, by parts of names, then by vectors.

    A name is looked for as the index writes it first. Only what is left over is compared with other spellings
    (diacritics, hyphens, numerals, plurals), then with misspellings, parts and short forms of names, and what looks
    like a name and is none of these with the names' vectors: that asks the embedder, the others do not.

    Parameters
    ----------
    threshold
        Smallest cosine at which an unknown name counts as a spelling of a known one.
    spelling
        Whether names that the query writes otherwise than the index are looked for by their letters.
    """

    threshold: float = 0.85
    spelling: bool = True

    def link(self, query: str, snapshot: Snapshot, embedder: Embedder) -> list[EntityLink]:
        """List the entities a query mentions, each once, in the order of mention; those found by vectors come last.

        Parameters
        ----------
        query
            The query as asked.
        snapshot
            The index.
        embedder
            The embedder the index was built with.
        """
        if not len(snapshot.entity_keys):
            return []
        words = QueryWords.of(query)
        mentions = _as_written(words, snapshot)
        if self.spelling and _leaves_something(words, mentions, snapshot):
            table = name_table(snapshot)
            for find in (loosely_spelt, abbreviated, misspelt, partly_named):
                mentions = find(words, table, mentions)
        mentions += self._by_vectors(words, mentions, snapshot, embedder)
        surest: dict[int, Mention] = {}
        for mention in mentions:
            known = surest.setdefault(mention.entity, mention)
            if mention.confidence > known.confidence:
                surest[mention.entity] = mention
        return [_link(mention, words, snapshot) for mention in surest.values()]

    def _by_vectors(
        self, query: QueryWords, mentions: Sequence[Mention], snapshot: Snapshot, embedder: Embedder
    ) -> list[Mention]:
        """Find names for the capitalised words that nothing else was found for."""
        runs = query.capital_runs(_covered(mentions))
        if self.spelling:
            runs = [run for run in runs if _asks_for_a_name(query, *run, snapshot)]
        if not runs:
            return []
        texts = [query.text[query.words[first].start : query.words[last - 1].end] for first, last in runs]
        vectors = embedder.embed(texts, role="entity")
        best = nearest(snapshot.entity_vectors, vectors, k=1)
        found = []
        for (first, last), row, (number, *_) in zip(runs, vectors, best, strict=True):
            sure = min(float(snapshot.entity_vectors[number] @ row), 1.0)
            if sure >= self.threshold:
                name = Mention(first=first, last=last, entity=int(number), confidence=sure, reason="similar name")
                found.append(name)
        return found


def _as_written(query: QueryWords, snapshot: Snapshot) -> list[Mention]:
    """Find the names that the query writes as the index does."""
    # Where capitals tell nothing, they make no names of words like "who", unless there is little else.
    telling = query.cased or len(query.words) <= _FEW_WORDS
    return [
        Mention(first=first, last=last, entity=number, confidence=1.0, reason="mention")
        for first, last, number in find_names(query.keys, snapshot.entity_keys)
        if not is_grammar(snapshot.entity_keys[number])
        or (telling and reads_as_name(query.text, query.words[first:last]) and not _opens_name(query, first, last))
    ]


def _opens_name(query: QueryWords, first: int, last: int) -> bool:
    """Whether an article is the beginning of a longer name, which the index lacks."""
    return query.keys[first] in ARTICLES and last < len(query.keys) and query.capital[last]


def _covered(mentions: Sequence[Mention]) -> set[int]:
    return {place for mention in mentions for place in range(mention.first, mention.last)}


def _leaves_something(query: QueryWords, mentions: Sequence[Mention], snapshot: Snapshot) -> bool:
    """Whether there may be names in a query beside those that are written as in the index, or longer ones."""
    if any(one.last == other.first for one, other in pairwise(mentions)):
        return True
    covered = _covered(mentions)
    for place, key in enumerate(query.keys):
        if place not in covered and not query.grammar[place]:
            named = query.cased and place > 0 and query.capital[place]
            if named or not key.isalpha() or not is_in(key, snapshot.evidence.words):
                return True
    return False


def _asks_for_a_name(query: QueryWords, first: int, last: int, snapshot: Snapshot) -> bool:
    """Whether words that no name was found for are worth a look at vectors, which are vague about single words."""
    if not query.cased or query.within_name(first, last):
        return False
    words = [key for key, grammar in zip(query.keys[first:last], query.grammar[first:last], strict=True) if not grammar]
    return len(words) > 1 or (len(words) == 1 and not is_in(words[0], snapshot.evidence.words))


def _link(mention: Mention, query: QueryWords, snapshot: Snapshot) -> EntityLink:
    return EntityLink(
        entity=mention.entity,
        confidence=mention.confidence,
        reason=mention.reason,
        start=query.words[mention.first].start,
        end=query.words[mention.last - 1].end,
        passages=qualified_passages(mention.entity, query, mention.first, mention.last, snapshot),
    )
