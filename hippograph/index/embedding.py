"""Embedding what the catalog has no vectors of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import Final

from hippograph.index.budget import Allowance
from hippograph.index.expectation import Expectation
from hippograph.index.report import Tally
from hippograph.protocols import Embedder, Metered
from hippograph.store.catalog import Catalog
from hippograph.types import FloatArray, TextRole, Usage

__all__ = ["STAGES", "embed_texts"]

_TEXTS_PER_COMMIT: Final = 256

STAGES: Final[dict[TextRole, str]] = {
    "passage": "embed passages",
    "entity": "embed entities",
    "triple": "embed triples",
    "query": "embed queries",
}
"""What the embedding of texts is called, by their role."""


def embed_texts(
    embedder: Embedder,
    catalog: Catalog,
    texts: Sequence[str],
    *,
    role: TextRole,
    expectation: Expectation,
    allowance: Allowance,
    tally: Tally,
) -> FloatArray:
    """Embed the texts that the catalog has no vectors of, save often, and return the vectors of all.

    Parameters
    ----------
    embedder
        Embeds. If it is metered, what it spends counts, and no more texts are embedded at a time than may be afforded.
    catalog
        Keeps the vectors.
    texts
        What is to be embedded.
    role
        What the texts are.
    expectation
        Says what texts are expected to cost.
    allowance
        Says how long work may go on.
    tally
        Is told what was done.

    Raises
    ------
    RunEndedError
        If the allowance was used up before all was done.
    """
    name, paid, stage = embedder.fingerprint, isinstance(embedder, Metered), STAGES[role]
    missing = catalog.vectors.missing(name, role, texts)
    if missing:
        tally.tell(stage, 0, len(missing))
    done = 0
    while done < len(missing):
        block = missing[done : done + _TEXTS_PER_COMMIT]
        costs = [expectation.text(text) for text in block] if paid and allowance.foresees else []
        if costs:
            block = block[: allowance.afford(costs)]
        else:
            allowance.go_on()
        started = perf_counter()
        try:
            with tally.model(stage):
                vectors = embedder.embed(block, role=role)
        finally:
            # What was spent is known even if nothing came of it.
            spent = embedder.spent() if isinstance(embedder, Metered) else Usage()
            spent = replace(spent, items=len(block), seconds=perf_counter() - started)
            catalog.usage.add(stage, name, spent)
            tally.spend(spent)
            if paid:
                allowance.spend(spent, expected=sum(costs[: len(block)], start=Usage()))
        catalog.vectors.save(name, role, block, vectors)
        done += len(block)
        tally.tell(stage, done, len(missing))
    return catalog.vectors.load(name, role, texts)
