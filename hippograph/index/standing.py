"""How far each extractor is with an index, and what of the index rests on it."""

from __future__ import annotations

from typing import Any

import numpy as np

from hippograph.store.catalog import Catalog
from hippograph.store.snapshot import Snapshot

__all__ = ["standing"]


def standing(catalog: Catalog, snapshot: Snapshot) -> dict[str, Any]:
    """Tell, as JSON values, who has read for an index.

    Parameters
    ----------
    catalog
        Its catalog.
    snapshot
        What is published of it.

    Returns
    -------
    `extractor`, the fingerprint of the one that is preferred; `extraction`, how many passages it has read, by how that
    ended; and `extractors`, all that have read, the most preferred first: of each its fingerprint (`extractor`),
    whether it is `preferred`, how many passages it has `read` with an answer that can be used, how many of the
    published passages are `used` as it has read them, and how many are `pending`, to be read or tried again.
    """
    order = catalog.extractors.order() or [snapshot.manifest.extractor]
    others = [name for name in catalog.extractors.all() if name not in order]
    _, passages = catalog.documents.counts()
    used = np.bincount(snapshot.evidence.readers, minlength=len(snapshot.manifest.extractors)).tolist()
    used_by = dict(zip(snapshot.manifest.extractors, used, strict=True))
    counts = {name: catalog.extractions.counts(name) for name in (*order, *others)}
    return {
        "extractor": order[0],
        "extraction": dict(counts[order[0]]),
        "extractors": [
            {
                "extractor": name,
                "preferred": name == order[0],
                "read": ended["done"] + ended["empty"],
                "used": used_by.get(name, 0),
                "pending": passages - sum(ended.values()) + ended["failed"],
            }
            for name, ended in counts.items()
        ],
    }
