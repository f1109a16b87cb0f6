"""`hippograph reembed`: replace the vectors of an index by another embedder's."""

from __future__ import annotations

from hippograph.cli.console import IndexOption, JsonOption
from hippograph.cli.index import Bars, finish
from hippograph.cli.models import EmbedderOption, ExtractorOption, WaitOption, embedder_of, extractor_of
from hippograph.hippograph import HippoGraph

__all__ = ["reembed"]


def reembed(
    index: IndexOption,
    embedder: EmbedderOption = None,
    extractor: ExtractorOption = "spacy",
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Replace the vectors of an index by another embedder's; nothing is extracted again."""
    with (
        HippoGraph(index, extractor=extractor_of(extractor), embedder=embedder_of(embedder)) as hippograph,
        Bars() as bars,
    ):
        report = hippograph.index(progress=bars, wait=wait, reembed=True)
    finish(report, as_json=as_json)
