"""Arrays that take long to compute from a snapshot: computed at the first use, and kept beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hippograph.store.derived_files import DerivedFile

__all__ = ["derived_array"]

_MAGIC: Final = b"hippograph array 1\n"


def derived_array(
    directory: Path | None,
    kind: str,
    inputs: Sequence[bytes],
    make: Callable[[], NDArray[Any]],
    *,
    generation: int,
) -> NDArray[Any]:
    """Return an array that was kept, if it was made of the same, or else make it.

    One array of a kind is kept: that of whoever has the current snapshot open.

    Parameters
    ----------
    directory
        The index directory; None keeps nothing.
    kind
        What the array is: the name of its file.
    inputs
        All that it depends on, the way it is made included.
    make
        Makes it; of numbers, or records of numbers.
    generation
        The number of the snapshot that it belongs to; 0 for a part of one, of which nothing is kept.

    Returns
    -------
    The array, not to be written to.

    Examples
    --------
    >>> derived_array(None, "squares", [b"4"], lambda: np.arange(4) ** 2, generation=0).tolist()
    [0, 1, 4, 9]
    """
    file = DerivedFile(directory=directory, name=f"{kind}.array", magic=_MAGIC, generation=generation)
    key = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in inputs)).digest()
    known = file.read() if generation else None
    if known is not None and known[: len(key)] == key:
        kept: NDArray[Any] = np.load(BytesIO(known[len(key) :]), allow_pickle=False)
        return kept
    made = make()
    # Asked first too, so that a reader of a former snapshot does not wait for the lock in vain.
    if file.is_current():
        file.replace(lambda: key + _written(made) if file.is_current() else None)
    return made


def _written(array: NDArray[Any]) -> bytes:
    buffer = BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
