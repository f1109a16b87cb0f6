"""`hippograph retrieve`: rank passages for a question."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.markup import escape

from hippograph.cli.console import IndexOption, JsonOption, complain, output, print_json
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
from hippograph.retrieve.query_names import NO_NAMES
from hippograph.types import Hit, Passage, Ranking

__all__ = ["hit_values", "passage_values", "retrieve"]

_TEXT_SHOWN = 300


def retrieve(
    question: Annotated[str, typer.Argument(help="What to look for.", show_default=False)],
    index: IndexOption = None,
    k: Annotated[int, typer.Option("-k", help="How many passages.")] = 5,
    retriever: RetrieverOption = "default",
    parity: ParityOption = False,
    recognition: RecognitionOption = None,
    second_look: SecondLookOption = None,
    judge: JudgeOption = None,
    filter: FilterOption = None,
    embedder: EmbedderOption = None,
    llm_base_url: BaseUrlOption = None,
    llm_model: ModelOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rank passages for a question."""
    variant = variant_of(parity=parity, recognition=recognition, second_look=second_look, judge=judge)
    settings = settings_of(config, index=index, embedder=embedder, llm_base_url=llm_base_url, llm_model=llm_model)
    with opened(settings, asking=recognition == "llm") as hippograph:
        made = hippograph.parts.retriever(retriever, filter=filter, variant=variant)
        ranking = hippograph.retrieve(question, k=k, retriever=made)
    verdict = ranking.evidence.recognition
    if verdict is not None and verdict.error:
        complain(f"the facts near the question were not judged ({verdict.status}): {verdict.error}")
    if as_json:
        print_json(_as_json(ranking))
    else:
        _show(ranking)


def passage_values(passage: Passage) -> dict[str, object]:
    """Return a passage, and where it stands, as JSON values."""
    return {
        "id": passage.id,
        "document": passage.document,
        "source": passage.source,
        "span": list(passage.span),
        "page": passage.page,
        "title": passage.title,
        "text": passage.text,
        "metadata": dict(passage.metadata),
    }


def hit_values(hit: Hit) -> dict[str, object]:
    """Return a hit as JSON values."""
    return {**passage_values(hit.passage), "score": hit.score}


def _as_json(ranking: Ranking) -> dict[str, object]:
    hits = [hit_values(hit) for hit in ranking.hits]
    said = ranking.evidence.recognition
    recognition = None if said is None else {"status": said.status, "kept": list(said.kept), "error": said.error}
    return {"query": ranking.query, "hits": hits, "timings_ms": dict(ranking.timings), "recognition": recognition}


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
    for remark in _remarks(ranking):
        console.print(remark, style="yellow", markup=False)
    seeds = [seed for seed in ranking.evidence.seeds if seed.kind == "entity"]
    if seeds:
        named = ", ".join(f"{seed.node} ({seed.reason})" for seed in seeds[:8])
        console.print(f"seeded by: {named}", style="dim", markup=False)
    console.print(f"{sum(ranking.timings.values()):.1f} ms", style="dim")


def _remarks(ranking: Ranking) -> Iterator[str]:
    """Say what went otherwise than the ranking lets see."""
    said, stages = ranking.evidence.recognition, ranking.evidence.stages
    if said is not None and said.status in {"invalid", "failed"}:
        yield f"nobody judged the facts near the question ({said.status}: {said.error}); all of them were kept"
    if stages and stages[0].name.startswith(NO_NAMES):
        yield "the question names nothing that this retriever could begin with"
