"""`hippograph update`: make an index hold what its sources hold now."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hippograph.cli.console import IndexOption, JsonOption
from hippograph.cli.index import Bars, finish
from hippograph.cli.models import EmbedderOption, ExtractorOption, WaitOption, embedder_of, extractor_of
from hippograph.hippograph import HippoGraph

__all__ = ["update"]


def update(
    index: IndexOption,
    sources: Annotated[
        list[Path] | None,
        typer.Argument(help="Files and folders; by default all that were ever indexed.", show_default=False),
    ] = None,
    extractor: ExtractorOption = "spacy",
    embedder: EmbedderOption = None,
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Make an index hold what its files and folders hold now: new, changed, and no longer what is gone from them."""
    with (
        HippoGraph(index, extractor=extractor_of(extractor), embedder=embedder_of(embedder)) as hippograph,
        Bars() as bars,
    ):
        report = hippograph.update(sources or (), progress=bars, wait=wait)
    finish(report, as_json=as_json)
