"""The default retriever: against walks that are solved, one query at a time or many, and where there is little."""

from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.completions import Completion
from hippograph.errors import InputError, ModelError
from hippograph.evaluation.datasets import load_questions
from hippograph.hippograph import HippoGraph
from hippograph.retrieve import blocks
from hippograph.retrieve.explain import explain
from hippograph.retrieve.focus import strengths
from hippograph.retrieve.llm_recognition import LLMRecognition
from hippograph.retrieve.nearest import top
from hippograph.retrieve.pagerank import PageRankRetriever
from hippograph.retrieve.recognition import CrossEncoderRecognition
from hippograph.retrieve.second_look import SecondLook
from hippograph.retrieve.seeding import Seeding
from hippograph.retrieve.trace import Traceable
from hippograph.retrieve.triple_linking import TripleLinker
from hippograph.store.snapshot import Snapshot
from hippograph.testing.contracts import check_retriever
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder, OverlapCrossEncoder
from hippograph.testing.scripted import ScriptedModel
from hippograph.testing.toy_corpus import toy_passages, toy_questions_path
from hippograph.types import Passage, Recognition
from tests.retrieve.tiny import AxisEmbedder, exact_walk, tiny_index

QUERIES = [question.text for question in load_questions(toy_questions_path()).questions[::4]][:7]
QUERIES += ["qwertz uiop", "北京在哪个国家？"]


class CountingJudge:
    """Remembers which pairs came together."""

    fingerprint = "counting"

    def __init__(self):
        self.calls = []

    def score(self, pairs):
        self.calls.append(list(pairs))
        return OverlapCrossEncoder().score(pairs)


class Broken:
    """Judges nothing."""

    fingerprint = "broken"

    def score(self, pairs):
        raise ModelError("the weights are gone")

    def recognise(self, queries, triples):
        raise ModelError("the key is wrong")


def said(request):
    """Keep the first fact, or none, or talk, or fail, as the length of the question has it."""
    number = len(request.messages[-1].text) % 4
    failure = Completion(status="failed", error="overloaded")
    return ['{"keep": [1]}', '{"keep": []}', "I am sorry", failure][number]


LOOK = SecondLook(judge=OverlapCrossEncoder())
VARIANTS: dict[str, dict[str, Any]] = {
    "one walk": {"second_look": None},
    "no judge": {"second_look": SecondLook()},
    "judge": {},
    "cross-encoder": {"recognition": CrossEncoderRecognition(encoder=OverlapCrossEncoder(), threshold=-0.5)},
    "language model": {"recognition": LLMRecognition(model=ScriptedModel(answers=said))},
    "pushed": {"engine": "push"},
    "pushed, one walk": {"engine": "push", "second_look": None},
}


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    place = tmp_path_factory.mktemp("pagerank") / "toy.hippo"
    with HippoGraph(place, extractor=CapitalsExtractor(), embedder=HashingEmbedder()) as hippograph:
        hippograph.index(toy_passages())
        return hippograph.parts.snapshot


def over(snapshot, embedder=None, **parameters):
    """Retrieve with facts that need not be near, so that there are some to judge."""
    triples = TripleLinker(most=5, threshold=0.2)
    given = {"embedder": embedder or HashingEmbedder(), "triples": triples, "second_look": LOOK, **parameters}
    return PageRankRetriever(snapshot=snapshot, **given)


@cache
def alone(retriever, query, k):
    [ranking] = retriever.retrieve([query], k=k)
    return replace(ranking, timings={})


def passages(snapshot, mass):
    return {id: float(share) for id, share in zip(snapshot.passages.ids, mass, strict=True)}


def solved(graph, reset, damping):
    """Return the shares of time that a walk spends at each passage, by elimination."""
    edges = graph.adjacency.toarray()
    degrees = edges.sum(axis=0)
    step = np.divide(edges, degrees, out=np.zeros_like(edges), where=degrees > 0)
    step[:, degrees == 0] = reset[:, np.newaxis]
    mass = np.linalg.solve(np.eye(len(reset)) - damping * step, (1 - damping) * reset)
    assert mass.sum() == pytest.approx(1.0)
    return mass[graph.n_entities :]


@pytest.mark.parametrize("variant", VARIANTS)
def test_many_queries_are_answered_as_each_alone(toy, variant):
    retriever = over(toy, **VARIANTS[variant])

    @settings(max_examples=8)
    @given(st.lists(st.sampled_from(QUERIES), max_size=7), st.sampled_from([1, 4]), st.sampled_from([1, 2, 3, 30]))
    def check(queries, k, block):
        with mock.patch.object(blocks, "_NUMBERS", block * toy.graph.n_nodes):
            found = retriever.retrieve(queries, k=k)
        assert [replace(ranking, timings={}) for ranking in found] == [alone(retriever, query, k) for query in queries]

    check()


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_last_walk_of_a_trace_gives_the_hits(toy, variant):
    tolerance = {} if "engine" in VARIANTS[variant] else {"tolerance": 1e-10}
    retriever = over(toy, **VARIANTS[variant], **tolerance)
    traceable: Traceable = retriever
    for query in QUERIES[::2]:
        trace = traceable.trace(query, k=6)
        assert replace(trace.ranking, timings={}) == alone(retriever, query, 6)
        assert trace.reset is not None
        assert trace.reset.sum() == pytest.approx(1.0)
        assert set(trace.reset.nonzero()[0].tolist()) == set(trace.reasons)
        mass = passages(toy, solved(trace.graph, trace.reset, trace.damping))
        found = [hit.passage.id for hit in trace.ranking.hits]
        walked = [mass.pop(id) for id in found]
        assert all(one >= other - 1e-8 for one, other in pairwise(walked))
        assert walked[-1] >= max(mass.values()) - 1e-8
        scores = [hit.score for hit in trace.ranking.hits]
        if "engine" in VARIANTS[variant]:
            assert all(score <= share + 1e-12 for score, share in zip(scores, walked, strict=True))
        else:
            assert scores == pytest.approx(walked, abs=1e-8)
        seeds = trace.ranking.evidence.seeds
        assert {seed.reason for seed in seeds} == set(trace.reasons.values())
        assert {trace.name(node) for node in trace.reasons} == {seed.node for seed in seeds}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_best_do_not_depend_on_how_many_are_asked_for(toy, variant):
    retriever = over(toy, **VARIANTS[variant])
    for query in QUERIES[::4]:
        few, more, many = ([hit.passage.id for hit in alone(retriever, query, k).hits] for k in (1, 6, 20))
        assert (few, more) == (more[:1], many[:6])
        seeds = [alone(retriever, query, k).evidence.seeds for k in (1, 6, 20)]
        assert seeds[0] == seeds[1] == seeds[2]


@pytest.mark.parametrize("query", QUERIES[::3])
def test_the_second_look_step_by_step(toy, query):
    look = SecondLook(judge=OverlapCrossEncoder(), candidates=6, anchors=2, share=0.75, focus=0.5, damping=0.6)
    retriever = over(toy, focus=0.25, damping=0.7, second_look=look, tolerance=1e-12)
    [ranking] = retriever.retrieve([query], k=5)
    graph, [vector] = toy.graph, HashingEmbedder().embed([query], role="query")
    cosines = toy.passage_vectors @ vector

    def walked(reset, focus, damping):
        return solved(graph.drawn_by(strengths(cosines, focus=focus, n_entities=graph.n_entities)), reset, damping)

    reset = replace(retriever, second_look=None).trace(query).reset
    first = walked(reset, 0.25, 0.7)
    read = top(first, k=6)
    verdicts = OverlapCrossEncoder().score([(query, toy.passages[row].headed_text) for row in read.tolist()])
    worth = first[read] * np.exp(look.verdict * verdicts.astype(float))
    best = sorted(range(6), key=lambda place: (-worth[place], read[place]))[:2]
    again = 0.25 * reset
    again[graph.n_entities + read[best]] += 0.75 * worth[best] ** look.sharpness / (worth[best] ** look.sharpness).sum()
    second = walked(again, 0.5, 0.6)
    for stage, mass in zip(ranking.evidence.stages[1:], (first, second), strict=True):
        rows = top(mass, k=5)
        assert [id for id, _ in stage.passages] == [toy.passages.ids[row] for row in rows.tolist()]
        assert [score for _, score in stage.passages] == pytest.approx(mass[rows], abs=1e-9)
    assert [(hit.passage.id, hit.score) for hit in ranking.hits] == list(ranking.evidence.stages[-1].passages)
    nearest = top(cosines, k=5)
    assert ranking.evidence.stages[0].name == "dense"
    assert [id for id, _ in ranking.evidence.stages[0].passages] == [toy.passages.ids[row] for row in nearest.tolist()]


def test_a_passage_that_is_asked_for_is_ranked_by_every_step(toy):
    retriever = over(toy, tolerance=1e-12)
    ranking = alone(retriever, QUERIES[0], 72)
    wanted = ranking.hits[41].passage.id
    places = {stage.name: [id for id, _ in stage.passages].index(wanted) + 1 for stage in ranking.evidence.stages}
    assert places["second look"] == 42
    asked = explain(retriever, QUERIES[0], snapshot=toy, k=2, passage=wanted).passage
    assert asked is not None
    assert asked.ranks == places
    with mock.patch("hippograph.retrieve.explain._DEPTH_ASKED", 2):
        asked = explain(retriever, QUERIES[0], snapshot=toy, k=2, passage=wanted).passage
    assert asked is not None
    assert asked.ranks == dict.fromkeys(places)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Anna - Bern - Cusco, the first edge stated by p0 and the second by p1."""
    with tiny_index(tmp_path_factory.mktemp("pagerank")) as hippograph:
        return hippograph.parts.snapshot, hippograph.indexer.embedder


def test_two_walks_in_fractions(tiny):
    snapshot, embedder = tiny
    assert [snapshot.passages.ids.to_list(), snapshot.graph.n_nodes] == [["p0", "p1"], 5]
    look = SecondLook(candidates=2, anchors=2, verdict=0.0, sharpness=1.0, share=0.5, focus=0.0, damping=0.75)
    retriever = over(
        snapshot,
        embedder,
        triples=TripleLinker(most=0),
        seeding=Seeding(dense_passages=1),
        focus=0.0,
        damping=0.5,
        second_look=look,
        tolerance=1e-13,
    )
    [ranking] = retriever.retrieve(["Who leads?"], k=2)
    reset = [Fraction(0)] * 3 + [Fraction(1), Fraction(0)]
    first = exact_walk(snapshot.graph, reset, Fraction(1, 2))[3:]
    shares = [mass / sum(first) for mass in first]
    again = [Fraction(0)] * 3 + [Fraction(1, 2) + shares[0] / 2, shares[1] / 2]
    second = exact_walk(snapshot.graph, again, Fraction(3, 4))[3:]
    assert 0 < first[1] < first[0]
    for stage, mass in zip(ranking.evidence.stages[1:], (first, second), strict=True):
        assert [id for id, _ in stage.passages] == ["p0", "p1"]
        assert [score for _, score in stage.passages] == pytest.approx([float(share) for share in mass], abs=1e-12)
    seeds = {seed.node: (seed.weight, seed.reason) for seed in ranking.evidence.seeds}
    assert seeds == {
        "p0": (pytest.approx(float(again[3])), "dense, first walk"),
        "p1": (pytest.approx(float(again[4])), "first walk"),
    }


@pytest.fixture(scope="module")
def islands(tmp_path_factory):
    """Four passages that mention nothing; the second and the fourth are near "here"."""
    embedder = AxisEmbedder({"here": 0, "b": 0, "d": 0}, dimension=2)
    with HippoGraph(tmp_path_factory.mktemp("islands"), extractor="none", embedder=embedder) as hippograph:
        hippograph.index([Passage(id=id, document=id, text=id) for id in "abcd"])
        return hippograph.parts.snapshot, embedder


@pytest.mark.parametrize("engine", ["exact", "push"])
def test_from_an_island_no_way_leads_on(islands, engine):
    snapshot, embedder = islands
    assert (snapshot.graph.n_entities, snapshot.graph.n_edges) == (0, 0)
    seeding = Seeding(dense_passages=2, sharpness=0.0)
    look = SecondLook(candidates=4, anchors=3, verdict=0.0, sharpness=0.0, share=0.5)
    retriever = over(snapshot, embedder, seeding=seeding, second_look=look, engine=engine)
    [ranking] = retriever.retrieve(["here"], k=4)
    # What was not seeded has no mass, and so is no anchor, though it is a candidate; equals come by id.
    assert [hit.passage.id for hit in ranking.hits] == ["b", "d", "a", "c"]
    assert [hit.score for hit in ranking.hits] == pytest.approx([0.5, 0.5, 0.0, 0.0], abs=1e-9)
    assert [seed.node for seed in ranking.evidence.seeds] == ["b", "d"]
    [ranking] = replace(retriever, second_look=replace(look, anchors=1)).retrieve(["here"], k=3)
    # b has half of the first seeds' half, and all of the anchors' half.
    assert [(hit.passage.id, hit.score) for hit in ranking.hits] == [
        ("b", pytest.approx(0.75)),
        ("d", pytest.approx(0.25)),
        ("a", pytest.approx(0.0, abs=1e-9)),
    ]
    for share, expected in ((0.0, [0.5, 0.5]), (1.0, [1.0, 0.0])):
        lopsided = replace(look, anchors=1, share=share)
        [ranking] = replace(retriever, second_look=lopsided).retrieve(["here"], k=2)
        assert [hit.score for hit in ranking.hits] == pytest.approx(expected, abs=1e-9)
        assert [seed.weight for seed in ranking.evidence.seeds] == [score for score in expected if score]


def test_a_query_that_names_nothing_is_walked_from_what_is_near(toy):
    retriever = over(toy, triples=TripleLinker(most=0))
    evidence = retriever.retrieve(["qwertz uiop"], k=3)[0].evidence
    assert {seed.reason for seed in evidence.seeds} == {"dense", "dense, first walk"}
    assert {seed.kind for seed in evidence.seeds} == {"passage"}
    assert evidence.triples == ()


@pytest.mark.parametrize("engine", ["exact", "push"])
def test_an_empty_index_has_nothing_to_find_and_nobody_to_ask(engine):
    judge = CountingJudge()
    retriever = over(Snapshot.empty(), engine=engine, second_look=SecondLook(judge=judge), recognition=None)
    first, second = retriever.retrieve(["Who built the Fram?", "Oslo?"], k=3)
    assert (first.hits, first.evidence.seeds, first.evidence.walk) == ((), (), None)
    assert replace(first, query="", timings={}) == replace(second, query="", timings={})
    trace = retriever.trace("Oslo?", k=3)
    assert (trace.reset, trace.reasons, trace.ranking.hits) == (None, {}, ())
    assert not explain(retriever, "Oslo?", snapshot=Snapshot.empty()).walked
    assert judge.calls == []


@pytest.mark.parametrize("engine", ["exact", "push"])
@pytest.mark.parametrize("text", ["Nansen sailed the Fram.", "nothing"])
def test_an_index_of_one_passage_finds_it(tmp_path, engine, text):
    with HippoGraph(tmp_path / "one.hippo", extractor=CapitalsExtractor(), embedder=HashingEmbedder()) as hippograph:
        hippograph.index([Passage(id="one", document="one", text=text)])
        retriever = over(hippograph.parts.snapshot, engine=engine)
    for query in ("Who sailed the Fram?", "qwertz uiop"):
        [ranking] = retriever.retrieve([query], k=5)
        [hit] = ranking.hits
        assert hit.passage.id == "one"
        assert 0 < hit.score <= 1
        assert sum(seed.weight for seed in ranking.evidence.seeds) == pytest.approx(1.0)


@pytest.mark.parametrize("variant", ["one walk", "judge", "language model"])
def test_more_hits_than_passages_are_all_passages(tiny, variant):
    snapshot, embedder = tiny
    [ranking] = over(snapshot, embedder, **VARIANTS[variant]).retrieve(["Who joins?"], k=30)
    assert sorted(hit.passage.id for hit in ranking.hits) == ["p0", "p1"]


@pytest.mark.parametrize("variant", ["no judge", "judge", "language model"])
def test_the_contract(toy, variant):
    check_retriever(over(toy, **VARIANTS[variant]), queries=QUERIES[:3])


def test_the_judge_is_asked_once_for_a_block_and_reads_so_many_candidates(toy):
    judge = CountingJudge()
    look = SecondLook(judge=judge, candidates=4, anchors=2)
    with mock.patch.object(blocks, "_NUMBERS", 3 * toy.graph.n_nodes):
        over(toy, second_look=look).retrieve(QUERIES[:7], k=9)
    assert [len(pairs) for pairs in judge.calls] == [12, 12, 4]
    asked = [query for pairs in judge.calls for query, _ in pairs]
    assert asked == [query for query in QUERIES[:7] for _ in range(4)]


@pytest.mark.parametrize(
    ("judge", "complaint"),
    [
        ({"second_look": SecondLook(judge=Broken())}, "the weights are gone"),
        ({"recognition": Broken()}, "the key is wrong"),
    ],
)
def test_a_judge_that_fails_fails_the_retrieval(toy, judge, complaint):
    retriever = over(toy, **judge)
    with pytest.raises(ModelError, match=complaint):
        retriever.retrieve(QUERIES[:2])
    with pytest.raises(ModelError, match=complaint):
        retriever.trace(QUERIES[0])


class Given:
    """Says the same of every query, and remembers what it was shown."""

    def __init__(self, verdict):
        self.verdict, self.shown = verdict, []

    def recognise(self, queries, triples):
        self.shown += [[str(one.subject) for one in candidates] for candidates in triples]
        return [self.verdict] * len(queries)


def judged(tiny, verdict, threshold=0.5):
    """Ask who leads: the fact on Anna and Bern has a cosine of 1 to that, and the one on Bern and Cusco of 0.75."""
    snapshot, embedder = tiny
    vectors = np.zeros((2, 16), dtype=np.float32)
    vectors[[triple.subject for triple in snapshot.triples].index("Anna"), 0] = 1.0
    vectors[[triple.subject for triple in snapshot.triples].index("Bern"), :2] = 0.75, 0.4375**0.5
    snapshot = replace(snapshot, triple_vectors=vectors)
    memory = None if verdict is None else Given(verdict)
    triples = TripleLinker(most=2, threshold=threshold)
    retriever = over(snapshot, embedder, triples=triples, recognition=memory)
    [ranking] = retriever.retrieve(["Who leads?"], k=2)
    by_fact = {seed.node for seed in ranking.evidence.seeds if seed.reason == "triple"}
    return ranking, [fact.kept for fact in ranking.evidence.triples], by_fact, memory


@pytest.mark.parametrize(
    ("verdict", "kept", "seeded"),
    [
        (Recognition(status="done", kept=(1, 0)), [True, True], {"Anna", "Bern", "Cusco"}),
        (Recognition(status="done", kept=(1,)), [False, True], {"Bern", "Cusco"}),
        (Recognition(status="empty"), [False, False], set()),
        (Recognition(status="invalid", error="prose"), [True, True], {"Anna", "Bern", "Cusco"}),
        (Recognition(status="failed", error="no answer"), [True, True], {"Anna", "Bern", "Cusco"}),
    ],
    ids=lambda value: getattr(value, "status", ""),
)
def test_a_verdict_on_the_facts(tiny, verdict, kept, seeded):
    ranking, facts, by_fact, memory = judged(tiny, verdict)
    assert (facts, by_fact, memory.shown) == (kept, seeded, [["Anna", "Bern"]])
    assert ranking.evidence.recognition == verdict
    assert "recognise" in ranking.timings
    plain, _, _, _ = judged(tiny, None)
    assert (plain.evidence.recognition, "recognise" in plain.timings) == (None, False)
    assert (ranking.hits == plain.hits) == all(kept)


def test_only_facts_that_are_near_enough_are_judged(tiny):
    _, facts, by_fact, memory = judged(tiny, Recognition(status="done", kept=(0,)), threshold=0.8)
    assert (facts, by_fact, memory.shown) == ([True, False], {"Anna", "Bern"}, [["Anna"]])
    _, facts, by_fact, memory = judged(tiny, Recognition(status="empty"), threshold=1.5)
    assert (facts, by_fact, memory.shown) == ([False, False], set(), [])


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"engine": "walkabout"}, "engine 'walkabout' is not one of exact, push"),
        ({"focus": -1.0}, "focus is -1.0"),
        ({"damping": 1.0}, "damping is 1.0"),
        ({"damping": float("nan")}, "damping is nan"),
        ({"tolerance": 0.0}, "tolerance is 0.0"),
        ({"tolerance": float("nan")}, "tolerance is nan"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, complaint):
    with pytest.raises(InputError, match=complaint):
        over(Snapshot.empty(), **parameters)


@pytest.mark.parametrize(("queries", "k"), [([" "], 3), (["Oslo?"], 0), ("Oslo?", 3)])
def test_what_cannot_be_asked_is_refused(toy, queries, k):
    with pytest.raises(InputError):
        over(toy).retrieve(queries, k=k)
    if not isinstance(queries, str):
        with pytest.raises(InputError):
            over(toy).trace(queries[0], k=k)
