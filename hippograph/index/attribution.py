"""Which extractor each passage of a state of the index was read by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hippograph.store.ragged import Selection
from hippograph.store.snapshot import Snapshot

__all__ = ["Attribution", "attribute"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Attribution:
    """Who has read what.

    Parameters
    ----------
    extractors
        Fingerprints of the extractors that have read any of the passages, ascending.
    readers
        The number of the extractor of each passage; uint16, shape (P,).
    """

    extractors: tuple[str, ...]
    readers: NDArray[np.uint16]


def attribute(base: Snapshot, added: Sequence[str], *, chosen: Selection) -> Attribution:
    """Revise who has read what.

    Parameters
    ----------
    base
        The former state.
    added
        The extractors of the passages that come, in the order of their ids.
    chosen
        Which of the former and the new passages make the new state.

    Examples
    --------
    >>> found = attribute(Snapshot.empty(), ["b", "a", "b"], chosen=Selection(rows=np.array([0, 2])))
    >>> found.extractors, found.readers.tolist()
    (('b',), [0, 0])
    """
    names = sorted({*base.manifest.extractors, *added})
    numbers = {name: number for number, name in enumerate(names)}
    former = np.array([numbers[name] for name in base.manifest.extractors], dtype=np.uint16)
    fresh = np.array([numbers[name] for name in added], dtype=np.uint16)
    readers = chosen.numbers(former[base.evidence.readers], fresh)
    # One that has read nothing of what is left is not told of, so that equal states have equal bits.
    used, readers = np.unique(readers, return_inverse=True)
    return Attribution(extractors=tuple(names[number] for number in used), readers=readers.astype(np.uint16))
