"""Blocks: how many queries are worked on at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

__all__ = ["blocks"]

# Numbers in one array of a walk: 32 MB, of which a walk has half a dozen.
_NUMBERS: Final = 1 << 22
# Beyond so many walks at a time, reading the graph costs next to nothing.
_MOST: Final = 32


def blocks(length: int, *, n_nodes: int) -> Iterator[slice]:
    """Divide so many queries into blocks that are walked together, so that memory is bounded.

    Parameters
    ----------
    length
        How many queries.
    n_nodes
        How many nodes the graph has.

    Examples
    --------
    >>> [(block.start, block.stop) for block in blocks(3, n_nodes=1 << 21)]
    [(0, 2), (2, 4)]
    """
    size = min(_MOST, max(1, _NUMBERS // max(1, n_nodes)))
    for at in range(0, length, size):
        yield slice(at, at + size)
