"""`hippograph ask`: answer a question from the passages of an index."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from hippograph.cli.console import IndexOption, JsonOption, output, print_json
from hippograph.cli.models import FilterOption, embedder_of, language_model_of, sampling_of
from hippograph.cli.retrieve import hit_values, passage_values
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
from hippograph.hippograph import HippoGraph
from hippograph.index.standing import usage_values
from hippograph.types import Answer, MemoryNode, Step

__all__ = ["ask"]

_FAILED = 1


def ask(
    question: Annotated[str, typer.Argument(help="What to answer.", show_default=False)],
    index: IndexOption = None,
    reader: Annotated[str, typer.Option(help="single: retrieve once, answer in one call.")] = "single",
    k: Annotated[int, typer.Option("-k", help="How many passages the model is shown.")] = 5,
    retriever: RetrieverOption = "default",
    filter: FilterOption = None,
    embedder: EmbedderOption = None,
    llm_base_url: BaseUrlOption = None,
    llm_model: ModelOption = None,
    llm_backend: BackendOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question from the passages of an index, with a language model; exits with 1 if the model fails."""
    settings = settings_of(
        config,
        index=index,
        embedder=embedder,
        llm_base_url=llm_base_url,
        llm_model=llm_model,
        llm_backend=llm_backend,
    )
    model = language_model_of(settings, answering=True)
    with HippoGraph(place_of(settings), embedder=embedder_of(settings), language_model=model) as hippograph:
        answer = hippograph.ask(
            question, k=k, reader=reader, retriever=retriever, filter=filter, sampling=sampling_of(settings)
        )
    if as_json:
        print_json(_as_json(answer))
    else:
        _show(answer)
    if answer.error:
        raise typer.Exit(_FAILED)


def _as_json(answer: Answer) -> dict[str, object]:
    return {
        "question": answer.question,
        "text": answer.text,
        "complete": answer.complete,
        "citations": [passage_values(passage) for passage in answer.citations],
        "steps": [_step(step) for step in answer.steps],
        "usage": usage_values(answer.usage),
        "error": answer.error,
    }


def _step(step: Step) -> dict[str, object]:
    return {
        "kind": step.kind,
        "query": step.query,
        "hits": [hit_values(hit) for hit in step.hits],
        "text": step.text,
        "note_before": step.note_before,
        "note_after": step.note_after,
        "memory": [node_values(node) for node in step.memory],
        "decision": step.decision,
        "reason": step.reason,
        "remark": step.remark,
        "usage": usage_values(step.usage),
        "seconds": round(step.seconds, 3),
    }


def node_values(node: MemoryNode) -> dict[str, object]:
    """Return what was remembered as JSON values."""
    return {"probe": node.probe, "kind": node.kind, "cue": node.cue, "sources": list(node.sources)}


def _show(answer: Answer) -> None:
    console = output()
    if answer.error:
        console.print(f"No answer: {answer.error}", markup=False, soft_wrap=True)
    else:
        console.print(f"[bold]{escape(answer.text or 'No answer.')}[/bold]", soft_wrap=True)
        if not answer.complete:
            console.print("The passages do not tell enough; this is a guess.", style="dim")
    for passage in answer.citations:
        where = f"{passage.source or passage.document}, {passage.id}, characters {passage.span[0]} to {passage.span[1]}"
        console.print(f"  {passage.title or passage.id}: {where}", markup=False, soft_wrap=True)
    for step in answer.steps:
        if step.remark:
            console.print(f"  {step.kind}: {step.remark}", style="dim", markup=False, soft_wrap=True)
    spent = answer.usage
    cost = f", {spent.cost:.6f} dollars" if spent.cost else ""
    console.print(
        f"{spent.calls} calls, {spent.reused} answers known before, {spent.tokens:,} tokens{cost}; "
        f"{sum(step.seconds for step in answer.steps):.1f} s",
        style="dim",
    )
