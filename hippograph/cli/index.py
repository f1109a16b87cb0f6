"""`hippograph index`: bring an index up to date with sources."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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

from hippograph.cli.console import IndexOption, JsonOption, errors, output, print_json
from hippograph.cli.models import WaitOption, embedder_of, extractor_of
from hippograph.cli.settings import (
    BackendOption,
    BaseUrlOption,
    ConfigOption,
    EmbedderOption,
    ExtractorOption,
    ModelOption,
    place_of,
    settings_of,
)
from hippograph.hippograph import HippoGraph
from hippograph.index.report import IndexReport

__all__ = ["Bars", "finish", "index"]

_SHOWN = 20
_COUNTED = frozenset({"load", "extract", "embed passages", "embed entities", "embed triples"})


def index(
    sources: Annotated[
        list[Path], typer.Argument(help="Files and folders: txt, md, json, jsonl, BEIR.", show_default=False)
    ],
    index: IndexOption = None,
    extractor: ExtractorOption = None,
    embedder: EmbedderOption = None,
    llm_base_url: BaseUrlOption = None,
    llm_model: ModelOption = None,
    llm_backend: BackendOption = None,
    config: ConfigOption = None,
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Bring an index up to date with sources. Only what is missing is done: repeat an interrupted run to resume it."""
    settings = settings_of(
        config,
        index=index,
        extractor=extractor,
        embedder=embedder,
        llm_base_url=llm_base_url,
        llm_model=llm_model,
        llm_backend=llm_backend,
    )
    place = place_of(settings)
    with (
        HippoGraph(place, extractor=extractor_of(settings), embedder=embedder_of(settings)) as hippograph,
        Bars() as bars,
    ):
        report = hippograph.index(sources, progress=bars, wait=wait)
    finish(report, as_json=as_json)


def finish(report: IndexReport, *, as_json: bool) -> None:
    """Print what a run did, and exit with 1 if something could not be indexed."""
    if as_json:
        print_json(_as_json(report))
    else:
        _show(report)
    if any(not item.harmless for item in report.skipped) or report.failures:
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
        "seconds": {
            "models": {stage: round(seconds, 3) for stage, seconds in report.model_seconds.items()},
            "rest": {stage: round(seconds, 3) for stage, seconds in report.other_seconds.items()},
        },
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
    models, rest = sum(report.model_seconds.values()), sum(report.other_seconds.values())
    console.print(f"{models:.1f} s in the models, {rest:.1f} s in everything else")
    what = "published" if report.published else "nothing had changed; still at"
    console.print(f"{what} generation {report.generation}")
