"""The reference's phrase graph: counted as its program counts, each of its rules switched, and kept per snapshot."""

from __future__ import annotations

import gc
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import IndexDirectoryError, InputError
from hippograph.hippograph import HippoGraph
from hippograph.retrieve import reference_graph
from hippograph.retrieve.phrase_graph import PhraseGraph, own_phrases
from hippograph.retrieve.phrase_graphs import PhraseGraphs, stated_triples
from hippograph.retrieve.reference_graph import ReferenceRules, reference_phrases
from hippograph.store.catalog import Catalog
from hippograph.store.derived import DERIVED
from hippograph.testing.doubles import HashingEmbedder
from hippograph.text.ascii_normalization import normalize_ascii
from hippograph.types import FloatArray, Passage, TextRole, Triple
from tests.retrieve.tiny import STATED, GivenExtractor, tiny_index, weights_of


class AngleEmbedder:
    """Puts each text at the angle it is told to, all others far from everything."""

    fingerprint = "angles"
    dimension = 64

    def __init__(self, **degrees: float) -> None:
        self.degrees = {name.replace("_", " "): degree for name, degree in degrees.items()}

    def embed(self, texts: Sequence[str], *, role: TextRole) -> FloatArray:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            if text in self.degrees:
                angle = math.radians(self.degrees[text])
                vectors[row, :2] = math.cos(angle), math.sin(angle)
            else:
                vectors[row, 2 + sum(map(ord, text)) % 62] = 1.0
        return vectors


def built(stated: Sequence[Sequence[tuple[str, str, str]]], embedder: Any = None, **rules: Any) -> PhraseGraph:
    return reference_phrases(
        [[Triple(*one) for one in several] for several in stated],
        embedder=embedder or AngleEmbedder(),
        directory=None,
        generation=1,
        rules=ReferenceRules(**rules),
    )


def weights(phrases: PhraseGraph) -> dict[tuple[str, str], float]:
    return weights_of(phrases.graph, phrases.names)


def cos(degrees: float) -> Any:
    return pytest.approx(math.cos(math.radians(degrees)), abs=1e-3)


def test_phrases_and_facts_are_in_ascii_and_once() -> None:
    phrases = built([[("St. Olaf", "ruled", "Norway!"), ("st  olaf", "Ruled", "norway")], [("C++", "is", "北京")]])
    assert list(phrases.names) == ["", "c", "norway", "st  olaf"]
    assert list(phrases.facts) == [Triple("c", "is", ""), Triple("st  olaf", "ruled", "norway")]
    assert phrases.spread.tolist() == [1, 1, 1, 1]
    assert phrases.normalized("St. Olaf") == "st  olaf"


def test_relations_count_twice_and_passages_once() -> None:
    # Stated in two passages, and in the other direction: 3 in each direction, 6 in all.
    phrases = built([[("aaa", "r", "bbb"), ("bbb", "s", "aaa")], [("AAA", "r", "BBB")]])
    edges = {("aaa", "p0"): 1, ("aaa", "p1"): 1, ("bbb", "p0"): 1, ("bbb", "p1"): 1}
    assert weights(phrases) == {("aaa", "bbb"): 6.0} | edges
    assert phrases.occurrences.toarray().tolist() == [[2, 2], [1, 1]]
    assert weights(built([[("aaa", "r", "bbb")]], double_edges=False))["aaa", "bbb"] == 1.0
    assert weights(built([[("aaa", "r", "bbb")]], passage_edge=2.5))["aaa", "p0"] == 2.5


def test_a_repeated_triple_counts_once_unless_it_is_written_otherwise() -> None:
    assert weights(built([[("aaa", "r", "bbb")] * 3]))["aaa", "bbb"] == 2.0
    assert weights(built([[("aaa", "r", "bbb"), ("Aaa", "r", "bbb")]]))["aaa", "bbb"] == 4.0


def test_a_triple_of_one_phrase_is_no_edge_but_a_fact() -> None:
    phrases = built([[("aaa", "is", "AAA")]])
    assert weights(phrases) == {("aaa", "p0"): 1.0}
    assert len(phrases.facts) == 1
    assert phrases.occurrences.toarray().tolist() == [[1]]


def test_a_synonym_replaces_the_relation_or_is_added_to_it() -> None:
    stated = [[("aaa", "r", "bbb"), ("aaa", "s", "bbb")], [("ccc", "r", "ddd")]]
    embedder = AngleEmbedder(aaa=0, bbb=30, ccc=200)
    assert weights(built(stated, embedder))["aaa", "bbb"] / 2 == cos(30)
    assert weights(built(stated, embedder, double_edges=False))["aaa", "bbb"] == cos(30)
    added = weights(built(stated, embedder, synonym_overwrite=False))
    assert added["aaa", "bbb"] / 2 - 2 == cos(30)
    assert added["ccc", "ddd"] == 2.0
    single = weights(built(stated, embedder, synonym_overwrite=False, double_edges=False))
    assert single["aaa", "bbb"] - 2 == cos(30)


def test_the_threshold_decides_who_is_a_synonym() -> None:
    stated = [[("aaa", "r", "xxx"), ("bbb", "r", "xxx")]]
    embedder = AngleEmbedder(aaa=0, bbb=36)
    assert weights(built(stated, embedder))["aaa", "bbb"] / 2 == cos(36)
    assert ("aaa", "bbb") not in weights(built(stated, embedder, synonym_threshold=0.82))


def test_a_short_phrase_asks_for_no_synonyms_but_may_be_one() -> None:
    # "aaa" takes "ab" for a synonym, in its direction alone: cos there, and the relation's 1 in the other.
    stated = [[("aaa", "r", "ab")]]
    embedder = AngleEmbedder(aaa=0, ab=20)
    assert weights(built(stated, embedder))["aaa", "ab"] - 1 == cos(20)
    assert weights(built(stated, embedder, double_edges=False))["aaa", "ab"] == 1.0
    assert weights(built(stated, embedder, synonym_letters=2))["aaa", "ab"] / 2 == cos(20)


def test_the_empty_phrase_is_nobodys_synonym() -> None:
    stated = [[("aaa", "r", "北京"), ("bbb", "r", "aaa")]]
    embedder = AngleEmbedder(aaa=0)
    embedder.degrees[""] = 0
    found = weights(built(stated, embedder, synonym_letters=0))
    # The empty phrase asks, as it may here, and finds "aaa": 1 in that direction, the relation's 1 in the other.
    assert found["", "aaa"] == pytest.approx(2.0)
    assert weights(built(stated, embedder))["", "aaa"] == 2.0


def test_only_the_nearest_become_synonyms() -> None:
    names = ["aaa", "bbb", "ccc", "ddd"]
    stated = [[(name, "r", "xxx") for name in names]]
    embedder = AngleEmbedder(aaa=0, bbb=10, ccc=21, ddd=33)
    # Nearest first: aaa takes bbb; bbb takes aaa (10 degrees, before 11); ccc takes bbb; ddd takes ccc.
    one = {pair for pair in weights(built(stated, embedder, synonym_most=1)) if set(pair) <= set(names)}
    assert one == {("aaa", "bbb"), ("bbb", "ccc"), ("ccc", "ddd")}
    # Of two neighbours the first is the phrase itself.
    two = {pair for pair in weights(built(stated, embedder, synonym_neighbours=2)) if set(pair) <= set(names)}
    assert two == one
    none = weights(built(stated, embedder, synonym_neighbours=1))
    assert not [pair for pair in none if set(pair) <= set(names)]


def as_the_program_counts(
    stated: Sequence[Sequence[tuple[str, str, str]]], cosines: dict[tuple[str, str], float]
) -> dict[tuple[str, str], float]:
    """The reference's table of ordered pairs, step by step, and what an undirected multigraph makes of it."""
    table: dict[tuple[str, str], float] = {}
    for row, several in enumerate(stated):
        for one in dict.fromkeys(several):
            subject, _, object_ = (normalize_ascii(part) for part in one)
            for pair in ((subject, object_), (object_, subject)):
                table[pair] = table.get(pair, 0.0) + 1
            table[f"p{row}", subject] = table[f"p{row}", object_] = 1.0
    for (one_name, other), cosine in sorted(cosines.items()):
        if cosine >= 0.8 and sum(letter.isalnum() for letter in one_name) > 2 and other:
            table[one_name, other] = cosine
    sums: dict[tuple[str, str], float] = {}
    for pair, weight in table.items():
        if pair[0] != pair[1]:
            low, high = sorted(pair)
            sums[low, high] = sums.get((low, high), 0.0) + weight
    return sums


@pytest.mark.parametrize("cells", [1, 30, 70])
def test_however_few_phrases_are_compared_at_a_time_the_graph_is_the_same(
    monkeypatch: pytest.MonkeyPatch, cells: int
) -> None:
    stated = [[(f"Name {number}", "r", f"Name {number + 1}")] for number in range(10)]
    embedder = AngleEmbedder(**{f"name_{number}": 7 * number for number in range(11)})
    at_once = built(stated, embedder, synonym_most=3).graph
    monkeypatch.setattr(reference_graph, "_CELLS", cells)
    split = built(stated, embedder, synonym_most=3).graph
    assert split.indices.tolist() == at_once.indices.tolist()
    np.testing.assert_allclose(split.weights, at_once.weights, rtol=1e-6)


def test_synonyms_are_found_once_and_again_where_something_else_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[int] = []

    def finding(names: Sequence[str], *rest: Any) -> Any:
        found.append(len(names))
        return find(names, *rest)

    find = reference_graph._synonyms
    monkeypatch.setattr(reference_graph, "_synonyms", finding)
    with tiny_index(tmp_path) as hippograph:
        parts = hippograph.parts

        def made(**rules: Any) -> PhraseGraph:
            # As in another process: nothing is kept but on the disk.
            return PhraseGraphs().reference(
                parts.snapshot,
                catalog=parts.place.catalog(),
                embedder=parts.indexer.embedder,
                directory=hippograph.directory,
                rules=ReferenceRules(**rules),
            )

        first, second = made(), made()
        assert len(found) == 1
        assert second.graph.indices.tolist() == first.graph.indices.tolist()
        assert second.graph.weights.tolist() == first.graph.weights.tolist()
        # How edges are weighed is no matter of who is a synonym.
        made(double_edges=False)
        assert len(found) == 1
        made(synonym_threshold=0.5)
        hippograph.delete(["p1"])
        made(synonym_threshold=0.5)
        assert len(found) == 3


phrases_drawn = st.sampled_from(["Abc", "abc.", "De", "ghij", "北", "Klm Nop", "QRS"])
triples_drawn = st.tuples(phrases_drawn, st.sampled_from(["r", "S"]), phrases_drawn)


@given(st.lists(st.lists(triples_drawn, max_size=4), min_size=1, max_size=4))
def test_the_graph_is_what_the_programs_table_gives(stated: list[list[tuple[str, str, str]]]) -> None:
    embedder = HashingEmbedder(dimension=4)
    phrases = built(stated, embedder)
    names = list(phrases.names)
    products = phrases.phrase_vectors @ phrases.phrase_vectors.T
    cosines = {
        (one, other): float(products[row, col])
        for row, one in enumerate(names)
        for col, other in enumerate(names)
        if row != col
    }
    found = {(min(pair), max(pair)): weight for pair, weight in weights(phrases).items()}
    assert found == pytest.approx(as_the_program_counts(stated, cosines), rel=1e-6)
    phrases.graph.validate()
    phrases.phrases_alone.validate()
    among = {pair: weight for pair, weight in weights(phrases).items() if not pair[1].startswith("p")}
    assert weights_of(phrases.phrases_alone, names) == among
    assert phrases.phrases_alone.n_passages == len(stated)


def test_nothing_stated_is_a_graph_of_passages() -> None:
    phrases = built([[], []])
    assert (phrases.graph.n_entities, phrases.graph.n_passages, phrases.graph.n_edges) == (0, 2, 0)
    assert phrases.phrases_alone.n_edges == 0
    assert phrases.phrase_vectors.shape == phrases.fact_vectors.shape == (0, 64)


@pytest.mark.parametrize(
    "wrong",
    [{"synonym_threshold": 0.0}, {"synonym_threshold": 1.1}, {"passage_edge": 0.0}, {"passage_edge": math.inf}]
    + [{name: -1} for name in ("synonym_neighbours", "synonym_most", "synonym_letters")],
)
def test_rules_out_of_range_are_refused(wrong: Any) -> None:
    with pytest.raises(InputError):
        ReferenceRules(**wrong)


def test_the_own_graph_shares_what_the_index_has(small: HippoGraph) -> None:
    snapshot = small.parts.snapshot
    phrases = own_phrases(snapshot)
    assert phrases.graph is snapshot.graph
    assert phrases.spread.tolist() == snapshot.entity_passages.tolist()
    mentions = np.diff(snapshot.evidence.mention_indptr)
    assert np.diff(phrases.occurrences.indptr).tolist() == mentions.tolist()


def test_stated_triples_are_word_for_word_and_of_each_passage(tmp_path: Path) -> None:
    stated = {"p0": [Triple("St. Olaf ", "RULED", "Norway"), Triple("it", "was", "it")]}
    with tiny_index(tmp_path, stated=stated) as hippograph:
        parts = hippograph.parts
        assert stated_triples(parts.snapshot, parts.place.catalog()) == [tuple(stated["p0"]), ()]
        assert stated_triples(parts.part('id = "p1"'), parts.place.catalog()) == [()]


def test_each_passage_has_the_triples_of_who_has_read_it(tmp_path: Path) -> None:
    tiny_index(tmp_path).parts.close()
    second = GivenExtractor({"p2": [Triple("Delhi", "likes", "Anna")]}, otherwise="failed")
    with HippoGraph(tmp_path / "tiny.hippo", extractor=second, embedder=HashingEmbedder()) as other:
        other.index([Passage(id="p2", document="p2", text="two")], reembed=True)
        parts = other.parts
        found = stated_triples(parts.snapshot, parts.place.catalog())
        assert found == [tuple(STATED["p0"]), tuple(STATED["p1"]), (Triple("Delhi", "likes", "Anna"),)]


def test_a_graph_is_made_once_for_a_snapshot_and_let_go_with_it(tmp_path: Path) -> None:
    graphs = PhraseGraphs()
    with tiny_index(tmp_path) as hippograph:
        parts = hippograph.parts

        def made(rules: ReferenceRules | None = None) -> PhraseGraph:
            return graphs.reference(
                parts.snapshot,
                catalog=parts.place.catalog(),
                embedder=parts.indexer.embedder,
                directory=hippograph.directory,
                rules=rules,
            )

        first = made()
        assert made() is made(ReferenceRules()) is first
        assert made(ReferenceRules(double_edges=False)) is not first
        assert graphs.own(parts.snapshot) is graphs.own(parts.snapshot)
        kept = (hippograph.directory / DERIVED).glob("*.vectors")
        assert sorted(path.name for path in kept) == ["facts.vectors", "phrases.vectors"]
        hippograph.delete(["p1"])
        gc.collect()
        assert len(graphs._reference) == len(graphs._own) == 0
        assert list(made().names) == ["anna", "bern"]


def test_a_catalog_that_lacks_an_extraction_is_told_of(tmp_path: Path) -> None:
    with (
        tiny_index(tmp_path / "one") as one,
        Catalog.open(tmp_path / "other.sqlite", create=True) as empty,
        pytest.raises(IndexDirectoryError, match="hippograph index"),
    ):
        stated_triples(one.parts.snapshot, empty)
