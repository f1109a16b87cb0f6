"""Have a reader answer all questions of a set, and measure its answers, what they rest on, and what they cost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from time import perf_counter
from typing import Final

import numpy as np

from hippograph.errors import InputError, ModelError
from hippograph.evaluation.answers import CONVENTIONS, citation_precision, citation_recall, exact_match, f1
from hippograph.evaluation.bootstrap import RESAMPLES, Interval, bootstrap_intervals
from hippograph.evaluation.datasets import Question, QuestionSet
from hippograph.evaluation.intervals import FEWEST_QUESTIONS, mean_intervals
from hippograph.evaluation.reading_results import Failure, Measure, ReadingEvaluation, ReadingMeasures, Spread
from hippograph.evaluation.units import check_known, counted_as, unit_of
from hippograph.protocols import LanguageModel, Reader
from hippograph.types import Answer, Passage

__all__ = ["evaluate_reader", "evidence_by_look_up", "passages_shown", "threads_for"]

_MOST_THREADS: Final = 8


def threads_for(model: LanguageModel | None) -> int:
    """Tell how many questions to read at a time: as many as the model answers at a time, at most 8."""
    return 1 if model is None else max(1, min(model.concurrency, _MOST_THREADS))


def evaluate_reader(
    reader: Reader,
    questions: QuestionSet,
    *,
    known: Container[str] | None = None,
    threads: int = 1,
    resamples: int = RESAMPLES,
    progress: Callable[[int, int], None] | None = None,
) -> ReadingEvaluation:
    """Measure a reader on the questions that have answers or gold; each measure on those that have what it needs.

    Against the answers: exact match and F1, the best over all acceptable answers. A question that the model failed at
    counts as wrong. Against the gold: precision and recall of the citations; the recall of the evidence, which is
    everything that the steps found; whether it holds all gold; and the recall of what was shown to the model, which is
    what steps of other kinds than `retrieve` have as hits, or everything if they have none. Gold may name documents or
    passages; these are counted as when retrievers are measured (`hippograph.evaluation.experiment.evaluate`).

    `evidence`, `by_look_up`, is the recall after the first, second, ... step of the kind `retrieve`; a question that
    had ended by then counts with what it had in the end.

    If the model cannot work any more, no other question is begun, and what was read until then is measured: the
    questions at which it showed are failures, and the result says how many were not read, and why.

    Parameters
    ----------
    reader
        What to measure.
    questions
        The questions; those with neither answers nor gold are counted and left out.
    known
        The ids of all documents and passages of the index. If given, gold that is not among them is an error.
    threads
        How many questions are read at a time; the reader must allow for it. The answers do not depend on it.
    resamples
        How many draws of the questions the confidence intervals rest on, at least 100; 0 leaves the intervals out.
    progress
        Is told how many questions have been read, and how many there are.

    Raises
    ------
    InputError
        If there is nothing to measure, gold is not in the index, or `threads` or `resamples` is too small.
    ModelError
        If no question at all can be read: a wrong key, no such model, no server.

    Examples
    --------
    >>> from hippograph.readers.desk import Desk, Draft
    >>> from hippograph.readers.reading import Reading
    >>> from hippograph.types import Ranking
    >>> class Knowing:
    ...     def retrieve(self, queries, *, k):
    ...         return [Ranking(query=query, hits=()) for query in queries]
    ...     def steps(self, question):
    ...         desk = Desk(question=question, retriever=self)
    ...         return Reading(reader="knowing", desk=desk, loop=self.loop(desk))
    ...     def loop(self, desk):
    ...         yield from desk.look_up([desk.question], k=1)
    ...         return Draft(text="the Oslo", sufficient=True)
    >>> question = Question(id="q", text="Where?", answers=("Oslo",), gold={"d": 1})
    >>> told = evaluate_reader(Knowing(), QuestionSet(questions=(question,))).to_json()
    >>> told["exact_match"], told["evidence"]["recall"], told["calls"]["mean"]
    ({'squad': 1.0, 'musique': 1.0}, 0.0, 0.0)
    """
    asked = [question for question in questions.questions if question.answers or question.gold]
    if not asked:
        raise InputError(
            f"none of the {len(questions.questions)} questions has answers or gold; give questions with one of them"
        )
    if threads < 1:
        raise InputError(f"threads is {threads}; give 1 or more")
    if known is not None:
        check_known(questions.qrels, known)
    answers, seconds, error = _read(reader, asked, threads=threads, progress=progress or _ignore)
    n_not_read = len(asked) - len(answers)
    asked = [question for question in asked if question.id in answers]
    gold = {id for question in asked for id in question.gold}
    unit = unit_of((hit.passage for answer in answers.values() for step in answer.steps for hit in step.hits), gold)

    def count(passages: Iterable[Passage]) -> list[str]:
        return [counted_as(passage, gold, unit=unit) for passage in passages]

    per_question = _per_question(asked, answers, count)
    spent = {id: _spent(answer) | {"seconds": seconds[id]} for id, answer in answers.items()}

    def measured(some: Sequence[Question]) -> ReadingMeasures:
        return _measured(some, answers, per_question, spent, resamples=resamples)

    types = sorted({question.type for question in asked if question.type})
    failed = [id for id, answer in answers.items() if answer.outcome == "failed"]
    return ReadingEvaluation(
        total=measured(asked),
        n_left_out=len(questions.questions) - len(asked) - n_not_read,
        n_not_read=n_not_read,
        error=error,
        unit=unit,
        threads=threads,
        by_type={name: measured([question for question in asked if question.type == name]) for name in types},
        failures=tuple(Failure(id=id, error=answers[id].error) for id in failed),
        answers=answers,
        seconds=seconds,
        per_question=per_question,
    )


def evidence_by_look_up(answer: Answer) -> list[tuple[Passage, ...]]:
    """Return what had been found after the first, second, ... look-up of an answer; the last is all evidence.

    A look-up is a step of the kind `retrieve`. What other steps have found counts with the look-up before them, or as
    the first.

    Returns
    -------
    At least one tuple of passages, each passage once, in the order in which they were found.

    Examples
    --------
    >>> from hippograph.types import Hit, Step
    >>> ship, town = (Hit(passage=Passage(id=id, document=id, text="..."), score=1.0) for id in ("ship", "town"))
    >>> first, think = Step(kind="retrieve", query="?", hits=(ship,)), Step(kind="think", query="?", hits=(ship,))
    >>> steps = (first, think, Step(kind="retrieve", query="!", hits=(town, ship)))
    >>> answer = Answer(question="?", text="Oslo", complete=True, steps=steps)
    >>> [[passage.id for passage in found] for found in evidence_by_look_up(answer)]
    [['ship'], ['ship', 'town']]
    """
    found: dict[str, Passage] = {}
    gathered: list[tuple[Passage, ...]] = []
    for step in answer.steps:
        found |= {hit.passage.id: hit.passage for hit in step.hits if hit.passage.id not in found}
        if step.kind == "retrieve" or (found and not gathered):
            gathered.append(())
        if gathered:
            gathered[-1] = tuple(found.values())
    return gathered or [()]


def passages_shown(answer: Answer) -> tuple[Passage, ...]:
    """Return what whoever answered was shown: the hits of all steps but look-ups, or of all steps if there are none.

    Returns
    -------
    Each passage once, in the order in which they were shown.
    """
    read = [hit.passage for step in answer.steps if step.kind != "retrieve" for hit in step.hits]
    shown = read or [hit.passage for step in answer.steps for hit in step.hits]
    return tuple({passage.id: passage for passage in shown}.values())


def _read(
    reader: Reader, asked: Sequence[Question], *, threads: int, progress: Callable[[int, int], None]
) -> tuple[dict[str, Answer], dict[str, float], str]:
    """Read the questions, several at a time; return answers and seconds in their order, and what has ended it."""
    errors: list[ModelError] = []

    def timed(question: Question) -> tuple[Answer, float] | None:
        if errors:
            return None
        began = perf_counter()
        reading = reader.steps(question.text)
        try:
            answer = reading.answer
        except ModelError as error:
            errors.append(error)
            # What was done until then is told.
            answer = replace(reading.answer, outcome="failed", complete=False, error=str(error), ended=str(error))
        return answer, perf_counter() - began

    answers: dict[str, Answer] = {}
    seconds: dict[str, float] = {}
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="reading")
    try:
        for question, read in zip(asked, pool.map(timed, asked), strict=True):
            if read is not None:
                answers[question.id], seconds[question.id] = read
                progress(len(answers), len(asked))
    finally:
        # After an error nothing more is begun.
        pool.shutdown(cancel_futures=True)
    if len(errors) == len(answers):
        raise errors[0]
    return answers, seconds, str(errors[0]) if errors else ""


def _ignore(read: int, of: int) -> None:
    """Take no notice of the progress."""


def _per_question(
    asked: Sequence[Question], answers: Mapping[str, Answer], count: Callable[[Iterable[Passage]], list[str]]
) -> dict[Measure, dict[str, float]]:
    """Return what each measure is for each question that has what it needs."""
    gathered = {
        question.id: [count(found) for found in evidence_by_look_up(answers[question.id])]
        for question in asked
        if question.gold
    }
    longest = max((len(look_ups) for look_ups in gathered.values()), default=0)
    values: dict[Measure, dict[str, float]] = {}
    for question in asked:
        answer = answers[question.id]
        told: dict[Measure, float] = {("complete",): float(answer.complete)}
        if question.answers:
            told |= _correctness(answer, question.answers)
        if question.gold:
            told |= _support(count(answer.citations), gathered[question.id], question.gold, look_ups=longest)
            told["evidence", "shown_recall"] = _share(question.gold, count(passages_shown(answer)))
        for measure, value in told.items():
            values.setdefault(measure, {})[question.id] = value
    order = [measure for measure in _measures(longest) if measure in values]
    return {measure: values[measure] for measure in order}


def _measures(look_ups: int) -> list[Measure]:
    """List all measures in the order in which they are told."""
    return [
        *(("exact_match", convention) for convention in CONVENTIONS),
        *(("f1", convention) for convention in CONVENTIONS),
        ("citations", "precision"),
        ("citations", "recall"),
        ("evidence", "recall"),
        ("evidence", "all_recall"),
        ("evidence", "shown_recall"),
        *(("evidence", "by_look_up", str(number)) for number in range(1, look_ups + 1)),
        ("complete",),
    ]


def _correctness(answer: Answer, wanted: Sequence[str]) -> dict[Measure, float]:
    failed = answer.outcome == "failed"
    match = 0.0 if failed else exact_match(answer.text, wanted)
    told: dict[Measure, float] = {}
    for convention in CONVENTIONS:
        told["exact_match", convention] = match
        told["f1", convention] = 0.0 if failed else f1(answer.text, wanted, convention=convention)
    return told


def _support(
    cited: Sequence[str], gathered: Sequence[Sequence[str]], gold: Mapping[str, int], *, look_ups: int
) -> dict[Measure, float]:
    shares = [_share(gold, found) for found in gathered]
    told: dict[Measure, float] = {
        ("citations", "precision"): citation_precision(cited, gold),
        ("citations", "recall"): citation_recall(cited, gold),
        ("evidence", "recall"): shares[-1],
        ("evidence", "all_recall"): float(shares[-1] == 1),
    }
    for number in range(1, look_ups + 1):
        told["evidence", "by_look_up", str(number)] = shares[min(number, len(shares)) - 1]
    return told


def _share(gold: Mapping[str, int], found: Iterable[str]) -> float:
    return len(gold.keys() & set(found)) / len(gold)


def _spent(answer: Answer) -> dict[str, float]:
    usage = answer.usage
    return {
        "found": _passages(evidence_by_look_up(answer)[-1]),
        "shown": _passages(passages_shown(answer)),
        "calls": usage.calls,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "tokens": usage.tokens,
        "reused": usage.reused,
        "cost": usage.cost,
    }


def _passages(found: Iterable[Passage]) -> int:
    # Summaries of layers look like passages of no document.
    return sum(bool(passage.document) for passage in found)


def _measured(
    some: Sequence[Question],
    answers: Mapping[str, Answer],
    per_question: Mapping[Measure, Mapping[str, float]],
    spent: Mapping[str, Mapping[str, float]],
    *,
    resamples: int,
) -> ReadingMeasures:
    ids = [question.id for question in some]
    columns = {
        measure: kept
        for measure, values in per_question.items()
        if (kept := [values[id] for id in ids if id in values])
    }
    outcomes = Counter(answers[id].outcome for id in ids)
    return ReadingMeasures(
        n=len(some),
        n_without_answers=sum(not question.answers for question in some),
        n_without_gold=sum(not question.gold for question in some),
        means={measure: math.fsum(values) / len(values) for measure, values in columns.items()},
        intervals=(_intervals(columns, resamples) or None) if resamples else None,
        spreads=_spreads([spent[id] for id in ids], resamples),
        outcomes=dict(sorted(outcomes.items(), key=lambda item: (-item[1], item[0]))),
    )


def _intervals(columns: Mapping[Measure, Sequence[float]], resamples: int) -> dict[Measure, Interval]:
    """Find the intervals, of all measures of the same questions at once."""
    found: dict[Measure, Interval] = {}
    for size in sorted({len(values) for values in columns.values()}):
        measures = [measure for measure, values in columns.items() if len(values) == size]
        intervals = mean_intervals(np.array([columns[measure] for measure in measures]).T, resamples=resamples)
        found |= dict(zip(measures, intervals or (), strict=bool(intervals)))
    return {measure: found[measure] for measure in columns if measure in found}


def _spreads(spent: Sequence[Mapping[str, float]], resamples: int) -> dict[str, Spread]:
    names = list(spent[0])
    values = np.array([[one[name] for name in names] for one in spent])
    intervals: Sequence[Interval | None] = [None] * len(names)
    if resamples and len(spent) >= FEWEST_QUESTIONS:
        intervals = bootstrap_intervals(values, resamples=resamples)
    p50, p95 = np.percentile(values, [50, 95], axis=0, method="linear").tolist()
    largest = values.max(axis=0).tolist()
    return {
        name: Spread(
            mean=math.fsum(values[:, place].tolist()) / len(spent),
            p50=p50[place],
            p95=p95[place],
            max=largest[place],
            interval=intervals[place],
        )
        for place, name in enumerate(names)
    }
