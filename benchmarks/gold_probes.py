"""What loops gather if their questions are taken apart perfectly.

    python benchmarks/gold_probes.py INDEX QUESTIONS [INDEX QUESTIONS]... [--retriever NAME]... [--limit N] [--out FILE]

`INDEX` is an index of the corpus, `QUESTIONS` a JSON file of questions with gold and decompositions, as MuSiQue and
2WikiMultihopQA have them. A double proposes the published sub-questions, with the answers put in that they refer to,
and answers nothing, so that every reader goes on to its end. The indexes are not changed.

For each question: the recall of the passages that the reader showed to the model in all its steps, against that of as
many from the top of the question's own ranking (*single pass*), and of as many from the rankings of the question and
its sub-questions fused (*fused*). *Found* is the recall of all that it looked up, shown or not. Differences are paired,
with 95 % intervals and p-values of the randomisation test.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from hippograph import HippoGraph
from hippograph.evaluation.datasets import Question, QuestionSet, load_questions
from hippograph.evaluation.decompositions import load_decompositions
from hippograph.evaluation.differences import Difference, paired_differences
from hippograph.evaluation.reading import evaluate_reader, passages_shown
from hippograph.protocols import Reader, Retriever
from hippograph.readers.fusion import fused
from hippograph.readers.memory import MemoryReader
from hippograph.readers.notes import NotesReader
from hippograph.testing.decomposing import DecomposingModel
from hippograph.types import Passage, Ranking

RETRIEVERS = ("default:no-second-look", "default")
DEPTH = 50
SMALL_MEMORY = 500
"""Tokens of passages that a memory is made of: as many as notes read at a time."""
WIDTH = 190


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a reader gathered, and what as many passages hold that are got otherwise."""

    set: str
    retriever: str
    reader: str
    n: int
    calls: float
    passages: float
    recall: float
    all_recall: float
    found: float
    by_look_up: Sequence[float]
    single_pass: float
    fused: float
    above_single_pass: Difference
    above_fused: Difference

    def to_json(self) -> dict[str, object]:
        """Return everything as JSON values."""
        told = dict(vars(self))
        return told | {name: told[name].to_json() for name in ("above_single_pass", "above_fused")}


class Known:
    """A retriever that looks nothing up twice: all readers ask for much the same."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever
        self._found: dict[str, Ranking] = {}

    def retrieve(self, queries: Sequence[str], *, k: int) -> list[Ranking]:
        """Rank passages for each query."""
        new = [one for one in dict.fromkeys(queries) if one not in self._found or len(self._found[one].hits) < k]
        for ranking in self._retriever.retrieve(new, k=max(k, 2 * DEPTH)) if new else ():
            self._found[ranking.query] = ranking
        return [cut(self._found[query], k) for query in queries]


def cut(ranking: Ranking, k: int) -> Ranking:
    """Keep the first `k` hits."""
    return Ranking(query=ranking.query, hits=ranking.hits[:k], evidence=ranking.evidence)


def readers(retriever: Retriever, model: DecomposingModel) -> dict[str, Reader]:
    """Make the readers that are measured."""
    return {
        "notes": NotesReader(retriever=retriever, model=model),
        "memory": MemoryReader(retriever=retriever, model=model),
        f"memory, {SMALL_MEMORY} tokens": MemoryReader(retriever=retriever, model=model, layer_tokens=SMALL_MEMORY),
    }


def shares(found: Sequence[Passage], question: Question) -> float:
    """Return how much of a question's gold is among passages."""
    ids = {passage.document for passage in found} | {passage.id for passage in found}
    return len(ids & question.gold.keys()) / len(question.gold)


def measure(
    name: str,
    retriever: str,
    hippograph: HippoGraph,
    questions: QuestionSet,
    decompositions: Mapping[str, Sequence[str]],
) -> list[Row]:
    """Have every reader read every question."""
    looking = Known(hippograph.parts.retriever(retriever))
    model = DecomposingModel(
        decompositions={question.text: decompositions[question.id] for question in questions.questions}
    )
    rows = []
    for reader_name, reader in readers(looking, model).items():
        print(f"{name}, {retriever}: {reader_name}", file=sys.stderr)
        found = evaluate_reader(reader, questions, resamples=0)
        values = []
        for question in questions.questions:
            shown = passages_shown(found.answers[question.id])
            rankings = looking.retrieve([question.text, *decompositions[question.id]], k=DEPTH)
            alone = looking.retrieve([question.text], k=len(shown))[0].hits
            together = fused([ranking.hits for ranking in rankings])[: len(shown)]
            values.append(
                [
                    shares(shown, question),
                    *(shares([hit.passage for hit in some], question) for some in (alone, together)),
                ]
            )
        own, single, best = np.array(values).T[:, :, np.newaxis]
        above_single, above_fused = (paired_differences([own - other])[0][0] for other in (single, best))
        means = found.total.means
        rows.append(
            Row(
                set=name,
                retriever=retriever,
                reader=reader_name,
                n=len(values),
                calls=found.total.spreads["calls"].mean,
                passages=found.total.spreads["shown"].mean,
                recall=float(own.mean()),
                all_recall=float((own == 1).mean()),
                found=means["evidence", "recall"],
                by_look_up=[mean for measure, mean in means.items() if measure[:2] == ("evidence", "by_look_up")],
                single_pass=float(single.mean()),
                fused=float(best.mean()),
                above_single_pass=above_single,
                above_fused=above_fused,
            )
        )
    return rows


def show(rows: Sequence[Row]) -> None:
    """Print the table."""
    console = Console(width=WIDTH, highlight=False)
    table = Table(box=None)
    for heading in ("set", "retriever", "reader"):
        table.add_column(heading, no_wrap=True)
    for heading in ("calls", "shown", "recall", "all", "found", "single pass", "+/-", "fused", "+/-"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            f"{row.set} ({row.n})",
            row.retriever,
            row.reader,
            f"{row.calls:.1f}",
            f"{row.passages:.1f}",
            per_cent(row.recall),
            per_cent(row.all_recall),
            per_cent(row.found),
            per_cent(row.single_pass),
            told(row.above_single_pass),
            per_cent(row.fused),
            told(row.above_fused),
        )
    console.print("Per cent; single pass and fused at the same number of passages, question by question")
    console.print(table)
    for row in rows:
        grown = " ".join(map(per_cent, row.by_look_up))
        console.print(f"{row.set}, {row.retriever}, {row.reader}: recall after each look-up {grown}", soft_wrap=True)


def per_cent(share: float) -> str:
    """Write a share."""
    return f"{100 * share:.1f}"


def told(difference: Difference) -> str:
    """Write a difference with its interval and p-value."""
    interval = difference.interval
    ends = "" if interval is None else f" [{100 * interval.low:+.1f} {100 * interval.high:+.1f}]"
    return f"{100 * difference.mean:+.1f}{ends} p={difference.p_value:.4f}"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path, metavar="INDEX QUESTIONS")
    parser.add_argument("--retriever", action="append", help=f"by default {' and '.join(RETRIEVERS)}")
    parser.add_argument("--limit", type=int, help="read only so many questions of each set")
    parser.add_argument("--out", type=Path, help="a file for everything as JSON")
    given = parser.parse_args()
    if len(given.paths) % 2:
        parser.error("give an index and a file of questions, or several such pairs")
    return given


def main() -> int:
    """Run the benchmark and print its table."""
    given = arguments()
    rows: list[Row] = []
    for index, path in zip(given.paths[::2], given.paths[1::2], strict=True):
        decompositions = load_decompositions(path)
        asked = [one for one in load_questions(path).questions if one.gold and one.id in decompositions]
        questions = QuestionSet(questions=tuple(asked[: given.limit]))
        with HippoGraph(index) as hippograph:
            for retriever in given.retriever or RETRIEVERS:
                rows += measure(path.parent.name, retriever, hippograph, questions, decompositions)
        if given.out is not None:
            told_rows = json.dumps([row.to_json() for row in rows], indent=1)
            given.out.write_text(told_rows + "\n", encoding="utf-8")
    show(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
