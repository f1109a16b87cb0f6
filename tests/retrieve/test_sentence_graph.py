import dataclasses
from fractions import Fraction
from gc import collect
from random import Random
from weakref import ref

import numpy as np
import pytest

from hippograph.errors import DamagedIndexError
from hippograph.hippograph import HippoGraph
from hippograph.retrieve.linking import find_names
from hippograph.retrieve.sentence_graph import SentenceGraph, SentenceGraphs, sentences_of
from hippograph.store.snapshot import Snapshot
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder
from hippograph.text.normalization import tokens
from hippograph.types import Passage


def indexed(folder, passages):
    hippograph = HippoGraph(folder, extractor=CapitalsExtractor(), embedder=HashingEmbedder())
    hippograph.index(passages)
    return hippograph


def passage(id, text, title="", start=0, document=None, metadata=None):
    span = (start, start + len(text))
    return Passage(id=id, document=document or id, text=text, title=title, span=span, metadata=metadata or {})


def held(graph, snapshot):
    """Sentences and the names in them."""
    return {
        graph.sentences[number]: [snapshot.entity_names[entity] for entity in graph.entities_in(number).tolist()]
        for number in range(len(graph.sentences))
    }


def edges(graph):
    adjacency = graph.graph.adjacency.toarray()
    return {(i, j): adjacency[i, j] for i, j in zip(*np.nonzero(adjacency), strict=True) if i < j}


def test_the_first_sentence_stands_under_the_title():
    assert sentences_of("Oslo", "") == [("Oslo", 0)]
    assert sentences_of("", "") == []
    assert sentences_of(" ", "One. Two.") == [("One.", 0), ("Two.", 5)]


def test_sentences_hold_the_names_in_them_and_the_first_that_of_the_title(tmp_path):
    texts = [
        passage("a", "Ada met Bo Li. Bo Li sailed. It rained.", title="Voyage (poem)"),
        passage("b", "It rained. Bo Li lives in Cork."),
    ]
    with indexed(tmp_path, texts) as hippograph:
        snapshot = hippograph.parts.snapshot
        graph = SentenceGraph.of(snapshot)
    # "It rained." stands in both passages and is one sentence; "It" is grammar where its capital opens a sentence.
    assert held(graph, snapshot) == {
        "Voyage (poem)\nAda met Bo Li.": ["Ada", "Bo Li", "Voyage"],
        "Bo Li sailed.": ["Bo Li"],
        "It rained.": [],
        "Bo Li lives in Cork.": ["Bo Li", "Cork"],
    }
    bo = list(snapshot.entity_names).index("Bo Li")
    assert [graph.sentences[number] for number in graph.sentences_with(bo).tolist()] == [
        "Voyage (poem)\nAda met Bo Li.",
        "Bo Li sailed.",
        "Bo Li lives in Cork.",
    ]
    assert [part.tolist() for part in graph.mentions_of(bo)] == [[0, 1], [2, 1]]


def test_edges_weigh_the_share_of_a_passages_mentions(tmp_path):
    with indexed(tmp_path, [passage("a", "Ada met Bo. Bo sailed."), passage("b", "Bo left Cork.")]) as hippograph:
        graph = SentenceGraph.of(hippograph.parts.snapshot)
    graph.graph.validate()
    # Entities 0 to 2 are ada, bo and cork; passages 3 and 4. Passage a mentions Ada once and Bo twice.
    expected = {(0, 3): Fraction(1, 3), (1, 3): Fraction(2, 3), (1, 4): Fraction(1, 2), (2, 4): Fraction(1, 2)}
    assert edges(graph) == pytest.approx({pair: float(share) for pair, share in expected.items()})


def test_passages_of_a_document_are_joined_in_the_order_of_the_text_and_no_others(tmp_path):
    texts = [passage(f"d#{number}", "x", start=100 * number, document="d") for number in (1, 2, 10)]
    with indexed(tmp_path, [*texts, passage("e", "y")]) as hippograph:
        snapshot = hippograph.parts.snapshot
        ids = list(snapshot.passages.ids)
        found = edges(SentenceGraph.of(snapshot))
    # By their ids #10 would come before #2.
    assert ids == ["d#1", "d#10", "d#2", "e"]
    assert found == {(0, 2): 1.0, (1, 2): 1.0}


def test_a_part_is_what_an_index_of_it_alone_would_be(tmp_path):
    texts = [
        passage("a", "Ada met Bo. Cork is far.", metadata={"year": 1}),
        passage("b", "Bo met Cork. Dee left.", metadata={"year": 2}),
        passage("c", "Dee met Ada. Cork is far.", title="Eve", metadata={"year": 2}),
    ]
    with indexed(tmp_path / "whole", texts) as whole, indexed(tmp_path / "part", texts[1:]) as alone:
        one = SentenceGraph.of(whole.parts.part("year = 2"))
        other = SentenceGraph.of(alone.parts.snapshot)
    assert one.sentences.to_list() == other.sentences.to_list()
    for field in dataclasses.fields(SentenceGraph):
        if field.name not in {"graph", "sentences", "texts"}:
            assert getattr(one, field.name).tolist() == getattr(other, field.name).tolist(), field.name
    assert edges(one) == edges(other)
    for name in ("Ada", "e", "\n", "Oslo"):
        assert [part.tolist() for part in one.texts.of(name)] == [part.tolist() for part in other.texts.of(name)]


def test_an_empty_snapshot_has_an_empty_graph():
    graph = SentenceGraph.of(Snapshot.empty())
    assert (graph.graph.n_nodes, len(graph.sentences)) == (0, 0)
    assert graph.vectors(HashingEmbedder()).shape == (0, 64)


def test_vectors_are_kept_in_the_index_directory(small, tmp_path):
    class Counting(HashingEmbedder):
        def embed(self, texts, *, role):
            asked.extend(texts)
            assert role == "passage"
            return super().embed(texts, role=role)

    asked: list[str] = []
    graph = SentenceGraph.of(small.parts.snapshot)
    first = graph.vectors(Counting(), directory=small.directory, generation=small.parts.snapshot.generation)
    assert sorted(asked) == sorted(graph.sentences)
    assert np.array_equal(
        graph.vectors(Counting(), directory=small.directory, generation=small.parts.snapshot.generation), first
    )
    assert len(asked) == len(graph.sentences)
    assert np.array_equal(graph.vectors(Counting()), first)


def test_the_graph_of_a_snapshot_is_made_once_and_kept_as_long_as_the_snapshot(small):
    graphs, embedder = SentenceGraphs(), small.indexer.embedder
    snapshot = small.parts.snapshot
    graph, vectors = graphs.of(snapshot, embedder=embedder, directory=small.directory)
    assert graphs.of(snapshot, embedder=embedder, directory=small.directory)[0] is graph
    assert np.array_equal(vectors, graph.vectors(embedder))
    part = small.parts.part("title = 'Newburgh'")
    assert len(graphs.of(part, embedder=embedder, directory=small.directory)[0].sentences) == 1
    generation = snapshot.generation
    # The part has left the vectors of the others alone: none of them is embedded again.
    silent = HashingEmbedderThatIsAskedNothing()
    assert np.array_equal(graph.vectors(silent, directory=small.directory, generation=generation), vectors)
    alive = ref(graph)
    del graph, snapshot, part
    small.close()
    collect()
    assert alive() is None


class HashingEmbedderThatIsAskedNothing(HashingEmbedder):
    def embed(self, texts, *, role):
        raise AssertionError(texts)


def test_a_text_that_was_altered_is_noticed(small):
    snapshot = small.parts.snapshot
    other = dataclasses.replace(snapshot.evidence, title_tokens=snapshot.evidence.title_tokens + 1)
    with pytest.raises(DamagedIndexError, match="another text than was read, at 'archer'"):
        SentenceGraph.of(dataclasses.replace(snapshot, evidence=other))


@pytest.mark.parametrize("seed", [1, 2])
def test_names_are_found_as_brute_force_finds_them(tmp_path, seed):
    draw = Random(seed)
    words = ["Ada", "Bo", "Bo Li", "Li", "who", "It", "met", "C++", "北京", "Mr."]
    texts = [
        (
            draw.choice(["", "Bo", "Li (film)"]),
            ". ".join(" ".join(draw.choices(words, k=draw.randint(1, 4))) for _ in range(draw.randint(1, 4))),
        )
        for _ in range(60)
    ]
    passages = [passage(f"{number:02}", text, title=title) for number, (title, text) in enumerate(texts)]
    with indexed(tmp_path, passages) as hippograph:
        snapshot = hippograph.parts.snapshot
        graph = SentenceGraph.of(snapshot)
    keys = list(snapshot.entity_keys)
    expected: dict[str, set[int]] = {}
    for row, (title, text) in enumerate(texts):
        for place, (sentence, start) in enumerate(sentences_of(title, text)):
            said = sentence if place or not title else text[start:][: len(sentence) - len(title) - 1]
            found = {number for _, _, number in find_names([token.key for token in tokens(said)], keys)}
            titled = {int(snapshot.title_entities[row])} - {-1} if place == 0 else set()
            expected.setdefault(sentence, set()).update(found | titled)
    # Whether words of grammar are written as names is tested where they are looked up.
    grammar = {number for number, key in enumerate(keys) if key in {"it", "who"}}
    got = {graph.sentences[number]: set(graph.entities_in(number).tolist()) for number in range(len(graph.sentences))}
    assert {one: names - grammar for one, names in got.items()} == {
        one: names - grammar for one, names in expected.items()
    }
    # Both directions say the same.
    pairs = {(entity, number) for number in range(len(got)) for entity in graph.entities_in(number).tolist()}
    assert pairs == {(entity, n) for entity in range(len(keys)) for n in graph.sentences_with(entity).tolist()}
