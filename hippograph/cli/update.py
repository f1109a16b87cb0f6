"""`hippograph update`: make an index hold what its sources hold now."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hippograph.cli.console import IndexOption, JsonOption
from hippograph.cli.index import Bars, finish
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

__all__ = ["update"]


def update(
    index: IndexOption = None,
    sources: Annotated[
        list[Path] | None,
        typer.Argument(help="Files and folders; by default all that were ever indexed.", show_default=False),
    ] = None,
    extractor: ExtractorOption = None,
    embedder: EmbedderOption = None,
    llm_base_url: BaseUrlOption = None,
    llm_model: ModelOption = None,
    llm_backend: BackendOption = None,
    config: ConfigOption = None,
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Make an index hold what its files and folders hold now: new, changed, and no longer what is gone from them."""
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
        report = hippograph.update(sources or (), progress=bars, wait=wait)
    finish(report, as_json=as_json)
