"""Which texts hold a name as a part of them, inside of words too; counted as Python counts, without a look at each."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Final

import numpy as np

from hippograph.types import IntArray

__all__ = ["Substrings"]

# Of so many names it is remembered where they stand: far more than a query activates.
_REMEMBERED: Final = 4096
# No UTF-8 holds it, so that neither a text nor a name does.
_BETWEEN: Final = b"\xff"


@dataclass(frozen=True, kw_only=True, eq=False)
class Substrings:
    """Finds names in the small letters of texts; threads may share it.

    Parameters
    ----------
    texts
        Gives the texts, when the first name is looked for.

    Examples
    --------
    >>> said = Substrings(texts=lambda: ["Art is at the party.", "Oslo", "PART"])
    >>> [part.tolist() for part in said.of("Art")], [part.tolist() for part in said.of("fram")]
    ([[0, 2], [2, 1]], [[], []])
    """

    texts: Callable[[], Iterable[str]]

    def of(self, name: str) -> tuple[IntArray, IntArray]:
        """Count a name in all texts, where it overlaps with itself once.

        Parameters
        ----------
        name
            What to look for; at least one letter.

        Returns
        -------
        The numbers of the texts that hold it, ascending, and how often each does; not to be written to.
        """
        return self._remembered(name.lower())

    @cached_property
    def _remembered(self) -> Callable[[str], tuple[IntArray, IntArray]]:
        small = [text.lower().encode() for text in self.texts()]
        # Each text ends with what no name holds, so that no name is found across two.
        starts = np.cumsum([0, *(len(text) + 1 for text in small)])
        return lru_cache(maxsize=_REMEMBERED)(partial(_counted, _BETWEEN.join(small), starts.tolist()))


def _counted(joined: bytes, starts: list[int], letters: str) -> tuple[IntArray, IntArray]:
    name = letters.encode()
    rows: list[int] = []
    counts: list[int] = []
    at = joined.find(name)
    while at >= 0:
        row = bisect_right(starts, at) - 1
        end = starts[row + 1] - 1
        rows.append(row)
        counts.append(joined.count(name, at, end))
        at = joined.find(name, end + 1)
    found, often = np.array(rows, dtype=np.int64), np.array(counts, dtype=np.int64)
    found.flags.writeable = often.flags.writeable = False
    return found, often
