"""What has changed in the catalog since a snapshot was made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hippograph.store.evidence import STAMP_BYTES
from hippograph.store.snapshot import Snapshot
from hippograph.types import IntArray

__all__ = ["compare"]


def compare(base: Snapshot, held: Sequence[tuple[str, bytes]]) -> tuple[IntArray, dict[str, bytes]]:
    """Tell which rows of a snapshot are as the catalog has them, and what else the catalog has.

    Parameters
    ----------
    base
        The snapshot.
    held
        Ids and stamps of what the catalog has, as `Extractions.stamps` gives them.

    Returns
    -------
    Rows of passages, and stamps of the other passages by id.
    """
    rows = {name: row for row, name in enumerate(base.passages.ids)}
    stamps = base.evidence.stamps.tobytes()
    kept, changed = [], {}
    for name, stamp in held:
        row = rows.get(name)
        if row is not None and stamps[row * STAMP_BYTES : (row + 1) * STAMP_BYTES] == stamp:
            kept.append(row)
        else:
            changed[name] = stamp
    return np.array(kept, dtype=np.int64), changed
