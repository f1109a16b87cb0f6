"""Which models a command works with, by name or by folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hippograph.errors import InputError
from hippograph.index.no_extractor import NoExtractor
from hippograph.index.spacy_extractor import SpacyExtractor
from hippograph.models.onnx_embedder import OnnxEmbedder
from hippograph.protocols import Embedder, Extractor

__all__ = [
    "FILTER_EXAMPLE",
    "EmbedderOption",
    "ExtractorOption",
    "FilterOption",
    "WaitOption",
    "embedder_of",
    "extractor_of",
]

EmbedderOption = Annotated[
    Path | None,
    typer.Option(
        "--embedder",
        help="A folder with model.onnx and tokenizer.json; bge-small by default.",
        envvar="HIPPOGRAPH_EMBEDDER",
        show_default=False,
    ),
]
ExtractorOption = Annotated[str, typer.Option(help="spacy, or none: titles alone.")]
FILTER_EXAMPLE = '"year >= 2020 and not draft = true".'
FilterOption = Annotated[
    str | None,
    typer.Option("--filter", help=f"Documents to search, by their metadata: {FILTER_EXAMPLE}"),
]
WaitOption = Annotated[float, typer.Option(min=0, help="Seconds to wait while another process changes the index.")]


def embedder_of(folder: Path | None) -> Embedder:
    """Make the embedder that an option names."""
    return OnnxEmbedder(path=folder)


def extractor_of(name: str) -> Extractor:
    """Make the extractor that an option names.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    if name == "spacy":
        return SpacyExtractor()
    if name == "none":
        return NoExtractor()
    raise InputError(f"there is no extractor {name!r}; choose one of spacy, none")
