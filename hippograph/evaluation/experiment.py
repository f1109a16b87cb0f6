"""Ask a retriever all questions of a set, and measure what it finds and how long it takes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from time import perf_counter

import numpy as np

from hippograph.errors import InputError
from hippograph.evaluation.bootstrap import RESAMPLES, Interval
from hippograph.evaluation.by_measure import ByMeasure
from hippograph.evaluation.datasets import QuestionSet
from hippograph.evaluation.intervals import mean_intervals
from hippograph.evaluation.measures import Qrels, Run, all_recall, mean, ndcg, recall, reciprocal_rank
from hippograph.evaluation.results import Evaluation, TypeEvaluation
from hippograph.evaluation.units import Unit, check_known, counted_as, unit_of
from hippograph.protocols import Retriever
from hippograph.types import Hit, Ranking

__all__ = ["DEPTHS", "evaluate"]

DEPTHS = (2, 5, 10)
"""The customary depths for questions over two to four documents."""


def evaluate(
    retriever: Retriever,
    questions: QuestionSet,
    *,
    ks: Sequence[int] = DEPTHS,
    known: Container[str] | None = None,
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Measure a retriever on the questions that have gold.

    Gold may name documents or passages. Hits are ranked as documents, each at its best passage (MaxP), unless the
    gold names a passage that is a part of a document and was found: then the hits are ranked as passages, except
    those of documents that the gold names whole. If the hits are too few documents to fill the largest k, the
    retriever is asked for twice as many until they do or there are no more.

    Each question is asked alone, after one that is not counted. Its latency is the time of the first request, for as
    many hits as the largest k. Percentiles interpolate linearly between latencies (Hyndman and Fan, type 7).

    Parameters
    ----------
    retriever
        What to measure.
    questions
        The questions; those without gold are counted and left out.
    ks
        The depths to measure at.
    known
        The ids of all documents and passages of the index. If given, gold that is not among them is an error.
    resamples
        How many draws of the questions the confidence intervals rest on, at least 100; 0 leaves the intervals out.

    Returns
    -------
    The measures; apart from the latency they depend on nothing but the retriever's hits.

    Raises
    ------
    InputError
        If a k is below 1, no question has gold, gold is not in the index, there are too few resamples, or the
        retriever's hits do not fall in score.

    References
    ----------
    B. J. Gutiérrez et al., HippoRAG: neurobiologically inspired long-term memory for large language models
    (NeurIPS 2024): recall and all-recall at 2 and 5.
    Z. Dai, J. Callan, Deeper text understanding for IR with contextual neural language modeling (SIGIR 2019): MaxP.
    R. J. Hyndman, Y. Fan, Sample quantiles in statistical packages, The American Statistician 50(4), 1996.

    Examples
    --------
    >>> from hippograph.evaluation.datasets import Question
    >>> from hippograph.types import Passage, Ranking
    >>> class Fixed:
    ...     def retrieve(self, queries, *, k):
    ...         hits = [Hit(passage=Passage(id=id, document=id, text="..."), score=-i) for i, id in enumerate("abc")]
    ...         return [Ranking(query=query, hits=tuple(hits[:k])) for query in queries]
    >>> question = Question(id="q", text="Who?", gold={"a": 1, "c": 1})
    >>> evaluate(Fixed(), QuestionSet(questions=(question,)), ks=(2, 3)).to_json()["recall"]
    {'2': 0.5, '3': 1.0}
    """
    depths = sorted(set(ks))
    if not depths or depths[0] < 1:
        raise InputError(f"ks is {list(ks)}; give one or more whole numbers of at least 1")
    qrels = questions.qrels
    if not qrels:
        raise InputError(f"none of the {len(questions.questions)} questions has gold; give questions with gold")
    gold = {id for grades in qrels.values() for id in grades}
    if known is not None:
        check_known(qrels, known)
    texts = {question.id: question.text for question in questions.questions if question.gold}
    hits, latencies, recognition = _ask(retriever, texts, depth=depths[-1])
    unit = unit_of((hit.passage for found in hits.values() for hit in found), gold)
    run = {id: _collapsed(found, gold, unit=unit, depth=depths[-1]) for id, found in hits.items()}
    p50, p95 = np.percentile(latencies, [50, 95], method="linear").tolist()
    found = _per_question(qrels, run, depths)
    means = found.apply(mean)
    return Evaluation(
        n=len(qrels),
        n_without_gold=questions.n_without_gold,
        unit=unit,
        recall=means.recall,
        all_recall=means.all_recall,
        ndcg=means.ndcg,
        mrr=means.mrr,
        by_type=_by_type(questions, found, resamples),
        latency_ms={"p50": p50, "p95": p95},
        recognition=recognition,
        run=run,
        per_question=found,
        intervals=_intervals(found, resamples),
    )


def _ask(
    retriever: Retriever, texts: Mapping[str, str], *, depth: int
) -> tuple[dict[str, tuple[Hit, ...]], list[float], dict[str, int]]:
    found: dict[str, tuple[Hit, ...]] = {}
    latencies = []
    judged: Counter[str] = Counter()
    _retrieved(retriever, next(iter(texts.values())), k=depth)
    for id, text in texts.items():
        started = perf_counter()
        ranking = _retrieved(retriever, text, k=depth)
        latencies.append(1000 * (perf_counter() - started))
        if ranking.evidence.recognition is not None:
            judged[ranking.evidence.recognition.status] += 1
        hits, asked = ranking.hits, depth
        while len(hits) >= asked and len({hit.passage.document for hit in hits}) < depth:
            asked *= 2
            hits = _retrieved(retriever, text, k=asked).hits
        _check_scores(text, hits)
        found[id] = hits
    return found, latencies, dict(sorted(judged.items()))


def _retrieved(retriever: Retriever, text: str, *, k: int) -> Ranking:
    (ranking,) = retriever.retrieve([text], k=k)
    return ranking


def _check_scores(text: str, hits: Sequence[Hit]) -> None:
    before = math.inf
    for hit in hits:
        if not -math.inf < hit.score <= before:
            raise InputError(
                f"for {text!r} the retriever scored passage {hit.passage.id!r} {hit.score} after {before}; make it "
                "return finite scores, highest first"
            )
        before = hit.score


def _collapsed(hits: Sequence[Hit], gold: Container[str], *, unit: Unit, depth: int) -> dict[str, float]:
    scores: dict[str, float] = {}
    for hit in hits:
        scores.setdefault(counted_as(hit.passage, gold, unit=unit), hit.score)
        if len(scores) == depth:
            break
    return scores


def _per_question(qrels: Qrels, run: Run, depths: Sequence[int]) -> ByMeasure[Mapping[str, float]]:
    return ByMeasure(
        recall={k: recall(qrels, run, k=k) for k in depths},
        all_recall={k: all_recall(qrels, run, k=k) for k in depths},
        ndcg={k: ndcg(qrels, run, k=k) for k in depths},
        mrr=reciprocal_rank(qrels, run),
    )


def _by_type(
    questions: QuestionSet, found: ByMeasure[Mapping[str, float]], resamples: int
) -> dict[str, TypeEvaluation]:
    members: dict[str, list[str]] = {}
    for question in questions.questions:
        if question.gold and question.type:
            members.setdefault(question.type, []).append(question.id)
    return {name: _of_type(found, ids, resamples) for name, ids in sorted(members.items())}


def _of_type(found: ByMeasure[Mapping[str, float]], ids: Sequence[str], resamples: int) -> TypeEvaluation:
    part = found.apply(lambda values: {id: values[id] for id in ids})
    means = part.apply(mean)
    return TypeEvaluation(
        n=len(ids),
        recall=means.recall,
        all_recall=means.all_recall,
        ndcg=means.ndcg,
        mrr=means.mrr,
        intervals=_intervals(part, resamples),
    )


def _intervals(found: ByMeasure[Mapping[str, float]], resamples: int) -> ByMeasure[Interval] | None:
    if not resamples:
        return None
    columns = np.array([list(values.values()) for values in found.flat()])
    intervals = mean_intervals(columns.T, resamples=resamples)
    return None if intervals is None else found.filled(intervals)
