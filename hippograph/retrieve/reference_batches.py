"""Vectors as the reference's program has them: with an 8-bit model they depend on the texts embedded beside each.

The program embeds consecutive slices of passages, of phrases and of facts, each padded to its longest text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hippograph.protocols import BatchEmbedder, Embedder
from hippograph.store.derived import batched_vectors, derived_vectors
from hippograph.store.snapshot import Snapshot
from hippograph.types import FloatArray, TextRole

__all__ = ["insertion_order", "reference_passages", "reference_vectors"]

# `embedding_batch_size` in HippoRAG 2's `utils/config_utils.py`.
_BATCH: Final = 16


def insertion_order(ids: Sequence[str]) -> list[int]:
    """Guess in which order passages were given to a program, which an index does not know: that of numbers in ids.

    Parameters
    ----------
    ids
        The ids of the passages.

    Returns
    -------
    The places of the ids; numbers in them compare as numbers, all else as text.

    Examples
    --------
    >>> ids = ["b", "10", "9", "a#2", "a#10"]
    >>> [ids[place] for place in insertion_order(ids)]
    ['9', '10', 'a#2', 'a#10', 'b']
    """
    return sorted(range(len(ids)), key=lambda place: (_natural(ids[place]), ids[place]))


def reference_vectors(
    directory: Path | None, kind: str, texts: Sequence[str], *, embedder: Embedder, role: TextRole, generation: int
) -> FloatArray:
    """Return the vectors of texts, embedded in the program's batches if the embedder can do so, or else as it does.

    Those of batches are kept for the whole index only: each part of it has batches, and so vectors, of its own.

    Parameters
    ----------
    directory
        The index directory, where vectors are kept; None keeps nothing.
    kind
        What the texts are, in lower-case letters.
    texts
        The texts, in the order in which the program embeds them; repeated ones are embedded once.
    embedder
        Embeds them.
    role
        What the texts are to it.
    generation
        The number of the snapshot of whose kind these are all texts; 0 for those of a part of one.

    Returns
    -------
    Shape (len(texts), d), rows of length 1, in the order of `texts`.
    """
    if not isinstance(embedder, BatchEmbedder):
        return derived_vectors(directory, kind, texts, embedder=embedder, role=role, generation=generation)
    kept = directory if generation else None
    return batched_vectors(
        kept, f"batched{kind}", texts, embedder=embedder, role=role, batch=_BATCH, generation=generation
    )


def reference_passages(snapshot: Snapshot, *, embedder: Embedder, directory: Path | None) -> FloatArray:
    """Return the vectors of a snapshot's passages, embedded as for `reference_vectors`, or else those it has.

    Parameters
    ----------
    snapshot
        The index, or a part of it.
    embedder
        The embedder that the index was built with.
    directory
        The index directory, where vectors are kept; None keeps nothing.

    Returns
    -------
    Shape (P, d), rows of length 1.
    """
    if not isinstance(embedder, BatchEmbedder):
        return snapshot.passage_vectors
    order = insertion_order(snapshot.passages.ids)
    texts = [snapshot.passages[row].headed_text for row in order]
    generation = snapshot.generation
    vectors = reference_vectors(directory, "passages", texts, embedder=embedder, role="passage", generation=generation)
    placed = vectors.copy()
    placed[order] = vectors
    return placed


def _natural(id_: str) -> list[tuple[int, str]]:
    """Split an id into text and numbers, which take turns; numbers compare by their length, then digit by digit."""
    parts = re.split("([0-9]+)", id_)
    digits = {place: part.lstrip("0") for place, part in enumerate(parts) if place % 2}
    return [(len(digits[place]), digits[place]) if place in digits else (0, part) for place, part in enumerate(parts)]
