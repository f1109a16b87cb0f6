"""Evaluating a retriever: values by hand, collapsing of passages, latency, refusals."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import ir_measures
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.evaluation import experiment
from hippograph.evaluation.datasets import Question, QuestionSet
from hippograph.evaluation.experiment import evaluate
from hippograph.evaluation.runs import read_run, write_run
from hippograph.types import Evidence, Hit, Passage, Ranking, Recognition


class Listed:
    """A retriever that looks its answers up; `d#3` is a passage of document `d`."""

    def __init__(self, answers: Mapping[str, Sequence[str]]) -> None:
        self.answers = answers
        self.asked: list[tuple[tuple[str, ...], int]] = []

    def retrieve(self, queries: Sequence[str], *, k: int) -> list[Ranking]:
        self.asked.append((tuple(queries), k))
        return [Ranking(query=query, hits=tuple(hits(self.answers[query]))[:k]) for query in queries]


def hits(ids: Sequence[str]) -> list[Hit]:
    return [
        Hit(passage=Passage(id=id, document=id.rpartition("#")[0] or id, text=id), score=1 / rank)
        for rank, id in enumerate(ids, start=1)
    ]


def question_set(*questions: Question) -> QuestionSet:
    return QuestionSet(questions=questions)


QUESTIONS = question_set(
    Question(id="1", text="who", gold={"a": 1, "b": 1}, type="bridge"),
    Question(id="2", text="why", gold={"c": 1}, type="comparison"),
    Question(id="3", text="how", gold={"d": 1, "e": 1}, type="bridge"),
    Question(id="4", text="when", answers=("now",), type="bridge"),
    Question(id="5", text="where", gold={"f": 1}),
)
ANSWERS = {
    "who": ["a", "x", "b", "y"],
    "why": ["x", "y", "z", "c"],
    "how": ["d", "e", "x", "y"],
    "where": ["x", "y"],
}


def test_values_by_hand() -> None:
    result = evaluate(Listed(ANSWERS), QUESTIONS, ks=(4, 2, 3, 2))
    assert (result.n, result.n_without_gold, result.unit) == (4, 1, "document")
    assert result.recall == {2: (0.5 + 0 + 1 + 0) / 4, 3: (1 + 0 + 1 + 0) / 4, 4: 3 / 4}
    assert result.all_recall == {2: 1 / 4, 3: 2 / 4, 4: 3 / 4}
    assert result.mrr == (1 + 1 / 4 + 1 + 0) / 4
    best = 1 + 1 / math.log2(3)
    assert result.ndcg[4] == pytest.approx(((1 + 1 / 2) / best + 1 / math.log2(5) + 1) / 4)
    assert list(result.by_type) == ["bridge", "comparison"]
    assert result.by_type["bridge"].n == 2
    assert result.by_type["bridge"].recall == {2: 0.75, 3: 1.0, 4: 1.0}
    assert result.by_type["comparison"].all_recall == {2: 0.0, 3: 0.0, 4: 1.0}
    assert result.run["1"] == {"a": 1.0, "x": 1 / 2, "b": 1 / 3, "y": 1 / 4}


def test_json_has_the_keys_of_the_contract() -> None:
    value = json.loads(json.dumps(evaluate(Listed(ANSWERS), QUESTIONS).to_json()))
    assert value["n"] == 4
    assert value["n_without_gold"] == 1
    for name in ("recall", "all_recall", "ndcg"):
        assert list(value[name]) == ["2", "5", "10"]
        assert all(0 <= share <= 1 for share in value[name].values())
    one = value["by_type"]["comparison"]
    assert (one["n"], one["mrr"], one["intervals"]) == (1, 0.25, None)
    assert one["recall"] == one["all_recall"] == {"2": 0.0, "5": 1.0, "10": 1.0}
    assert list(one["ndcg"]) == ["2", "5", "10"]
    assert value["intervals"] is None
    assert value["recognition"] == {}
    assert set(value["latency_ms"]) == {"p50", "p95"}
    assert 0 < value["mrr"] < 1
    assert "run" not in value


def test_intervals_have_the_keys_of_the_measures_and_hold_them() -> None:
    many = question_set(*(Question(id=str(n), text="who", gold={"a": 1, "b": 1}) for n in range(10)))
    value = json.loads(json.dumps(evaluate(Listed(ANSWERS), many).to_json()))
    assert set(value["intervals"]) == {"recall", "all_recall", "ndcg", "mrr"}
    for name in ("recall", "all_recall", "ndcg"):
        for k, (low, high) in value["intervals"][name].items():
            assert 0 <= low <= value[name][k] + 1e-6
            assert value[name][k] - 1e-6 <= high <= 1
            assert low < high
    assert evaluate(Listed(ANSWERS), many, resamples=0).intervals is None


def test_what_became_of_the_judge_is_counted_once_per_question() -> None:
    class Judged(Listed):
        def retrieve(self, queries: Sequence[str], *, k: int) -> list[Ranking]:
            said: dict[str, Recognition | None] = {
                "who": Recognition(status="failed", error="the server is down"),
                "why": Recognition(status="done", kept=(0,)),
                "how": Recognition(status="failed", error="the server is down"),
                "where": None,
            }
            return [
                replace(ranking, evidence=Evidence(recognition=said[ranking.query]))
                for ranking in super().retrieve(queries, k=k)
            ]

    result = evaluate(Judged({**ANSWERS, "who": ["a#1", "a#2", "b#1"]}), QUESTIONS, ks=(2,))
    assert result.recognition == {"done": 1, "failed": 2}
    assert list(result.recognition) == ["done", "failed"]


def test_the_run_measures_the_same_elsewhere(tmp_path: Path) -> None:
    result = evaluate(Listed(ANSWERS), QUESTIONS, ks=(2,))
    write_run(tmp_path / "a.run", result.run)
    ours = {ir_measures.R @ 2: result.recall[2], ir_measures.nDCG @ 2: result.ndcg[2], ir_measures.RR: result.mrr}
    theirs = ir_measures.calc_aggregate(list(ours), QUESTIONS.qrels, read_run(tmp_path / "a.run"))
    assert theirs == pytest.approx(ours)


def test_each_question_is_asked_alone_after_a_warm_up() -> None:
    retriever = Listed(ANSWERS)
    evaluate(retriever, QUESTIONS, ks=(2, 1))
    assert retriever.asked == [(("who",), 2), (("who",), 2), (("why",), 2), (("how",), 2), (("where",), 2)]


def test_latency_is_interpolated_between_questions_and_leaves_out_the_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 0.010, 5.0, 5.020, 7.0, 7.030, 9.0, 9.050])
    monkeypatch.setattr(experiment, "perf_counter", lambda: next(times))
    result = evaluate(Listed(ANSWERS), QUESTIONS, ks=(1,))
    assert result.latency_ms == pytest.approx({"p50": 25.0, "p95": 30 + 0.85 * 20})
    assert next(times, None) is None


def test_passages_of_one_document_count_once_at_the_best() -> None:
    retriever = Listed({"who": ["x#1", "x#2", "a#1", "x#3", "b#2", "a#2", "c"]})
    result = evaluate(retriever, question_set(Question(id="1", text="who", gold={"a": 1, "b": 1})), ks=(1, 2, 3))
    assert result.unit == "document"
    assert result.recall == {1: 0.0, 2: 0.5, 3: 1.0}
    assert result.run["1"] == {"x": 1.0, "a": 1 / 3, "b": 1 / 5}
    assert retriever.asked[1:] == [(("who",), 3), (("who",), 6)]


def test_more_is_asked_for_until_documents_fill_the_depth_or_end() -> None:
    retriever = Listed({"who": [f"x#{n}" for n in range(5)]})
    result = evaluate(retriever, question_set(Question(id="1", text="who", gold={"a": 1})), ks=(2,))
    assert [k for _, k in retriever.asked] == [2, 2, 4, 8]
    assert result.run["1"] == {"x": 1.0}


def test_gold_passages_are_ranked_among_passages() -> None:
    retriever = Listed({"who": ["x#1", "x#2", "a#2", "a#1", "b"]})
    result = evaluate(retriever, question_set(Question(id="1", text="who", gold={"a#1": 1})), ks=(1, 3, 4))
    assert result.unit == "passage"
    assert result.recall == {1: 0.0, 3: 0.0, 4: 1.0}
    assert result.mrr == 1 / 4
    assert list(result.run["1"]) == ["x#1", "x#2", "a#2", "a#1"]


def test_gold_may_mix_documents_and_passages() -> None:
    retriever = Listed({"who": ["x#1", "b#7", "b#8", "a#1"]})
    result = evaluate(retriever, question_set(Question(id="1", text="who", gold={"a#1": 1, "b": 1})), ks=(3,))
    assert list(result.run["1"]) == ["x#1", "b", "a#1"]
    assert result.all_recall == {3: 1.0}


def test_gold_that_is_not_in_the_index_is_named() -> None:
    questions = question_set(Question(id="1", text="who", gold={str(n): 1 for n in (9, 3, 7, 1, 5, 8, 2)}))
    with pytest.raises(InputError, match=r"^6 gold ids are not in the index: '9', '7', '1', '5', '8', \.\.\.; index"):
        evaluate(Listed({}), questions, known={"3"})
    assert evaluate(Listed({"who": ["3"]}), questions, known=[str(n) for n in range(10)]).n == 1


@pytest.mark.parametrize(("ks", "words"), [((), r"ks is \[\]"), ((0, 2), r"ks is \[0, 2\]")])
def test_depths_below_one_are_refused(ks: Sequence[int], words: str) -> None:
    with pytest.raises(InputError, match=words):
        evaluate(Listed(ANSWERS), QUESTIONS, ks=ks)


def test_questions_without_any_gold_are_refused() -> None:
    with pytest.raises(InputError, match="none of the 1 questions has gold"):
        evaluate(Listed(ANSWERS), question_set(Question(id="4", text="when")))


@pytest.mark.parametrize("second", [2.0, math.nan, -math.inf])
def test_scores_that_do_not_fall_are_refused(second: float) -> None:
    class Disorderly:
        def retrieve(self, queries: Sequence[str], *, k: int) -> list[Ranking]:
            passages = [Passage(id=id, document=id, text=id) for id in ("a", "b")]
            found = [Hit(passage=passages[0], score=1.0), Hit(passage=passages[1], score=second)]
            return [Ranking(query=query, hits=tuple(found)) for query in queries]

    with pytest.raises(InputError, match="passage 'b'"):
        evaluate(Disorderly(), QUESTIONS)


def test_a_retriever_that_finds_nothing_scores_nothing() -> None:
    result = evaluate(Listed({"who": []}), question_set(Question(id="1", text="who", gold={"a": 1})))
    assert (result.mrr, result.recall[10], result.run) == (0.0, 0.0, {"1": {}})


@given(st.lists(st.sampled_from("abcdefgh"), unique=True), st.sets(st.sampled_from("abcdefgh"), min_size=1))
def test_measures_only_grow_with_k_and_all_recall_is_the_stricter(found: list[str], gold: set[str]) -> None:
    question = Question(id="1", text="who", gold=dict.fromkeys(sorted(gold), 1))
    result = evaluate(Listed({"who": found}), question_set(question), ks=range(1, 9))
    for k in range(1, 9):
        assert result.recall[k] == len(gold & set(found[:k])) / len(gold)
        assert result.all_recall[k] <= result.recall[k]
