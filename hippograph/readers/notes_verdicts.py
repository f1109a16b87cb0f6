"""Whether a new note is better than the best so far: seen at a glance if it has lost nothing, else asked both ways."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

from hippograph.readers.desk import Desk
from hippograph.readers.notes_tasks import Note, preferred
from hippograph.text.normalization import normalize
from hippograph.text.sentences import sentence_spans
from hippograph.types import Step

__all__ = ["Verdict", "at_a_glance", "compared"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether the new note is better, and why."""

    better: bool
    reason: str


def at_a_glance(old: Note, new: Note, *, last: bool = False) -> Verdict | None:
    """Tell which note is better where that needs no asking.

    A note that has every sentence of the old one, or begins with all of it, case and punctuation aside, has lost
    nothing, and is better if it adds anything: a sentence, an answer where there was none, or that it is certain now.

    Parameters
    ----------
    old
        The best note so far.
    new
        The new one.
    last
        Whether there will be no other. What counts then is the answer: a note that has one is better than one that has
        none, and if neither has, there is nothing to choose, for the passages are read once more for an answer.

    Returns
    -------
    The verdict; None if it must be asked for.

    Examples
    --------
    >>> old = Note(text="The Fram is a ship.", answer="Oslo")
    >>> at_a_glance(old, Note(text="The Fram is a ship. She lies in Oslo.", answer="Oslo"))
    Verdict(better=True, reason='it has all that the note had, and more')
    >>> at_a_glance(old, Note(text="the Fram is a ship", answer="Oslo"))
    Verdict(better=False, reason='it adds nothing')
    >>> at_a_glance(old, Note(text="The Fram was built in Larvik.", answer="Larvik")) is None
    True
    """
    had, has = _sentences(old.text), _sentences(new.text)
    gains = (bool(new.answer) and not old.answer) or (new.sufficient and not old.sufficient)
    keeps = had <= has or f"{normalize(new.text)} ".startswith(f"{normalize(old.text)} ")
    loses = not keeps or (bool(old.answer) and not new.answer)
    if has <= had and not gains:
        return Verdict(better=False, reason="it adds nothing")
    if not loses:
        return Verdict(better=True, reason="it has all that the note had, and more")
    if last and not (old.answer and new.answer):
        if old.answer or new.answer:
            return Verdict(better=not old.answer, reason="only one of the two notes has an answer")
        return Verdict(better=False, reason="neither note has an answer")
    return None


def compared(desk: Desk, old: Note, new: Note) -> Generator[Step, None, tuple[Step, Verdict]]:
    """Have the model compare two notes in both orders, the second only if the first has not decided.

    Models prefer what is told at a certain place. So the new note is better only if it is better in one order and at
    least as good in the other. The old one is told first at first: where it wins, one call has settled it, which is
    why the two are not asked at a time.

    Returns
    -------
    The last step, which is left to the caller to yield, and the verdict. If the model fails, the old note stays.

    Raises
    ------
    ReadingEndedError
        If the budget does not allow it.
    """
    step, first = preferred(desk, old, new)
    if first is None:
        return step, Verdict(better=False, reason="the notes could not be compared")
    if first == "A":
        return step, Verdict(better=False, reason="the note before is better")
    yield replace(step, decision="compare in the other order", reason="what is told at one place may be preferred")
    step, second = preferred(desk, new, old)
    if second is None:
        return step, Verdict(better=False, reason="the notes could not be compared in the other order")
    if (first, second) in {("B", "A"), ("B", "tie"), ("tie", "A")}:
        return step, Verdict(better=True, reason="it is better in one order, and not worse in the other")
    return step, Verdict(better=False, reason="it is not better in one order, or worse in the other")


def _sentences(text: str) -> set[str]:
    return {normalize(text[start:end]) for start, end in sentence_spans(text)} - {""}
