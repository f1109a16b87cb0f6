"""Linking: which entities and triples of the index a query speaks of."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hippograph.errors import InputError
from hippograph.protocols import Embedder
from hippograph.retrieve.nearest import nearest
from hippograph.store.snapshot import Snapshot
from hippograph.text.function_words import is_grammar, reads_as_name
from hippograph.text.normalization import Token, tokens
from hippograph.types import FloatArray, LinkedTriple

__all__ = ["EntityLink", "EntityLinker", "TripleLinker", "find_names"]

_CAPITALISED = re.compile(r"[^\W\d_]", re.UNICODE)


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
        `mention`, `similar name` or `triple`.
    start, end
        The first and one-past-last character of the words of the query that say so, at the first mention; links with
        the same ones are readings of one mention. Both are 0 for links through triples, which no single words make.
    """

    entity: int
    confidence: float
    reason: str
    start: int = 0
    end: int = 0


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
    """Links queries to entities: by the dictionary of all names, then by vectors for names that are in no dictionary.

    Parameters
    ----------
    threshold
        Smallest cosine at which an unknown name counts as a spelling of a known one.
    """

    threshold: float = 0.85

    def link(self, query: str, snapshot: Snapshot, embedder: Embedder) -> list[EntityLink]:
        """List the entities a query mentions, each once, in the order of mention.

        Parameters
        ----------
        query
            The query as asked.
        snapshot
            The index.
        embedder
            The embedder the index was built with.
        """
        words = tokens(query)
        found = [
            (first, last, number)
            for first, last, number in find_names([word.key for word in words], snapshot.entity_keys)
            if not is_grammar(snapshot.entity_keys[number]) or reads_as_name(query, words[first:last])
        ]
        links: dict[int, EntityLink] = {}
        for first, last, number in found:
            start, end = words[first].start, words[last - 1].end
            mention = EntityLink(entity=number, confidence=1.0, reason="mention", start=start, end=end)
            links.setdefault(number, mention)
        known = {place for first, last, _ in found for place in range(first, last)}
        unknown = _capitalised_runs(query, words, known)
        if unknown and len(snapshot.entity_keys):
            vectors = embedder.embed([query[start:end] for start, end in unknown], role="entity")
            best = nearest(snapshot.entity_vectors, vectors, k=1)
            for (start, end), row, (number, *_) in zip(unknown, vectors, best, strict=True):
                cosine = float(snapshot.entity_vectors[number] @ row)
                if cosine >= self.threshold:
                    sure = min(cosine, 1.0)
                    link = EntityLink(entity=int(number), confidence=sure, reason="similar name", start=start, end=end)
                    links.setdefault(link.entity, link)
        return list(links.values())


def _capitalised_runs(query: str, words: Sequence[Token], known: set[int]) -> list[tuple[int, int]]:
    """Spans of the query that look like names and that the dictionary does not know.

    A single capitalised word at the start of a query is its grammar, not a name.
    """
    runs: list[list[int]] = []
    for place, word in enumerate(words):
        letter = _CAPITALISED.match(query, word.start)
        if place in known or letter is None or not letter.group().isupper():
            continue
        if runs and runs[-1][-1] == place - 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    return [(words[run[0]].start, words[run[-1]].end) for run in runs if run != [0]]


@dataclass(frozen=True, kw_only=True)
class TripleLinker:
    """Links queries to triples by vectors (HippoRAG 2, section 3.2: query to triple).

    Parameters
    ----------
    most
        How many triples to look at; 0 leaves them out. HippoRAG 2 takes 5 and lets a language model drop some;
        unfiltered, fewer do better.
    threshold
        Smallest cosine of a triple that is kept.

    Raises
    ------
    InputError
        If `most` is below 0.
    """

    most: int = 3
    threshold: float = 0.6

    def __post_init__(self) -> None:
        if self.most < 0:
            raise InputError(f"most {self.most} is below 0; 0 leaves triples out")

    def link(self, query_vector: FloatArray, snapshot: Snapshot) -> tuple[list[LinkedTriple], list[EntityLink]]:
        """Find the triples near a query and the entities of those that are kept.

        Parameters
        ----------
        query_vector
            The embedded query, shape (d,).
        snapshot
            The index.
        """
        triples: list[LinkedTriple] = []
        links: dict[int, EntityLink] = {}
        best = nearest(snapshot.triple_vectors, query_vector[np.newaxis], k=self.most)[0]
        for number in best.tolist():
            cosine = float(snapshot.triple_vectors[number] @ query_vector)
            kept = cosine >= self.threshold
            triples.append(LinkedTriple(triple=snapshot.triples[number], similarity=cosine, kept=kept))
            if kept:
                for end in (int(snapshot.triples.subjects[number]), int(snapshot.triples.objects[number])):
                    links.setdefault(end, EntityLink(entity=end, confidence=min(cosine, 1.0), reason="triple"))
        return triples, list(links.values())
