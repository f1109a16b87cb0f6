"""An index that pipelines are built on: six passages with all that a passage can have, indexed with doubles.

The frameworks take seconds to import, so the tests import them where they run and not where they are collected.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hippograph.hippograph import HippoGraph
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder, OverlapCrossEncoder
from hippograph.types import Hit, Passage, Ranking
from tests.conftest import SMALL

QUESTION = "Where did the builder of the Fram come from?"
YEARS = {"fram": 1892, "archer": 1832, "newburgh": 1266, "nansen": 1861, "gjoa": 1872, "beijing": 1045}
LOOSE = Passage(id="loose#2", document="loose", text="A sheet without a title: {braces}, Fram and Larvik.")
SHIP = Passage(
    id="fram",
    document="ships",
    title="Fram (ship)",
    text="Fram was built by Colin Archer in Larvik. Nansen sailed it north.",
    source="ships.pdf",
    span=(120, 185),
    page=3,
    metadata={"year": 1892, "source": "The Times", "score": 0.5, "metadata.source": "a clipping", "topic": "ship"},
)


def passages() -> list[Passage]:
    others = [
        Passage(id=id, document=id, title=title, text=text, metadata={"year": YEARS[id]})
        for id, (title, text) in SMALL.items()
        if id != "fram"
    ]
    return [SHIP, LOOSE, *others]


@pytest.fixture(scope="package")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HippoGraph]:
    place: Path = tmp_path_factory.mktemp("integrations") / "small.hippo"
    with HippoGraph(
        place, extractor=CapitalsExtractor(), embedder=HashingEmbedder(), cross_encoder=OverlapCrossEncoder()
    ) as hippograph:
        hippograph.index(passages())
        yield hippograph


@dataclass(frozen=True, kw_only=True)
class ByHand:
    """A retriever made by hand: always the same passages."""

    found: tuple[Passage, ...] = (SHIP, LOOSE)

    def retrieve(self, queries: Sequence[str], *, k: int) -> list[Ranking]:
        hits = tuple(Hit(passage=passage, score=1.0 / place) for place, passage in enumerate(self.found[:k], start=1))
        return [Ranking(query=query, hits=hits) for query in queries]


@dataclass(frozen=True, kw_only=True)
class Waiting(ByHand):
    """Retrieves when it is told that others go on meanwhile; what stops the others waits in vain."""

    told: threading.Event = field(default_factory=threading.Event)

    def retrieve(self, queries: Sequence[str], *, k: int) -> list[Ranking]:
        assert self.told.wait(timeout=10), "nobody else could do anything"
        return super().retrieve(queries, k=k)
