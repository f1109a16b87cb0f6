"""The steps in which a model is asked, and the last of them, in which it answers."""

from __future__ import annotations

from collections.abc import Collection, Generator
from dataclasses import replace
from typing import Final, TypeAlias

from hippograph.completions import Completion
from hippograph.readers.curtailing import CurtailedCompletion
from hippograph.readers.desk import Desk, Draft
from hippograph.readers.tasks import AnswerReply, one_line, printable
from hippograph.types import Hit, Passage, Step

__all__ = ["NOT_ENOUGH", "Loop", "answered", "never_shown", "remarked", "told"]

NOT_ENOUGH: Final = "not enough evidence"
"""The answer where the evidence does not suffice, and there is not even a guess."""

Loop: TypeAlias = Generator[Step, None, Draft]
"""What a reader does: yields each step when it is done, and returns what it would answer."""


def told(
    kind: str,
    query: str,
    completion: Completion,
    *,
    hits: tuple[Hit, ...] = (),
    text: str = "",
    remark: str = "",
    decision: str = "",
) -> Step:
    """Make the step in which a model was asked.

    Parameters
    ----------
    kind
        The name of the prompt.
    query
        What it was about.
    completion
        What the model answered.
    hits
        The passages it was to be shown; those that had to be left out are no hits of the step.
    text
        What it said, for people; by default the words of its answer.
    remark
        What was mended; if the model failed, that is told instead. What it was shown less than is told in any case.
    decision
        What the reader does next because of it.
    """
    wrong = "" if completion.status == "done" else f"{completion.status}: {completion.error}"
    less, wrong = "", one_line(wrong)
    if isinstance(completion, CurtailedCompletion):
        less, hits = completion.remark, completion.left(hits)
    return Step(
        kind=kind,
        query=query,
        hits=hits,
        text=text or printable(_in_words(completion)),
        decision=decision,
        remark="; ".join(filter(None, [less, wrong or remark])),
        usage=completion.usage,
        seconds=completion.seconds,
    )


def remarked(step: Step, remark: str) -> Step:
    """Add a remark to a step, behind what is remarked already.

    Examples
    --------
    >>> remarked(Step(kind="answer", query="Who?", remark="a"), "b").remark
    'a; b'
    """
    return replace(step, remark="; ".join(filter(None, [step.remark, remark])))


def never_shown(desk: Desk) -> str:
    """Say how many passages were to be shown in this reading, and were left out of each prompt; empty if none were."""
    count = len(desk.exhibits.left_out)
    return f"never shown, for the prompts were too long: {count} of {len(desk.exhibits.passages)}" if count else ""


def answered(desk: Desk, *, rests_on: Collection[Passage] | None = None) -> Loop:
    """Have the model answer from the desk's evidence and note: the last step of most loops.

    Parameters
    ----------
    desk
        Where the question is read.
    rests_on
        The passages that the note rests on, where that alone is told: the answer then cites these, whatever it says.

    Raises
    ------
    ReadingEndedError
        If the budget does not allow it, or the model fails.
    """
    [completion] = desk.ask([desk.closing_request()], closing=True)
    step = told("answer", desk.question, completion, hits=desk.evidence)
    if completion.status != "done":
        yield step
    if rests_on is not None and isinstance(completion.value, AnswerReply):
        numbers = [desk.exhibits.number(passage) for passage in rests_on]
        completion = replace(completion, value=completion.value.model_copy(update={"support": numbers}))
    draft, remark = desk.close_with(completion)
    remark = "; ".join(filter(None, [remark, never_shown(desk)]))
    reason = "the evidence is enough" if draft.sufficient else "the evidence is not enough"
    yield replace(remarked(step, remark), text=draft.text or NOT_ENOUGH, decision="stop", reason=reason)
    return draft


def _in_words(completion: Completion) -> str:
    """Return the texts of an answer; the answer as written if it has none, or is of no known form."""
    if completion.value is None:
        return completion.text
    said: list[str] = []
    for _, value in completion.value:
        texts = value if isinstance(value, list) else [value]
        said += [text for text in texts if isinstance(text, str) and text]
    return "; ".join(said) or completion.text
