"""What several rooms test with: a small index made with doubles, and the toy corpus indexed with the real models."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from hippograph.hippograph import HippoGraph
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder, OverlapCrossEncoder
from hippograph.types import Passage

# Half as many examples as usual, so that the suite is run often; a property that needs more says so.
settings.register_profile("quick", max_examples=50, deadline=None)
settings.load_profile("quick")

SMALL = {
    "fram": ("Fram (ship)", "Fram was built by Colin Archer in Larvik. Nansen sailed it north."),
    "archer": ("Colin Archer", "Colin Archer was a naval architect. His parents came from Newburgh."),
    "newburgh": ("Newburgh", "A burgh in Fife, on the southern bank of a firth."),
    "nansen": ("Fridtjof Nansen", "An explorer, scientist and diplomat who crossed Greenland on skis."),
    "gjoa": ("Gjøa", "A herring boat, the first to go through the Northwest Passage."),
    "beijing": ("北京", "北京是中国的首都。"),
}


def small_passages() -> list[Passage]:
    return [Passage(id=id, document=id, title=title, text=text) for id, (title, text) in SMALL.items()]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[HippoGraph]:
    """Six passages, indexed with doubles."""
    with HippoGraph(
        tmp_path / "small.hippo",
        extractor=CapitalsExtractor(),
        embedder=HashingEmbedder(),
        cross_encoder=OverlapCrossEncoder(),
    ) as hippograph:
        hippograph.index(small_passages())
        yield hippograph
