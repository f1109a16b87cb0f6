"""Any order and split of additions, replacements and removals ends in the arrays of a fresh build."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hippograph.index.assemble import EdgeWeights
from hippograph.index.draft import Addition, draft
from hippograph.index.revision import GraphSettings, restrict
from hippograph.index.synonyms import SynonymLinker
from hippograph.store.arrays import StringTable
from hippograph.store.snapshot import Snapshot
from hippograph.types import Extraction, ExtractionStatus, Passage, Triple
from tests.index import builds
from tests.index.builds import addition
from tests.index.naive import naive_edges, naive_synonyms, name_entities, name_triples

# Loose and short, so that lists are cut off and synonyms come and go all the time.
SETTINGS = GraphSettings(synonyms=SynonymLinker(threshold=0.55, most=2), weights=EdgeWeights(relation=0.7))

REAL = [
    "Oslo", "University of Oslo", "Oslo University", "oslo", "The Who", "Who", "It", "New York", "New York City",
    "York", "City of New York", "Lothair II", "Lothair II's mother", "J. R. R. Tolkien", "J.R.R. Tolkien", "U.S.", "US",
    "AT&T", "Apollo 11", "Apollo 12", "Apollo", "Inception (film)", "Fram",
]  # fmt: skip
ADVERSARIAL = [
    "北京", "北京大学", "京", "Київ", "Ärger", "Arger", "C++", "C#", "C", ".NET", "مُحَمَّد", "محمد", "+/-", "½", "ﬁre",
    "İstanbul", "istanbul", "a", "the", "THE", "of the", "!", " ", "x" * 200, " ".join("abcdefghijklmnopqr"), "हिन्दी",
    "\u200b",
]  # fmt: skip
names = st.sampled_from(REAL + ADVERSARIAL)
filler = st.sampled_from(["was", "founded", "in", "the", "of", "and", "The", "it", "who", ".", ",", "city"])


@st.composite
def evidence(draw: st.DrawFn) -> tuple[str, str, Extraction]:
    """Make a title, a text, and an extraction that need not have anything to do with them."""
    text = " ".join(draw(st.lists(names | filler, max_size=10)))
    stated = tuple(draw(st.lists(names, max_size=4)))
    relations = st.sampled_from(["in", "founded", " founded  by ", ""])
    triples = tuple(Triple(*parts) for parts in draw(st.lists(st.tuples(names, relations, names), max_size=3)))
    status: ExtractionStatus = "done" if stated or triples else "empty"
    title = draw(st.one_of(st.just(""), names, names.map(lambda name: f"{name} (town)")))
    return title, text, Extraction(status=status, entities=stated, triples=triples)


def added(name: str, said: tuple[str, str, Extraction]) -> Addition:
    title, text, extraction = said
    # Which extractor has read it must not matter to anything else.
    extractor = f"extractor {len(text) % 3}"
    return addition(Passage(id=name, document=name, title=title, text=text), extraction, extractor)


def revised(base: Snapshot, kept: list[int], new: dict[str, tuple[str, str, Extraction]]) -> Snapshot:
    return builds.revised(base, kept, [added(name, new[name]) for name in sorted(new)], SETTINGS)


def fresh(said: dict[str, tuple[str, str, Extraction]]) -> Snapshot:
    return revised(Snapshot.empty(), [], said)


def assert_same(one: Any, other: Any, where: str = "snapshot") -> None:
    """Compare every array and every string, bit for bit."""
    for field in dataclasses.fields(one):
        left, right = getattr(one, field.name), getattr(other, field.name)
        here = f"{where}.{field.name}"
        if dataclasses.is_dataclass(left):
            assert_same(left, right, here)
        elif isinstance(left, np.ndarray):
            assert (left.dtype, left.shape, left.tobytes()) == (right.dtype, right.shape, right.tobytes()), here
        elif isinstance(left, StringTable):
            assert left.to_list() == right.to_list(), here
        else:
            assert left == right, here


def assert_is_the_naive_graph(snapshot: Snapshot, said: dict[str, tuple[str, str, Extraction]]) -> None:
    pairs = [
        (Passage(id=name, document=name, title=said[name][0], text=said[name][1]), said[name][2])
        for name in sorted(said)
    ]
    entities = name_entities(pairs)
    triples = name_triples(pairs, entities)
    assert snapshot.entity_keys.to_list() == list(entities.keys)
    assert snapshot.entity_names.to_list() == list(entities.names)
    assert snapshot.title_entities.tolist() == entities.title_entities.tolist()
    tables = snapshot.evidence
    owners = np.repeat(np.arange(len(pairs)), np.diff(tables.mention_indptr))
    assert owners.tolist() == entities.mention_passages.tolist()
    assert tables.mention_entities.tolist() == entities.mention_entities.tolist()
    assert tables.mention_counts.tolist() == entities.mention_counts.tolist()
    assert snapshot.triples.subjects.tolist() == triples.subjects.tolist()
    assert snapshot.triples.objects.tolist() == triples.objects.tolist()
    assert [triple.relation for triple in snapshot.triples] == list(triples.relations)
    linker = SETTINGS.synonyms
    synonyms = naive_synonyms(entities.keys, snapshot.entity_vectors, threshold=linker.threshold, most=linker.most)
    edges = naive_edges(entities, triples, synonyms, SETTINGS.weights)
    graph = snapshot.graph
    found = {}
    for node in range(graph.n_nodes):
        for neighbour, weight in zip(*graph.neighbours(node), strict=True):
            if node < neighbour:
                found[node, int(neighbour)] = float(weight)
    assert found == {pair: pytest.approx(weight, rel=1e-12) for pair, weight in edges.items()}


class LivingGraph(RuleBasedStateMachine):
    """Passages come, change and go, in any order and in any number at once."""

    ids = st.integers(0, 7).map("p{}".format)

    @initialize()
    def begin(self) -> None:
        self.said: dict[str, tuple[str, str, Extraction]] = {}
        self.snapshot = fresh({})

    @rule(new=st.dictionaries(ids, evidence(), min_size=1, max_size=4))
    def put(self, new: dict[str, tuple[str, str, Extraction]]) -> None:
        kept = [row for row, name in enumerate(self.snapshot.passages.ids) if name not in new]
        self.snapshot = revised(self.snapshot, kept, new)
        self.said |= new

    @rule(gone=st.sets(ids, min_size=1, max_size=4))
    def remove(self, gone: set[str]) -> None:
        kept = [row for row, name in enumerate(self.snapshot.passages.ids) if name not in gone]
        self.snapshot = restrict(self.snapshot, np.array(kept, dtype=np.int64), settings=SETTINGS)
        self.said = {name: what for name, what in self.said.items() if name not in gone}

    @rule(gone=st.sets(ids, max_size=3), new=st.dictionaries(ids, evidence(), max_size=3))
    def exchange(self, gone: set[str], new: dict[str, tuple[str, str, Extraction]]) -> None:
        kept = [row for row, name in enumerate(self.snapshot.passages.ids) if name not in gone | set(new)]
        self.snapshot = revised(self.snapshot, kept, new)
        self.said = {name: what for name, what in self.said.items() if name not in gone} | new

    @rule(one=ids, other=ids)
    def rename(self, one: str, other: str) -> None:
        if one in self.said and other not in self.said:
            moved = self.said.pop(one)
            kept = [row for row, name in enumerate(self.snapshot.passages.ids) if name != one]
            self.said[other] = moved
            self.snapshot = revised(self.snapshot, kept, {other: moved})

    @invariant()
    def is_what_a_fresh_build_makes(self) -> None:
        expected = fresh(self.said)
        assert self.snapshot.manifest == expected.manifest
        assert_same(self.snapshot, expected)

    @invariant()
    def is_what_the_naive_model_says(self) -> None:
        assert_is_the_naive_graph(self.snapshot, self.said)


TestLivingGraph = LivingGraph.TestCase
TestLivingGraph.settings = settings(
    max_examples=40, stateful_step_count=8, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@settings(max_examples=40, deadline=None)
@given(said=st.dictionaries(st.integers(0, 9).map("p{}".format), evidence(), max_size=8), chosen=st.data())
def test_hiding_passages_is_never_having_had_them(said, chosen):
    whole = fresh(said)
    names = sorted(said)
    kept = [row for row, name in enumerate(names) if chosen.draw(st.booleans(), label=name)]
    part = restrict(whole, np.array(kept, dtype=np.int64), settings=SETTINGS)
    expected = fresh({names[row]: said[names[row]] for row in kept})
    assert part.manifest == expected.manifest
    assert_same(part, expected)


def test_the_digest_knows_neither_ids_nor_order():
    said = {name: (name, f"{name} is near Oslo.", Extraction(status="empty")) for name in ("Rome", "Oslo", "Bergen")}
    renamed = {f"{9 - place}": what for place, what in enumerate(said.values())}
    assert fresh(said).manifest.graph_digest == fresh(renamed).manifest.graph_digest
    del said["Rome"]
    assert fresh(said).manifest.graph_digest != fresh(renamed).manifest.graph_digest


def test_names_are_embedded_by_their_keys():
    stated = (Triple("Nansen", "sailed  the", "The Fram"), Triple("Nansen", "sailed", "Fram"))
    said = ("Fram (ship)", "NANSEN's Fram", Extraction(status="done", entities=("NANSEN",), triples=stated))
    drafted = draft(Snapshot.empty(), np.empty(0, dtype=np.int64), [added("p", said)])
    assert drafted.entity_texts == ["fram", "nansen"]
    assert drafted.triple_texts == ["nansen sailed fram"]
    assert drafted.passage_texts == ["Fram (ship)\nNANSEN's Fram"]
