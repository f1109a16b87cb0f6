"""`hippograph explain`: why a question is answered with these passages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hippograph.cli.console import IndexOption, JsonOption, output, print_json
from hippograph.cli.explanations import explanation_lines, explanation_values
from hippograph.cli.models import FilterOption
from hippograph.cli.settings import BaseUrlOption, ConfigOption, EmbedderOption, ModelOption, settings_of
from hippograph.cli.variants import (
    JudgeOption,
    ParityOption,
    RecognitionOption,
    RetrieverOption,
    SecondLookOption,
    opened,
    variant_of,
)
from hippograph.retrieve.drawing.page import page

__all__ = ["explain"]


def explain(
    question: Annotated[str, typer.Argument(help="What to look for.", show_default=False)],
    index: IndexOption = None,
    passage: Annotated[
        str | None, typer.Option(help="The id of a passage to explain too, be it found or not.", show_default=False)
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many passages.")] = 5,
    retriever: RetrieverOption = "default",
    parity: ParityOption = False,
    recognition: RecognitionOption = None,
    second_look: SecondLookOption = None,
    judge: JudgeOption = None,
    filter: FilterOption = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with a drawing, in one file.", show_default=False)
    ] = None,
    embedder: EmbedderOption = None,
    llm_base_url: BaseUrlOption = None,
    llm_model: ModelOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say why a question is answered with these passages: seeds, facts, paths, and what each gave."""
    variant = variant_of(parity=parity, recognition=recognition, second_look=second_look, judge=judge)
    settings = settings_of(config, index=index, embedder=embedder, llm_base_url=llm_base_url, llm_model=llm_model)
    with opened(settings, asking=recognition == "llm") as hippograph:
        made = hippograph.parts.retriever(retriever, filter=filter, variant=variant)
        explanation = hippograph.explain(question, k=k, passage=passage, retriever=made, filter=filter)
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
