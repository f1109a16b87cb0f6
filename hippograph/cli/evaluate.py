"""`hippograph evaluate`: measure retrievers on questions with gold passages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from hippograph.cli.console import IndexOption, JsonOption, output, print_json
from hippograph.cli.models import FilterOption, embedder_of
from hippograph.cli.settings import ConfigOption, EmbedderOption, place_of, settings_of
from hippograph.errors import InputError
from hippograph.evaluation.datasets import load_questions
from hippograph.evaluation.experiment import evaluate as measure
from hippograph.evaluation.results import Evaluation
from hippograph.evaluation.runs import write_run
from hippograph.hippograph import HippoGraph
from hippograph.store.snapshot import suspecting_damage

__all__ = ["evaluate"]

_DEPTH_BY_TYPE = 5


def evaluate(
    questions: Annotated[Path, typer.Argument(help="A JSON file of questions, or a BEIR folder.", show_default=False)],
    index: IndexOption = None,
    retriever: Annotated[list[str] | None, typer.Option(help="May be given several times.")] = None,
    k: Annotated[list[int] | None, typer.Option("-k", help="Depths to measure at; 2, 5 and 10.")] = None,
    filter: FilterOption = None,
    embedder: EmbedderOption = None,
    split: Annotated[str, typer.Option(help="Which qrels of a BEIR folder.")] = "test",
    run: Annotated[Path | None, typer.Option(help="Write the run in TREC format; one retriever only.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure retrievers on questions with gold passages."""
    names = list(dict.fromkeys(retriever or ["default"]))
    if run is not None and len(names) > 1:
        raise InputError(f"--run {run} takes the run of one retriever, and {len(names)} are given; run them one by one")
    settings = settings_of(config, index=index, embedder=embedder)
    place = place_of(settings)
    asked = load_questions(questions, split=split)
    with HippoGraph(place, embedder=embedder_of(settings)) as hippograph, suspecting_damage(place):
        passages = hippograph.parts.snapshot.passages
        known = set(passages.ids).union(passages.documents)
        results = {
            name: measure(
                hippograph.parts.retriever(name, filter=filter), asked, ks=tuple(k or (2, 5, 10)), known=known
            )
            for name in names
        }
    if run is not None:
        write_run(run, results[names[0]].run, tag=names[0])
    if as_json:
        values = {name: result.to_json() for name, result in results.items()}
        print_json(values if len(names) > 1 else values[names[0]])
    else:
        _show(results)


def _show(results: dict[str, Evaluation]) -> None:
    first = next(iter(results.values()))
    deepest = max(first.ndcg)
    console = output()
    console.print(f"{first.n} questions, in per cent; R is recall, AR the share of questions with all gold")
    table = Table(box=None)
    table.add_column("retriever", no_wrap=True)
    headings = [f"{measure}@{depth}" for measure in ("R", "AR") for depth in first.recall]
    for heading in (*headings, f"nDCG@{deepest}", "MRR", "p50 ms", "p95 ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, result in results.items():
        shares = [*result.recall.values(), *result.all_recall.values(), result.ndcg[deepest], result.mrr]
        times = [result.latency_ms["p50"], result.latency_ms["p95"]]
        table.add_row(name, *(f"{100 * share:.1f}" for share in shares), *(f"{time:.1f}" for time in times))
    console.print(table)
    if not first.by_type:
        return
    depth = max([depth for depth in first.recall if depth <= _DEPTH_BY_TYPE], default=min(first.recall))
    console.print(f"R@{depth} by type of question")
    table = Table(box=None)
    table.add_column("retriever", no_wrap=True)
    for kind, part in first.by_type.items():
        table.add_column(f"{kind} ({part.n})", justify="right")
    for name, result in results.items():
        table.add_row(name, *(f"{100 * part.recall[depth]:.1f}" for part in result.by_type.values()))
    console.print(table)
