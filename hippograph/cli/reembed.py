"""`hippograph reembed`: replace the vectors of an index by another embedder's."""

from __future__ import annotations

from hippograph.cli.console import IndexOption, JsonOption
from hippograph.cli.index import Bars, finish
from hippograph.cli.models import WaitOption, embedder_of, extractor_of
from hippograph.cli.settings import ConfigOption, EmbedderOption, ExtractorOption, place_of, settings_of
from hippograph.hippograph import HippoGraph

__all__ = ["reembed"]


def reembed(
    index: IndexOption = None,
    embedder: EmbedderOption = None,
    extractor: ExtractorOption = None,
    config: ConfigOption = None,
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Replace the vectors of an index by another embedder's; nothing is extracted again."""
    settings = settings_of(config, index=index, extractor=extractor, embedder=embedder)
    place = place_of(settings)
    with (
        HippoGraph(place, extractor=extractor_of(settings), embedder=embedder_of(settings)) as hippograph,
        Bars() as bars,
    ):
        report = hippograph.index(progress=bars, wait=wait, reembed=True)
    finish(report, as_json=as_json)
