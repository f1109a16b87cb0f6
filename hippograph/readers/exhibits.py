"""The passages that a model is shown: numbered once for a whole reading, and laid out in an order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypeAlias, TypeVar

from hippograph.readers.tasks import listed
from hippograph.types import Passage

__all__ = ["Arrangement", "Exhibits", "arranged", "grounded"]

T = TypeVar("T")

# Within what passages say, quotes are escaped, so that none of them can look like this.
_NUMBER: Final = re.compile(r'"number": (\d+)')
_MEMORY: Final = re.compile(r'"memory": (\d+)')

Arrangement: TypeAlias = Literal["ranked", "ends"]
"""How passages are laid out: best first, or the best ones at both ends."""


def arranged(items: Sequence[T], arrangement: Arrangement) -> list[T]:
    """Lay out what is ranked best first.

    Models overlook what stands in the middle of a long prompt. With `ends`, the first, third, ... come first, and the
    ..., fourth, second last.

    Parameters
    ----------
    items
        Best first.
    arrangement
        How.

    References
    ----------
    Jin et al., Long-Context LLMs Meet RAG (ICLR 2025), section 4.1: retrieval reordering.

    Examples
    --------
    >>> arranged([1, 2, 3, 4, 5], "ends")
    [1, 3, 5, 4, 2]
    """
    if arrangement == "ranked":
        return list(items)
    return [*items[::2], *reversed(items[1::2])]


def grounded(answer: str, citations: Sequence[Passage], *, sufficient: bool) -> tuple[bool, str]:
    """Tell whether there is enough for an answer: a model may say so, but it has to cite something that it was shown.

    Parameters
    ----------
    answer
        What the model answers.
    citations
        What it cites, and was shown.
    sufficient
        What the model says.

    Returns
    -------
    Whether it is enough, and a remark if it is not though the model says so.

    Examples
    --------
    >>> grounded("yes", [], sufficient=True)
    (False, 'cites nothing that was shown')
    >>> grounded("yes", [Passage(id="s", document="s", text="A ship.")], sufficient=True)
    (True, '')
    """
    if not (sufficient and answer):
        return False, ""
    return (True, "") if citations else (False, "cites nothing that was shown")


class Exhibits:
    """The passages that a model is shown in one reading, by numbers that stay theirs.

    A passage has the same number in every prompt of a reading, so that notes can refer to it, and prompts of later
    steps begin like those of earlier ones. Only what was in a prompt that was sent can be cited.

    Examples
    --------
    >>> from hippograph.prompts.prompt import quoted
    >>> exhibits = Exhibits()
    >>> ship, town = Passage(id="s", document="s", text="A ship."), Passage(id="t", document="t", text="A town.")
    >>> exhibits.show([ship]), exhibits.show([town, ship])[1]["number"]
    ([{'number': 1, 'title': '', 'text': 'A ship.'}], 1)
    >>> exhibits.sent(quoted(exhibits.show([town])))
    >>> [passage.id for passage in exhibits.cited([2, 9, 2])[0]], exhibits.cited([2, 9, 2])[1]
    (['t'], 'cites passages that were not shown: 9')
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._passages: list[Passage] = []
        self._sent: set[int] = set()
        self._memories: set[int] = set()

    @property
    def passages(self) -> tuple[Passage, ...]:
        """All that have a number, in the order of the numbers."""
        return tuple(self._passages)

    @property
    def left_out(self) -> tuple[Passage, ...]:
        """All that have a number, and were in no prompt that was sent; in the order of the numbers."""
        return tuple(passage for number, passage in enumerate(self._passages, start=1) if number not in self._sent)

    @property
    def memories(self) -> frozenset[int]:
        """The numbers of memories that were in prompts that were sent."""
        return frozenset(self._memories)

    def show(self, passages: Iterable[Passage]) -> list[dict[str, str | int]]:
        """Return passages as a prompt tells them; each gets its number."""
        return [{"number": self.number(passage), "title": passage.title, "text": passage.text} for passage in passages]

    def number(self, passage: Passage) -> int:
        """Return the number of a passage."""
        if passage.id not in self._numbers:
            self._passages.append(passage)
            self._numbers[passage.id] = len(self._passages)
        return self._numbers[passage.id]

    def sent(self, prompt: str) -> None:
        """Take note that a model is sent a prompt: what `show` returned and stands in it is shown."""
        found = {int(number) for number in _NUMBER.findall(prompt)}
        self._sent |= found.intersection(self._numbers.values())
        self._memories.update(map(int, _MEMORY.findall(prompt)))

    def cited(self, numbers: Iterable[int]) -> tuple[tuple[Passage, ...], str]:
        """Look up what a model cites.

        Returns
        -------
        The passages, in the order of their numbers, each once; and a remark about numbers of no passage that was shown,
        which are dropped; empty if there are none.
        """
        wanted = sorted(set(numbers))
        known = [number for number in wanted if number in self._sent]
        dropped = [number for number in wanted if number not in self._sent]
        remark = f"cites passages that were not shown: {listed(dropped)}" if dropped else ""
        return tuple(self._passages[number - 1] for number in known), remark
