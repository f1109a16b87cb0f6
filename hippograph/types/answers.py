"""What a question is answered with, and how it came about."""

from __future__ import annotations

from dataclasses import dataclass, field

from hippograph.types.documents import Passage, Usage
from hippograph.types.rankings import Hit

__all__ = ["Answer", "Step"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that a reader did on its way to an answer.

    Parameters
    ----------
    kind
        `retrieve`, or the name of the prompt that the model was given: `answer`.
    query
        What was looked for, or the question that the model was given.
    hits
        The passages found, or shown to the model, best first.
    text
        What the model said of it.
    note
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
    note: str = ""
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
        The answer; empty if the model gave none.
    complete
        Whether the model found what was needed for it; if not, `text` is its best guess.
    citations
        The passages that the answer rests on, in the order of their ranks; each was shown to the model.
    steps
        How it came about.
    usage
        What was spent on it, all steps together.
    error
        Why there is no answer, if the model failed.
    """

    question: str
    text: str
    complete: bool
    citations: tuple[Passage, ...] = ()
    steps: tuple[Step, ...] = ()
    usage: Usage = field(default_factory=Usage)
    error: str = ""
