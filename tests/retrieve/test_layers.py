"""Retrieval from the layers: nearest summaries, nothing of what is gone or not in the part, and what they sum up."""

import numpy as np
import pytest

from hippograph.errors import IndexMismatchError, InputError
from hippograph.index.layers import build_layers
from hippograph.index.summary_sentences import ExtractiveSummariser
from hippograph.protocols import Retriever
from hippograph.retrieve.layers import LayerRetriever
from hippograph.store.layers import Layers, open_layers
from hippograph.store.snapshot import Snapshot
from hippograph.testing.doubles import HashingEmbedder
from hippograph.text.metadata_filter import parse_filter
from hippograph.types import Document
from tests.index.test_living_index import opened

SHIPS = ("Fram", "Gjøa", "Maud", "Belgica", "Endurance")
HARBOURS = ("Larvik", "Oslo", "Tromsø", "Vardø", "Bergen", "Horten", "Hamar")


def document(number: int) -> Document:
    ship, harbour = SHIPS[number % 5], HARBOURS[number % 7]
    text = f"{ship} left {harbour} in {1800 + number}. The crew of {ship} saw whale {number}."
    return Document(id=f"d{number:02}", title=f"Voyage {number}", text=text, metadata={"year": 1800 + number})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("layers") / "ships.hippo") as hippograph:
        hippograph.index([document(number) for number in range(40)])
        with hippograph.parts.place.session() as session:
            build_layers(session, summariser=ExtractiveSummariser(), embedder=HashingEmbedder())
        layers = open_layers(hippograph.directory)
        assert layers is not None
        yield hippograph, layers


def retriever(snapshot: Snapshot, layers: Layers, layer: str = "semantic") -> LayerRetriever:
    return LayerRetriever(
        snapshot=snapshot,
        layers=layers,
        embedder=HashingEmbedder(),
        layer="semantic" if layer == "semantic" else "episodic",
    )


@pytest.mark.parametrize("layer", ["semantic", "episodic"])
def test_the_nearest_summaries_are_found(made, layer):
    hippograph, layers = made
    searching: Retriever = retriever(hippograph.parts.snapshot, layers, layer)
    queries = ["Where did the Fram go?", "Which whale did the crew of Maud see?"]
    rankings = searching.retrieve(queries, k=4)
    rows = layers.rows(layer)
    for query, ranking in zip(queries, rankings, strict=True):
        vector = HashingEmbedder().embed([query], role="query")[0]
        scores = layers.vectors[rows.start : rows.stop] @ vector
        best = np.lexsort((np.arange(len(scores)), -scores))[:4]
        assert ranking.query == query
        assert [hit.passage.id for hit in ranking.hits] == [layers.names[rows.start + row] for row in best]
        assert [hit.score for hit in ranking.hits] == pytest.approx(scores[best].tolist())
        assert set(ranking.timings) == {"embed", "rank"}
    assert [searching.retrieve([query], k=4)[0].hits for query in queries] == [ranking.hits for ranking in rankings]
    assert len(searching.retrieve(["Fram"], k=1000)[0].hits) == len(rows)


def test_a_hit_says_what_it_is_and_what_it_sums_up(made):
    hippograph, layers = made
    searching = retriever(hippograph.parts.snapshot, layers)
    hits = searching.retrieve(["the crew of Fram"], k=100)[0].hits
    top = next(hit.passage for hit in hits if hit.passage.metadata["level"] == layers.manifest.levels)
    below = searching.sources(top.id)
    assert top.document == ""
    assert top.id.startswith("semantic:")
    assert top.title == f"semantic summary, level {layers.manifest.levels}, of {len(below)} passages"
    assert top.metadata["layer"] == "semantic"
    assert top.metadata["passages"] == len(below) == len(set(below))
    level = [hit.passage for hit in hits if hit.passage.metadata["level"] == 1]
    assert sorted(id for passage in level for id in searching.sources(passage.id)) == sorted(
        hippograph.parts.snapshot.passages.ids
    )
    with pytest.raises(InputError, match="no summary 'episodic:"):
        searching.sources(layers.names[-1])


def test_episodes_tell_their_place(made):
    hippograph, layers = made
    searching = retriever(hippograph.parts.snapshot, layers, "episodic")
    hits = sorted(searching.retrieve(["Fram"], k=100)[0].hits, key=lambda hit: hit.passage.metadata["position"])
    told = [id for hit in hits for id in searching.sources(hit.passage.id)]
    assert told == [f"d{number:02}" for number in range(40)]


def test_a_part_of_an_index_has_only_its_own(made):
    hippograph, layers = made
    part = hippograph.parts.part(parse_filter("year < 1826"))
    for layer in ("semantic", "episodic"):
        searching = retriever(part, layers, layer)
        hits = searching.retrieve(["the crew"], k=100)[0].hits
        everything = retriever(hippograph.parts.snapshot, layers, layer).retrieve(["the crew"], k=100)[0].hits
        allowed = {f"d{number:02}" for number in range(26)}
        below = retriever(hippograph.parts.snapshot, layers, layer).sources
        assert {hit.passage.id for hit in hits} == {
            hit.passage.id for hit in everything if allowed.issuperset(below(hit.passage.id))
        }
        assert len(hits) < len(everything)
        hidden = next(hit.passage.id for hit in everything if not allowed.issuperset(below(hit.passage.id)))
        with pytest.raises(InputError, match="no summary"):
            searching.sources(hidden)


def test_nothing_is_told_of_what_is_gone(made):
    _, layers = made
    searching = retriever(Snapshot.empty(), layers)
    assert searching.retrieve(["the crew of Fram"], k=5)[0].hits == ()


def test_wrong_requests_are_refused(made):
    hippograph, layers = made
    searching = retriever(hippograph.parts.snapshot, layers)
    with pytest.raises(InputError, match="blank"):
        searching.retrieve([" "], k=5)
    with pytest.raises(InputError, match="k is 0"):
        searching.retrieve(["Fram"], k=0)
    with pytest.raises(InputError, match="no layer 'veridical'"):
        LayerRetriever(
            snapshot=hippograph.parts.snapshot,
            layers=layers,
            embedder=HashingEmbedder(),
            layer="veridical",  # type: ignore[arg-type]
        )
    with pytest.raises(IndexMismatchError, match="embedded with 'hashing:1:64', not 'hashing:1:16'"):
        LayerRetriever(
            snapshot=hippograph.parts.snapshot, layers=layers, embedder=HashingEmbedder(dimension=16), layer="semantic"
        )
