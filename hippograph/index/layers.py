"""The layers of an index: built, brought up to date, rid of what is gone, and removed."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from hippograph.errors import DamagedIndexError, IndexMismatchError, InputError
from hippograph.index.budget import Allowance, Budget, Stop
from hippograph.index.layers_build import LayersBuild
from hippograph.index.layers_embedding import reembed_layers
from hippograph.index.layers_plan import LayerShape
from hippograph.index.report import IndexReport, LayersReport, Progress
from hippograph.index.summaries import LLMSummariser, Summariser
from hippograph.index.summary_sentences import ExtractiveSummariser
from hippograph.protocols import Embedder, LanguageModel
from hippograph.store.index_directory import Session
from hippograph.store.layers import Layers, open_layers, publish_layers, remove_layers
from hippograph.store.snapshot import open_snapshot
from hippograph.types import Usage

__all__ = ["SUMMARISERS", "add_layers", "build_layers", "known_summariser", "prune_layers", "remove_layers"]
__all__ += ["summariser_named"]

_log = logging.getLogger("hippograph.index")

SUMMARISERS: Final = ("extractive", "llm")
"""The summarisers that are known by name."""


def summariser_named(name: str, *, model: LanguageModel | None = None) -> Summariser:
    """Make a summariser by its name, with its defaults.

    Parameters
    ----------
    name
        `extractive` or `llm`.
    model
        The language model that `llm` asks.

    Raises
    ------
    InputError
        If there is none of this name, or it lacks its model.

    Examples
    --------
    >>> summariser_named("extractive").fingerprint.partition(":")[0]
    'extractive'
    """
    if name == "extractive":
        return ExtractiveSummariser()
    if name != "llm":
        raise InputError(f"there is no summariser {name!r}; choose one of {', '.join(SUMMARISERS)}")
    if model is None:
        raise InputError(
            "the summariser 'llm' needs a language model; name one with --llm-model and --llm-base-url, in "
            "hippograph.toml, or in Python with language_model=OpenAIChat(model=..., base_url=...), or choose the "
            "summariser 'extractive'"
        )
    return LLMSummariser(model=model)


def known_summariser(directory: str | Path) -> str:
    """Return the name of the kind of summariser that an index's summaries are by, `extractive` if it has none.

    Who brings them up to date without naming one takes this: a language model is asked, and paid, only where it was
    named once.
    """
    former = _former(Path(directory))
    return "extractive" if former is None else former.manifest.summariser.partition(":")[0]


def add_layers(
    report: IndexReport,
    session: Session,
    *,
    layers: bool | None,
    summariser: Summariser | None,
    embedder: Embedder,
    progress: Progress | None = None,
    budget: Budget | None = None,
    stop: Stop | None = None,
) -> IndexReport:
    """Do to the layers what follows from an indexing run, and add it to the run's report.

    Parameters
    ----------
    report
        What the run did.
    session
        The index, and the right to change it.
    layers
        Whether to bring the layers up to date, or to remove them; None removes the summaries that are true no more,
        makes none, and embeds those that stay anew if the index has another embedder now. After a run that ended early
        no layers are built either.
    summariser
        Who summarises; needed to bring them up to date.
    embedder, progress, stop
        As for `build_layers`.
    budget
        What the run and the layers may spend together.

    Raises
    ------
    InputError
        If there is no summariser, and there is to be one.
    NoIndexError, IndexMismatchError, ModelError, DamagedIndexError
        As for `build_layers`.
    """
    if layers is False:
        remove_layers(session.directory)
    if not layers or report.stopped:
        prune_layers(session)
    if report.stopped:
        return report
    if layers and summariser is None:
        raise InputError("layers are to be built, and nobody is named who summarises; give a summariser")
    took = sum(report.model_seconds.values()) + sum(report.other_seconds.values())
    if budget is not None and budget.max_seconds is not None:
        budget = replace(budget, max_seconds=max(1e-3, budget.max_seconds - took))
    built: LayersReport | None
    if layers and summariser is not None:
        built = build_layers(
            session,
            summariser=summariser,
            embedder=embedder,
            progress=progress,
            budget=budget,
            spent=report.usage,
            stop=stop,
        )
    else:
        allowance = Allowance(budget, stop=stop)
        allowance.spend(report.usage)
        built = reembed_layers(session, embedder=embedder, allowance=allowance, progress=progress)
    return report if built is None else replace(report, layers=built, usage=report.usage + built.usage)


def build_layers(
    session: Session,
    *,
    summariser: Summariser,
    embedder: Embedder,
    shape: LayerShape | None = None,
    progress: Progress | None = None,
    budget: Budget | None = None,
    spent: Usage | None = None,
    stop: Stop | None = None,
) -> LayersReport:
    """Bring the layers of an index up to date with what is published, and publish them if anything changed.

    Summaries are known by a key that condenses who summarises and what: only those whose key is new are made and
    embedded. Levels are built from below, many summaries at a time. What fails is recorded, never kept as a text, and
    tried again by the next run, and so is what rests on it.

    Parameters
    ----------
    session
        The index, and the right to change it.
    summariser
        Who summarises. If it is another one than before, everything is summarised again.
    embedder
        Embeds the summaries; the one that the index was built with.
    shape
        How passages are brought together; None for the defaults.
    progress
        Is told how far each stage is.
    budget
        What may be spent. When it is, what is under way is finished and kept.
    spent
        What was spent of the budget already.
    stop
        Says that the run is to end: what is under way is finished and kept.

    Raises
    ------
    NoIndexError
        If nothing is published.
    IndexMismatchError
        If the index was built with another embedder.
    ModelError
        If a model cannot work. What a language model has answered is remembered, if it is a `CachingModel`.
    DamagedIndexError
        If a file of the snapshot has been altered.
    """
    snapshot = open_snapshot(session.directory, verify=True)
    if snapshot.manifest.embedder != embedder.fingerprint:
        raise IndexMismatchError(
            f"the index was built with the embedder {snapshot.manifest.embedder!r}, not {embedder.fingerprint!r}; "
            "its summaries need the same"
        )
    allowance = Allowance(budget, stop=stop)
    allowance.spend(spent or Usage())
    build = LayersBuild(
        session=session,
        snapshot=snapshot,
        summariser=summariser,
        embedder=embedder,
        shape=shape or LayerShape(),
        former=_former(session.directory),
        allowance=allowance,
        progress=progress,
    )
    return build.run()


def prune_layers(session: Session) -> int:
    """Remove the summaries that speak of what is no longer published, from the disk too; no model is called.

    Those above them go with them. Layers that cannot be read are removed as a whole, for nobody can tell what they
    speak of. An open reader keeps the files of former layers until it ends.

    Parameters
    ----------
    session
        The index, and the right to change it.

    Returns
    -------
    How many were removed.
    """
    try:
        layers = open_layers(session.directory, verify=True)
    except (DamagedIndexError, IndexMismatchError) as error:
        _log.warning("the summaries of %s are removed: %s", session.directory, error)
        remove_layers(session.directory)
        return 0
    if layers is None:
        return 0
    founded = layers.founded(open_snapshot(session.directory))
    if founded.all():
        return 0
    publish_layers(session.directory, layers.restricted(founded))
    return int(np.count_nonzero(~founded))


def _former(directory: Path) -> Layers | None:
    """Open what was made before; nothing of what cannot be read, for it can be made again."""
    try:
        return open_layers(directory, verify=True)
    except (DamagedIndexError, IndexMismatchError) as error:
        _log.warning("the summaries of %s are made again: %s", directory, error)
        return None
