"""What an experiment finds: measures of all questions and of each type, their intervals, and the time it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Literal

from hippograph.evaluation.bootstrap import Interval
from hippograph.evaluation.by_measure import ByMeasure
from hippograph.evaluation.measures import Run

__all__ = ["Evaluation", "TypeEvaluation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeEvaluation:
    """The measures of the questions of one type.

    Parameters
    ----------
    n
        Questions of the type that have gold.
    recall
        Mean recall by k, 0 to 1.
    all_recall
        Share of questions with all gold in the first k, by k, 0 to 1.
    ndcg
        Mean nDCG by k, 0 to 1.
    mrr
        Mean reciprocal rank of the first gold within the largest k, 0 to 1.
    intervals
        95 % confidence intervals of these means; None if they were not asked for, or there are fewer than ten
        questions.
    """

    n: int
    recall: Mapping[int, float]
    all_recall: Mapping[int, float]
    ndcg: Mapping[int, float]
    mrr: float
    intervals: ByMeasure[Interval] | None = None

    def to_json(self) -> dict[str, object]:
        """Return everything as JSON values; the keys of the measures are the k as strings."""
        return {"n": self.n} | _shares(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a retriever found of the gold, and how fast.

    Parameters
    ----------
    n
        Questions measured: those with gold.
    n_without_gold
        Questions left out.
    unit
        What was ranked: documents, or passages if the gold names some.
    recall
        Mean recall by k, 0 to 1.
    all_recall
        Share of questions with all gold in the first k, by k, 0 to 1.
    ndcg
        Mean nDCG by k, 0 to 1.
    mrr
        Mean reciprocal rank of the first gold within the largest k, 0 to 1.
    by_type
        The measures of the questions of each type, by name; questions without a type are not among them.
    latency_ms
        Milliseconds per question at the 50th and 95th percentile, `p50` and `p95`.
    run
        The rankings, cut at the largest k.
    per_question
        What each measure is for each question, by the question's id.
    recognition
        How many questions the judge of the triples near them left in each status, as in `Recognition`; nothing if
        there was no judge.
    intervals
        95 % confidence intervals of the means; None if they were not asked for, or there are fewer than ten
        questions.
    """

    n: int
    n_without_gold: int
    unit: Literal["document", "passage"]
    recall: Mapping[int, float]
    all_recall: Mapping[int, float]
    ndcg: Mapping[int, float]
    mrr: float
    by_type: Mapping[str, TypeEvaluation]
    latency_ms: Mapping[str, float]
    run: Run
    per_question: ByMeasure[Mapping[str, float]]
    recognition: Mapping[str, int]
    intervals: ByMeasure[Interval] | None = None

    def to_json(self) -> dict[str, object]:
        """Return all but what single questions have as JSON values; the keys of the measures are the k as strings."""
        return {
            "n": self.n,
            "n_without_gold": self.n_without_gold,
            "unit": self.unit,
            **_shares(self),
            "by_type": {name: part.to_json() for name, part in self.by_type.items()},
            "latency_ms": dict(self.latency_ms),
            "recognition": dict(self.recognition),
        }

    def questions_to_json(self) -> dict[str, object]:
        """Return the measures of each question as JSON values, by the question's id."""
        return {id: self.per_question.apply(itemgetter(id)).to_json() for id in self.per_question.mrr}


def _shares(result: Evaluation | TypeEvaluation) -> dict[str, object]:
    means = ByMeasure(recall=result.recall, all_recall=result.all_recall, ndcg=result.ndcg, mrr=result.mrr)
    intervals = None if result.intervals is None else result.intervals.apply(Interval.to_json).to_json()
    return means.to_json() | {"intervals": intervals}
