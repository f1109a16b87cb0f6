"""What comes of reading a set of questions: how good the answers are, what they rest on, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from hippograph.evaluation.bootstrap import Interval
from hippograph.evaluation.units import Unit
from hippograph.types import Answer

__all__ = ["Failure", "Measure", "ReadingEvaluation", "ReadingMeasures", "Spread", "nested"]

Measure: TypeAlias = tuple[str, ...]
"""The name of a measure, and its kind: `("f1", "musique")`; as JSON, keys within keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a quantity is spread over the questions.

    Parameters
    ----------
    mean, p50, p95, max
        Its mean, its 50th and 95th percentile, and the largest.
    interval
        95 % confidence interval of the mean; of no width if all questions have the same. None if it was not asked for,
        or there are fewer than ten questions.
    """

    mean: float
    p50: float
    p95: float
    max: float
    interval: Interval | None

    def to_json(self) -> dict[str, object]:
        """Return everything as JSON values."""
        interval = None if self.interval is None else self.interval.to_json()
        return {"mean": self.mean, "p50": self.p50, "p95": self.p95, "max": self.max, "interval": interval}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A question that the model failed at.

    Parameters
    ----------
    id
        The question's id.
    error
        What went wrong.
    """

    id: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingMeasures:
    """The measures of some questions.

    Parameters
    ----------
    n
        How many there are.
    n_without_answers, n_without_gold
        How many of them have no acceptable answer, or no gold, and are not measured on it.
    means
        Means of the measures over the questions that have what they need, 0 to 1.
    intervals
        95 % confidence intervals of these means; those of fewer than ten questions are missing. None if all are, or
        they were not asked for.
    spreads
        How passages and what was spent on a question are spread: `found` and `shown` (distinct passages; summaries are
        none), `calls`, `input_tokens`, `output_tokens`, `tokens`, `reused` (answers of the model known from before),
        `cost` in US dollars, `seconds`.
    outcomes
        How many questions ended how, the most frequent first.
    """

    n: int
    n_without_answers: int
    n_without_gold: int
    means: Mapping[Measure, float]
    intervals: Mapping[Measure, Interval] | None
    spreads: Mapping[str, Spread]
    outcomes: Mapping[str, int]

    def to_json(self) -> dict[str, object]:
        """Return everything as JSON values."""
        intervals = None
        if self.intervals is not None:
            intervals = nested({measure: interval.to_json() for measure, interval in self.intervals.items()})
        return {
            "n": self.n,
            "n_without_answers": self.n_without_answers,
            "n_without_gold": self.n_without_gold,
            **nested(self.means),
            "intervals": intervals,
            **{name: spread.to_json() for name, spread in self.spreads.items()},
            "outcomes": dict(self.outcomes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingEvaluation:
    """What a reader made of a set of questions.

    Parameters
    ----------
    total
        The measures of all questions.
    n_left_out
        Questions with neither answers nor gold, which were not read.
    n_not_read
        Questions that it did not come to, because of `error`; no measure counts them.
    error
        What has ended it before all were read; empty if nothing has.
    unit
        What citations and evidence are counted in: documents, or passages if the gold names some.
    threads
        How many questions were read at a time; with more than one, the seconds of a question hold waiting for others.
    by_type
        The measures of the questions of each type, by name; questions without a type are not among them.
    failures
        The questions that the model failed at, in their order.
    answers
        The answers, by the question's id.
    seconds
        Wall time of each, by the question's id.
    per_question
        What each measure is for each question that has what it needs, by the question's id.
    """

    total: ReadingMeasures
    n_left_out: int
    n_not_read: int
    error: str
    unit: Unit
    threads: int
    by_type: Mapping[str, ReadingMeasures]
    failures: tuple[Failure, ...]
    answers: Mapping[str, Answer]
    seconds: Mapping[str, float]
    per_question: Mapping[Measure, Mapping[str, float]]

    def to_json(self) -> dict[str, object]:
        """Return all but what single questions have as JSON values."""
        return {
            **self.total.to_json(),
            "n_left_out": self.n_left_out,
            "n_not_read": self.n_not_read,
            "error": self.error,
            "unit": self.unit,
            "threads": self.threads,
            "failures": [{"id": failure.id, "error": failure.error} for failure in self.failures],
            "by_type": {name: part.to_json() for name, part in self.by_type.items()},
        }

    def question_to_json(self, id: str) -> dict[str, object]:
        """Return the measures of a question as JSON values; those that it lacks something for are missing."""
        return nested({measure: values[id] for measure, values in self.per_question.items() if id in values})


def nested(values: Mapping[Measure, object]) -> dict[str, object]:
    """Write names that have parts as keys within keys.

    Examples
    --------
    >>> nested({("f1", "squad"): 0.5, ("f1", "musique"): 0.75, ("complete",): 1.0})
    {'f1': {'squad': 0.5, 'musique': 0.75}, 'complete': 1.0}
    """
    told: dict[str, Any] = {}
    for (*parents, last), value in values.items():
        place = told
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return told
