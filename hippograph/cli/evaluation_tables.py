"""Measures of retrievers as tables for people, in per cent and points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hippograph.cli.console import output
from hippograph.cli.figures import LEVEL, per_cent, range_of, stacked, told
from hippograph.evaluation.by_measure import ByMeasure
from hippograph.evaluation.comparison import Comparison
from hippograph.evaluation.results import Evaluation, TypeEvaluation

__all__ = ["show"]

_DEPTH_BY_TYPE = 5


def show(evaluations: Mapping[str, Evaluation], comparison: Comparison | None) -> None:
    """Print what retrievers found, and how they differ if they were compared.

    Parameters
    ----------
    evaluations
        What each found, by name.
    comparison
        The same side by side; None if they were not compared.
    """
    console, first = output(), next(iter(evaluations.values()))
    sure = "" if first.intervals is None else "; below them the 95 % intervals"
    console.print(f"{first.n} questions, in per cent; R is recall, AR the share of questions with all gold{sure}")
    _show_measures(console, evaluations)
    for line in _unjudged(evaluations):
        console.print(line, markup=False, soft_wrap=True)
    if comparison is not None and comparison.differences:
        _show_differences(console, comparison)
    if first.by_type:
        _show_types(console, evaluations)


def _show_measures(console: Console, evaluations: Mapping[str, Evaluation]) -> None:
    table = _table(next(iter(evaluations.values())), "p50 ms", "p95 ms")
    for name, result in evaluations.items():
        means = ByMeasure(recall=result.recall, all_recall=result.all_recall, ndcg=result.ndcg, mrr=result.mrr)
        ends = [""] * len(means.flat()) if result.intervals is None else result.intervals.apply(range_of).flat()
        cells = means.filled([stacked(per_cent(mean), end) for mean, end in zip(means.flat(), ends, strict=True)])
        times = (f"{result.latency_ms[level]:.1f}" for level in ("p50", "p95"))
        table.add_row(escape(name), *_shown(cells), *times)
    console.print(table)


def _show_differences(console: Console, comparison: Comparison) -> None:
    console.print(
        f"\nagainst {comparison.baseline}, in points, with 95 % intervals and p-values (paired randomisation test)\n"
        f"Holm's correction is per measure: R@{comparison.primary} decides, and * marks p < {LEVEL} there; intervals "
        "are not corrected",
        markup=False,
    )
    table = _table(next(iter(comparison.evaluations.values())))
    for name, difference in comparison.differences.items():
        cells, decides = difference.apply(told), comparison.primary
        if difference.recall[decides].adjusted < LEVEL:
            cells = replace(cells, recall={**cells.recall, decides: f"*{cells.recall[decides]}"})
        table.add_row(escape(name), *_shown(cells))
    console.print(table)


def _show_types(console: Console, evaluations: Mapping[str, Evaluation]) -> None:
    first = next(iter(evaluations.values()))
    depth = max([depth for depth in first.recall if depth <= _DEPTH_BY_TYPE], default=min(first.recall))
    console.print(f"\nR@{depth} by type of question")
    table = Table(box=None)
    table.add_column("retriever", no_wrap=True)
    for kind, part in first.by_type.items():
        table.add_column(escape(f"{kind} ({part.n})"), justify="right")
    for name, result in evaluations.items():
        table.add_row(escape(name), *(_of_type(part, depth) for part in result.by_type.values()))
    console.print(table)


def _table(first: Evaluation, *more: str) -> Table:
    table = Table(box=None)
    table.add_column("retriever", no_wrap=True)
    headings = [f"{measure}@{depth}" for measure in ("R", "AR") for depth in first.recall]
    for heading in (*headings, f"nDCG@{max(first.ndcg)}", "MRR", *more):
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _shown(cells: ByMeasure[str]) -> Iterator[str]:
    """Choose the cells that there are columns for: nDCG at the largest depth alone."""
    yield from cells.recall.values()
    yield from cells.all_recall.values()
    yield cells.ndcg[max(cells.ndcg)]
    yield cells.mrr


def _of_type(part: TypeEvaluation, depth: int) -> str:
    return stacked(
        per_cent(part.recall[depth]), "" if part.intervals is None else range_of(part.intervals.recall[depth])
    )


def _unjudged(evaluations: Mapping[str, Evaluation]) -> Iterator[str]:
    """Warn of retrievers that went without their judge, which the measures do not show."""
    for name, result in evaluations.items():
        missed = {status: result.recognition.get(status, 0) for status in ("failed", "invalid")}
        if any(missed.values()):
            told = " and ".join(f"{status} at {n}" for status, n in missed.items() if n)
            yield f"warning: {name}: the judge of the facts {told} of {result.n} questions, where all facts were kept"
