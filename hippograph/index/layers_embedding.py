"""The vectors of summaries: made in blocks, so that a run can end in between, and made anew by another embedder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Final

import numpy as np

from hippograph.index.budget import Allowance, RunEndedError
from hippograph.index.report import LayersReport, Progress
from hippograph.protocols import Embedder, Metered
from hippograph.store.index_directory import Session
from hippograph.store.layers import Layers, open_layers, publish_layers
from hippograph.types import FloatArray, Usage

__all__ = ["EMBED", "embedded", "reembed_layers"]

EMBED: Final = "embed summaries"
"""The name of the stage."""

# Texts that are embedded between two reports of progress.
_BLOCK: Final = 64


def embedded(
    texts: Sequence[str], *, session: Session, embedder: Embedder, allowance: Allowance, progress: Progress | None
) -> Iterator[tuple[FloatArray, Usage]]:
    """Embed summaries block by block, and book what that costs.

    Parameters
    ----------
    texts
        The summaries.
    session
        The index, in whose catalog it is booked.
    embedder, progress
        What embeds, and what is told how far it is.
    allowance
        Says how long the run may go on.

    Returns
    -------
    The rows of each block, in the order of the texts, and what was spent on it.

    Raises
    ------
    RunEndedError
        If the run is to end.
    ModelError
        If the embedder cannot work.
    """
    for at in range(0, len(texts), _BLOCK):
        block = texts[at : at + _BLOCK]
        allowance.go_on()
        started = perf_counter()
        rows = embedder.embed(block, role="passage")
        metered = embedder.spent() if isinstance(embedder, Metered) else Usage()
        spent = replace(metered, items=len(block), seconds=perf_counter() - started)
        session.catalog.usage.add(EMBED, embedder.fingerprint, spent)
        yield rows, spent
        if progress is not None:
            progress(EMBED, at + len(block), len(texts))


def reembed_layers(
    session: Session, *, embedder: Embedder, allowance: Allowance, progress: Progress | None = None
) -> LayersReport | None:
    """Replace the vectors of the summaries that there are, if they are another embedder's; nobody summarises.

    Which passages are brought together hangs on vectors, too. So the layers count as behind the index afterwards: who
    brings them up to date makes those summaries that would be others now.

    Parameters
    ----------
    session
        The index, and the right to change it.
    embedder
        The embedder that the index has now.
    allowance
        Says how long the run may go on; if it ends before all is embedded, the layers stay as they are.
    progress
        Is told how far it is.

    Returns
    -------
    What was done; None if there was nothing to do.

    Raises
    ------
    ModelError
        If the embedder cannot work.
    IndexMismatchError, DamagedIndexError
        If the layers cannot be read.
    """
    former = open_layers(session.directory, verify=True)
    if former is None or former.manifest.embedder == embedder.fingerprint:
        return None
    started, usage, blocks = perf_counter(), Usage(), list[FloatArray]()
    try:
        for rows, spent in embedded(
            list(former.texts), session=session, embedder=embedder, allowance=allowance, progress=progress
        ):
            blocks.append(rows)
            usage += spent
    except RunEndedError:
        return _report(former, allowance, usage=usage, seconds=perf_counter() - started, published=False)
    vectors = np.concatenate([np.empty((0, embedder.dimension), dtype=np.float32), *blocks])
    about = {"embedder": embedder.fingerprint, "dimension": vectors.shape[1], "state": ""}
    layers = replace(former, manifest=former.manifest.model_copy(update=about), vectors=vectors)
    generation = publish_layers(session.directory, layers)
    layers = replace(layers, manifest=layers.manifest.model_copy(update={"generation": generation}))
    return _report(layers, allowance, usage=usage, seconds=perf_counter() - started, published=True)


def _report(layers: Layers, allowance: Allowance, *, usage: Usage, seconds: float, published: bool) -> LayersReport:
    manifest = layers.manifest
    return LayersReport(
        semantic=manifest.semantic,
        episodic=manifest.episodic,
        levels=manifest.levels,
        made=0,
        kept=manifest.summaries,
        failures=(),
        # What is lacking is not made here, and so is none of this run's business.
        lacking=0,
        stopped=allowance.stopped,
        summariser=manifest.summariser,
        usage=usage,
        generation=manifest.generation,
        published=published,
        seconds={EMBED: seconds},
    )
