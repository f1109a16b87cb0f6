"""A note, and what a model is asked about notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from hippograph.readers.answering import remarked, told
from hippograph.readers.desk import Desk, Draft
from hippograph.readers.exhibits import grounded
from hippograph.readers.tasks import Line, Numbers, Texts, task_request
from hippograph.types import Hit, Passage, Step

__all__ = ["CompareReply", "Note", "NoteReply", "noted", "preferred"]


class NoteReply(BaseModel):
    """What the model is to say to the task `note`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    note: Line
    support: Numbers
    answer: Line
    sufficient: bool
    queries: Texts


class CompareReply(BaseModel):
    """What the model is to say to the task `compare`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    better: Literal["A", "B", "tie"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is known towards an answer.

    Parameters
    ----------
    text
        The facts.
    answer
        What follows from them, or a guess; empty if there is not even that.
    support
        The passages that it rests on.
    sufficient
        Whether the facts are enough for the answer.
    queries
        What to look up to complete it.
    """

    text: str = ""
    answer: str = ""
    support: tuple[Passage, ...] = ()
    sufficient: bool = False
    queries: tuple[str, ...] = ()

    @property
    def draft(self) -> Draft | None:
        """What a reading would end with that ended with this note; None if it has no answer."""
        if not self.answer:
            return None
        return Draft(text=self.answer, citations=self.support, sufficient=self.sufficient)


def noted(desk: Desk, hits: tuple[Hit, ...], *, note: Note | None, asked: Sequence[str]) -> tuple[Step, Note | None]:
    """Have the model write a note.

    Parameters
    ----------
    desk
        Where the question is read.
    hits
        The passages to write it from, best first.
    note
        What to go on with, which knows other passages; None for a first note.
    asked
        What was looked up since the first.

    Returns
    -------
    The step, for the caller to yield, whose hits are those that the model was shown; and the note, None if it failed.

    Raises
    ------
    ReadingEndedError
        If the budget does not allow it.
    """
    material: dict[str, object] = {"question": desk.question, "passages": desk.shown(hits)}
    if note is not None:
        numbers = [desk.exhibits.number(passage) for passage in note.support]
        material |= {"note": note.text, "support": numbers, "asked": list(asked)}
    [completion] = desk.ask([task_request("note", material, schema=NoteReply, sampling=desk.sampling)])
    reply = completion.value
    if not isinstance(reply, NoteReply):
        return told("note", desk.question, completion, hits=hits), None
    support, remark = desk.exhibits.cited(reply.support)
    sufficient, groundless = grounded(reply.answer, support, sufficient=reply.sufficient)
    new = Note(
        text=reply.note,
        answer=reply.answer,
        support=support,
        sufficient=sufficient,
        queries=tuple(reply.queries),
    )
    step = told("note", desk.question, completion, hits=hits, text=_in_words(new), remark=remark)
    return remarked(step, groundless), new


def preferred(desk: Desk, a: Note, b: Note) -> tuple[Step, Literal["A", "B", "tie"] | None]:
    """Have the model say which of two notes is better.

    Returns
    -------
    The step, for the caller to yield, and what the model prefers; None if it failed.

    Raises
    ------
    ReadingEndedError
        If the budget does not allow it.
    """
    notes = {name: {"note": note.text, "answer": note.answer} for name, note in (("A", a), ("B", b))}
    material = {"question": desk.question, **notes}
    [completion] = desk.ask([task_request("compare", material, schema=CompareReply, sampling=desk.sampling)])
    reply = completion.value
    better = reply.better if isinstance(reply, CompareReply) else None
    return told("compare", desk.question, completion, text=better or ""), better


def _in_words(note: Note) -> str:
    lines = [note.text, f"Answer: {note.answer}" if note.answer else "No answer."]
    return "\n".join([*lines, *(f"Next: {query}" for query in note.queries)])
