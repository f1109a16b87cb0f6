"""Measures of readers as tables for people, in per cent and points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hippograph.cli.console import output
from hippograph.cli.figures import LEVEL, per_cent, range_of, stacked, told
from hippograph.evaluation.differences import Difference
from hippograph.evaluation.reading_comparison import ReadingComparison
from hippograph.evaluation.reading_results import Measure, ReadingEvaluation, ReadingMeasures, Spread

__all__ = ["show_readers"]

_SHOWN: Final[Mapping[Measure, str]] = {
    ("exact_match", "squad"): "EM",
    ("f1", "squad"): "F1",
    ("f1", "musique"): "F1 (M)",
    ("citations", "precision"): "cited P",
    ("citations", "recall"): "cited R",
    ("evidence", "recall"): "found R",
    ("evidence", "all_recall"): "found AR",
    ("evidence", "shown_recall"): "shown R",
    ("complete",): "complete",
}
_SPENT: Final[Mapping[str, tuple[str, str]]] = {
    "found": ("found", ".1f"),
    "shown": ("shown", ".1f"),
    "calls": ("calls", ".1f"),
    "tokens": ("tokens", ",.0f"),
    "reused": ("known before", ".1f"),
    "cost": ("dollars", ".5f"),
    "seconds": ("seconds", ".2f"),
}
_LOOK_UPS: Final = 10
_FAILURES: Final = 10


def show_readers(evaluations: Mapping[str, ReadingEvaluation], comparison: ReadingComparison | None) -> None:
    """Print what came of reading, and how readers differ if they were compared.

    Parameters
    ----------
    evaluations
        What came of each, by name.
    comparison
        The same side by side; None if they were not compared.
    """
    console, first = output(), next(iter(evaluations.values()))
    total = first.total
    left_out = f"; {first.n_left_out} with neither were left out" if first.n_left_out else ""
    console.print(
        f"{total.n} questions, {total.n_without_answers} of them without answers, {total.n_without_gold} without gold"
        f"{left_out}",
        soft_wrap=True,
    )
    sure = "; below them the 95 % intervals" if total.intervals else ""
    console.print(
        f"in per cent{sure}: exact match, F1 (M: as MuSiQue counts empty answers), precision\n"
        "and recall of the citations, recall of the evidence found (AR: share of questions with all gold) and shown"
    )
    _show_measures(console, "reader", {name: result.total for name, result in evaluations.items()})
    _show_look_ups(console, evaluations)
    _show_spreads(console, evaluations)
    _show_outcomes(console, evaluations)
    if comparison is not None and comparison.differences:
        _show_differences(console, comparison)
    for name, result in evaluations.items():
        if result.by_type:
            console.print(f"\n{name}, by type of question", markup=False)
            _show_measures(console, "type", {f"{kind} ({part.n})": part for kind, part in result.by_type.items()})


def _show_measures(console: Console, what: str, parts: Mapping[str, ReadingMeasures]) -> None:
    measured = {measure for part in parts.values() for measure in part.means}
    table = _table(what, [title for measure, title in _SHOWN.items() if measure in measured])
    for name, part in parts.items():
        table.add_row(escape(name), *(_mean(part, measure) for measure in _SHOWN if measure in measured))
    console.print(table)


def _mean(part: ReadingMeasures, measure: Measure) -> str:
    if measure not in part.means:
        return ""
    interval = (part.intervals or {}).get(measure)
    return stacked(per_cent(part.means[measure]), "" if interval is None else range_of(interval))


def _show_look_ups(console: Console, evaluations: Mapping[str, ReadingEvaluation]) -> None:
    """Show the recall of the evidence as it grows, if any reader looks up more than once."""
    grown = {name: _by_look_up(result.total) for name, result in evaluations.items()}
    longest = max(len(shares) for shares in grown.values())
    if longest < 2:
        return
    places = list(range(1, min(longest, _LOOK_UPS) + 1))
    console.print("\nrecall of the evidence after each look-up; who had ended by then counts with what was found")
    table = _table("reader", [*map(str, places), "the end"])
    for name, shares in grown.items():
        cells = [per_cent(shares[place - 1]) if place <= len(shares) else "" for place in places]
        table.add_row(escape(name), *cells, per_cent(shares[-1]) if shares else "")
    console.print(table)


def _by_look_up(part: ReadingMeasures) -> list[float]:
    return [mean for measure, mean in part.means.items() if measure[:2] == ("evidence", "by_look_up")]


def _show_spreads(console: Console, evaluations: Mapping[str, ReadingEvaluation]) -> None:
    console.print(
        "\nper question: mean, and below it the 50th and 95th percentile and the most; found and shown are passages"
    )
    table = _table("reader", [title for title, _ in _SPENT.values()])
    for name, result in evaluations.items():
        table.add_row(escape(name), *(_spread(result.total.spreads[one], form) for one, (_, form) in _SPENT.items()))
    console.print(table)


def _spread(spread: Spread, form: str) -> str:
    rest = " ".join(format(value, form) for value in (spread.p50, spread.p95, spread.max))
    return stacked(format(spread.mean, form), rest)


def _show_outcomes(console: Console, evaluations: Mapping[str, ReadingEvaluation]) -> None:
    console.print()
    for name, result in evaluations.items():
        ended = ", ".join(f"{outcome} {n}" for outcome, n in result.total.outcomes.items())
        console.print(f"{name}: {ended}", markup=False, soft_wrap=True)
        if result.n_not_read:
            console.print(f"  not read: {result.n_not_read}, because of what failed", markup=False)
        for failure in result.failures[:_FAILURES]:
            console.print(f"  failed: {failure.id}: {failure.error}", markup=False, soft_wrap=True)
        if len(result.failures) > _FAILURES:
            console.print(
                f"  failed: {len(result.failures) - _FAILURES} more, which --json and --save tell", markup=False
            )


def _show_differences(console: Console, comparison: ReadingComparison) -> None:
    deciding = comparison.primary
    console.print(
        f"\nagainst {comparison.baseline}, in points, with 95 % intervals and p-values (paired randomisation test)\n"
        f"Holm's correction is per measure: {_SHOWN[deciding]} decides, and * marks p < {LEVEL} there; intervals are "
        "not corrected",
        markup=False,
    )
    shown = [measure for measure in _SHOWN if all(measure in found for found in comparison.differences.values())]
    table = _table("reader", [_SHOWN[measure] for measure in shown])
    for name, found in comparison.differences.items():
        table.add_row(escape(name), *(_difference(found[one], decides=one == deciding) for one in shown))
    console.print(table)


def _difference(difference: Difference, *, decides: bool) -> str:
    star = "*" if decides and difference.adjusted < LEVEL else ""
    return star + told(difference)


def _table(what: str, headings: list[str]) -> Table:
    table = Table(box=None)
    table.add_column(what, no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
