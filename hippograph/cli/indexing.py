"""What the commands that build an index share: models and limits, progress, an orderly end, and the report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Protocol

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from hippograph.cli.batch_news import batch_news
from hippograph.cli.console import errors, output, print_json
from hippograph.cli.interruption import Interruption
from hippograph.cli.models import budget_of, embedder_of, extractor_of
from hippograph.cli.settings import place_of
from hippograph.config.settings import Settings
from hippograph.hippograph import HippoGraph
from hippograph.index.budget import Budget
from hippograph.index.report import IndexReport, LayersReport
from hippograph.index.standing import usage_values

__all__ = ["Bars", "RereadOption", "RetryInvalidOption", "Work", "build", "finish"]

RetryInvalidOption = Annotated[
    bool, typer.Option("--retry-invalid", help="Read again what a language model gave no usable answer on.")
]
RereadOption = Annotated[
    bool, typer.Option("--reread", help="Read again what another language model, prompt or setting has read.")
]

_SHOWN = 20
_COUNTED = frozenset(
    {"load", "extract", "embed passages", "embed entities", "embed triples", "summarise", "embed summaries"}
)
_INTERRUPTED = 130


class Work(Protocol):
    """What is to be done with an index."""

    def __call__(
        self, hippograph: HippoGraph, *, progress: Bars, budget: Budget, stop: Callable[[], bool], switch: bool
    ) -> IndexReport:
        """Do it."""
        ...


def build(settings: Settings, work: Work, *, as_json: bool, reads: bool = True) -> None:
    """Work on an index with the models and within the limits of the settings, and tell what came of it.

    Parameters
    ----------
    settings
        Which index, models and limits.
    work
        What is done.
    as_json
        Whether to print JSON.
    reads
        Whether the work takes an extractor.

    Raises
    ------
    Exit
        With 1 if something could not be indexed, or waits for a model that was not named, with 130 if the run was
        interrupted.
    """
    place, extractor = place_of(settings), extractor_of(settings) if reads else None
    with (
        HippoGraph(place, extractor=extractor, embedder=embedder_of(settings)) as hippograph,
        Bars() as bars,
        batch_news(),
        Interruption(resumable=getattr(getattr(extractor, "model", None), "resumable", False)) as stop,
    ):
        report = work(
            hippograph,
            progress=bars,
            budget=budget_of(settings),
            stop=stop,
            # What another extractor has read is not read again, at a price perhaps, unless the command itself says so.
            switch=settings.origins.get("extractor") == "argument",
        )
    finish(report, as_json=as_json)


def finish(report: IndexReport, *, as_json: bool) -> None:
    """Print what a run did, and exit with 1 if something could not be indexed, or waits for a model."""
    if as_json:
        print_json(_as_json(report))
    else:
        _show(report)
    if "interrupted" in (report.stopped, report.layers.stopped if report.layers is not None else ""):
        raise typer.Exit(_INTERRUPTED)
    lacking = report.layers is not None and report.layers.lacking
    if any(not item.harmless for item in report.skipped) or report.failures or report.awaits or lacking:
        raise typer.Exit(1)


class Bars:
    """Progress bars on stderr, one per stage; silent when stderr is not a terminal."""

    def __init__(self) -> None:
        console = errors()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:16}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Move the bar of a stage."""
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total, rate="")
        elapsed = self._progress.tasks[self._tasks[stage]].elapsed
        rate = f"{done / elapsed:,.0f}/s" if elapsed and done and stage in _COUNTED else ""
        self._progress.update(self._tasks[stage], completed=done, total=total, rate=rate)


def _as_json(report: IndexReport) -> dict[str, object]:
    return {
        "added": report.added,
        "replaced": report.replaced,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "skipped": [{"where": item.where, "reason": item.reason, "harmless": item.harmless} for item in report.skipped],
        "failed": [{"where": item.where, "reason": item.reason} for item in report.failures],
        "extraction": dict(report.extraction),
        "generation": report.generation,
        "published": report.published,
        "stopped": report.stopped,
        "pending": report.pending,
        "kept": report.kept,
        "kept_by": list(report.kept_by),
        "awaits": report.awaits,
        "usage": usage_values(report.usage),
        "seconds": {
            "models": {stage: round(seconds, 3) for stage, seconds in report.model_seconds.items()},
            "rest": {stage: round(seconds, 3) for stage, seconds in report.other_seconds.items()},
        },
        **({} if report.layers is None else {"layers": _layers_as_json(report.layers)}),
    }


def _layers_as_json(report: LayersReport) -> dict[str, object]:
    return {
        "semantic": report.semantic,
        "episodic": report.episodic,
        "levels": report.levels,
        "made": report.made,
        "kept": report.kept,
        "lacking": report.lacking,
        "failed": [{"where": item.where, "reason": item.reason} for item in report.failures],
        "stopped": report.stopped,
        "summariser": report.summariser,
        "usage": usage_values(report.usage),
        "generation": report.generation,
        "published": report.published,
        "seconds": {stage: round(seconds, 3) for stage, seconds in report.seconds.items()},
    }


def _show(report: IndexReport) -> None:
    console = output()
    counts = {"replaced": report.replaced, "removed": report.removed, "unchanged": report.unchanged}
    told = [f"{count:,} {what}" for what, count in counts.items() if count or what != "removed"]
    console.print(f"{report.added:,} documents added, {', '.join(told)}")
    extracted = ", ".join(f"{count:,} {status}" for status, count in report.extraction.items() if count)
    console.print(f"extraction: {extracted or 'nothing to do'}")
    for title, items in (("skipped", report.skipped), ("failed", report.failures)):
        if items:
            console.print(f"{title}: {len(items):,}")
        for item in items[:_SHOWN]:
            console.print(f"  {item.where}: {item.reason}", markup=False, soft_wrap=True)
        if len(items) > _SHOWN:
            console.print(f"  and {len(items) - _SHOWN:,} more; --json lists them all")
    if report.kept:
        told_of = f"{report.kept:,} passages keep what {', '.join(report.kept_by)} has read; --reread reads them again"
        console.print(told_of, markup=False, soft_wrap=True)
    if report.awaits:
        waits = f"{report.pending:,} passages wait for {report.awaits}; name the model, or --extractor, to read them"
        console.print(waits, markup=False, soft_wrap=True)
    spent = report.usage
    if spent.tokens or spent.reused:
        cost = f", {spent.cost:,.4f} dollars" if spent.cost else ""
        console.print(f"{spent.calls:,} calls, {spent.tokens:,} tokens{cost}; {spent.reused:,} answers known before")
    if report.stopped:
        console.print(f"stopped: {report.stopped}; {report.pending:,} passages wait, and the same command goes on")
    models, rest = sum(report.model_seconds.values()), sum(report.other_seconds.values())
    console.print(f"{models:.1f} s in the models, {rest:.1f} s in everything else")
    idle = "nothing is published yet;" if report.stopped else "nothing had changed; still at"
    what = "published" if report.published else idle
    console.print(f"{what} generation {report.generation}")
    if report.layers is not None:
        _show_layers(report.layers)


def _show_layers(report: LayersReport) -> None:
    console = output()
    console.print(
        f"summaries: {report.semantic:,} semantic on {report.levels} levels, {report.episodic:,} episodic; "
        f"{report.made:,} made, {report.kept:,} kept; {sum(report.seconds.values()):.1f} s"
    )
    for item in report.failures[:_SHOWN]:
        console.print(f"  {item.where}: {item.reason}", markup=False, soft_wrap=True)
    if report.lacking:
        why = f", stopped: {report.stopped}" if report.stopped else ""
        console.print(f"{report.lacking:,} summaries are lacking{why}; the same command tries again")
