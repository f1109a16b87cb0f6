"""An extractor of which nothing but the name is known: enough for all that has been read already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hippograph.errors import InputError
from hippograph.types import Extraction, Passage

__all__ = ["AbsentExtractor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsentExtractor:
    """Stands for the extractor that an index was built with, and reads nothing.

    Parameters
    ----------
    fingerprint
        That of the extractor.
    remedy
        What to do about it, as an end of a sentence.

    Examples
    --------
    >>> extractor = AbsentExtractor(fingerprint="llm:qwen3", remedy="name it")
    >>> list(extractor.extract([]))
    []
    >>> list(extractor.extract([Passage(id="1", document="1", text="Oslo")]))
    Traceback (most recent call last):
    hippograph.errors.InputError: the passage '1' is to be read by 'llm:qwen3', which is not at hand; name it
    """

    fingerprint: str
    remedy: str

    def extract(self, passages: Iterable[Passage]) -> Iterator[tuple[Passage, Extraction]]:
        """Complain of the first passage.

        Raises
        ------
        InputError
            If there is any.
        """
        for passage in passages:
            raise InputError(
                f"the passage {passage.id!r} is to be read by {self.fingerprint!r}, which is not at hand; {self.remedy}"
            )
        yield from ()
