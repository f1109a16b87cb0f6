"""Measures of a ranking, over qrels and runs: each maps questions to values, and `mean` sums them up.

A document is relevant if its grade is above 0. A question is measured if it has a relevant document; if the run lacks
it, its value is 0, as with `trec_eval -c`.

The order of a run is its scores, highest first; equal scores are ordered by id, lowest first. trec_eval and
ir-measures order equal scores by id too, but highest first, and compare scores in single precision. Given the same
order (`hippograph.evaluation.runs.write_run` writes scores without ties) the values are the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

from hippograph.errors import InputError

__all__ = ["Qrels", "Run", "all_recall", "mean", "ndcg", "ranked", "recall", "reciprocal_rank"]

Qrels: TypeAlias = Mapping[str, Mapping[str, int]]
"""Relevance judgements: question id -> document id -> grade."""

Run: TypeAlias = Mapping[str, Mapping[str, float]]
"""What a retriever found: question id -> document id -> score, finite; higher is better."""


def ranked(scores: Mapping[str, float]) -> list[str]:
    """Order documents by score, highest first, and by id where scores are equal.

    Examples
    --------
    >>> ranked({"c": 0.5, "b": 0.5, "a": 0.1})
    ['b', 'c', 'a']
    """
    return sorted(scores, key=lambda document: (-scores[document], document))


def recall(qrels: Qrels, run: Run, *, k: int) -> dict[str, float]:
    """Share of the relevant documents that are among the first `k`.

    R@k = |relevant in the first k| / |relevant|

    Parameters
    ----------
    qrels
        The judgements.
    run
        The rankings.
    k
        How many documents count, at least 1.

    Returns
    -------
    A value from 0 to 1 per measured question, in the order of the qrels.

    Raises
    ------
    InputError
        If `k` is below 1.

    References
    ----------
    C. D. Manning, P. Raghavan, H. Schütze, Introduction to Information Retrieval (2008), section 8.3.

    Examples
    --------
    >>> recall({"q": {"a": 1, "b": 1}}, {"q": {"a": 0.9, "x": 0.8, "b": 0.7}}, k=2)
    {'q': 0.5}
    """
    return {
        question: sum(document in relevant for document in _first(run, question, k)) / len(relevant)
        for question, relevant in _relevant(qrels).items()
    }


def all_recall(qrels: Qrels, run: Run, *, k: int) -> dict[str, float]:
    """1 if all relevant documents are among the first `k`, else 0; the mean is the share of such questions.

    A question over several documents can be answered only if all of them are found.

    Parameters
    ----------
    qrels
        The judgements.
    run
        The rankings.
    k
        How many documents count, at least 1.

    Returns
    -------
    0 or 1 per measured question, in the order of the qrels.

    Raises
    ------
    InputError
        If `k` is below 1.

    References
    ----------
    B. J. Gutiérrez et al., HippoRAG: neurobiologically inspired long-term memory for large language models
    (NeurIPS 2024): AR@k.

    Examples
    --------
    >>> all_recall({"q": {"a": 1, "b": 1}}, {"q": {"a": 0.9, "x": 0.8, "b": 0.7}}, k=3)
    {'q': 1.0}
    """
    return {
        question: float(relevant.keys() <= set(_first(run, question, k)))
        for question, relevant in _relevant(qrels).items()
    }


def ndcg(qrels: Qrels, run: Run, *, k: int) -> dict[str, float]:
    """Discounted gain of the first `k` documents, as a share of the best possible.

    nDCG@k = DCG@k / (DCG@k of the documents by falling grade), with DCG@k = sum over ranks r <= k of
    grade / log2(r + 1). The gain is the grade itself, as in trec_eval's `ndcg_cut`, not 2 ** grade - 1.

    Parameters
    ----------
    qrels
        The judgements.
    run
        The rankings.
    k
        How many documents count, at least 1.

    Returns
    -------
    A value from 0 to 1 per measured question, in the order of the qrels.

    Raises
    ------
    InputError
        If `k` is below 1.

    References
    ----------
    K. Järvelin, J. Kekäläinen, Cumulated gain-based evaluation of IR techniques, ACM TOIS 20(4), 2002.

    Examples
    --------
    >>> ndcg({"q": {"a": 2, "b": 1}}, {"q": {"b": 0.9, "a": 0.8}}, k=2)
    {'q': 0.859...}
    """
    return {
        question: _gain([relevant.get(document, 0) for document in _first(run, question, k)])
        / _gain(sorted(relevant.values(), reverse=True)[:k])
        for question, relevant in _relevant(qrels).items()
    }


def reciprocal_rank(qrels: Qrels, run: Run) -> dict[str, float]:
    """1 / rank of the first relevant document, 0 if there is none; the mean is the MRR.

    Parameters
    ----------
    qrels
        The judgements.
    run
        The rankings; all of each counts.

    Returns
    -------
    A value from 0 to 1 per measured question, in the order of the qrels.

    References
    ----------
    E. M. Voorhees, The TREC-8 question answering track report (1999), section 3.

    Examples
    --------
    >>> reciprocal_rank({"q": {"a": 1}}, {"q": {"x": 0.9, "a": 0.8}})
    {'q': 0.5}
    """
    return {
        question: next(
            (1 / rank for rank, document in enumerate(ranked(run.get(question, {})), start=1) if document in relevant),
            0.0,
        )
        for question, relevant in _relevant(qrels).items()
    }


def mean(values: Mapping[str, float]) -> float:
    """Average over questions, exactly rounded, so that their order does not matter.

    Raises
    ------
    InputError
        If there are no values.

    Examples
    --------
    >>> mean({"q1": 1.0, "q2": 0.5})
    0.75
    """
    if not values:
        raise InputError(
            "no question has a relevant document, so there is nothing to average; give questions with gold"
        )
    return math.fsum(values.values()) / len(values)


def _relevant(qrels: Qrels) -> dict[str, dict[str, int]]:
    positive = {
        question: {document: grade for document, grade in grades.items() if grade > 0}
        for question, grades in qrels.items()
    }
    return {question: grades for question, grades in positive.items() if grades}


def _first(run: Run, question: str, k: int) -> list[str]:
    if k < 1:
        raise InputError(f"k is {k}; give a whole number of at least 1")
    return ranked(run.get(question, {}))[:k]


def _gain(grades: list[int]) -> float:
    return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, start=1))
