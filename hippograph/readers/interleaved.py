"""The reader that thinks aloud: each thought is looked up, and what it finds leads to the next (IRCoT)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict

from hippograph.completions import Completion, ModelRequest
from hippograph.errors import InputError
from hippograph.protocols import Retriever
from hippograph.readers.answering import Loop, answered, never_shown, remarked, told
from hippograph.readers.clues import first_look
from hippograph.readers.desk import Desk, Draft
from hippograph.readers.interleaved_search import InterleavedSearch, Trail
from hippograph.readers.model_reader import ModelReader
from hippograph.readers.tasks import AnswerReply, Line, Numbers, task_request
from hippograph.types import Hit, Ranking, Step

__all__ = ["InterleavedReader", "ThinkReply"]

_READ_IN_PARITY: Final = 5
"""How many passages HippoRAG's stage of question answering reads."""


class ThinkReply(BaseModel):
    """What the model is to say to the task `think`; what belongs to the end of the chain may be left out before."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    thought: Line
    done: bool
    answer: Line = ""
    support: Numbers = []
    sufficient: bool = False


@dataclass(frozen=True, kw_only=True)
class InterleavedReader(ModelReader):
    """Answer a question by a chain of thoughts, each of which is looked up (IRCoT).

    The question is looked up, and the model says a thought. The thought alone is looked up, and what it finds is
    merged with what was found before: each passage keeps its best score. The best `k` passages and the chain lead to
    the next thought; the one that ends the chain has the answer. Where the chain ends without (at `max_steps`, after
    `patience` looks that brought nothing new, with a thought that says nothing new, or with a model that does not
    think), the model answers from the best passages and the chain.

    Calls: 1 for each thought; 1 more if the last has no answer; at most `max_steps` together, whatever happens. With
    `parity`, always 1 more than thoughts. `clue` takes 1 more.

    Parameters
    ----------
    k
        How many passages are looked up at a time, and shown; 10 in HippoRAG's experiments.
    max_steps
        How often to look at most, the question included; in HippoRAG's experiments 4 for MuSiQue, 2 for other sets.
    patience
        Stop after so many looks in a row that brought nothing new among the best `k`. Ours.
    parity
        Repeat what HippoRAG's program does: scores are merged as they are, only the model or `max_steps` ends the
        chain, and the answer is asked for apart, from the 5 best passages alone.

    References
    ----------
    Trivedi et al., Interleaving Retrieval with Chain-of-Thought Reasoning for Knowledge-Intensive Multi-Step Questions
    (ACL 2023), section 3; Gutiérrez et al., HippoRAG (NeurIPS 2024), section 3.

    Examples
    --------
    >>> from hippograph.testing.scripted import ScriptedModel
    >>> from hippograph.types import Passage
    >>> class Nearest:
    ...     def retrieve(self, queries, *, k):
    ...         found = {query: "archer" if "Archer" in query else "fram" for query in queries}
    ...         return [Ranking(query=query, hits=(Hit(passage=Passage(id=id, document=id, text=id), score=1.0),))
    ...                 for query, id in found.items()]
    >>> first = '{"thought": "The Fram was built by Colin Archer.", "done": false}'
    >>> last = '{"thought": "He was Norwegian.", "done": true, "answer": "Norway", "support": [2], "sufficient": true}'
    >>> reader = InterleavedReader(retriever=Nearest(), model=ScriptedModel(answers=[first, last]))
    >>> answer = reader.read("Whence came the builder of the Fram?")
    >>> [(step.kind, step.query) for step in answer.steps[1:3]], answer.text, answer.usage.calls
    ([('think', 'Whence came the builder of the Fram?'), ('retrieve', 'The Fram was built by Colin Archer.')],
     'Norway', 2)
    """

    name: ClassVar[str] = "ircot"

    k: int = 10
    max_steps: int = 4
    patience: int = 2
    parity: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("max_steps", "patience"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; give 1 or more")

    def _loop(self, desk: Desk) -> Loop:
        search = InterleavedSearch(max_steps=self.max_steps, patience=self.patience, shown=self.k, parity=self.parity)
        # A step tells hits alone; to merge rankings of walks and of cosines, it has to be known which is which.
        desk.retriever = shelf = _Recorder(desk.retriever)
        yield from first_look(desk, k=self.k, clue=self.clue)
        trail = search.begin(desk.question, shelf.rankings)
        if not trail.hits:
            return Draft(text="")
        while search.goes_on(trail):
            desk.evidence = trail.hits[: self.k]
            [completion] = desk.ask([self._request(desk, trail)])
            step, draft, thought = self._thought(desk, trail, search, completion)
            yield step
            if draft is not None:
                return draft
            if step.decision == "stop":
                break
            ranking = None
            if search.is_new(thought, trail):
                [found] = desk.look_up([search.to_look_up(thought)], k=self.k)
                ranking = shelf.rankings[-1]
                before, trail = trail, search.follow(trail, thought, ranking)
                yield _judged(found, before, trail, search)
            else:
                trail = search.follow(trail, thought, None)
        desk.evidence = trail.hits[: self.k]
        if self.parity:
            desk.evidence, desk.note = trail.hits[:_READ_IN_PARITY], ""
        return (yield from answered(desk))

    def _request(self, desk: Desk, trail: Trail) -> ModelRequest:
        hits: Sequence[Hit] = trail.hits[: self.k]
        numbers = {hit.passage.id: desk.exhibits.number(hit.passage) for hit in hits}
        if desk.arrangement == "ranked" and not self.parity:
            # Those shown before come first, in the order they had, so that a server has this beginning already.
            hits = sorted(hits, key=lambda hit: numbers[hit.passage.id])
        material = {"question": desk.question, "passages": desk.shown(hits), "thoughts": list(trail.thoughts)}
        return task_request("think", material, schema=ThinkReply, sampling=desk.sampling)

    def _thought(
        self, desk: Desk, trail: Trail, search: InterleavedSearch, completion: Completion
    ) -> tuple[Step, Draft | None, str]:
        """Return the step, the draft if the chain ends with an answer, and the thought."""
        step = told("think", desk.question, completion, hits=trail.hits[: self.k])
        reply = completion.value
        if not isinstance(reply, ThinkReply):
            return _decided(step, "stop", "there is no thought to go on with"), None, ""
        is_new = search.is_new(reply.thought, trail)
        chain = "\n".join([*trail.thoughts, reply.thought] if is_new else trail.thoughts)
        said = AnswerReply(answer=reply.answer, support=reply.support, sufficient=reply.sufficient and reply.done)
        draft, remark = desk.close_with(replace(completion, value=said))
        step = replace(remarked(step, remark), text=reply.thought, note_before=desk.note, note_after=chain)
        desk.note = chain
        if draft.text:
            desk.draft = draft
        if reply.done and draft.text and not self.parity:
            step = remarked(step, never_shown(desk))
            enough = "the passages contain it" if draft.sufficient else "the passages do not contain it"
            return _decided(step, "stop", f"the chain ends with an answer; {enough}"), draft, ""
        if reply.done:
            return _decided(step, "stop", "the chain ends; the answer is asked for apart"), None, ""
        if not self.parity and not is_new:
            return _decided(step, "stop", "the thought says nothing new"), None, ""
        return _decided(step, "go on", "the chain has not ended"), None, reply.thought


def _decided(step: Step, decision: str, reason: str) -> Step:
    return replace(step, decision=decision, reason=reason)


def _judged(found: Step, before: Trail, after: Trail, search: InterleavedSearch) -> Step:
    """Say what a look brought, and what comes next."""
    known = {passage.id for passage in before.passages}
    fresh = sum(passage.id not in known for passage in after.passages)
    if search.goes_on(after):
        return _decided(found, "go on", f"new among the best {after.shown}: {fresh}")
    if after.steps >= search.max_steps:
        return _decided(found, "stop", f"this was look {after.steps} of {search.max_steps}")
    return _decided(found, "stop", f"{after.stalled} looks in a row brought nothing new among the best {after.shown}")


@dataclass(frozen=True)
class _Recorder:
    """A retriever that keeps what it found."""

    within: Retriever
    rankings: list[Ranking] = field(default_factory=list)

    def retrieve(self, queries: Sequence[str], *, k: int) -> list[Ranking]:
        found = self.within.retrieve(queries, k=k)
        self.rankings.extend(found)
        return found
