"""The reference's batches: which texts are embedded together, in which order, and what is done with the vectors."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.hippograph import HippoGraph
from hippograph.retrieve import reference_batches
from hippograph.retrieve.hipporag2 import HippoRAG2Retriever
from hippograph.retrieve.phrase_graph import PhraseGraph
from hippograph.retrieve.phrase_graphs import PhraseGraphs
from hippograph.retrieve.reference_batches import insertion_order
from hippograph.retrievers import Variant
from hippograph.store.derived import DERIVED
from hippograph.store.snapshot import Snapshot
from hippograph.store.vectors import unit_rows
from hippograph.types import FloatArray, Passage, Triple
from tests.retrieve.tiny import GivenExtractor, tiny_index
from tests.store.neighbourly import NeighbourlyEmbedder

STATED = {
    "2": [Triple("Zoe", "leads", "Bern"), Triple("Bern", "joins", "Cusco")],
    "9": [Triple("Bern", "joins", "Cusco"), Triple("Anna", "likes", "Zoe")],
    "10": [Triple("Anna", "leads", "Delhi")],
}
TEXTS = {"2": "two", "9": "nine", "10": "ten"}
KINDS = ["batchedfacts.vectors", "batchedpassages.vectors", "batchedphrases.vectors"]


def index_of(folder: Path, *ids: str) -> HippoGraph:
    hippograph = HippoGraph(folder / "i.hippo", extractor=GivenExtractor(STATED), embedder=NeighbourlyEmbedder())
    hippograph.index([Passage(id=one, document=one, text=TEXTS[one]) for one in ids])
    return hippograph


@pytest.fixture(autouse=True)
def batches_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_batches, "_BATCH", 2)


@pytest.fixture
def three(tmp_path: Path) -> Iterator[HippoGraph]:
    with index_of(tmp_path, "10", "2", "9") as hippograph:
        yield hippograph


def embedder_of(hippograph: HippoGraph) -> NeighbourlyEmbedder:
    embedder = hippograph.parts.indexer.embedder
    assert isinstance(embedder, NeighbourlyEmbedder)
    return embedder


def made(hippograph: HippoGraph, snapshot: Snapshot | None = None) -> tuple[PhraseGraph, FloatArray]:
    parts, graphs = hippograph.parts, PhraseGraphs()
    snapshot = snapshot or parts.snapshot
    phrases = graphs.reference(
        snapshot, catalog=parts.place.catalog(), embedder=parts.indexer.embedder, directory=hippograph.directory
    )
    passages = graphs.reference_passages(snapshot, embedder=parts.indexer.embedder, directory=hippograph.directory)
    assert graphs.reference_passages(snapshot, embedder=parts.indexer.embedder, directory=None) is passages
    return phrases, passages


def rounded(*batches: FloatArray) -> FloatArray:
    return unit_rows(np.concatenate(batches).astype(np.float16))


def test_the_batches_are_those_worked_out_by_hand(three: HippoGraph) -> None:
    embedder = embedder_of(three)
    phrases, passages = made(three)
    # Phrases ascend. Facts as passages 2, 9 and 10 first state them, of which 9 repeats one. Then the passages.
    zoe, bern = "('zoe', 'leads', 'bern')", "('bern', 'joins', 'cusco')"
    likes, delhi = "('anna', 'likes', 'zoe')", "('anna', 'leads', 'delhi')"
    assert embedder.asked == [
        ("entity", ("anna", "bern")),
        ("entity", ("cusco", "delhi")),
        ("entity", ("zoe",)),
        ("triple", (zoe, bern)),
        ("triple", (likes, delhi)),
        ("passage", ("two", "nine")),
        ("passage", ("ten",)),
    ]
    together = embedder.together
    names = rounded(together("anna", "bern"), together("cusco", "delhi"), together("zoe"))
    assert np.array_equal(phrases.phrase_vectors, names)
    # The graph has facts in ascending order: Anna leads, Anna likes, Bern joins, Zoe leads.
    assert [fact.relation for fact in phrases.facts] == ["leads", "likes", "joins", "leads"]
    stated = rounded(together(zoe, bern), together(likes, delhi))
    assert np.array_equal(phrases.fact_vectors, stated[[3, 2, 1, 0]])
    # The snapshot has passages in the order of their ids as texts: 10, 2, 9.
    assert list(three.parts.snapshot.passages.ids) == ["10", "2", "9"]
    assert np.array_equal(passages, rounded(together("two", "nine"), together("ten"))[[2, 0, 1]])


def test_vectors_of_the_whole_are_kept_and_those_of_parts_are_not(three: HippoGraph, tmp_path: Path) -> None:
    whole, passages = made(three)
    embedder = embedder_of(three)
    embedder.asked.clear()
    part, few = made(three, three.parts.part('id in ("2", "10")'))
    assert embedder.asked[-1] == ("passage", ("two", "ten"))
    with index_of(tmp_path / "other", "2", "10") as other:
        alone, same = made(other)
    assert np.array_equal(part.fact_vectors, alone.fact_vectors)
    assert np.array_equal(part.phrase_vectors, alone.phrase_vectors)
    assert np.array_equal(few, same)
    embedder.asked.clear()
    again, kept = made(three)
    assert embedder.asked == []
    assert np.array_equal(again.fact_vectors, whole.fact_vectors)
    assert np.array_equal(kept, passages)
    assert sorted(path.name for path in (three.directory / DERIVED).glob("*.vectors")) == KINDS


def test_an_embedder_without_batches_embeds_as_it_does(tmp_path: Path) -> None:
    with tiny_index(tmp_path) as hippograph:
        _, passages = made(hippograph)
        assert passages is hippograph.parts.snapshot.passage_vectors
        kept = sorted(path.name for path in (hippograph.directory / DERIVED).glob("*.vectors"))
        assert kept == ["facts.vectors", "phrases.vectors"]


def test_parity_alone_compares_queries_with_them(three: HippoGraph) -> None:
    parts = three.parts
    for parity in (True, False):
        retriever = parts.retriever("hipporag2", variant=Variant(parity=parity))
        assert isinstance(retriever, HippoRAG2Retriever)
        assert (retriever.passage_vectors is not None) == parity
        if retriever.passage_vectors is not None:
            assert np.array_equal(retriever.passage_vectors, made(three)[1])


def test_passages_are_found_by_the_vectors_given(three: HippoGraph) -> None:
    parts = three.parts
    own = HippoRAG2Retriever(snapshot=parts.snapshot, embedder=parts.indexer.embedder, linking_top_k=0)
    [ranking] = own.retrieve(["nine"], k=1)
    assert ranking.hits[0].passage.id == "9"
    turned = dataclasses.replace(own, passage_vectors=np.roll(parts.snapshot.passage_vectors, 1, axis=0))
    [ranking] = turned.retrieve(["nine"], k=1)
    assert ranking.hits[0].passage.id == "10"
    with pytest.raises(InputError, match="2 vectors of 3 passages"):
        dataclasses.replace(own, passage_vectors=parts.snapshot.passage_vectors[:2])


def ordered(*ids: str) -> list[str]:
    return [ids[place] for place in insertion_order(ids)]


def test_numbers_in_ids_compare_as_numbers() -> None:
    assert ordered("10", "1", "0", "9") == ["0", "1", "9", "10"]
    assert ordered("b", "a#10", "7", "a#9", "a") == ["7", "a", "a#9", "a#10", "b"]
    assert ordered("1", "01", "001") == ["001", "01", "1"]
    # Longer than Python reads a number.
    assert ordered("9" * 5000 + "1", "9" * 5000, "٣") == ["9" * 5000, "9" * 5000 + "1", "٣"]


@given(st.lists(st.text("019a#-", max_size=5), unique=True))
def test_the_order_is_that_of_the_ids_however_they_are_given(ids: list[str]) -> None:
    assert sorted(insertion_order(ids)) == list(range(len(ids)))
    assert ordered(*ids) == ordered(*reversed(ids)) == ordered(*sorted(ids))


@given(st.lists(st.integers(0, 10**30), unique=True))
def test_of_numbers_it_is_their_order(numbers: list[int]) -> None:
    assert ordered(*map(str, numbers)) == [str(number) for number in sorted(numbers)]
