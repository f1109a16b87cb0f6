"""`hippograph ask`: answer a question from the passages of an index."""

from __future__ import annotations

from typing import Annotated, Final

import typer
from rich.console import Console

from hippograph.cli.console import IndexOption, JsonOption, output, print_json
from hippograph.cli.models import FilterOption, embedder_of, language_model_of, sampling_chosen
from hippograph.cli.reading_options import (
    MaxCallsOption,
    MaxReadTokensOption,
    MaxSecondsOption,
    MaxStepsOption,
    ReaderOption,
    reading_budget,
)
from hippograph.cli.readings import answer_values, show_answer, show_step
from hippograph.cli.settings import (
    BackendOption,
    BaseUrlOption,
    ConfigOption,
    EmbedderOption,
    ModelOption,
    place_of,
    settings_of,
)
from hippograph.cli.variants import RetrieverOption
from hippograph.errors import InputError
from hippograph.hippograph import HippoGraph
from hippograph.readers.reading import Watch
from hippograph.types import Step

__all__ = ["ask"]

_FAILED: Final = 1


def ask(
    question: Annotated[str, typer.Argument(help="What to answer.", show_default=False)],
    index: IndexOption = None,
    reader: ReaderOption = None,
    k: Annotated[int | None, typer.Option("-k", help="Passages looked up at a time.", show_default=False)] = None,
    max_calls: MaxCallsOption = None,
    max_tokens: MaxReadTokensOption = None,
    max_seconds: MaxSecondsOption = None,
    max_steps: MaxStepsOption = None,
    retriever: RetrieverOption = "default",
    filter: FilterOption = None,
    embedder: EmbedderOption = None,
    llm_base_url: BaseUrlOption = None,
    llm_model: ModelOption = None,
    llm_backend: BackendOption = None,
    config: ConfigOption = None,
    stream: Annotated[bool, typer.Option("--stream", help="Show each step as soon as it is done.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Answer a question from the passages of an index; exits with 1 if the model fails."""
    if stream and as_json:
        raise InputError("--stream and --json exclude each other; --json tells the steps too")
    settings = settings_of(
        config,
        index=index,
        embedder=embedder,
        llm_base_url=llm_base_url,
        llm_model=llm_model,
        llm_backend=llm_backend,
    )
    budget = reading_budget(calls=max_calls, tokens=max_tokens, seconds=max_seconds, steps=max_steps)
    model = language_model_of(settings, answering=True)
    with HippoGraph(place_of(settings), embedder=embedder_of(settings), language_model=model) as hippograph:
        answer = hippograph.ask(
            question,
            k=k,
            reader=reader,
            retriever=retriever,
            filter=filter,
            sampling=sampling_chosen(settings),
            budget=budget,
            watch=_shower(output()) if stream else None,
        )
    if as_json:
        print_json(answer_values(answer))
    else:
        show_answer(output(), answer, remarks=not stream)
    if answer.error:
        raise typer.Exit(_FAILED)


def _shower(console: Console) -> Watch:
    """Make what shows steps under their numbers."""
    shown = 0

    def show(step: Step) -> None:
        nonlocal shown
        shown += 1
        show_step(console, step, shown)

    return show
