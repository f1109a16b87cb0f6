"""Focus: passages near the query draw the walk towards themselves."""

from __future__ import annotations

from typing import Final

import numpy as np

from hippograph.errors import InputError
from hippograph.types import DoubleArray, FloatArray

__all__ = ["check_focus", "strengths"]

_NEAREST: Final = 6.0
_FARTHEST: Final = -3.0


def strengths(similarities: FloatArray, *, focus: float, n_entities: int) -> DoubleArray:
    """Say how strongly each node draws a walk.

    A passage draws it `exp(focus * z)` times as strongly as an average one, `z` being how many standard deviations its
    cosine lies above the mean of all, -3 to 6: a scale that does not depend on the embedder. Entities all draw alike.
    Of the passages that mention a name, the walk so prefers those that bear on the question.

    Parameters
    ----------
    similarities
        Cosine of every passage to the query; shape (P,).
    focus
        0 lets all nodes draw alike.
    n_entities
        How many entity nodes come before the passages, E.

    Returns
    -------
    Shape (E + P,), positive.

    Examples
    --------
    >>> strengths(np.array([0.2, 0.4], dtype=np.float32), focus=0.5, n_entities=1).round(2).tolist()
    [1.0, 0.61, 1.65]
    """
    drawn = np.ones(n_entities + len(similarities))
    if focus and len(similarities):
        cosines = similarities.astype(np.float64)
        deviations = (cosines - cosines.mean()) / max(float(cosines.std()), 1e-6)
        drawn[n_entities:] = np.exp(focus * np.clip(deviations, _FARTHEST, _NEAREST))
    return drawn


def check_focus(focus: float) -> None:
    """Raise InputError unless the focus is a number from 0 to 5."""
    if not 0.0 <= focus <= 5.0:
        raise InputError(f"focus is {focus}; give a number from 0 to 5")
