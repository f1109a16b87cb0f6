"""What an index holds, who has read for it, and what that has cost."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from hippograph.errors import DamagedIndexError, IndexMismatchError, NoIndexError
from hippograph.store.catalog import Catalog
from hippograph.store.layers import open_layers
from hippograph.store.snapshot import SNAPSHOTS, Snapshot, open_snapshot
from hippograph.types import Usage

__all__ = ["standing", "standing_at", "usage_values"]

_log = logging.getLogger("hippograph.index")


def standing_at(catalog: Catalog, *, directory: Path) -> dict[str, Any]:
    """Tell what an index holds, be anything published of it or not.

    Raises
    ------
    NoIndexError
        If something was published, and there is no telling what.
    """
    try:
        published = open_snapshot(directory)
    except NoIndexError:
        if (directory / SNAPSHOTS).exists():
            raise
        published = Snapshot.empty()
    return standing(catalog, published, directory=directory)


def standing(catalog: Catalog, snapshot: Snapshot, *, directory: Path) -> dict[str, Any]:
    """Tell, as JSON values, what an index holds; `docs/usage.md` explains each.

    Parameters
    ----------
    catalog
        Its catalog.
    snapshot
        What is published of it; an empty one if nothing is.
    directory
        The index directory.
    """
    manifest = snapshot.manifest
    documents, passages = catalog.documents.counts()
    usage = catalog.usage.totals()
    return {
        "directory": str(directory),
        "documents": documents,
        "passages": passages,
        "entities": manifest.counts.entities,
        "triples": manifest.counts.triples,
        "edges": manifest.counts.edges,
        **_readers(catalog, snapshot),
        "layers": _layers(snapshot, directory),
        "generation": manifest.generation,
        "graph_digest": manifest.graph_digest,
        "embedder": manifest.embedder or next(iter(catalog.vectors.embedders()), ""),
        "sources": list(catalog.sources.all().values()),
        "bytes": sum(file.stat().st_size for file in directory.rglob("*") if file.is_file()),
        "usage": [{"stage": stage, "model": model, **usage_values(one)} for (stage, model), one in usage.items()],
        "usage_total": usage_values(sum(usage.values(), start=Usage())),
    }


def _readers(catalog: Catalog, snapshot: Snapshot) -> dict[str, Any]:
    """Tell how far each extractor is, and how many published passages rest on what it has read."""
    everybody = catalog.extractors.all()
    order = catalog.extractors.order() or [snapshot.manifest.extractor or next(iter(everybody), "")]
    others = [name for name in everybody if name not in order]
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
                **_left(catalog, name),
            }
            for name, ended in counts.items()
            if name
        ],
    }


def _left(catalog: Catalog, extractor: str) -> dict[str, int]:
    """Count what an extractor would read, and what it would not, as other language models have."""
    others = catalog.extractors.other_language_models(extractor)
    return {
        "pending": len(catalog.extractions.pending(extractor, kept=others, repeated=True)),
        "kept": sum(catalog.extractions.kept(extractor, others).values()),
    }


def _layers(snapshot: Snapshot, directory: Path) -> dict[str, Any]:
    """Count the summaries, and tell whether some are lacking, or not those of the current snapshot."""
    try:
        layers = open_layers(directory)
    except (DamagedIndexError, IndexMismatchError) as error:
        _log.warning("%s", error)
        return {"semantic": 0, "episodic": 0, "levels": 0, "behind": True, "summariser": ""}
    if layers is None:
        return {"semantic": 0, "episodic": 0, "levels": 0, "behind": False, "summariser": ""}
    manifest, published = layers.manifest, snapshot.manifest
    same = (manifest.state, manifest.embedder) == (published.state, published.embedder)
    return {
        "semantic": manifest.semantic,
        "episodic": manifest.episodic,
        "levels": manifest.levels,
        "behind": bool(manifest.lacking) or not same,
        "summariser": manifest.summariser,
    }


def usage_values(usage: Usage) -> dict[str, Any]:
    """Return what was spent on models as JSON values."""
    return {
        "calls": usage.calls,
        "items": usage.items,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "tokens": usage.tokens,
        "reused": usage.reused,
        "seconds": round(usage.seconds, 3),
        "cost": usage.cost,
    }
