"""Differences from a baseline, question by question: their means, intervals and p-values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hippograph.evaluation.bootstrap import RESAMPLES, Interval
from hippograph.evaluation.holm import holm
from hippograph.evaluation.intervals import FEWEST_QUESTIONS
from hippograph.evaluation.randomization import randomization_intervals, randomization_test
from hippograph.types import DoubleArray

__all__ = ["Difference", "paired_differences"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far a retriever, or a reader, is above the baseline in one measure.

    Parameters
    ----------
    mean
        Mean over the questions, -1 to 1.
    interval
        Its 95 % confidence interval, which leaves 0 out if and only if the p-value is below 0.05, as long as some
        questions differ more than others; None if there are fewer than ten questions.
    p_value
        How often chance alone would set the two as far apart: paired randomisation test, on both sides.
    adjusted
        The p-value after Holm's correction for all that are compared with the baseline in this measure; not for all
        measures: let one decide, the `primary` of the comparison.
    """

    mean: float
    interval: Interval | None
    p_value: float
    adjusted: float

    def to_json(self) -> dict[str, object]:
        """Return everything as JSON values."""
        interval = None if self.interval is None else self.interval.to_json()
        return {"mean": self.mean, "interval": interval, "p": self.p_value, "p_holm": self.adjusted}


def paired_differences(
    apart: Sequence[DoubleArray], *, resamples: int = RESAMPLES, seed: int = 0
) -> list[list[Difference]]:
    """Test several things against one baseline in several measures.

    Parameters
    ----------
    apart
        For each thing, what each question has above the baseline: one row per question, one column per measure, all of
        the same shape (Q, M), values from -1 to 1.
    resamples
        How many draws the intervals and the tests rest on, at least 100.
    seed
        Of the draws: the same seed gives the same differences.

    Returns
    -------
    For each thing M differences, in the order of the columns.

    Raises
    ------
    InputError
        If there are too few resamples.

    Examples
    --------
    >>> import numpy as np
    >>> [[one]] = paired_differences([np.ones((10, 1))])
    >>> one.mean, one.p_value, one.interval.low
    (1.0, 0.001953125, 0.444934)
    """
    p_values = [randomization_test(values, resamples=resamples, seed=seed).tolist() for values in apart]
    adjusted = [holm(family) for family in zip(*p_values, strict=True)]
    return [
        [
            Difference(mean=mean, interval=interval, p_value=p_value, adjusted=family[place])
            for mean, interval, p_value, family in zip(
                _means(values), _intervals(values, resamples, seed), p_values[place], adjusted, strict=True
            )
        ]
        for place, values in enumerate(apart)
    ]


def _means(apart: DoubleArray) -> list[float]:
    return [math.fsum(column) / len(column) for column in apart.T.tolist()]


def _intervals(apart: DoubleArray, resamples: int, seed: int) -> Sequence[Interval | None]:
    if len(apart) < FEWEST_QUESTIONS:
        return [None] * apart.shape[1]
    return randomization_intervals(apart, resamples=resamples, seed=seed)
