"""Where a question is read: passages are looked up, the model is asked, and nothing is spent beyond the budget."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from time import monotonic, perf_counter
from typing import Final

from hippograph.completions import Completion, ModelRequest, Sampling
from hippograph.errors import InputError
from hippograph.protocols import LanguageModel, Retriever
from hippograph.readers.budget import ReadingBudget, ReadingEndedError
from hippograph.readers.curtailing import curtailed, is_too_long, left_out, retold, size
from hippograph.readers.exhibits import Arrangement, Exhibits, arranged
from hippograph.readers.tasks import AnswerReply, task_request
from hippograph.types import Hit, Passage, Step, Usage

__all__ = ["Desk", "Draft", "failure"]

# What a request may be longer than estimated, until answers tell the model's own count.
_DOUBT: Final = 1.1
# An answer shorter than this is not worth asking for, tokens.
_SHORTEST: Final = 48
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
    _begun: float = field(default_factory=monotonic, init=False)
    _steps: int = field(default=0, init=False)
    _calls: int = field(default=0, init=False)
    _tokens: int = field(default=0, init=False)
    _doubt: float = field(default=_DOUBT, init=False)
    _slowest: float = field(default=0.0, init=False)
    _calls_per_query: int = field(default=0, init=False)
    _ranks: dict[str, int] = field(default_factory=dict, init=False)
    _limit: int | None = field(default=None, init=False)

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
        self._check_time()
        self._take_steps(len(queries), kept_back=1)
        self._room_for_calls(len(queries) * self._calls_per_query, kept_back=1)
        began = perf_counter()
        rankings = (retriever or self.retriever).retrieve(queries, k=k + len(exclude)) if queries else []
        seconds = (perf_counter() - began) / max(1, len(queries))
        steps = []
        for ranking in rankings:
            judged = ranking.evidence.recognition
            usage = Usage() if judged is None else judged.usage
            self._calls_per_query = max(self._calls_per_query, usage.calls)
            self._calls += usage.calls
            self._tokens += usage.tokens
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
        self._check_time()
        self._take_steps(len(requests), kept_back=0 if closing else 1)
        asked = [self._within_limit(request) for request in requests]
        completions = self._sent(asked, closing=closing)
        spent = [Usage()] * len(asked)
        for _ in range(_HALVINGS):
            long = [place for place, answer in enumerate(completions) if is_too_long(asked[place], answer)]
            if long:
                self._limit = min(size(asked[place]) for place in long) // 2
            shorter = {place: self._within_limit(asked[place]) for place in long}
            shorter = {place: request for place, request in shorter.items() if size(request) < size(asked[place])}
            if not shorter:
                break
            try:
                again = self._sent(list(shorter.values()), closing=closing)
            except ReadingEndedError:
                break
            for (place, request), completion in zip(shorter.items(), again, strict=True):
                spent[place] += completions[place].usage
                asked[place], completions[place] = request, completion
        for message in (message for request in asked for message in request.messages):
            self.exhibits.sent(message.text)
        return [
            answer if request is shorter else self._retold(request, shorter, answer, spent=own)
            for request, shorter, answer, own in zip(requests, asked, completions, spent, strict=True)
        ]

    def closing_request(self) -> ModelRequest:
        """Return the request for an answer from what is known by now: `evidence` and `note`."""
        material: dict[str, object] = {"question": self.question, "passages": self.shown(self.evidence)}
        if self.note:
            material["note"] = self.note
        return task_request("answer", material, schema=AnswerReply, sampling=self.sampling)

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
        return Draft(text=reply.answer, citations=citations, sufficient=reply.sufficient and bool(reply.answer)), remark

    def takes_last_step(self) -> bool:
        """Take the step that was kept back, if there is one still."""
        most = self.budget.steps
        if most is not None and self._steps >= most:
            return False
        self._steps += 1
        return True

    def _take_steps(self, count: int, *, kept_back: int) -> None:
        most = self.budget.steps
        if most is not None and self._steps + count + kept_back > most:
            raise ReadingEndedError("budget", f"the budget of {most} steps is spent")
        self._steps += count

    def _room_for_calls(self, count: int, *, kept_back: int) -> int | None:
        """Return how many calls may be made, None for any number."""
        most = self.budget.calls
        if most is None:
            return None
        left = most - self._calls - kept_back
        if left < count:
            raise ReadingEndedError("budget", f"the budget of {most} calls is spent")
        return left

    def _sent(self, requests: Sequence[ModelRequest], *, closing: bool) -> list[Completion]:
        """Ask as often and as long as the budget allows."""
        self._check_time()
        left = self._room_for_calls(len(requests), kept_back=0 if closing else 1)
        asked = self._fitted(requests, closing=closing)
        if left is not None:
            each = left // max(1, len(requests))
            asked = [replace(request, attempts=min(each, request.attempts or each)) for request in asked]
        if self.model is None:
            raise InputError("this reader asks a language model, and there is none; give it one")
        completions = self._awaited([self.model.submit(request) for request in asked], closing=closing)
        for request, completion in zip(asked, completions, strict=True):
            self._book(request, completion)
        return completions

    def _within_limit(self, request: ModelRequest) -> ModelRequest:
        """Leave out of a request what the model is known to have no room for."""
        return request if self._limit is None else curtailed(request, self._limit, rank=self._rank)

    def _rank(self, number: int) -> int:
        """Return the best rank that a passage has had."""
        return self._ranks.get(self.exhibits.passages[number - 1].id, len(self._ranks))

    def _retold(
        self, request: ModelRequest, shorter: ModelRequest, completion: Completion, *, spent: Usage
    ) -> Completion:
        unseen = frozenset(self.exhibits.passages[number - 1].id for number in left_out(request, shorter))
        return retold(request, shorter, completion, unseen=unseen, spent=spent)

    def _fitted(self, requests: Sequence[ModelRequest], *, closing: bool) -> list[ModelRequest]:
        """Let the answers be as long as the budget of tokens allows."""
        most = self.budget.tokens
        if most is None or not requests:
            return list(requests)
        reading = sum(map(self._read, requests))
        left = most - self._tokens - reading
        if not closing:
            left -= self._read(self._within_limit(self.closing_request())) + _SHORTEST
        each = left // len(requests)
        if each < _SHORTEST:
            raise ReadingEndedError("budget", f"the budget of {most} tokens is spent")
        fitted = [_shortened(request, each) for request in requests]
        # An answer of the wrong form is asked for again, and everything read a second time.
        if left < reading + 2 * sum(request.sampling.max_tokens for request in fitted):
            fitted = [replace(request, attempts=1) for request in fitted]
        return fitted

    def _read(self, request: ModelRequest) -> int:
        return int(self._doubt * size(request)) + 1

    def _awaited(self, futures: Sequence[Future[Completion]], *, closing: bool) -> list[Completion]:
        until = self._until
        if until is not None and not closing:
            until -= self._slowest
        try:
            return [
                future.result(timeout=None if until is None else max(0.0, until - monotonic())) for future in futures
            ]
        except TimeoutError:
            self._calls += len(futures)
            raise ReadingEndedError("budget", f"the budget of {self.budget.seconds:g} seconds is spent") from None
        finally:
            for future in futures:
                future.cancel()

    def _book(self, request: ModelRequest, completion: Completion) -> None:
        worth = completion.worth
        # An answer known from before may have cost more than would have been allowed now.
        calls = max(1, worth.calls)
        self._calls += calls if request.attempts is None else min(calls, request.attempts)
        self._tokens += worth.tokens
        self._slowest = max(self._slowest, completion.seconds)
        if worth.calls == 1 and worth.input_tokens:
            self._doubt = max(self._doubt, worth.input_tokens / max(1, size(request)))

    @property
    def _until(self) -> float | None:
        return None if self.budget.seconds is None else self._begun + self.budget.seconds

    def _check_time(self) -> None:
        if self._until is not None and monotonic() >= self._until:
            raise ReadingEndedError("budget", f"the budget of {self.budget.seconds:g} seconds is spent")


def _shortened(request: ModelRequest, tokens: int) -> ModelRequest:
    if request.sampling.max_tokens <= tokens:
        return request
    return replace(request, sampling=replace(request.sampling, max_tokens=tokens))


def failure(completion: Completion) -> str:
    """Say what is wrong with a completion, for people."""
    return f"the model's answer is {completion.status}: {completion.error}"
