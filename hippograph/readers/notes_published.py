"""The note loop as published: a call for each thing, queries fused into one text, and one comparison."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydantic import BaseModel, ConfigDict

from hippograph.readers.answering import Loop, answered, told
from hippograph.readers.budget import ReadingEndedError
from hippograph.readers.desk import Desk
from hippograph.readers.notes_tasks import Note, noted, preferred
from hippograph.readers.tasks import Texts, task_request
from hippograph.types import Hit, Step

__all__ = ["Limits", "published"]

# Of the text that is looked up, characters.
_LONGEST: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Where the published loop ends: so many passages shown, notes rewritten, and notes that are no better."""

    passages: int
    steps: int
    fails: int


class _QueriesReply(BaseModel):
    """What the model is to say to the task `queries`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    queries: Texts


def published(desk: Desk, hits: tuple[Hit, ...], *, k: int, limits: Limits) -> Loop:
    """Keep a note as Adaptive-Note does: 2 + 3 calls for each time that it is rewritten.

    What it does is repeated: the next questions are asked for apart, and looked up as one text with the question behind
    them; passages are shown again, unless there is room for fewer than `k`; every new note is compared, told after the
    old one; failed notes are counted in all; the answer is made from the note alone. What is wrong with it is not: of a
    text that is too long, the next questions are cut and not the question; an answer that cannot be read is no
    agreement but a failed note; and so is one that the model does not give. The prompts are this package's own.

    Parameters
    ----------
    desk
        Where the question is read.
    hits
        The passages of the first look.
    k
        How many passages are looked up at a time.
    limits
        When to end.

    Raises
    ------
    ReadingEndedError
        If the budget does not allow it, or the model fails at the first note or the answer.

    References
    ----------
    Wang et al., Retriever-and-Memory (2024), section 3 and the program published with it.
    """
    step, best = noted(desk, hits, note=None, asked=())
    yield replace(step, note_after=best.text if best else "")
    if best is None:
        raise ReadingEndedError("failed", f"there is no note: {step.remark}")
    asked, shown, fails = list[str](), {hit.passage.id: hit for hit in step.hits}, 0
    for _ in range(limits.steps):
        desk.note, desk.draft, desk.evidence = best.text, best.draft, tuple(shown.values())[:k]
        if len(shown) >= limits.passages or fails == limits.fails:
            break
        step, queries = _next_queries(desk, best, asked)
        yield step
        asked += queries
        [step] = desk.look_up([_one_text(queries, desk.question)], k=k)
        yield step
        hits = step.hits
        if len(shown) + k > limits.passages:
            hits = tuple(hit for hit in hits if hit.passage.id not in shown)[: limits.passages - len(shown)]
        before, (best, read) = best, (yield from _better(desk, best, hits))
        shown |= {hit.passage.id: hit for hit in read}
        fails += best is before
    desk.note, desk.draft, desk.evidence = best.text, best.draft, ()
    return (yield from answered(desk, rests_on=best.support))


def _next_queries(desk: Desk, note: Note, asked: Sequence[str]) -> tuple[Step, list[str]]:
    material = {"question": desk.question, "note": note.text, "asked": list(asked)}
    [completion] = desk.ask([task_request("queries", material, schema=_QueriesReply, sampling=desk.sampling)])
    reply = completion.value
    queries = list(reply.queries) if isinstance(reply, _QueriesReply) else []
    return told("queries", desk.question, completion, text="\n".join(queries)), queries


def _one_text(queries: Sequence[str], question: str) -> str:
    """Put a question behind the next ones, of which no more is left than there is room for.

    Examples
    --------
    >>> _one_text(["Who built the Fram?", "Where?"], "Where was the Fram built?").splitlines()
    ['Who built the Fram?', 'Where?', 'Where was the Fram built?']
    >>> len(_one_text(["Who? " * 200], "Where?")), _one_text(["Who?"], "Where? " * 80).strip().endswith("Where?")
    (500, True)
    """
    told = "\n".join(queries)[: max(0, _LONGEST - len(question) - 1)]
    return f"{told}\n{question}".strip()


def _better(desk: Desk, best: Note, hits: tuple[Hit, ...]) -> Generator[Step, None, tuple[Note, tuple[Hit, ...]]]:
    """Rewrite a note; return the better one by the model's word, asked once, and what the model was shown."""
    step, new = noted(desk, hits, note=best, asked=())
    read = step.hits
    yield replace(step, note_before=best.text, note_after=best.text, decision="compare" if new else "keep the note")
    if new is None:
        return best, read
    step, better = preferred(desk, best, new)
    kept = new if better == "B" else best
    decision = "take the new note" if better == "B" else "keep the note"
    yield replace(step, note_before=best.text, note_after=kept.text, decision=decision)
    return kept, read
