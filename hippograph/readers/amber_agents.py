"""Those who keep Amber's memory: a reviewer, a challenger and a refiner, and the collector who says what comes next."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, ConfigDict

from hippograph.completions import Completion
from hippograph.readers.answering import never_shown, remarked, told
from hippograph.readers.curtailing import CurtailedCompletion
from hippograph.readers.desk import Desk, Draft
from hippograph.readers.queries import new_queries
from hippograph.readers.tasks import AnswerReply, Line, Numbers, Texts, task_request
from hippograph.types import Hit, Step

__all__ = ["Brief", "Update", "conferred", "revised"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What the agents are given.

    Parameters
    ----------
    evidence
        What the filter kept, as a prompt tells it.
    hits
        The passages it is from.
    asked
        All that was looked up.
    most
        How many questions may be looked up next; 0 for none.
    found
        What the filter did, for people.
    waits
        Whether there are passages that the filter has had no room for.
    """

    evidence: Sequence[dict[str, str | int]]
    hits: tuple[Hit, ...]
    asked: tuple[str, ...]
    most: int
    found: str = ""
    waits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What comes of it.

    Parameters
    ----------
    memory
        What is known by now.
    draft
        An answer; None if there is none, not even a guess.
    sufficient
        Whether the memory suffices.
    queries
        What to look up next.
    unseen
        The ids of passages that there was no room for.
    """

    memory: str
    draft: Draft | None = None
    sufficient: bool = False
    queries: tuple[str, ...] = ()
    unseen: frozenset[str] = frozenset()


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ReviseReply(_Reply):
    """What the model is to say to the task `revise`: all agents in turn."""

    review: Line
    challenge: Line
    memory: Line
    sufficient: bool
    answer: Line
    support: Numbers
    queries: Texts


class ReviewReply(_Reply):
    """What the model is to say to the task `review`."""

    review: Line


class ChallengeReply(_Reply):
    """What the model is to say to the task `challenge`."""

    challenge: Line


class RewriteReply(_Reply):
    """What the model is to say to the task `rewrite`."""

    memory: Line


class CollectReply(_Reply):
    """What the model is to say to the task `collect`."""

    sufficient: bool
    queries: Texts


def revised(desk: Desk, brief: Brief) -> Generator[Step, None, Update]:
    """Have the memory brought up to date, and what comes next decided, in one call."""
    completion = _asked(desk, "revise", _material(desk, brief) | {"asked": list(brief.asked)}, ReviseReply)
    step = replace(told("revise", desk.question, completion, hits=brief.hits), note_before=desk.note)
    reply = completion.value
    if not isinstance(reply, ReviseReply):
        reason = _joined(brief.found, "nobody says what comes next")
        yield _decided(step, desk.note, "stop", reason)
        return Update(memory=desk.note)
    memory, remarks = _kept(reply.memory, desk.note)
    said = AnswerReply(answer=reply.answer, support=reply.support, sufficient=reply.sufficient)
    draft, remark = desk.close_with(replace(completion, value=said))
    # Where it suffices and there is no answer, that is asked for apart.
    sufficient = reply.sufficient and (draft.sufficient or not draft.text)
    queries = () if sufficient else tuple(new_queries(reply.queries, brief.asked)[: brief.most])
    unseen = completion.unseen if isinstance(completion, CurtailedCompletion) else frozenset()
    step = remarked(replace(step, text=memory), _joined(remarks, remark, never_shown(desk) if sufficient else ""))
    yield _decided(step, memory, *_next(brief, queries, sufficient=sufficient, waits=bool(unseen)))
    return Update(
        memory=memory,
        draft=draft if draft.text else None,
        sufficient=sufficient,
        queries=queries,
        unseen=unseen,
    )


def conferred(desk: Desk, brief: Brief) -> Generator[Step, None, Update]:
    """Ask the reviewer, the challenger, the refiner and the collector apart, as published."""
    material = _material(desk, brief)
    review = _asked(desk, "review", material, ReviewReply)
    yield told("review", desk.question, review, hits=brief.hits)
    material |= {"review": review.value.review if isinstance(review.value, ReviewReply) else ""}
    challenge = _asked(desk, "challenge", material, ChallengeReply)
    yield told("challenge", desk.question, challenge, hits=brief.hits)
    material |= {"challenge": challenge.value.challenge if isinstance(challenge.value, ChallengeReply) else ""}
    rewrite = _asked(desk, "rewrite", material, RewriteReply)
    step = replace(told("rewrite", desk.question, rewrite, hits=brief.hits), note_before=desk.note)
    memory, remark = desk.note, ""
    if isinstance(rewrite.value, RewriteReply):
        memory, remark = _kept(rewrite.value.memory, desk.note)
        step = remarked(replace(step, text=memory), remark)
    yield replace(step, note_after=memory)
    desk.note = memory
    known = {"question": desk.question, "memory": memory, "asked": list(brief.asked)}
    collect = _asked(desk, "collect", known, CollectReply)
    step, reply = told("collect", desk.question, collect), collect.value
    if not isinstance(reply, CollectReply):
        yield _decided(step, "", "stop", "nobody says what comes next")
        return Update(memory=memory)
    queries = () if reply.sufficient else tuple(new_queries(reply.queries, brief.asked)[: brief.most])
    yield _decided(step, "", *_next(brief, queries, sufficient=reply.sufficient))
    return Update(memory=memory, sufficient=reply.sufficient, queries=queries)


def _material(desk: Desk, brief: Brief) -> dict[str, object]:
    return {"question": desk.question, "evidence": list(brief.evidence), "memory": desk.note}


def _asked(desk: Desk, task: str, material: Mapping[str, object], schema: type[BaseModel]) -> Completion:
    [completion] = desk.ask([task_request(task, material, schema=schema, sampling=desk.sampling)])
    return completion


def _kept(memory: str, former: str) -> tuple[str, str]:
    """Return the memory, and a remark if the model would have lost it."""
    if memory.strip() or not former:
        return memory.strip(), ""
    return former, "the memory came back empty; the former is kept"


def _next(brief: Brief, queries: tuple[str, ...], *, sufficient: bool, waits: bool = False) -> tuple[str, str]:
    """Say what comes next, and why."""
    if sufficient:
        decision, reason = "stop", "the memory suffices"
    elif not brief.most:
        decision, reason = "stop", "the memory does not suffice, and this was the last look"
    elif not queries and (waits or brief.waits):
        decision, reason = "go on", "the memory does not suffice, and passages were left out of the prompts"
    elif not queries:
        decision, reason = "stop", "the memory does not suffice, and there is nothing new to ask"
    else:
        decision, reason = "go on", f"the memory does not suffice; questions to look up: {len(queries)}"
    return decision, _joined(brief.found, reason)


def _decided(step: Step, memory: str, decision: str, reason: str) -> Step:
    return replace(step, note_after=memory, decision=decision, reason=reason)


def _joined(*parts: str) -> str:
    return "; ".join(filter(None, parts))
