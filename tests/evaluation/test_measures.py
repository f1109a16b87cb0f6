"""The measures: by hand, and against ir-measures (trec_eval)."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import ir_measures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.evaluation.measures import all_recall, mean, ndcg, ranked, recall, reciprocal_rank
from hippograph.evaluation.runs import write_run
from tests.evaluation.strategies import qrels, runs, scores

QRELS = {"q1": {"a": 3, "b": 1, "z": 0}, "q2": {"c": 1}, "q3": {"z": 0}, "q4": {"d": 2}}
RUN = {"q1": {"x": 5.0, "b": 4.0, "z": 3.0, "a": 2.0}, "q2": {"c": 1.0, "a": 1.0}, "q3": {"z": 1.0}}


def test_recall_by_hand() -> None:
    assert recall(QRELS, RUN, k=2) == {"q1": 0.5, "q2": 1.0, "q4": 0.0}
    assert recall(QRELS, RUN, k=4) == {"q1": 1.0, "q2": 1.0, "q4": 0.0}


def test_equal_scores_are_ordered_by_id() -> None:
    assert recall(QRELS, RUN, k=1)["q2"] == 0.0
    assert reciprocal_rank(QRELS, RUN)["q2"] == 0.5


def test_all_recall_by_hand() -> None:
    assert all_recall(QRELS, RUN, k=3) == {"q1": 0.0, "q2": 1.0, "q4": 0.0}
    assert all_recall(QRELS, RUN, k=4) == {"q1": 1.0, "q2": 1.0, "q4": 0.0}
    assert mean(all_recall(QRELS, RUN, k=4)) == 2 / 3


def test_reciprocal_rank_by_hand() -> None:
    assert reciprocal_rank(QRELS, RUN) == {"q1": 0.5, "q2": 0.5, "q4": 0.0}


def test_ndcg_by_hand() -> None:
    best = 3 + 1 / math.log2(3)
    assert ndcg(QRELS, RUN, k=4)["q1"] == pytest.approx((1 / math.log2(3) + 3 / math.log2(5)) / best)
    assert ndcg(QRELS, RUN, k=1) == {"q1": 0.0, "q2": 0.0, "q4": 0.0}


@given(qrels(highest=1), runs(), st.integers(1, 14))
def test_all_recall_is_recall_of_one(
    judged: dict[str, dict[str, int]], run: dict[str, dict[str, float]], k: int
) -> None:
    shares = recall(judged, run, k=k)
    assert all_recall(judged, run, k=k) == {question: float(share == 1) for question, share in shares.items()}


@settings(deadline=None)  # it writes files
@given(qrels(), runs(least=1), st.integers(1, 14))
def test_values_are_those_of_trec_eval_given_the_same_order(
    judged: dict[str, dict[str, int]], run: dict[str, dict[str, float]], k: int
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.run"
        write_run(path, run)
        written = list(ir_measures.read_trec_run(str(path)))
    measures = {
        ir_measures.R @ k: recall(judged, run, k=k),
        ir_measures.nDCG @ k: ndcg(judged, run, k=k),
        ir_measures.RR: reciprocal_rank(judged, run),
    }
    oracle = list(ir_measures.iter_calc(list(measures), judged, written))
    assert len(oracle) == len(judged) * len(measures)
    for metric in oracle:
        assert measures[metric.measure][metric.query_id] == pytest.approx(metric.value, abs=1e-12)
    for measure, value in ir_measures.calc_aggregate(list(measures), judged, written).items():
        assert mean(measures[measure]) == pytest.approx(value, abs=1e-12)


@given(st.dictionaries(st.text(max_size=3), scores))
def test_a_ranking_falls_in_score_and_rises_in_id(scored: dict[str, float]) -> None:
    order = ranked(scored)
    assert sorted(order) == sorted(scored)
    for above, below in pairwise(order):
        assert scored[above] > scored[below] or (scored[above] == scored[below] and above < below)


def test_the_order_of_the_questions_does_not_change_the_mean() -> None:
    values = {str(n): 0.1 * n for n in range(20)}
    assert mean(values) == mean(dict(reversed(values.items())))


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(InputError, match="k is 0"):
        recall(QRELS, RUN, k=0)
    with pytest.raises(InputError, match="nothing to average"):
        mean(recall({"q": {"a": 0}}, RUN, k=1))
