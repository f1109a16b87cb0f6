"""Arrays and the words that values are chosen from."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DoubleArray",
    "ExtractionStatus",
    "FloatArray",
    "IntArray",
    "NodeKind",
    "RecognitionStatus",
    "Scalar",
    "TextRole",
]

FloatArray: TypeAlias = NDArray[np.float32]
"""Vectors and edge weights at rest: float32."""

DoubleArray: TypeAlias = NDArray[np.float64]
"""Probabilities during a walk: float64, because float32 cannot reach the tolerances."""

IntArray: TypeAlias = NDArray[np.int64]

Scalar: TypeAlias = str | int | float | bool
"""A metadata value."""

TextRole: TypeAlias = Literal["query", "passage", "entity", "triple"]
"""What a text is to an embedder; some models prefix one role and not another."""

ExtractionStatus: TypeAlias = Literal["done", "empty", "invalid", "failed"]
"""`empty`: read, and nothing found; `invalid`: the model's output could not be used; `failed`: it never answered."""

NodeKind: TypeAlias = Literal["entity", "passage"]

RecognitionStatus: TypeAlias = Literal["done", "empty", "invalid", "failed"]
"""`done`: some triples were recognised; `empty`: none bears on the question; `invalid`, `failed`: nobody knows."""
