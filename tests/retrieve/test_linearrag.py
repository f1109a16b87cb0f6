"""LinearRAG on three passages, worked out by hand.

Passages, sentences, and the entities in them (Ada 0, Bo 1, Cork 2):

    a: "Ada met Bo." "Bo sailed."     Ada 1, Bo 2
    b: "Bo lives in Cork."            Bo 1, Cork 1
    c: "Cork is no canada."           Cork 1; "ada" stands inside a word
"""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.hippograph import HippoGraph
from hippograph.retrieve.dense import DenseRetriever
from hippograph.retrieve.linearrag import LinearRAGRetriever
from hippograph.retrieve.linking import EntityLinker
from hippograph.retrieve.query_names import extracted_names
from hippograph.retrieve.sentence_graph import SentenceGraph
from hippograph.retrieve.trace import Traceable
from hippograph.store.snapshot import Snapshot
from hippograph.testing.contracts import check_retriever
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder
from hippograph.types import Passage

ADA, BO, CORK = range(3)
TEXTS = {"a": "Ada met Bo. Bo sailed.", "b": "Bo lives in Cork.", "c": "Cork is no canada."}
# The cosines to any query, which points along the first axis.
PASSAGES = {"a": 0.5, "b": 0.75, "c": 0.25}
SENTENCES = {"Ada met Bo.": 0.75, "Bo sailed.": 0.5, "Bo lives in Cork.": 0.875, "Cork is no canada.": -0.125}
ASK = "where does Ada live?"


def at(cosines):
    """Unit vectors with these cosines to the first axis."""
    return np.array([[cosine, (1 - cosine**2) ** 0.5] for cosine in cosines], dtype=np.float32)


class Pointer(HashingEmbedder):
    """Queries point along the first axis; the name "ada" lies between Ada, who is there, and Bo."""

    def embed(self, texts, *, role):
        return at([0.8 if text == "ada" else 1.0 for text in texts]).reshape(-1, 2)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    passages = [Passage(id=id, document=id, text=text) for id, text in TEXTS.items()]
    folder = tmp_path_factory.mktemp("linear")
    with HippoGraph(folder, extractor=CapitalsExtractor(), embedder=HashingEmbedder()) as hippograph:
        hippograph.index(passages)
        return dataclasses.replace(
            hippograph.parts.snapshot,
            passage_vectors=at(PASSAGES.values()),
            entity_vectors=at([1.0, 0.0, -1.0]),
        )


def retriever(snapshot, **options):
    graph = SentenceGraph.of(snapshot)
    settings = {"threshold": 0.1, "entities": EntityLinker(spelling=False), "tolerance": 1e-13, **options}
    vectors = at([SENTENCES[sentence] for sentence in graph.sentences])
    return LinearRAGRetriever(
        snapshot=snapshot, embedder=Pointer(), sentence_graph=graph, sentence_vectors=vectors, **settings
    )


def walked(entities, passages, damping=0.5):
    """Solve for the walk's shares of time; nodes are the three entities, then the three passages."""
    restart = np.array([*entities, *passages])
    restart /= restart.sum()
    edges = np.zeros((6, 6))
    for passage, entity, share in ((3, ADA, 1 / 3), (3, BO, 2 / 3), (4, BO, 1 / 2), (4, CORK, 1 / 2), (5, CORK, 1)):
        edges[passage, entity] = edges[entity, passage] = share
    step = edges / edges.sum(axis=0)
    mass = np.linalg.solve(np.eye(6) - damping * step, (1 - damping) * restart)
    return restart, dict(zip(TEXTS, mass[3:], strict=True))


def seeded(bonus, ratio=2.0, weight=0.05):
    """The passages' weights; their cosines 0.5, 0.75 and 0.25 stretch to 0.5, 1 and 0."""
    return [weight * (ratio * dense + log(1 + more)) for dense, more in zip((0.5, 1.0, 0.0), bonus, strict=True)]


def check(trace, restart, mass):
    assert trace.reset == pytest.approx(restart)
    assert {hit.passage.id: hit.score for hit in trace.ranking.hits} == pytest.approx(mass)


def test_by_hand(snapshot):
    # The mean of the sentences' cosines is 0.5, so 0.75 counts as 0.5, 0.875 as 0.75 and 0.5 as nothing.
    # Ada, named, gives Bo 1 * 0.5; Bo gives Cork 0.5 * 0.75 and through "Bo sailed." nothing.
    bonus = [
        1.0 * log(2) / 1 + 0.5 * log(3) / 2,
        0.5 * log(2) / 2 + 0.375 * log(2) / 3,
        0.375 * log(2) / 3,
    ]
    trace = retriever(snapshot).trace(ASK, k=3)
    check(trace, *walked([1.0, 0.5, 0.375], seeded(bonus)))
    assert trace.reasons == {
        ADA: "mention", BO: "tier 2", CORK: "tier 3", 3: "dense, mention", 4: "dense, mention", 5: "dense, mention",
    }  # fmt: skip


def test_the_published_threshold_stops_the_second_hop(snapshot):
    # 0.375 is below 0.4.
    bonus = [log(2) + 0.5 * log(3) / 2, 0.5 * log(2) / 2, 0.0]
    trace = retriever(snapshot, threshold=0.4).trace(ASK, k=3)
    check(trace, *walked([1.0, 0.5, 0.0], seeded(bonus)))
    assert trace.reasons[5] == "dense"


def test_parity_by_hand(snapshot):
    # "ada" is 0.8 like Ada. Tier 2: "Ada met Bo." passes 0.8 * 0.75 = 0.6 on to Bo, and to Ada too, who drops to it.
    # Tier 3: Bo's sentences pass 0.6 * 0.875 on to Bo and Cork, then 0.6 * 0.5 to Bo, which stays. Ada has none left.
    ada, bo, cork = 0.8 + 0.6, 0.6 + 0.6 * 0.875 + 0.6 * 0.5, 0.6 * 0.875
    # As substrings: "ada" once in a and, in "canada", in c; "bo" twice in a, once in b; "cork" once in b and in c.
    bonus = [
        0.6 * log(2) / 2 + 0.3 * log(3) / 3,
        0.3 * log(2) / 3 + cork * log(2) / 3,
        cork * log(2) / 3 + 0.6 * log(2) / 2,
    ]
    trace = retriever(snapshot, parity=True).trace("where does Ada live?", k=3)
    check(trace, *walked([ada, bo, cork], seeded(bonus)))
    assert trace.reasons[ADA] == "similar name"


def test_parity_takes_names_from_whatever_finds_them(snapshot):
    names = extracted_names(CapitalsExtractor())
    one, other = (retriever(snapshot, parity=True, query_entities=way) for way in (None, names))
    assert one.retrieve([ASK], k=3)[0].hits == other.retrieve([ASK], k=3)[0].hits
    blocks = []

    def lower(queries):
        blocks.append(list(queries))
        return [("ada",) if "ada" in query else () for query in queries]

    named, nameless = retriever(snapshot, parity=True, query_entities=lower).retrieve(["what of ada?", "who?"], k=3)
    # Asked once for all, as language models like it.
    assert blocks == [["what of ada?", "who?"]]
    assert [seed.reason for seed in named.evidence.seeds if seed.node == "Ada"] == ["similar name"]
    assert list(named.timings)[:2] == ["embed", "find names"]
    assert nameless.evidence.stages[0].name == "no names: dense"


@pytest.mark.parametrize("parity", [False, True])
def test_a_query_without_names_ranks_by_cosine(snapshot, parity):
    trace = retriever(snapshot, parity=parity).trace("who sails?", k=2)
    assert (trace.reset, trace.reasons, trace.ranking.evidence.walk) == (None, {}, None)
    assert [(hit.passage.id, hit.score) for hit in trace.ranking.hits] == [("b", 0.75), ("a", 0.5)]
    [stage] = trace.ranking.evidence.stages
    assert (stage.name, stage.passages) == ("no names: dense", (("b", 0.75), ("a", 0.5)))


def test_the_evidence_tells_seeds_stages_and_walk(snapshot):
    [ranking] = retriever(snapshot).retrieve([ASK], k=2)
    evidence = ranking.evidence
    assert [(seed.node, seed.kind, seed.reason) for seed in evidence.seeds][:2] == [
        ("Ada", "entity", "mention"),
        ("Bo", "entity", "tier 2"),
    ]
    assert sum(seed.weight for seed in evidence.seeds) == pytest.approx(1.0)
    assert [stage.name for stage in evidence.stages] == ["dense", "seeds", "walk"]
    assert evidence.stages[-1].passages == tuple((hit.passage.id, hit.score) for hit in ranking.hits)
    assert evidence.walk is not None
    assert evidence.walk.residual <= 1e-13
    assert list(ranking.timings) == ["embed", "dense", "link entities", "activate", "seed", "walk", "rank"]


def test_equal_cosines_are_all_one(snapshot):
    flat = dataclasses.replace(snapshot, passage_vectors=at([0.5, 0.5, 0.5]))
    trace = retriever(flat, tiers=1).trace(ASK, k=3)
    bonus = [log(2), 0.0, 0.0]
    check(trace, *walked([1.0, 0, 0], [0.05 * (2.0 + log(1 + more)) for more in bonus]))


def over(hippograph, **options):
    snapshot, embedder = hippograph.parts.snapshot, hippograph.indexer.embedder
    graph = SentenceGraph.of(snapshot)
    return LinearRAGRetriever(
        snapshot=snapshot,
        embedder=embedder,
        sentence_graph=graph,
        sentence_vectors=graph.vectors(embedder),
        **options,
    )


QUERIES = ["Who built the Fram?", "北京在哪个国家？", "Where did the parents of Colin Archer live?", "qwertz uiop"]


@pytest.mark.parametrize("parity", [False, True])
def test_the_contract(small, parity):
    linear = over(small, parity=parity, threshold=0.05)
    check_retriever(linear, queries=QUERIES)
    traceable: Traceable = linear
    assert isinstance(traceable, Traceable)
    for ranking in linear.retrieve(QUERIES, k=3):
        trace = linear.trace(ranking.query, k=3)
        assert (trace.ranking.hits, trace.ranking.evidence) == (ranking.hits, ranking.evidence)
        assert trace.reset is None or set(np.flatnonzero(trace.reset).tolist()) <= set(trace.reasons)


@given(queries=st.lists(st.sampled_from([*QUERIES, "Colin Archer", "Newburgh and Larvik"]), max_size=40))
@settings(max_examples=5)
def test_many_at_a_time_are_as_each_alone(linear, queries):
    together = linear.retrieve(queries, k=6)
    for query, ranking in zip(queries, together, strict=True):
        [alone] = linear.retrieve([query], k=6)
        assert (ranking.hits, ranking.evidence) == (alone.hits, alone.evidence)


@pytest.fixture(scope="module")
def linear(tmp_path_factory):
    texts = {
        "fram": "Fram was built by Colin Archer in Larvik. Nansen sailed it north.",
        "archer": "Colin Archer was a naval architect. His parents came from Newburgh.",
        "newburgh": "Newburgh is a burgh in Fife.",
        "beijing": "北京是中国的首都。",
    }
    folder = tmp_path_factory.mktemp("many")
    with HippoGraph(folder, extractor=CapitalsExtractor(), embedder=HashingEmbedder()) as hippograph:
        hippograph.index([Passage(id=id, document=id, title=id, text=text) for id, text in texts.items()])
        return over(hippograph, threshold=0.05)


def test_threads_may_share_it(linear):
    alone = [ranking.hits for ranking in linear.retrieve(QUERIES, k=3)]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda query: linear.retrieve([query], k=3)[0].hits, QUERIES * 5))
    assert together == alone * 5


def test_a_sentence_bridges_to_a_passage_that_the_query_does_not_name(linear):
    named = dataclasses.replace(linear, tiers=1).trace("Colin Archer", k=1).reasons
    bridged = linear.trace("Colin Archer", k=1).reasons
    entity = list(linear.snapshot.entity_names).index("Larvik")
    assert entity not in named
    assert bridged[entity] == "tier 2"


def test_an_empty_index_finds_nothing():
    embedder, graph = HashingEmbedder(), SentenceGraph.of(Snapshot.empty())
    for parity in (False, True):
        empty = LinearRAGRetriever(
            snapshot=Snapshot.empty(),
            embedder=embedder,
            sentence_graph=graph,
            sentence_vectors=graph.vectors(embedder),
            parity=parity,
        )
        assert [ranking.hits for ranking in empty.retrieve(["Who built the Fram?"], k=3)] == [()]


def test_an_index_without_names_ranks_by_cosine(tmp_path):
    with HippoGraph(tmp_path, extractor=CapitalsExtractor(), embedder=HashingEmbedder()) as hippograph:
        hippograph.index([Passage(id=id, document=id, text=f"nothing but {id}") for id in ("one", "two")])
        dense = DenseRetriever(snapshot=hippograph.parts.snapshot, embedder=hippograph.indexer.embedder)
        for parity in (False, True):
            found = over(hippograph, parity=parity).retrieve(["Who is One?"], k=2)
            assert found[0].hits == dense.retrieve(["Who is One?"], k=2)[0].hits


def test_what_does_not_fit_is_refused(snapshot, small):
    linear = retriever(snapshot)
    with pytest.raises(InputError, match="3 vectors of 4 sentences"):
        dataclasses.replace(linear, sentence_vectors=linear.sentence_vectors[:3])
    with pytest.raises(InputError, match="make it of the same snapshot"):
        dataclasses.replace(linear, snapshot=small.parts.snapshot)


@pytest.mark.parametrize(
    "wrong",
    [{"tiers": 0}, {"sentences": 0}, {"threshold": -0.1}, {"passage_ratio": float("nan")}, {"passage_weight": 0.0}],
)
def test_unusable_settings_are_refused(snapshot, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        retriever(snapshot, **wrong)
    with pytest.raises(InputError, match="damping"):
        retriever(snapshot, damping=1.0)
