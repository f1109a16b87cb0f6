"""`hippograph explain`: why a question is answered with these passages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hippograph.cli.console import IndexOption, JsonOption, output, print_json
from hippograph.cli.explanations import explanation_lines, explanation_values
from hippograph.cli.models import FilterOption, embedder_of
from hippograph.cli.settings import ConfigOption, EmbedderOption, place_of, settings_of
from hippograph.composition import RETRIEVERS
from hippograph.hippograph import HippoGraph
from hippograph.retrieve.drawing.page import page
from hippograph.retrieve.explain import explain as explained

__all__ = ["explain"]


def explain(
    question: Annotated[str, typer.Argument(help="What to look for.", show_default=False)],
    index: IndexOption = None,
    passage: Annotated[
        str | None, typer.Option(help="The id of a passage to explain too, be it found or not.", show_default=False)
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many passages.")] = 5,
    retriever: Annotated[str, typer.Option(help=f"One of {', '.join(RETRIEVERS)}.")] = "default",
    filter: FilterOption = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with a drawing, in one file.", show_default=False)
    ] = None,
    embedder: EmbedderOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say why a question is answered with these passages: seeds, facts, paths, and what each gave."""
    settings = settings_of(config, index=index, embedder=embedder)
    with HippoGraph(place_of(settings), embedder=embedder_of(settings)) as hippograph:
        explanation = explained(
            hippograph.parts.retriever(retriever, filter=filter),
            question,
            snapshot=hippograph.parts.part(filter),
            k=k,
            passage=passage,
        )
    if html is not None:
        html.write_text(page(explanation), encoding="utf-8")
    if as_json:
        print_json(explanation_values(explanation))
        return
    console = output()
    for line in explanation_lines(explanation):
        console.print(line, markup=False, soft_wrap=True)
    if html is not None:
        console.print(f"written: {html}", markup=False, soft_wrap=True)
