"""The reading of one question, step by step: watched, stopped, or read to its end."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from hippograph.completions import Completion
from hippograph.protocols import Reading as AnyReading
from hippograph.readers.answering import NOT_ENOUGH, Loop, never_shown, remarked, told
from hippograph.readers.budget import ReadingEndedError
from hippograph.readers.desk import Desk, Draft
from hippograph.readers.tasks import one_line
from hippograph.text.function_words import is_grammar
from hippograph.text.normalization import tokens
from hippograph.text.sentences import sentence_spans
from hippograph.types import Answer, Hit, Outcome, Step, Usage

__all__ = ["Reading", "Watch", "nearest_sentence", "watched"]

Watch: TypeAlias = Callable[[Step], bool | None]
"""Is told each step of a reading when it is done; returns True to stop."""


class Reading:
    """A question on its way to an answer: an iterator of steps.

    Parameters
    ----------
    reader
        The name of the reader.
    desk
        Where it is read.
    loop
        What is done there.

    Examples
    --------
    >>> from hippograph.types import Passage, Ranking
    >>> class Nearest:
    ...     def retrieve(self, queries, *, k):
    ...         hit = Hit(passage=Passage(id="fram", document="fram", text="The Fram lies in Oslo."), score=1.0)
    ...         return [Ranking(query=query, hits=(hit,)) for query in queries]
    >>> def look(desk):
    ...     [step] = desk.look_up([desk.question], k=1)
    ...     yield step
    ...     return Draft(text="Oslo", citations=(step.hits[0].passage,), sufficient=True)
    >>> desk = Desk(question="Where does the Fram lie?", retriever=Nearest())
    >>> reading = Reading(reader="looking", desk=desk, loop=look(desk))
    >>> [step.kind for step in reading], reading.answer.text, reading.answer.outcome
    (['retrieve'], 'Oslo', 'answered')
    """

    def __init__(self, *, reader: str, desk: Desk, loop: Loop) -> None:
        self._reader = reader
        self._desk = desk
        self._loop = loop
        self._steps: list[Step] = []
        self._answer: Answer | None = None
        self._run = self._to_the_end()

    def __iter__(self) -> Iterator[Step]:
        return self

    def __next__(self) -> Step:
        """Do the next step.

        Raises
        ------
        ModelError
            If something is wrong that concerns every question: a wrong key, no such model, no server.
        """
        step = next(self._run)
        self._steps.append(step)
        return step

    @property
    def answer(self) -> Answer:
        """What comes of it; what is left to do for it is done first."""
        for _ in self:
            pass
        if self._answer is None:
            # An error has ended it, which whoever caught it may want to look at from here.
            why = "the reading was ended by an error"
            self._answer = self._made(self._best("failed"), "failed", ended=why, error=why)
        return self._answer

    def stop(self) -> Answer:
        """Do nothing more, and return the best answer so far; an answer that stands already stays."""
        self._run.close()
        self._loop.close()
        if self._answer is None:
            self._answer = self._made(self._best("stopped"), "stopped", ended="it was stopped")
        return self._answer

    def _to_the_end(self) -> Generator[Step, None, None]:
        try:
            draft = yield from self._loop
        except ReadingEndedError as end:
            # A model that was given up because there is no time left has not failed.
            in_time = end.outcome != "failed" or not self._desk.is_out_of_time
            yield from self._close(end if in_time else ReadingEndedError("budget", end.reason))
            return
        said = next((step.reason for step in reversed(self._steps) if step.decision and step.reason), "")
        ended = said or ("the evidence is not enough" if self._desk.evidence else "no passage was found")
        outcome: Outcome = "answered" if draft.sufficient and draft.text else "not enough evidence"
        self._answer = self._made(draft, outcome, ended=ended)

    def _close(self, end: ReadingEndedError) -> Generator[Step, None, None]:
        """Make the best of it: ask once more for an answer from what is known, if that may be done."""
        desk, draft, error = self._desk, None, end.reason if end.outcome == "failed" else ""
        completion = self._asked_once_more()
        if completion is not None:
            step = told("answer", desk.question, completion, hits=desk.evidence)
            try:
                draft, remark = desk.close_with(completion)
                remark = "; ".join(filter(None, [remark, never_shown(desk)]))
                step, error = replace(remarked(step, remark), text=draft.text or NOT_ENOUGH), ""
            except ReadingEndedError as failed:
                error = error and f"{error}; and at the end, {failed.reason}"
            yield replace(step, decision="stop", reason=end.reason)
        best = draft if draft is not None and draft.text else self._best(end.outcome)
        if completion is None and not self._has_answered and desk.takes_last_step():
            yield Step(kind="stop", query=desk.question, text=best.text, decision="stop", reason=end.reason)
        outcome: Outcome = end.outcome
        if outcome == "failed" and draft is not None:
            outcome = "answered" if draft.sufficient else "not enough evidence"
        self._answer = self._made(best, outcome, ended=end.reason, error=error)

    def _asked_once_more(self) -> Completion | None:
        """Ask for an answer, unless that was what failed, there is nothing to answer from, or it may not be asked."""
        desk = self._desk
        if desk.model is None or not desk.evidence or self._has_answered:
            return None
        try:
            [completion] = desk.ask([desk.closing_request()], closing=True)
        except ReadingEndedError:
            return None
        return completion

    @property
    def _has_answered(self) -> bool:
        """Whether the last step was to answer, which was in vain if the reading has not ended with it."""
        return bool(self._steps) and self._steps[-1].kind == "answer"

    def _best(self, outcome: Outcome) -> Draft:
        """Return the best answer that needs no model; of a model that failed, nothing that it did not say."""
        desk = self._desk
        if desk.draft is not None and desk.draft.text:
            return desk.draft
        return Draft(text="") if outcome == "failed" else nearest_sentence(desk.question, desk.evidence)

    def _made(self, draft: Draft, outcome: Outcome, *, ended: str, error: str = "") -> Answer:
        return Answer(
            question=self._desk.question,
            text=draft.text or ("" if outcome == "failed" else NOT_ENOUGH),
            complete=outcome == "answered",
            outcome=outcome,
            ended=ended,
            reader=self._reader,
            citations=draft.citations,
            steps=tuple(self._steps),
            usage=sum((step.usage for step in self._steps), Usage()),
            error=error,
        )


def watched(reading: AnyReading, watch: Watch) -> Answer:
    """Read to the end, or until whoever is told of the steps says that it is enough.

    Parameters
    ----------
    reading
        What is read.
    watch
        Is told each step when it is done; returns True to stop.
    """
    for step in reading:
        if watch(step):
            return reading.stop()
    return reading.answer


def nearest_sentence(question: str, hits: Sequence[Hit]) -> Draft:
    """Return the sentence that has the most words of a question: what is left to say when no model may be asked.

    Examples
    --------
    >>> from hippograph.types import Passage
    >>> passage = Passage(id="fram", document="fram", text="She is a ship. The Fram lies in Oslo.")
    >>> nearest_sentence("Where does the Fram lie?", [Hit(passage=passage, score=1.0)]).text
    'The Fram lies in Oslo.'
    """
    wanted = {word.key for word in tokens(question) if not is_grammar(word.key)}
    best: tuple[int, Draft] = (-1, Draft(text=""))
    for hit in hits:
        text = hit.passage.text
        for first, last in sentence_spans(text):
            shared = len(wanted.intersection(word.key for word in tokens(text[first:last])))
            if shared > best[0]:
                best = shared, Draft(text=one_line(text[first:last]), citations=(hit.passage,))
    return best[1]
