"""How a memory reader tries to answer, and what it does next because of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from hippograph.readers.answering import never_shown, remarked
from hippograph.readers.desk import Desk, Draft
from hippograph.readers.exhibits import grounded
from hippograph.readers.fusion import fused
from hippograph.readers.memory_cues import Library
from hippograph.readers.memory_pool import MemoryPool
from hippograph.readers.memory_replies import AttemptReply, SecondAttemptReply, cited
from hippograph.readers.queries import new_queries
from hippograph.readers.tasks import AnswerReply
from hippograph.types import Step

__all__ = ["Verdict", "judged", "told_memories"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What comes of an attempt.

    Parameters
    ----------
    step
        The attempt, with what is decided.
    draft
        What it would answer.
    probes
        What to look up next; empty if the reading is to stop.
    """

    step: Step
    draft: Draft
    probes: tuple[str, ...] = ()


def judged(
    desk: Desk,
    step: Step,
    reply: AnswerReply | SecondAttemptReply,
    *,
    library: Library,
    pool: MemoryPool,
    shown: Collection[int] = (),
    asked: Sequence[str] = (),
    ends: str = "",
    has_more: bool = False,
) -> Verdict:
    """Decide what to do after an attempt; the desk's draft is set.

    Parameters
    ----------
    desk
        Where the question is read.
    step
        The attempt.
    reply
        What the model said.
    library
        What was found, by whose ranks citations are ordered.
    pool, shown
        What is remembered, and the numbers of the memories that the model was shown.
    asked
        What was looked up before.
    ends
        Why the reading ends in any case; empty if it need not.
    has_more
        Whether there are passages to read that no prompt has had room for.
    """
    memories = reply.memories if isinstance(reply, SecondAttemptReply) else ()
    passages, remark = cited(reply.support, memories, exhibits=desk.exhibits, pool=pool, shown=shown)
    ranks = {hit.passage.id: rank for rank, hit in enumerate(fused(library.rankings))}
    passages = tuple(sorted(passages, key=lambda passage: ranks.get(passage.id, len(ranks))))
    sufficient, groundless = grounded(reply.answer, passages, sufficient=reply.sufficient)
    draft = Draft(text=reply.answer, citations=passages, sufficient=sufficient)
    # An attempt that says nothing does not take back what an earlier one said.
    if draft.text or desk.draft is None:
        desk.draft = draft
    wanted = reply.probes if isinstance(reply, AttemptReply | SecondAttemptReply) else ()
    probes = () if draft.sufficient or ends else tuple(new_queries(wanted, [desk.question, *asked]))
    if draft.sufficient:
        decision, reason = "stop", "the evidence is enough"
    elif ends:
        decision, reason = "stop", f"the evidence is not enough, and {ends}"
    elif probes or not isinstance(reply, AttemptReply | SecondAttemptReply):
        decision, reason = "go on", "the evidence is not enough"
    elif has_more:
        decision, reason = "go on", "the evidence is not enough, and passages were left out of the prompts"
    else:
        decision, reason = "stop", "the evidence is not enough, and there is nothing new to look up"
    step = remarked(remarked(step, remark), groundless)
    if decision == "stop":
        step = remarked(step, never_shown(desk))
    done = replace(step, text=draft.text, decision=decision, reason=reason)
    return Verdict(step=done, draft=draft, probes=probes)


def told_memories(desk: Desk, pool: MemoryPool, numbers: Sequence[int]) -> list[dict[str, object]]:
    """Lay memories out for a prompt, with the numbers of the passages that they rest on."""
    places = {passage.id: number for number, passage in enumerate(desk.exhibits.passages, start=1)}
    memories = []
    for number in numbers:
        node = pool.nodes[number - 1]
        memory: dict[str, object] = {"memory": number, "kind": node.kind, "probe": node.probe, "text": node.cue}
        if node.sources:
            memory["passages"] = sorted(places[id] for id in node.sources)
        memories.append(memory)
    return memories
