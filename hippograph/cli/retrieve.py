"""`hippograph retrieve`: rank passages for a question."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from hippograph.cli.console import IndexOption, JsonOption, output, print_json
from hippograph.cli.models import EmbedderOption, FilterOption, embedder_of
from hippograph.hippograph import HippoGraph
from hippograph.types import Ranking

__all__ = ["retrieve"]

_TEXT_SHOWN = 300


def retrieve(
    question: Annotated[str, typer.Argument(help="What to look for.", show_default=False)],
    index: IndexOption,
    k: Annotated[int, typer.Option("-k", help="How many passages.")] = 5,
    retriever: Annotated[str, typer.Option(help="default, dense, bm25 or hybrid.")] = "default",
    filter: FilterOption = None,
    embedder: EmbedderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rank passages for a question."""
    with HippoGraph(index, embedder=embedder_of(embedder)) as hippograph:
        ranking = hippograph.retrieve(question, k=k, retriever=retriever, filter=filter)
    if as_json:
        print_json(_as_json(ranking))
    else:
        _show(ranking)


def _as_json(ranking: Ranking) -> dict[str, object]:
    hits = [
        {
            "id": hit.passage.id,
            "document": hit.passage.document,
            "source": hit.passage.source,
            "span": list(hit.passage.span),
            "page": hit.passage.page,
            "title": hit.passage.title,
            "text": hit.passage.text,
            "metadata": dict(hit.passage.metadata),
            "score": hit.score,
        }
        for hit in ranking.hits
    ]
    return {"query": ranking.query, "hits": hits, "timings_ms": dict(ranking.timings)}


def _show(ranking: Ranking) -> None:
    console = output()
    for place, hit in enumerate(ranking.hits, start=1):
        passage = hit.passage
        shown = passage.text if len(passage.text) <= _TEXT_SHOWN else passage.text[:_TEXT_SHOWN].rstrip() + " …"
        console.print(f"[bold]{place}. {escape(passage.title or passage.id)}[/bold]  [dim]{hit.score:.4f}[/dim]")
        console.print(shown, markup=False)
        where = f"{passage.source or passage.document}, {passage.id}, characters {passage.span[0]} to {passage.span[1]}"
        console.print(where, style="dim", markup=False)
    if not ranking.hits:
        console.print("Nothing found.")
    seeds = [seed for seed in ranking.evidence.seeds if seed.kind == "entity"]
    if seeds:
        named = ", ".join(f"{seed.node} ({seed.reason})" for seed in seeds[:8])
        console.print(f"seeded by: {named}", style="dim", markup=False)
    console.print(f"{sum(ranking.timings.values()):.1f} ms", style="dim")
