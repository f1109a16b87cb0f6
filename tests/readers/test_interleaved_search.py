from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.readers.interleaved_retriever import InterleavedRetriever
from hippograph.readers.interleaved_search import InterleavedSearch, merge
from hippograph.testing.contracts import check_retriever
from hippograph.types import (
    Evidence,
    Hit,
    LinkedTriple,
    Passage,
    Ranking,
    Recognition,
    Seed,
    Triple,
    Usage,
    WalkReport,
)

WALKED = Evidence(walk=WalkReport(engine="exact", iterations=1, residual=0.0))


def ranking(query, scores, *, walked=True):
    hits = tuple(
        Hit(passage=Passage(id=id, document=id, text=id), score=score)
        for id, score in sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
    )
    return Ranking(query=query, hits=hits, evidence=WALKED if walked else Evidence(), timings={"walk": 2.0})


@dataclass(frozen=True)
class Scripted:
    """Finds what it is told to."""

    found: dict[str, dict[str, float]]
    asked: list[list[str]] = field(default_factory=list)

    def retrieve(self, queries: Sequence[str], *, k: int) -> list[Ranking]:
        self.asked.append(list(queries))
        return [
            Ranking(query=query, hits=whole.hits[:k], evidence=whole.evidence, timings=whole.timings)
            for query in queries
            for whole in [ranking(query, self.found[query])]
        ]


QUESTION, THOUGHT, LAST = "Where does Ada's brother live?", "Ada's brother is Bo.", "Bo lives in Cork."
FOUND = {
    QUESTION: {"ada": 0.5, "zoo": 0.25},
    THOUGHT: {"bo": 0.75, "ada": 0.125},
    LAST: {"cork": 0.375, "bo": 0.25},
}


def ids(hits):
    return [hit.passage.id for hit in hits]


def test_a_passage_keeps_its_largest_score():
    hits = merge([ranking(query, scores) for query, scores in FOUND.items()])
    assert [(hit.passage.id, hit.score) for hit in hits] == [
        ("bo", 0.75),
        ("ada", 0.5),
        ("cork", 0.375),
        ("zoo", 0.25),
    ]
    assert merge([]) == ()


def test_equal_scores_are_ordered_by_id():
    assert ids(merge([ranking("q", {"b": 0.5}), ranking("t", {"a": 0.5})])) == ["a", "b"]


def test_cosines_get_the_scores_that_walks_have_at_their_ranks():
    walks = [ranking("q", {"a": 0.25, "b": 0.125}), ranking("t", {"c": 0.75})]
    cosines = ranking("u", {"d": 0.9, "e": 0.875, "f": 0.75}, walked=False)
    # At rank 1 the walks have 0.25 and 0.75, at rank 2 one has 0.125; then it falls off: 0.125 * 2 / 3.
    scores = {hit.passage.id: hit.score for hit in merge([*walks, cosines])}
    assert scores == {"a": 0.25, "b": 0.125, "c": 0.75, "d": 0.5, "e": 0.125, "f": pytest.approx(0.125 * 2 / 3)}
    assert ids(merge([*walks, cosines], parity=True))[:3] == ["d", "e", "c"]


def test_scores_of_one_kind_are_left_as_they_are():
    cosines = [ranking(query, scores, walked=False) for query, scores in FOUND.items()]
    assert merge(cosines) == merge(cosines, parity=True)
    assert merge([ranking("q", {}), ranking("t", {"a": 0.5}, walked=False)])[0].score == 0.5


def test_scores_at_a_rank_do_not_exceed_those_above_it():
    walks = [ranking("q", {"a": 0.5}), ranking("t", {"b": 0.875, "c": 0.75})]
    cosines = ranking("u", {"d": 0.5, "e": 0.25}, walked=False)
    scores = {hit.passage.id: hit.score for hit in merge([*walks, cosines])}
    assert (scores["d"], scores["e"]) == (0.6875, 0.6875)


scored = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 9).map(lambda tenths: tenths / 10), max_size=6)


@given(st.lists(st.tuples(scored, st.booleans()), max_size=4), st.randoms())
def test_merging_neither_loses_nor_repeats_and_the_order_of_the_queries_is_of_no_importance(parts, random):
    rankings = [ranking(str(n), scores, walked=walked) for n, (scores, walked) in enumerate(parts)]
    hits = merge(rankings)
    assert sorted(ids(hits)) == sorted({id for scores, _ in parts for id in scores})
    assert [(-hit.score, hit.passage.id) for hit in hits] == sorted((-hit.score, hit.passage.id) for hit in hits)
    # A passage is never placed above one that is before it everywhere it is.
    shuffled = random.sample(rankings, len(rankings))
    assert [hit.score for hit in merge(shuffled)] == pytest.approx([hit.score for hit in hits])


def judged(query, status, *, kept=(), error="", calls=1):
    """A ranking whose triples were judged; the walk, the seeds and the triples tell whose they are."""
    seed = Seed(node=query, kind="entity", weight=1.0, reason="triple")
    linked = LinkedTriple(triple=Triple(query, "is", "it"), similarity=0.5, kept=bool(kept))
    said = status and Recognition(status=status, kept=kept, error=error, usage=Usage(calls=calls))
    evidence = Evidence(seeds=(seed,), triples=(linked,), walk=WALKED.walk, recognition=said or None)
    return Ranking(query=query, hits=(), evidence=evidence)


@dataclass
class OneByOne:
    """Returns rankings in turn."""

    rankings: list[Ranking]

    def retrieve(self, queries: Sequence[str], *, k: int) -> list[Ranking]:
        return [self.rankings.pop(0) for _ in queries]


def told(*rankings):
    """The evidence of a retriever that finds these, one after another."""
    thoughts = [f"thought {number}" for number in range(1, len(rankings))]
    search = InterleavedSearch(max_steps=99, patience=99)
    thinking = InterleavedRetriever(
        retriever=OneByOne(list(rankings)),
        think=lambda question, passages, known: thoughts[len(known)] if len(known) < len(thoughts) else None,
        search=search,
    )
    return thinking.retrieve(["q"], k=3)[0].evidence


def test_the_evidence_is_that_of_the_last_step():
    first, last = judged("q", "done", kept=(3,)), judged("t", "done", kept=(1, 0), calls=2)
    evidence = told(first, last)
    assert (evidence.seeds, evidence.triples, evidence.walk) == (
        last.evidence.seeds,
        last.evidence.triples,
        last.evidence.walk,
    )
    assert evidence.recognition == Recognition(status="done", kept=(1, 0))
    assert evidence.recognition.usage.calls == 3
    assert [stage.name for stage in evidence.stages] == ["question", "thought 1"]
    assert told(judged("q", None)).recognition is None


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [
        (["done", "failed", "done"], "failed"),
        (["invalid", "empty"], "invalid"),
        (["empty", "done"], "empty"),
        (["failed", "invalid", "empty", "done"], "failed"),
        (["invalid", None], "invalid"),
    ],
)
def test_no_later_step_hides_that_a_judge_did_not_answer(statuses, worst):
    rankings = [
        judged(f"q{number}", status, kept=(0,) if status == "done" else (), error=f"of {status}")
        for number, status in enumerate(statuses)
    ]
    said = told(*rankings).recognition
    assert (said.status, said.error, said.kept) == (worst, f"of {worst}", ())


def test_a_last_step_without_triples_keeps_none():
    assert told(judged("q", "done", kept=(2,)), judged("t", None)).recognition == Recognition(status="done")


def begun(search, question=QUESTION):
    return search.begin(question, [ranking(question, FOUND[question])])


def test_a_search_goes_step_by_step():
    search = InterleavedSearch(max_steps=3)
    trail = begun(search)
    assert ids(trail.hits) == ["ada", "zoo"]
    trail = search.follow(trail, THOUGHT, ranking(THOUGHT, FOUND[THOUGHT]))
    assert [passage.id for passage in trail.passages] == ["bo", "ada", "zoo"]
    assert search.goes_on(trail)
    trail = search.follow(trail, LAST, ranking(LAST, FOUND[LAST]))
    assert not search.goes_on(trail)
    assert (trail.thoughts, trail.steps, trail.stalled) == ((THOUGHT, LAST), 3, 0)
    assert [one.query for one in trail.rankings] == [QUESTION, THOUGHT, LAST]


def test_what_is_found_for_several_queries_is_one_step():
    trail = InterleavedSearch().begin(QUESTION, [ranking(query, found) for query, found in FOUND.items()])
    assert (ids(trail.hits), trail.steps, trail.thoughts) == (["bo", "ada", "cork", "zoo"], 1, ())


@pytest.mark.parametrize("parity", [False, True])
@pytest.mark.parametrize(
    "thought", ["", "  \n", "...", QUESTION, "where does ADA'S  brother live", THOUGHT, f"{THOUGHT}!"]
)
def test_a_thought_that_says_nothing_new_is_a_step_without_a_look(thought, parity):
    search = InterleavedSearch(max_steps=9, parity=parity)
    before = search.follow(begun(search), THOUGHT, ranking(THOUGHT, FOUND[THOUGHT]))
    assert not search.is_new(thought, before)
    after = search.follow(before, thought, None)
    assert (after.hits, after.rankings, after.steps, after.stalled) == (before.hits, before.rankings, 3, 1)
    assert after.thoughts == ((*before.thoughts, thought) if parity else before.thoughts)
    assert search.goes_on(search.follow(after, thought, None)) == parity


def test_steps_that_bring_nothing_new_are_counted_until_patience_ends():
    trail_of = {}
    for parity in (False, True):
        search = InterleavedSearch(max_steps=9, patience=2, parity=parity)
        trail = begun(search)
        for thought in ("Cork?", "Oslo?"):
            assert search.is_new(thought, trail)
            assert search.goes_on(trail)
            trail = search.follow(trail, thought, ranking(thought, FOUND[QUESTION]))
        trail_of[parity] = (trail.stalled, search.goes_on(trail))
    assert trail_of == {False: (2, False), True: (2, True)}


def test_what_is_new_but_not_among_those_shown_is_not_news():
    search = InterleavedSearch(shown=1)
    trail = search.follow(begun(search), THOUGHT, ranking(THOUGHT, {"bo": 0.25}))
    assert ([passage.id for passage in trail.passages], trail.stalled) == (["ada"], 1)


@pytest.mark.parametrize("name", ["max_steps", "patience", "shown"])
def test_numbers_below_one_are_refused(name):
    with pytest.raises(InputError, match=name):
        InterleavedSearch(**{name: 0})  # type: ignore[arg-type]


def chain(question: str, passages: Sequence[Passage], thoughts: Sequence[str]) -> str | None:
    return {0: THOUGHT, 1: LAST}.get(len(thoughts)) if question == QUESTION else None


def test_a_retriever_thinks_until_it_stops():
    retriever = Scripted(FOUND)
    thinking = InterleavedRetriever(retriever=retriever, search=InterleavedSearch(max_steps=9), think=chain)
    first, second = thinking.retrieve([QUESTION, LAST], k=3)
    assert (first.query, ids(first.hits)) == (QUESTION, ["bo", "ada", "cork"])
    assert ids(second.hits) == ["cork", "bo"]
    # Thoughts are looked up alone, those of all questions together.
    assert retriever.asked == [[QUESTION, LAST], [THOUGHT], [LAST]]
    assert [(stage.name, stage.passages[0]) for stage in first.evidence.stages] == [
        ("question", ("ada", 0.5)),
        ("thought 1", ("bo", 0.75)),
        ("thought 2", ("cork", 0.375)),
    ]
    assert list(first.timings) == ["walk", "think"]
    assert first.timings["walk"] == 6.0
    assert thinking.retrieve([], k=3) == []


def test_a_thinker_that_repeats_itself_is_not_looked_up_again():
    retriever = Scripted(FOUND)
    search = InterleavedSearch(max_steps=9, patience=2)
    InterleavedRetriever(retriever=retriever, search=search, think=lambda *_: THOUGHT).retrieve([QUESTION], k=3)
    assert retriever.asked == [[QUESTION], [THOUGHT]]


@pytest.mark.parametrize(("depth", "k", "named"), [(0, 5, "depth is 0"), (5, 0, "k is 0")])
def test_no_hits_are_refused(depth, k, named):
    with pytest.raises(InputError, match=named):
        InterleavedRetriever(retriever=Scripted(FOUND), think=chain, depth=depth).retrieve([QUESTION], k=k)


def test_what_is_shown_to_whoever_thinks_does_not_depend_on_k():
    shown = []

    def think(question: str, passages: Sequence[Passage], thoughts: Sequence[str]) -> str | None:
        shown.append([passage.id for passage in passages])
        return None

    many = {QUESTION: {f"{number:02}": 1 / (1 + number) for number in range(30)}}
    thinking = InterleavedRetriever(retriever=Scripted(many), think=think, depth=5)
    assert [len(thinking.retrieve([QUESTION], k=k)[0].hits) for k in (1, 20)] == [1, 20]
    assert shown[0] == shown[1] == [f"{number:02}" for number in range(10)]


@pytest.mark.parametrize("parity", [False, True])
def test_the_contract(small, parity):
    def think(question: str, passages: Sequence[Passage], thoughts: Sequence[str]) -> str | None:
        return passages[0].text if passages and len(thoughts) < 2 else None

    search = InterleavedSearch(shown=4, parity=parity)
    queries = ["Who built the Fram?", "北京在哪个国家？", "a boat through the Northwest Passage", "qwertz uiop"]
    retriever = small.parts.retriever("hybrid")
    check_retriever(InterleavedRetriever(retriever=retriever, search=search, think=think), queries=queries)
