"""What a question is answered with, and how it came about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from hippograph.types.documents import Passage, Usage
from hippograph.types.rankings import Hit

__all__ = ["Answer", "MemoryKind", "MemoryNode", "Outcome", "Step"]

MemoryKind: TypeAlias = Literal["veridical", "semantic", "episodic", "fusion"]
"""Where a memory comes from: passages, summaries of clusters, summaries of stretches, or other memories."""

Outcome: TypeAlias = Literal["answered", "not enough evidence", "budget", "stopped", "failed"]
"""How a reading ended: with an answer, with too little evidence, at the end of its budget, when it was told to stop, or
because the model failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryNode:
    """One thing that a reader remembers.

    Parameters
    ----------
    probe
        What was looked for.
    kind
        Where it comes from.
    cue
        What it says.
    sources
        The ids of the passages that it rests on, in the order in which they were shown.
    """

    probe: str
    kind: MemoryKind
    cue: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that a reader did on its way to an answer.

    Parameters
    ----------
    kind
        `retrieve`; or the name of the prompt that the model was given: `answer`, `think`, `note`; or what the reader
        did without a model.
    query
        What was looked for, or the question that the model was given.
    hits
        The passages found, or shown to the model, best first.
    text
        What the model said.
    note_before, note_after
        The reader's note before and after the step; both empty for steps that are not about it.
    memory
        What was remembered in this step.
    decision
        What the reader does next because of it: `go on`, `stop`, `keep the note`; empty if nothing was decided.
    reason
        Why.
    remark
        What went wrong, or was mended on the way; empty if nothing.
    usage
        What the model spent on it.
    seconds
        Wall time.
    """

    kind: str
    query: str
    hits: tuple[Hit, ...] = ()
    text: str = ""
    note_before: str = ""
    note_after: str = ""
    memory: tuple[MemoryNode, ...] = ()
    decision: str = ""
    reason: str = ""
    remark: str = ""
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a reader makes of a question.

    Parameters
    ----------
    question
        The question as asked.
    text
        The answer. If the evidence does not suffice, the best guess, or `not enough evidence` where there is none.
        Empty only if nothing was found, or the model failed before there was any.
    complete
        Whether the evidence was enough for it and the reading came to its end.
    outcome
        How the reading ended; `answered` if and only if the answer is complete.
    reader
        What answered: the reader's name.
    citations
        The passages that the answer rests on, in the order of their ranks; each was shown to the model.
    steps
        How it came about.
    usage
        What was spent on it, all steps together.
    error
        Why there is no answer, if the model failed.
    ended
        Why the reading ended when it did, in words for people: `the evidence is enough`.
    """

    question: str
    text: str
    complete: bool
    outcome: Outcome = "answered"
    reader: str = ""
    citations: tuple[Passage, ...] = ()
    steps: tuple[Step, ...] = ()
    usage: Usage = field(default_factory=Usage)
    error: str = ""
    ended: str = ""
