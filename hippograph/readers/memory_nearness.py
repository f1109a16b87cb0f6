"""How near memories are to a question: by their vectors, or else by the words that they share with it."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np

from hippograph.protocols import Embedder
from hippograph.text.function_words import is_grammar
from hippograph.text.normalization import tokens
from hippograph.types import MemoryNode

__all__ = ["content_words", "nearness"]


def nearness(question: str, nodes: Sequence[MemoryNode], *, embedder: Embedder | None) -> list[float]:
    """Return the cosine of a question and each memory: its probe and what it says.

    Parameters
    ----------
    question
        What is read.
    nodes
        What is remembered.
    embedder
        Makes the vectors; None for vectors of words, 1 for each that is there and has a meaning of its own.

    Examples
    --------
    >>> node = MemoryNode(probe="Where is the Fram?", kind="veridical", cue="In Oslo.")
    >>> [round(cosine, 2) for cosine in nearness("Where does the Fram lie?", [node], embedder=None)]
    [0.5]
    """
    texts = [f"{node.probe} {node.cue}" for node in nodes]
    if not texts:
        return []
    if embedder is None:
        wanted = content_words(question)
        return [_cosine(wanted, content_words(text)) for text in texts]
    asked = embedder.embed([question], role="query")[0].astype(np.float64)
    cosines: list[float] = [
        float(vector.astype(np.float64) @ asked) for vector in embedder.embed(texts, role="passage")
    ]
    return cosines


def content_words(text: str) -> frozenset[str]:
    """Return the words of a text that carry more than grammar, normalised.

    Examples
    --------
    >>> sorted(content_words("Where does the Fram lie?"))
    ['fram', 'lie']
    """
    return frozenset(word.key for word in tokens(text) if not is_grammar(word.key))


def _cosine(some: frozenset[str], others: frozenset[str]) -> float:
    return len(some & others) / sqrt(max(1, len(some)) * max(1, len(others)))
