"""What every implementation of a protocol must do, as functions that raise `AssertionError` where it does not.

Run them from your own tests on your own embedder or extractor.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from hippograph.protocols import Embedder

__all__ = ["check_embedder"]

_TEXTS: Final = (
    "Marie Curie was born in Warsaw.",
    "Oslo",
    "",
    "  ",
    "Мария Кюри родилась в Варшаве.",
    "居里夫人出生于华沙。",
    "ولدت ماري كوري في وارسو.",
    "C++ 🙂 e\u0301 \u200d \ufffd",
    "a long text of many words " * 400,
    "Oslo",
)


def _require(condition: bool, broken: str) -> None:
    if not condition:
        raise AssertionError(broken)


def check_embedder(embedder: Embedder) -> None:
    """Check that an embedder keeps the contract of `hippograph.protocols.Embedder`.

    Raises
    ------
    AssertionError
        Naming the clause that is broken.

    Examples
    --------
    >>> from hippograph.testing.doubles import HashingEmbedder
    >>> check_embedder(HashingEmbedder())
    """
    width = embedder.dimension
    _require(isinstance(embedder, Embedder), "it lacks a member of the protocol")
    _require(width >= 1, f"the dimension is {width}")
    _require(
        bool(embedder.fingerprint) and embedder.fingerprint == embedder.fingerprint, "the fingerprint is not stable"
    )
    vectors = embedder.embed(_TEXTS, role="passage")
    _require(vectors.shape == (len(_TEXTS), width), f"the shape is {vectors.shape}, not {(len(_TEXTS), width)}")
    _require(vectors.dtype == np.float32, f"the type is {vectors.dtype}, not float32")
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    _require(bool(np.allclose(lengths, 1.0, atol=1e-5)), f"the rows have lengths {lengths}, not 1")
    empty = embedder.embed([], role="passage")
    _require(
        empty.shape == (0, width) and empty.dtype == np.float32, "no texts do not give shape (0, dimension), float32"
    )
    _require(np.array_equal(vectors, embedder.embed(_TEXTS, role="passage")), "a second call gives other vectors")
    backwards = embedder.embed(_TEXTS[::-1], role="passage")
    _require(np.array_equal(vectors[::-1], backwards), "the vectors do not follow the order of the texts")
    for row, text in enumerate(_TEXTS):
        alone = embedder.embed([text], role="passage")
        _require(np.array_equal(vectors[row], alone[0]), f"the vector of {text[:40]!r} depends on the texts beside it")
    _require(float(vectors[0] @ vectors[4]) < 0.9999, "different texts give the same vector")
    for role in ("query", "entity", "triple"):
        _require(embedder.embed(["Oslo"], role=role).shape == (1, width), f"the role {role!r} does not work")
