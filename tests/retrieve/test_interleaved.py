from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.completions import Completion, Message, ModelRequest
from hippograph.errors import InputError
from hippograph.models.dialogues import converse
from hippograph.retrieve.interleaved import InterleavedRetriever, InterleavedSearch, Trail, merge
from hippograph.testing.contracts import check_retriever
from hippograph.testing.scripted import ScriptedModel
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


def told(*rankings):
    return Trail(question="q", rankings=rankings, hits=()).ranking(3).evidence


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


def test_a_search_goes_step_by_step():
    retriever = Scripted(FOUND)
    search = InterleavedSearch(retriever=retriever, max_steps=3)
    [trail] = search.begin([QUESTION])
    assert ids(trail.hits) == ["ada", "zoo"]
    [trail] = search.follow([trail], [THOUGHT])
    assert [passage.id for passage in trail.passages] == ["bo", "ada", "zoo"]
    assert search.goes_on(trail)
    [trail] = search.follow([trail], [LAST])
    assert not search.goes_on(trail)
    assert (trail.thoughts, trail.steps, trail.stalled) == ((THOUGHT, LAST), 3, 0)
    # Thoughts are looked up alone.
    assert retriever.asked == [[QUESTION], [THOUGHT], [LAST]]
    final = trail.ranking(2)
    assert (final.query, ids(final.hits)) == (QUESTION, ["bo", "ada"])
    assert [(stage.name, stage.passages[0]) for stage in final.evidence.stages] == [
        ("question", ("ada", 0.5)),
        ("thought 1", ("bo", 0.75)),
        ("thought 2", ("cork", 0.375)),
    ]
    assert list(final.timings) == ["walk", "merge"]
    assert final.timings["walk"] == 6.0


@pytest.mark.parametrize(
    "thought", ["", "  \n", "...", QUESTION, "where does ADA'S  brother live", THOUGHT, f"{THOUGHT}!"]
)
def test_a_thought_that_says_nothing_new_is_a_step_without_a_search(thought):
    retriever = Scripted(FOUND)
    search = InterleavedSearch(retriever=retriever, max_steps=9)
    [before] = search.follow(search.begin([QUESTION]), [THOUGHT])
    [after] = search.follow([before], [thought])
    assert (after.hits, after.thoughts, after.rankings) == (before.hits, before.thoughts, before.rankings)
    assert (after.steps, after.stalled) == (3, 1)
    assert retriever.asked == [[QUESTION], [THOUGHT]]
    [after] = search.follow([after], [thought])
    assert not search.goes_on(after)


def test_steps_that_bring_nothing_new_are_counted_until_patience_ends():
    same = {**FOUND, "Cork?": FOUND[QUESTION], "Oslo?": FOUND[QUESTION]}
    trail_of = {}
    for parity in (False, True):
        search = InterleavedSearch(retriever=Scripted(same), max_steps=9, patience=2, parity=parity)
        [trail] = search.begin([QUESTION])
        for thought in ("Cork?", "Oslo?"):
            assert search.goes_on(trail)
            [trail] = search.follow([trail], [thought])
        trail_of[parity] = (trail.stalled, search.goes_on(trail))
    assert trail_of == {False: (2, False), True: (2, True)}


def test_trails_are_followed_together_and_each_as_it_would_be_alone():
    retriever = Scripted(FOUND)
    search = InterleavedSearch(retriever=retriever)
    trails = search.begin([QUESTION, THOUGHT, LAST])
    together = search.follow(trails, [THOUGHT, " ", THOUGHT])
    assert retriever.asked[1:] == [[THOUGHT, THOUGHT]]
    for trail, thought, followed in zip(trails, [THOUGHT, " ", THOUGHT], together, strict=True):
        [alone] = search.follow([trail], [thought])
        assert (alone.hits, alone.thoughts, alone.steps) == (followed.hits, followed.thoughts, followed.steps)
    assert search.begin([]) == search.follow([], []) == []
    with pytest.raises(InputError, match="1 thoughts for 3 trails"):
        search.follow(trails, [THOUGHT])


@pytest.mark.parametrize("name", ["max_steps", "patience", "shown", "depth"])
def test_numbers_below_one_are_refused(name):
    with pytest.raises(InputError, match=name):
        InterleavedSearch(retriever=Scripted(FOUND), **{name: 0})  # type: ignore[arg-type]


def chain(question: str, passages: Sequence[Passage], thoughts: Sequence[str]) -> str | None:
    return {0: THOUGHT, 1: LAST}.get(len(thoughts)) if question == QUESTION else None


def test_a_retriever_thinks_until_it_stops():
    retriever = Scripted(FOUND)
    thinking = InterleavedRetriever(search=InterleavedSearch(retriever=retriever, max_steps=9), think=chain)
    first, second = thinking.retrieve([QUESTION, LAST], k=3)
    assert ids(first.hits) == ["bo", "ada", "cork"]
    assert ids(second.hits) == ["cork", "bo"]
    assert retriever.asked == [[QUESTION, LAST], [THOUGHT], [LAST]]
    assert "think" in first.timings
    assert thinking.retrieve([], k=3) == []


def test_what_is_shown_to_whoever_thinks_does_not_depend_on_k():
    shown = []

    def think(question: str, passages: Sequence[Passage], thoughts: Sequence[str]) -> str | None:
        shown.append([passage.id for passage in passages])
        return None

    many = {QUESTION: {f"{number:02}": 1 / (1 + number) for number in range(30)}}
    thinking = InterleavedRetriever(search=InterleavedSearch(retriever=Scripted(many), depth=5), think=think)
    assert [len(thinking.retrieve([QUESTION], k=k)[0].hits) for k in (1, 20)] == [1, 20]
    assert shown[0] == shown[1] == [f"{number:02}" for number in range(10)]


@pytest.mark.parametrize("parity", [False, True])
def test_the_contract(small, parity):
    def think(question: str, passages: Sequence[Passage], thoughts: Sequence[str]) -> str | None:
        return passages[0].text if passages and len(thoughts) < 2 else None

    search = InterleavedSearch(retriever=small.parts.retriever("hybrid"), shown=4, parity=parity)
    queries = ["Who built the Fram?", "北京在哪个国家？", "a boat through the Northwest Passage", "qwertz uiop"]
    check_retriever(InterleavedRetriever(search=search, think=think), queries=queries)


class TrailLike(Protocol):
    """What a reader, which knows nothing of this room, needs of a trail."""

    @property
    def passages(self) -> tuple[Passage, ...]: ...
    @property
    def thoughts(self) -> tuple[str, ...]: ...
    @property
    def question(self) -> str: ...


T = TypeVar("T", bound=TrailLike)


class Search(Protocol[T]):
    """What it needs of a search."""

    def begin(self, questions: Sequence[str]) -> list[T]: ...
    def goes_on(self, trail: T) -> bool: ...
    def follow(self, trails: Sequence[T], thoughts: Sequence[str]) -> list[T]: ...


def reading(search: Search[T], question: str) -> Generator[Sequence[ModelRequest], list[Completion], T]:
    """A reader as a dialogue: it asks for the next thought until that is an answer."""
    [trail] = search.begin([question])
    while search.goes_on(trail):
        shown = " ".join([question, *(passage.id for passage in trail.passages), *trail.thoughts])
        [completion] = yield [ModelRequest(messages=(Message("user", shown),))]
        if "So the answer is:" in completion.text:
            break
        [trail] = search.follow([trail], [completion.text])
    return trail


def test_a_dialogue_drives_it():
    def answers(request: ModelRequest) -> str:
        said = request.messages[0].text
        return "So the answer is: Cork" if LAST in said else LAST if THOUGHT in said else THOUGHT

    search = InterleavedSearch(retriever=Scripted(FOUND), max_steps=9)
    model = ScriptedModel(answers=answers)
    ended = dict(converse(model, (reading(search, QUESTION) for _ in range(2))))
    assert [(ids(ended[number].hits), ended[number].thoughts) for number in (0, 1)] == [
        (["bo", "ada", "cork", "zoo"], (THOUGHT, LAST))
    ] * 2
    assert model.calls == 6
