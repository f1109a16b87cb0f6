"""Retrievers side by side: how far each is from one of them on the same questions, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from hippograph.errors import InputError
from hippograph.evaluation.bootstrap import RESAMPLES
from hippograph.evaluation.by_measure import ByMeasure
from hippograph.evaluation.differences import Difference, paired_differences
from hippograph.evaluation.results import Evaluation
from hippograph.types import DoubleArray

__all__ = ["Comparison", "compare"]

_PRIMARY: Final = 5  # the depth at which the authors of HippoRAG 2 compare retrievers


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Several retrievers on the same questions.

    Parameters
    ----------
    baseline
        The name of the one that the others are compared with.
    evaluations
        What each found, by name.
    differences
        How far each but the baseline is above it, by name.
    """

    baseline: str
    evaluations: Mapping[str, Evaluation]
    differences: Mapping[str, ByMeasure[Difference]]

    @property
    def primary(self) -> int:
        """The depth at which recall decides: 5, or what is measured next below it, or the least."""
        depths = self.evaluations[self.baseline].recall
        return max([depth for depth in depths if depth <= _PRIMARY], default=min(depths))

    def to_json(self) -> dict[str, dict[str, object]]:
        """Return each evaluation as JSON values, by name; what it is above the baseline is its `difference`."""
        values = {name: evaluation.to_json() for name, evaluation in self.evaluations.items()}
        about = {"baseline": self.baseline, "primary": f"recall@{self.primary}"}
        for name, difference in self.differences.items():
            values[name] |= {"difference": about | difference.apply(Difference.to_json).to_json()}
        return values


def compare(
    evaluations: Mapping[str, Evaluation], *, baseline: str | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> Comparison:
    """Compare retrievers with one of them, question by question.

    Parameters
    ----------
    evaluations
        What each found on the same questions at the same depths, by name.
    baseline
        The one to compare the others with; by default the first.
    resamples
        How many draws the intervals and the tests rest on, at least 100.
    seed
        Of the draws: the same seed gives the same comparison.

    Raises
    ------
    InputError
        If there is no evaluation of the baseline's name, questions or depths differ, or there are too few resamples.

    References
    ----------
    M. D. Smucker, J. Allan, B. Carterette, A comparison of statistical significance tests for information retrieval
    evaluation (CIKM 2007).
    B. Carterette, Multiple testing in statistical analysis of systems-based information retrieval experiments, ACM
    TOIS 30(1), 2012: why to correct.

    Examples
    --------
    >>> from hippograph.evaluation.datasets import Question, QuestionSet
    >>> from hippograph.evaluation.experiment import evaluate
    >>> from hippograph.types import Hit, Passage, Ranking
    >>> class Fixed:
    ...     def __init__(self, found):
    ...         self.hits = (Hit(passage=Passage(id=found, document=found, text="..."), score=1.0),)
    ...     def retrieve(self, queries, *, k):
    ...         return [Ranking(query=query, hits=self.hits) for query in queries]
    >>> questions = QuestionSet(questions=tuple(Question(id=f"q{n}", text="?", gold={"a": 1}) for n in range(10)))
    >>> found = {name: evaluate(Fixed(name), questions, ks=[1]) for name in "ba"}
    >>> compare(found).differences["a"].recall[1]
    Difference(mean=1.0, interval=Interval(low=0.444934, high=1.0), p_value=0.001953125, adjusted=0.001953125)
    """
    if baseline is None:
        baseline = next(iter(evaluations), "")
    if baseline not in evaluations:
        raise InputError(f"the baseline {baseline!r} is not among those evaluated: {', '.join(evaluations) or 'none'}")
    reference = evaluations[baseline]
    others = [name for name in evaluations if name != baseline]
    base = _columns(reference, reference, name=baseline)
    apart = [_columns(evaluations[name], reference, name=name) - base for name in others]
    tested = paired_differences(apart, resamples=resamples, seed=seed)
    differences = {name: reference.per_question.filled(found) for name, found in zip(others, tested, strict=True)}
    return Comparison(baseline=baseline, evaluations=dict(evaluations), differences=differences)


def _columns(evaluation: Evaluation, reference: Evaluation, *, name: str) -> DoubleArray:
    """Return what each question has in each measure, shape (Q, M), the questions in the order of the reference."""
    found, wanted = evaluation.per_question, reference.per_question
    if list(found.recall) != list(wanted.recall) or found.mrr.keys() != wanted.mrr.keys():
        raise InputError(
            f"{name!r} was measured on {len(found.mrr)} questions at depths {list(found.recall)}, and the baseline on "
            f"{len(wanted.mrr)} at {list(wanted.recall)}; evaluate both on the same questions at the same depths"
        )
    return np.array([[values[id] for values in found.flat()] for id in wanted.mrr])
