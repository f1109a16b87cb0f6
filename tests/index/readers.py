"""Extractors that read the same passages in different ways, and not always with success."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from zlib import crc32

from hippograph.testing.doubles import CapitalsExtractor
from hippograph.types import Extraction, Passage, Triple, Usage

PAID = Usage(calls=1, items=1, input_tokens=90, output_tokens=10, seconds=0.5, cost=0.01)
"""What the fussy reader spends on a passage."""


@dataclass(kw_only=True)
class FussyExtractor:
    """Reads capitalised words one by one, for money; some passages it cannot read at all, others only now and then.

    Parameters
    ----------
    name
        Of its fingerprint.
    failing
        Whether it fails on those that it reads only now and then.
    breaks
        Ids of passages at which it raises what it was told to.
    error
        What it raises.
    read
        Ids of the passages that it was asked to read, in order.
    """

    name: str = "fussy"
    failing: bool = False
    breaks: frozenset[str] = frozenset()
    error: BaseException = field(default_factory=lambda: RuntimeError("the power is gone"))
    read: list[str] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        return f"{self.name}:1"

    def extract(self, passages: Iterable[Passage]) -> Iterator[tuple[Passage, Extraction]]:
        for passage in passages:
            if passage.id in self.breaks:
                raise self.error
            self.read.append(passage.id)
            yield passage, self.reading(passage)

    def reading(self, passage: Passage) -> Extraction:
        mood = crc32(passage.headed_text.encode("utf-8", "replace")) % 5
        if mood == 0:
            return Extraction(status="invalid", entities=("Invalid",), error="no JSON", usage=PAID)
        if mood == 1 and self.failing:
            return Extraction(status="failed", error="no answer", usage=PAID)
        names = tuple(re.findall(r"[A-Z]\w+", passage.text))
        triples = (Triple(names[0], "comes before", names[-1]),) if len(names) > 1 else ()
        return Extraction(status="done" if names else "empty", entities=names, triples=triples, usage=PAID)


@dataclass(kw_only=True)
class RememberingExtractor:
    """Says what another has said before.

    Parameters
    ----------
    fingerprint
        Of the other.
    said
        What it has said, by title and text.
    """

    fingerprint: str
    said: Mapping[tuple[str, str], Extraction]

    def extract(self, passages: Iterable[Passage]) -> Iterator[tuple[Passage, Extraction]]:
        for passage in passages:
            yield passage, self.said[passage.title, passage.text]


def capitals(passage: Passage) -> Extraction:
    """What `CapitalsExtractor` finds in a passage."""
    [(_, found)] = CapitalsExtractor().extract([passage])
    return found
