"""What every retriever finds on sets of multi-hop questions: `python benchmarks/multihop_quality.py FOLDER...`.

A folder holds `corpus.json` ([{idx, title, text}]) and `questions.json` ([{id, question, gold: [idx], type}]), and may
hold `openie.json`: triples that a language model has extracted ([{idx, entities, triples}]). Each set is indexed as it
is, with the titles withheld, and with those triples; the indexes are kept in `--work` and used again. Every retriever
is asked every question, one by one; its first answer is not counted.

    python benchmarks/multihop_quality.py ../data/musique --work ../indexes --out quality.json
    python benchmarks/multihop_quality.py ../data/* --condition titled --retriever dense --retriever default
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hippograph.composition import RETRIEVERS, Composition
from hippograph.evaluation.bootstrap import RESAMPLES
from hippograph.evaluation.comparison import Comparison, compare
from hippograph.evaluation.datasets import QuestionSet, load_questions
from hippograph.evaluation.experiment import DEPTHS, evaluate
from hippograph.evaluation.manifest import result_manifest
from hippograph.evaluation.results import Evaluation
from hippograph.hippograph import HippoGraph
from hippograph.models.onnx_embedder import OnnxEmbedder
from hippograph.protocols import Embedder, Retriever
from hippograph.retrieve.linking import EntityLinker
from hippograph.retrieve.pagerank import PageRankRetriever
from hippograph.retrieve.second_look import SecondLook
from hippograph.retrieve.triple_linking import TripleLinker
from hippograph.retrievers import Variant

Making: TypeAlias = Callable[[Composition], Retriever]


def named(name: str, parts: Composition, *, variant: Variant | None = None) -> Retriever:
    """Make a retriever that is known by name, with its defaults or options."""
    return parts.retriever(name, variant=variant)


def without(change: Callable[[PageRankRetriever], PageRankRetriever], parts: Composition) -> Retriever:
    """Make the default retriever without one of its parts."""
    whole = parts.retriever()
    if not isinstance(whole, PageRankRetriever):
        raise TypeError(f"the default retriever is a {type(whole).__name__}; tell the ablation what to leave out of it")
    return change(whole)


VARIANTS: Final[dict[str, Making]] = {
    **{name: partial(named, name) for name in RETRIEVERS},
    **{
        f"{name}, parity": partial(named, name, variant=Variant(parity=True))
        for name in RETRIEVERS
        if "parity" in RETRIEVERS[name]
    },
    "hipporag2, cross-encoder": partial(named, "hipporag2", variant=Variant(recognition="cross-encoder")),
    "default, no second look": partial(named, "default", variant=Variant(second_look=False)),
}
"""What is measured, by the names in the table."""

ABLATIONS: Final[dict[str, Making]] = {
    "no judge": partial(without, lambda whole: replace(whole, second_look=SecondLook())),
    "no focus": partial(
        without,
        lambda whole: replace(whole, focus=0.0, second_look=replace(whole.second_look or SecondLook(), focus=0.0)),
    ),
    "one anchor": partial(
        without, lambda whole: replace(whole, second_look=replace(whole.second_look or SecondLook(), anchors=1))
    ),
    "no triples": partial(without, lambda whole: replace(whole, triples=TripleLinker(most=0))),
    "triples recognised": partial(named, "default", variant=Variant(recognition="cross-encoder")),
    "no titles": partial(without, lambda whole: replace(whole, seeding=replace(whole.seeding, title=0.0))),
    "no dense seeds": partial(without, lambda whole: replace(whole, seeding=replace(whole.seeding, dense_share=0.0))),
    "dense seeds alone": partial(
        without, lambda whole: replace(whole, seeding=replace(whole.seeding, dense_share=1.0))
    ),
    "names as written": partial(without, lambda whole: replace(whole, entities=EntityLinker(spelling=False))),
}
"""What the default is worth without one of its parts; measured with `--ablations`."""

BASELINE: Final = "dense"
TOLERANCE: Final = 0.01
"""How far below the baseline a retriever may be at R@5, on a set or a type of question, before it is flagged."""

DEPTH: Final = 5
LEVEL: Final = 0.05
WIDTH: Final = 120


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What a set is indexed from.

    Parameters
    ----------
    name
        In the table.
    suffix
        In the name of the index.
    titles
        Whether passages keep their titles.
    replay
        Whether triples come from `openie.json`.
    """

    name: str
    suffix: str
    titles: bool = True
    replay: bool = False


CONDITIONS: Final = (
    Condition(name="titled", suffix=""),
    Condition(name="withheld", suffix=".nt", titles=False),
    Condition(name="replay", suffix=".replay", replay=True),
)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """All retrievers on one set under one condition.

    Parameters
    ----------
    set
        The name of the set's folder.
    condition
        What it was indexed from.
    passages
        How many there are.
    comparison
        What the retrievers found.
    manifests
        What each result was made from, by the retriever's name.
    """

    set: str
    condition: str
    passages: int
    comparison: Comparison
    manifests: Mapping[str, Mapping[str, object]]

    def to_json(self) -> dict[str, object]:
        """Return everything as JSON values."""
        values = self.comparison.to_json()
        results = {name: value | {"manifest": self.manifests[name]} for name, value in values.items()}
        return {"set": self.set, "condition": self.condition, "passages": self.passages, "results": results}


def index(folder: Path, condition: Condition, *, work: Path, embedder: Embedder) -> HippoGraph:
    """Make the index of a set, or bring the one of an earlier run up to date."""
    source = folder / "corpus.json"
    if not condition.titles:
        passages = json.loads(source.read_text(encoding="utf-8"))
        source = work / f"{folder.name}{condition.suffix}.json"
        bare = [{"idx": passage["idx"], "text": passage["text"]} for passage in passages]
        source.write_text(json.dumps(bare), encoding="utf-8")
    extractor = f"replay:{folder / 'openie.json'}" if condition.replay else None
    place = work / f"{folder.name}{condition.suffix}.hippo"
    hippograph = HippoGraph(place, extractor=extractor, embedder=embedder)
    report = hippograph.index([source])
    say(f"{place.name}: {report.added:,} documents added, {report.unchanged:,} unchanged")
    return hippograph


def measure(
    hippograph: HippoGraph, questions: QuestionSet, names: Sequence[str], *, set: str, condition: str
) -> Measured:
    """Ask every retriever every question, and compare them."""
    passages = hippograph.parts.snapshot.passages
    known = {*passages.ids, *passages.documents}
    found: dict[str, Evaluation] = {}
    manifests = {}
    for name in names:
        retriever = (VARIANTS | ABLATIONS)[name](hippograph.parts)
        found[name] = evaluate(retriever, questions, known=known)
        manifests[name] = result_manifest(
            name=name,
            retriever=retriever,
            questions=questions,
            snapshot=hippograph.parts.snapshot,
            measured={"set": set, "condition": condition, "ks": list(DEPTHS), "resamples": RESAMPLES},
            date=datetime.now(UTC),
        )
        say(f"{set}, {condition}: {name}: R@{DEPTH} {100 * found[name].recall[DEPTH]:.1f}")
    comparison = compare(found, baseline=BASELINE if BASELINE in found else None)
    return Measured(set=set, condition=condition, passages=len(passages), comparison=comparison, manifests=manifests)


def main_table(all_measured: Sequence[Measured]) -> Table:
    """Make the table of all retrievers on all sets."""
    table = Table(box=None)
    table.add_column("set", no_wrap=True)
    table.add_column("retriever")
    for heading in (*(f"R@{k}" for k in DEPTHS), f"AR@{DEPTH}", f"R@{DEPTH} +/-", "p50 ms", "p95 ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for measured in all_measured:
        about = iter((measured.set, measured.condition, f"{measured.passages:,} passages"))
        results = measured.comparison.evaluations
        for row, (name, result) in enumerate(results.items()):
            questions = [f"{result.n} questions"] if row == 3 else []
            table.add_row(
                escape(next(about, "".join(questions))),
                escape(name),
                *(with_interval(result, k) for k in DEPTHS),
                f"{100 * result.all_recall[DEPTH]:.1f}",
                apart(measured.comparison, name),
                *(f"{result.latency_ms[level]:.1f}" for level in ("p50", "p95")),
                end_section=row == len(results) - 1,
            )
        table.add_row()
    return table


def type_tables(all_measured: Sequence[Measured]) -> Iterator[Table]:
    """Make a table of the types of question for each set that has some."""
    for measured in all_measured:
        results = measured.comparison.evaluations
        reference = results[measured.comparison.baseline]
        if not reference.by_type:
            continue
        table = Table(box=None, title=f"{measured.set}, {measured.condition}: R@{DEPTH} by type", title_justify="left")
        table.add_column("retriever")
        for kind, part in reference.by_type.items():
            table.add_column(escape(f"{kind} ({part.n})"), justify="right")
        for name, result in results.items():
            table.add_row(
                escape(name),
                *(
                    flagged(part.recall[DEPTH], reference.by_type[kind].recall[DEPTH])
                    for kind, part in result.by_type.items()
                ),
            )
        yield table


def shortfalls(all_measured: Sequence[Measured]) -> Iterator[str]:
    """Say of each retriever how often it is below the baseline, and where by most."""
    places: dict[str, list[tuple[float, str]]] = {}
    for measured in all_measured:
        results, where = measured.comparison.evaluations, f"{measured.set}, {measured.condition}"
        reference = results[measured.comparison.baseline]
        for name in measured.comparison.differences:
            found = places.setdefault(name, [])
            found.append((results[name].recall[DEPTH] - reference.recall[DEPTH], f"{where}, {reference.n} questions"))
            for kind, part in results[name].by_type.items():
                difference = part.recall[DEPTH] - reference.by_type[kind].recall[DEPTH]
                found.append((difference, f"{where}, {kind}, {part.n} questions"))
    for name, found in places.items():
        below = sorted(place for place in found if place[0] < -TOLERANCE)
        worst = f", by most {100 * below[0][0]:+.1f}: {below[0][1]}" if below else ""
        yield f"{name}: {len(below)} of {len(found)}{worst}"


def with_interval(result: Evaluation, k: int) -> str:
    """Write recall at a depth with its interval."""
    told = f"{100 * result.recall[k]:.1f}"
    if result.intervals is None:
        return told
    interval = result.intervals.recall[k]
    return f"{told} {100 * interval.low:.0f}-{100 * interval.high:.0f}"


def apart(comparison: Comparison, name: str) -> str:
    """Write how far a retriever is from the baseline; a star says that chance is an unlikely reason."""
    if name not in comparison.differences:
        return ""
    difference = comparison.differences[name].recall[DEPTH]
    flag, star = "! " if difference.mean < -TOLERANCE else "", "*" if difference.adjusted < LEVEL else ""
    return f"{flag}{star}{100 * difference.mean:+.1f}"


def flagged(share: float, reference: float) -> str:
    """Write a share, and flag it if it is below that of the baseline."""
    return f"{'! ' if share - reference < -TOLERANCE else ''}{100 * share:.1f}"


def show(all_measured: Sequence[Measured]) -> None:
    """Print the tables."""
    console = Console(width=WIDTH, highlight=False, emoji=False)
    baselines = ", ".join(dict.fromkeys(measured.comparison.baseline for measured in all_measured))
    console.print(
        f"Per cent, with 95 % intervals; R recall, AR all-recall, +/- points above {baselines}, * p < {LEVEL} "
        "(randomisation test, Holm)\n",
        soft_wrap=True,
    )
    console.print(main_table(all_measured))
    for table in type_tables(all_measured):
        console.print(table)
        console.print()
    console.print(
        f"!: R@{DEPTH} more than {100 * TOLERANCE:.0f} point below {baselines}, on all questions or on a type"
    )
    for line in shortfalls(all_measured):
        console.print(f"  {line}", markup=False, soft_wrap=True)


def say(line: str) -> None:
    """Tell how far the run is."""
    print(line, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="a set")
    parser.add_argument("--work", type=Path, help="where indexes are kept; by default they are not")
    parser.add_argument("--out", type=Path, help="a file for everything, with manifests, as JSON")
    parser.add_argument("--retriever", action="append", choices=[*VARIANTS, *ABLATIONS])
    parser.add_argument("--ablations", action="store_true", help="also the default without each of its parts")
    parser.add_argument("--condition", action="append", choices=[condition.name for condition in CONDITIONS])
    return parser.parse_args()


def main() -> int:
    """Run the benchmark and print its tables."""
    given = arguments()
    conditions = [condition for condition in CONDITIONS if condition.name in (given.condition or [condition.name])]
    embedder = OnnxEmbedder()
    all_measured: list[Measured] = []
    with ExitStack() as stack:
        work = given.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        work.mkdir(parents=True, exist_ok=True)
        for folder in given.folders:
            questions = load_questions(folder / "questions.json")
            for condition in conditions:
                if condition.replay and not (folder / "openie.json").exists():
                    continue
                with index(folder, condition, work=work, embedder=embedder) as hippograph:
                    names = given.retriever or [*VARIANTS, *(ABLATIONS if given.ablations else ())]
                    all_measured.append(
                        measure(hippograph, questions, names, set=folder.name, condition=condition.name)
                    )
                if given.out is not None:
                    told = [measured.to_json() for measured in all_measured]
                    given.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    show(all_measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
