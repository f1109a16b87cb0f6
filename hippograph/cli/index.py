"""`hippograph index`: bring an index up to date with sources."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from hippograph.cli.console import IndexOption, JsonOption
from hippograph.cli.indexing import RereadOption, RetryInvalidOption, build
from hippograph.cli.models import WaitOption, language_model_of, retried
from hippograph.cli.settings import (
    BackendOption,
    BaseUrlOption,
    ConfigOption,
    EmbedderOption,
    ExtractorOption,
    MaxCostOption,
    MaxMinutesOption,
    MaxTokensOption,
    ModelOption,
    place_of,
    settings_of,
)
from hippograph.config.settings import Settings
from hippograph.errors import InputError
from hippograph.hippograph import HippoGraph
from hippograph.index.layers import known_summariser, summariser_named
from hippograph.index.summaries import Summariser
from hippograph.store.index_directory import CATALOG

__all__ = ["index"]

LayersOption = Annotated[
    bool | None,
    typer.Option(
        "--layers/--no-layers",
        help="Bring the summaries of passages up to date, or remove them; by default only false ones are removed.",
        show_default=False,
    ),
]
SummariserOption = Annotated[
    str | None,
    typer.Option(
        help="Who summarises: extractive, without a model, or llm. By default as before, at first extractive.",
        show_default=False,
    ),
]


def index(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Files and folders: txt, md, json, jsonl, BEIR; without any, what was left undone.", show_default=False
        ),
    ] = None,
    index: IndexOption = None,
    extractor: ExtractorOption = None,
    embedder: EmbedderOption = None,
    llm_base_url: BaseUrlOption = None,
    llm_model: ModelOption = None,
    llm_backend: BackendOption = None,
    max_tokens: MaxTokensOption = None,
    max_cost: MaxCostOption = None,
    max_minutes: MaxMinutesOption = None,
    retry_invalid: RetryInvalidOption = False,
    reread: RereadOption = False,
    layers: LayersOption = None,
    summariser: SummariserOption = None,
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
        max_tokens=max_tokens,
        max_cost=max_cost,
        max_minutes=max_minutes,
    )
    if not sources and not (place_of(settings) / CATALOG).exists():
        raise InputError(f"there is no index in {place_of(settings)} yet; name the files and folders to make it of")
    made_by = _summariser(settings, layers, summariser)
    work = partial(
        HippoGraph.index,
        sources=sources or (),
        wait=wait,
        reread=reread,
        retry=retried(invalid=retry_invalid),
        layers=layers,
        summariser=made_by,
    )
    build(settings, work, as_json=as_json)


def _summariser(settings: Settings, layers: bool | None, name: str | None) -> Summariser | None:
    """Make who summarises, if anything is to be: the one that is named, or one like that of the former summaries."""
    if not layers:
        if name is not None:
            raise InputError(f"--summariser {name} says who makes the summaries, and none are made; give --layers too")
        return None
    chosen = name or known_summariser(place_of(settings))
    model = language_model_of(settings) if chosen == "llm" else None
    return summariser_named(chosen, model=model)
