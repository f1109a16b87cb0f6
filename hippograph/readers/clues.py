"""The first look at a question; on request with clues, which a model drafts before anything was looked up."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from pydantic import BaseModel, ConfigDict, field_validator

from hippograph.readers.answering import told
from hippograph.readers.budget import ReadingEndedError
from hippograph.readers.desk import Desk
from hippograph.readers.fusion import fused
from hippograph.readers.queries import new_queries
from hippograph.readers.tasks import Texts, one_line, task_request
from hippograph.types import Hit, Step

__all__ = ["first_look"]

_MOST: Final = 3


class _Clues(BaseModel):
    """What the model is to say to the task `clue`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    draft: str
    clues: Texts
    queries: Texts

    @field_validator("clues", "queries")
    @classmethod
    def _few(cls, texts: list[str]) -> list[str]:
        return [one_line(text) for text in texts][:_MOST]


def first_look(desk: Desk, *, k: int, clue: bool = False) -> Generator[Step, None, tuple[Hit, ...]]:
    """Look up the question.

    With `clue`, the model first drafts an answer, clues and surrogate queries; each is looked up apart, and the
    rankings are fused. If the model fails at it, or the budget does not allow it, the question is looked up alone.

    Parameters
    ----------
    desk
        Where the question is read; its evidence is set.
    k
        How many passages.
    clue
        Whether to draft clues.

    Returns
    -------
    The passages, best first.

    Raises
    ------
    ReadingEndedError
        If the budget does not allow it.

    References
    ----------
    Qian et al., MemoRAG: Boosting Long Context Processing with Global Memory-Enhanced Retrieval Augmentation
    (WWW 2025), section 2: clues that a draft answer gives are retrieved. Its memory model is trained; here the
    language model drafts from what it knows.
    """
    queries: list[str] = []
    room = desk.room_for_queries(calls=1)
    if clue and (room is None or room > 1):
        queries = yield from _drafted(desk)
        room = desk.room_for_queries()
        queries = queries if room is None else queries[: max(0, room - 1)]
    found = desk.look_up([desk.question, *queries], k=k)
    yield from found
    if not queries:
        desk.evidence = found[0].hits
        return desk.evidence
    desk.evidence = fused([step.hits for step in found])[:k]
    return desk.evidence


def _drafted(desk: Desk) -> Generator[Step, None, list[str]]:
    """Have the model draft clues and queries, if an answer can still be asked for after that."""
    request = task_request("clue", {"question": desk.question}, schema=_Clues, sampling=desk.sampling)
    try:
        [completion] = desk.ask([request])
    except ReadingEndedError:
        return []
    reply = completion.value
    queries = new_queries([*reply.clues, *reply.queries], [desk.question]) if isinstance(reply, _Clues) else []
    decision = f"look up {len(queries)} clues" if queries else "look up the question alone"
    text = f"{reply.draft} Clues: {'; '.join(reply.clues)}" if isinstance(reply, _Clues) else ""
    yield told("clue", desk.question, completion, text=text, decision=decision)
    return queries
