"""Where a question is read: passages are looked up, the model is asked, and nothing is spent beyond the budget."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

from hippograph.completions import Completion, ModelRequest, Sampling
from hippograph.errors import InputError
from hippograph.protocols import Asking, LanguageModel, Retriever
from hippograph.readers.budget import ReadingBudget, ReadingEndedError
from hippograph.readers.curtailing import curtailed, is_too_long, left_out, retold, size
from hippograph.readers.exhibits import Arrangement, Exhibits, arranged, grounded
from hippograph.readers.metering import Meter
from hippograph.readers.tasks import AnswerReply, task_request
from hippograph.types import Hit, Passage, Step, Usage

__all__ = ["Desk", "Draft", "failure"]

# A prompt that is too long for the model is halved at most this often.
_HALVINGS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An answer that a reading may end with.

    Parameters
    ----------
    text
        The answer; empty if there is not even a guess.
    citations
        The passages it rests on.
    sufficient
        Whether the evidence is enough for it.
    """

    text: str
    citations: tuple[Passage, ...] = ()
    sufficient: bool = False


@dataclass(kw_only=True)
class Desk:
    """The state of one reading.

    A loop sets `evidence` and `note` to what it would answer from if it had to end at once, and `draft` to the best
    answer it has; whoever drives the loop ends the reading with these when something is spent or fails.

    Parameters
    ----------
    question
        What is read.
    retriever
        Looks things up.
    model
        Is asked; None for readers that ask nobody.
    sampling
        How the model chooses its words.
    budget
        What may be spent.
    arrangement
        How passages are laid out.

    Attributes
    ----------
    exhibits
        The passages that the model was shown, by number.
    evidence
        The passages to answer from, best first.
    note
        What is known by now.
    draft
        The best answer so far.
    """

    question: str
    retriever: Retriever
    model: LanguageModel | None = None
    sampling: Sampling = field(default_factory=Sampling)
    budget: ReadingBudget = field(default_factory=ReadingBudget)
    arrangement: Arrangement = "ranked"
    exhibits: Exhibits = field(default_factory=Exhibits, init=False)
    evidence: tuple[Hit, ...] = field(default=(), init=False)
    note: str = field(default="", init=False)
    draft: Draft | None = field(default=None, init=False)
    _meter: Meter = field(init=False)
    _seen_per_query: int = field(default=0, init=False)
    _ranks: dict[str, int] = field(default_factory=dict, init=False)
    _limit: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._meter = Meter(budget=self.budget)

    def look_up(
        self, queries: Sequence[str], *, k: int, exclude: Collection[str] = (), retriever: Retriever | None = None
    ) -> list[Step]:
        """Look up queries, each apart.

        Parameters
        ----------
        queries
            What to look for.
        k
            How many passages of each.
        exclude
            Ids of passages that are not wanted; others take their places.
        retriever
            Another than the reading's own.

        Returns
        -------
        A step of the kind `retrieve` for each query.

        Raises
        ------
        ReadingEndedError
            If the budget does not allow it.
        InputError
            If a query is blank.
        """
        found_by = retriever or self.retriever
        self._meter.check_time(closing=False)
        self._meter.take_steps(len(queries), kept_back=1)
        self._meter.calls_left(len(queries) * self._calls_per_query(found_by), kept_back=1)
        began = perf_counter()
        rankings = found_by.retrieve(queries, k=k + len(exclude)) if queries else []
        seconds = (perf_counter() - began) / max(1, len(queries))
        steps = []
        for ranking in rankings:
            judged = ranking.evidence.recognition
            usage = Usage() if judged is None else judged.usage
            worth = Usage() if judged is None else judged.worth
            self._meter.book(worth)
            if found_by is self.retriever:
                self._seen_per_query = max(self._seen_per_query, worth.calls)
            hits = tuple(hit for hit in ranking.hits if hit.passage.id not in exclude)[:k]
            for rank, hit in enumerate(hits):
                self._ranks[hit.passage.id] = min(rank, self._ranks.get(hit.passage.id, rank))
            remark = "" if judged is None else judged.error
            steps.append(
                Step(kind="retrieve", query=ranking.query, hits=hits, remark=remark, usage=usage, seconds=seconds)
            )
        return steps

    def shown(self, hits: Sequence[Hit]) -> list[dict[str, str | int]]:
        """Lay passages, given best first, out as a prompt tells them; each gets its number."""
        for hit in hits:
            self.exhibits.number(hit.passage)
        return self.exhibits.show(arranged([hit.passage for hit in hits], self.arrangement))

    def ask(self, requests: Sequence[ModelRequest], *, closing: bool = False) -> list[Completion]:
        """Ask the model several things at a time; each is a step.

        What is too long for the model is asked again with less evidence, and nothing is asked that long any more.

        Parameters
        ----------
        requests
            What to ask.
        closing
            Whether what comes of it can end the reading. Otherwise as much is kept back as one more answer takes.

        Returns
        -------
        The completions, in the order of the requests.

        Raises
        ------
        ReadingEndedError
            If the budget does not allow it, or it took too long.
        ModelError
            If something is wrong that concerns all requests.
        """
        self._meter.check_time(closing=closing)
        self._meter.take_steps(len(requests), kept_back=0 if closing else 1)
        shorter = [self._within_limit(request) for request in requests]
        sent = self._sent(shorter, closing=closing)
        spent = [Usage()] * len(sent)
        for _ in range(_HALVINGS):
            long = [place for place, (request, answer) in enumerate(sent) if is_too_long(request, answer)]
            if long:
                self._limit = min(size(shorter[place]) for place in long) // 2
            halved = {place: self._within_limit(shorter[place]) for place in long}
            halved = {place: request for place, request in halved.items() if size(request) < size(shorter[place])}
            if not halved:
                break
            try:
                again = self._sent(list(halved.values()), closing=closing)
            except ReadingEndedError:
                break
            for (place, request), one in zip(halved.items(), again, strict=True):
                spent[place] += sent[place][1].usage
                shorter[place], sent[place] = request, one
        asked, completions = shorter, [answer for _, answer in sent]
        for message in (message for request in asked for message in request.messages):
            self.exhibits.sent(message.text)
        return [
            answer if request is shorter else self._retold(request, shorter, answer, spent=own)
            for request, shorter, answer, own in zip(requests, asked, completions, spent, strict=True)
        ]

    def closing_request(self) -> ModelRequest:
        """Return the request for an answer from what is known by now: `evidence` and `note`."""
        return self._closing(self.shown)

    def _closing(self, lay_out: Callable[[Sequence[Hit]], list[dict[str, str | int]]]) -> ModelRequest:
        material: dict[str, object] = {"question": self.question, "passages": lay_out(self.evidence)}
        if self.note:
            material["note"] = self.note
        return task_request("answer", material, schema=AnswerReply, sampling=self.sampling)

    def _unnumbered(self, hits: Sequence[Hit]) -> list[dict[str, str | int]]:
        """Lay passages out to see how long a prompt would be; their numbers are places, and none is given to them."""
        return [
            {"number": place, "title": hit.passage.title, "text": hit.passage.text}
            for place, hit in enumerate(hits, start=1)
        ]

    def close_with(self, completion: Completion) -> tuple[Draft, str]:
        """Make a draft of what came of `closing_request`, and a remark about what was mended.

        Raises
        ------
        ReadingEndedError
            If the model did not answer, or not usably.
        """
        reply = completion.value
        if not isinstance(reply, AnswerReply):
            raise ReadingEndedError("failed", failure(completion))
        citations, remark = self.exhibits.cited(reply.support)
        ranks = {hit.passage.id: rank for rank, hit in enumerate(self.evidence)}
        citations = tuple(sorted(citations, key=lambda passage: ranks.get(passage.id, len(ranks))))
        enough, doubt = grounded(reply.answer, citations, sufficient=reply.sufficient)
        remarks = "; ".join(filter(None, [remark, doubt]))
        return Draft(text=reply.answer, citations=citations, sufficient=enough), remarks

    def takes_last_step(self) -> bool:
        """Take the step that was kept back, if there is one still."""
        try:
            self._meter.take_steps(1, kept_back=0)
        except ReadingEndedError:
            return False
        return True

    def check_time(self) -> None:
        """End the reading if there is no time left."""
        self._meter.check_time()

    @property
    def is_out_of_time(self) -> bool:
        """Whether there is no time left for anything but to close."""
        return self._meter.is_out_of_time

    def room_for_queries(self, *, calls: int = 0) -> int | None:
        """Return how many queries may still be looked up, after so many calls of the model; None for any number."""
        steps = self._meter.steps_left(kept_back=1 + calls)
        if not (self.budget.calls and self._calls_per_query(self.retriever)):
            return steps
        try:
            left = self._meter.calls_left(0, kept_back=1 + calls) or 0
        except ReadingEndedError:
            left = 0
        asked = left // self._calls_per_query(self.retriever)
        return asked if steps is None else min(steps, asked)

    def _calls_per_query(self, retriever: Retriever) -> int:
        declared = retriever.calls_per_query if isinstance(retriever, Asking) else 0
        return max(declared, self._seen_per_query if retriever is self.retriever else 0)

    def _sent(self, requests: Sequence[ModelRequest], *, closing: bool) -> list[tuple[ModelRequest, Completion]]:
        """Ask as often and as long as the budget allows; return what was asked, and what came of it."""
        self._meter.check_time(closing=closing)
        after = None if closing else self._closing(self._unnumbered)
        if after is not None and self._limit is not None:
            after = curtailed(after, self._limit, rank=float)
        asked = self._meter.fitted(requests, closing=after)
        if self.model is None:
            raise InputError("this reader asks a language model, and there is none; give it one")
        futures = [self.model.submit(request) for request in asked]
        return list(zip(asked, self._meter.awaited(asked, futures, closing=closing), strict=True))

    def _within_limit(self, request: ModelRequest) -> ModelRequest:
        """Leave out of a request what the model is known to have no room for."""
        return request if self._limit is None else curtailed(request, self._limit, rank=self._rank)

    def _rank(self, number: int) -> int:
        """Return the rank of a passage: in the evidence, or, behind that, the best that it has had."""
        id = self.exhibits.passages[number - 1].id
        known = {hit.passage.id: rank for rank, hit in enumerate(self.evidence)}
        return known.get(id, len(known) + self._ranks.get(id, len(self._ranks)))

    def _retold(
        self, request: ModelRequest, shorter: ModelRequest, completion: Completion, *, spent: Usage
    ) -> Completion:
        unseen = frozenset(self.exhibits.passages[number - 1].id for number in left_out(request, shorter))
        return retold(request, shorter, completion, unseen=unseen, spent=spent)


def failure(completion: Completion) -> str:
    """Say what is wrong with a completion, for people."""
    return f"the model's answer is {completion.status}: {completion.error}"
