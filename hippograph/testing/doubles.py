"""Deterministic stand-ins for models: fast, offline, and close enough to the real thing to test what is built on it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from hippograph.errors import InputError
from hippograph.types import Extraction, FloatArray, Passage, TextRole, Triple

__all__ = ["CapitalsExtractor", "HashingEmbedder", "OverlapCrossEncoder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HashingEmbedder:
    """Embed a text as its words and character trigrams, hashed: strings that look alike get vectors that point alike.

    Parameters
    ----------
    dimension
        Length of a vector; the shorter, the more features collide.

    Examples
    --------
    >>> vectors = HashingEmbedder().embed(["Marie Curie", "Marie Curie's", "Oslo"], role="entity")
    >>> bool(vectors[0] @ vectors[1] > 0.6 > vectors[0] @ vectors[2])
    True
    """

    dimension: int = 64

    def __post_init__(self) -> None:
        if self.dimension < 1:
            message = f"dimension is {self.dimension}; give at least 1"
            raise InputError(message)

    @property
    def fingerprint(self) -> str:
        """Names the double and its dimension."""
        return f"hashing:1:{self.dimension}"

    def embed(self, texts: Sequence[str], *, role: TextRole) -> FloatArray:
        """Embed texts; the role makes no difference.

        Returns
        -------
        Shape (len(texts), dimension), float32, rows of Euclidean length 1.
        """
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float64)
        for row, text in enumerate(texts):
            for feature in _features(text):
                digest = int.from_bytes(blake2b(feature.encode("utf-8", "replace"), digest_size=8).digest(), "little")
                vectors[row, (digest >> 1) % self.dimension] += 1.0 if digest & 1 else -1.0
            if not vectors[row].any():
                vectors[row, 0] = 1.0
        if len(texts):
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors.astype(np.float32)


def _features(text: str) -> Iterator[str]:
    for word in re.findall(r"\w+", text.casefold()):
        yield word
        padded = f"<{word}>"
        yield from (padded[start : start + 3] for start in range(len(padded) - 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlapCrossEncoder:
    """Score a pair by the words of the query that the text shares: 1 for all of them, -1 for none.

    Examples
    --------
    >>> OverlapCrossEncoder().score([("Who sailed?", "Nansen sailed."), ("Who sailed?", "Oslo")]).tolist()
    [0.0, -1.0]
    """

    @property
    def fingerprint(self) -> str:
        """Names the double."""
        return "overlap:1"

    def score(self, pairs: Sequence[tuple[str, str]]) -> FloatArray:
        """Score pairs of a query and a text; a query without words scores -1.

        Returns
        -------
        Shape (len(pairs),), float32, -1 to 1.
        """
        shares = np.empty(len(pairs), dtype=np.float32)
        for row, (query, text) in enumerate(pairs):
            asked, said = (set(re.findall(r"\w+", side.casefold())) for side in (query, text))
            shares[row] = len(asked & said) / max(1, len(asked))
        return 2 * shares - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CapitalsExtractor:
    """Take runs of capitalised words for entities, and the words between two of them for a relation.

    Examples
    --------
    >>> passage = Passage(id="1", document="1", text="Fridtjof Nansen sailed the Fram.")
    >>> [(_, found)] = CapitalsExtractor().extract([passage])
    >>> found.entities, tuple(found.triples[0])
    (('Fridtjof Nansen', 'Fram'), ('Fridtjof Nansen', 'sailed the', 'Fram'))
    """

    @property
    def fingerprint(self) -> str:
        """Names the double."""
        return "capitals:1"

    def extract(self, passages: Iterable[Passage]) -> Iterator[tuple[Passage, Extraction]]:
        """Yield each passage with its extraction, in order."""
        for passage in passages:
            names = list(re.finditer(r"[A-Z]\w*(?: [A-Z]\w*)*", passage.text))
            between = [
                Triple(one.group(), passage.text[one.end() : other.start()].strip(), other.group())
                for one, other in itertools.pairwise(names)
            ]
            triples = tuple(triple for triple in between if triple.relation and "." not in triple.relation)
            entities = tuple(name.group() for name in names)
            yield passage, Extraction(status="done" if entities else "empty", entities=entities, triples=triples)
