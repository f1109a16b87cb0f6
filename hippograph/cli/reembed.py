"""`hippograph reembed`: replace the vectors of an index by another embedder's."""

from __future__ import annotations

from functools import partial

from hippograph.cli.console import IndexOption, JsonOption
from hippograph.cli.indexing import build
from hippograph.cli.models import WaitOption
from hippograph.cli.settings import ConfigOption, EmbedderOption, settings_of
from hippograph.hippograph import HippoGraph

__all__ = ["reembed"]


def reembed(
    index: IndexOption = None,
    embedder: EmbedderOption = None,
    config: ConfigOption = None,
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Replace the vectors of an index by another embedder's; nothing is read, and no language model asked."""
    settings = settings_of(config, index=index, embedder=embedder)
    build(settings, partial(HippoGraph.index, wait=wait, reembed=True, read=False), as_json=as_json, reads=False)
