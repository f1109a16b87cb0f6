"""`hippograph update`: make an index hold what its sources hold now."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from hippograph.cli.console import IndexOption, JsonOption
from hippograph.cli.indexing import RereadOption, RetryInvalidOption, build
from hippograph.cli.models import WaitOption, retried
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
    max_tokens: MaxTokensOption = None,
    max_cost: MaxCostOption = None,
    max_minutes: MaxMinutesOption = None,
    retry_invalid: RetryInvalidOption = False,
    reread: RereadOption = False,
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
        max_tokens=max_tokens,
        max_cost=max_cost,
        max_minutes=max_minutes,
    )
    work = partial(
        HippoGraph.update, sources=sources or (), wait=wait, reread=reread, retry=retried(invalid=retry_invalid)
    )
    build(settings, work, as_json=as_json)
