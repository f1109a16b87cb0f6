"""Readers side by side: how far each is from one of them on the same questions, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from hippograph.errors import InputError
from hippograph.evaluation.bootstrap import RESAMPLES
from hippograph.evaluation.differences import Difference, paired_differences
from hippograph.evaluation.reading_results import Measure, ReadingEvaluation, nested

__all__ = ["ReadingComparison", "compare_readers"]

_DECIDING: Final[tuple[Measure, ...]] = (("f1", "squad"), ("evidence", "recall"))
_LOOK_UP: Final = "by_look_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingComparison:
    """Several readers on the same questions.

    Parameters
    ----------
    baseline
        The name of the one that the others are compared with.
    evaluations
        What came of each, by name.
    differences
        How far each but the baseline is above it in each measure, by name; the evidence at single look-ups, of which
        each reader has its own number, is not compared.
    """

    baseline: str
    evaluations: Mapping[str, ReadingEvaluation]
    differences: Mapping[str, Mapping[Measure, Difference]]

    @property
    def primary(self) -> Measure:
        """The measure that decides: F1 as SQuAD has it, or the recall of the evidence if there are no answers."""
        measured = self.evaluations[self.baseline].per_question
        return next(measure for measure in _DECIDING if measure in measured)

    def to_json(self) -> dict[str, dict[str, object]]:
        """Return each evaluation as JSON values, by name; what it is above the baseline is its `difference`."""
        values = {name: evaluation.to_json() for name, evaluation in self.evaluations.items()}
        about = {"baseline": self.baseline, "primary": ".".join(self.primary)}
        for name, difference in self.differences.items():
            told = nested({measure: one.to_json() for measure, one in difference.items()})
            values[name] |= {"difference": about | told}
        return values


def compare_readers(
    evaluations: Mapping[str, ReadingEvaluation],
    *,
    baseline: str | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> ReadingComparison:
    """Compare readers with one of them, question by question, as `hippograph.evaluation.comparison.compare` does.

    Parameters
    ----------
    evaluations
        What came of each on the same questions, by name.
    baseline
        The one to compare the others with; by default the first.
    resamples
        How many draws the intervals and the tests rest on, at least 100.
    seed
        Of the draws: the same seed gives the same comparison.

    Raises
    ------
    InputError
        If there is no evaluation of the baseline's name, questions differ, or there are too few resamples.

    References
    ----------
    M. D. Smucker, J. Allan, B. Carterette, A comparison of statistical significance tests for information retrieval
    evaluation (CIKM 2007).
    """
    if baseline is None:
        baseline = next(iter(evaluations), "")
    if baseline not in evaluations:
        raise InputError(f"the baseline {baseline!r} is not among those evaluated: {', '.join(evaluations) or 'none'}")
    reference = evaluations[baseline]
    others = {name: evaluation for name, evaluation in evaluations.items() if name != baseline}
    wanted = _asked(reference)
    for name, evaluation in others.items():
        if _asked(evaluation) != wanted:
            raise InputError(
                f"{name!r} has read {len(evaluation.answers)} questions, and the baseline {len(reference.answers)} "
                "that are not all the same; have both read the same questions"
            )
    differences: dict[str, dict[Measure, Difference]] = {name: {} for name in others}
    for measure, ids in wanted.items() if others else ():
        base, *above = (
            np.array([[evaluation.per_question[measure][id]] for id in ids])
            for evaluation in (reference, *others.values())
        )
        found = paired_differences([values - base for values in above], resamples=resamples, seed=seed)
        for name, [difference] in zip(others, found, strict=True):
            differences[name][measure] = difference
    return ReadingComparison(baseline=baseline, evaluations=dict(evaluations), differences=differences)


def _asked(evaluation: ReadingEvaluation) -> dict[Measure, list[str]]:
    """Return which questions each measure is of that readers are compared in."""
    return {measure: list(values) for measure, values in evaluation.per_question.items() if _LOOK_UP not in measure}
