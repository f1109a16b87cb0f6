"""The reader that thinks aloud: every way in which its chain can end, and what each costs."""

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.completions import Completion
from hippograph.errors import InputError, ModelError
from hippograph.readers.budget import ReadingBudget
from hippograph.readers.interleaved import InterleavedReader
from hippograph.testing.decomposing import DecomposingModel
from hippograph.testing.scripted import ScriptedModel
from hippograph.types import Evidence, Hit, Ranking, Usage, WalkReport
from tests.readers.reading import TEXTS, Shelf, answer_reply, passage

QUESTION = "In which country does the Fram lie?"
FIRST, SECOND, THIRD = "The Fram lies in Oslo.", "Oslo is the capital of Norway.", "Bananas are yellow."


def thought(text=FIRST, **values):
    return json.dumps({"thought": text, "done": False} | values)


def last(**values):
    return thought(SECOND, **({"done": True, "answer": "Norway", "support": [1, 2], "sufficient": True} | values))


BROKEN = "I cannot say."
ANSWER = answer_reply(answer="Norway")


def read(*answers, texts=TEXTS, budget=None, **options):
    model = ScriptedModel(answers=list(answers))
    shelf = Shelf(texts=texts)
    options = {"k": 2} | options
    reader = InterleavedReader(retriever=shelf, model=model, budget=budget or ReadingBudget(), **options)
    return reader.read(QUESTION), model, shelf


def kinds(answer):
    return [step.kind for step in answer.steps]


def material(request):
    return json.JSONDecoder().raw_decode(request.messages[-1].text)[0]


def test_a_chain_that_ends_with_an_answer_needs_no_further_call():
    answer, model, shelf = read(thought(), last())
    assert (answer.text, answer.outcome, answer.complete) == ("Norway", "answered", True)
    assert kinds(answer) == ["retrieve", "think", "retrieve", "think"]
    # Thoughts are looked up alone.
    assert shelf.asked == [(QUESTION, 2), (FIRST, 2)]
    assert model.calls == answer.usage.calls == 2
    assert [step.decision for step in answer.steps] == ["", "go on", "go on", "stop"]
    assert answer.steps[-1].reason == "the chain ends with an answer; the passages contain it"
    assert answer.citations


def test_the_chain_is_what_is_known():
    answer, _, _ = read(thought(), last())
    thinking = [step for step in answer.steps if step.kind == "think"]
    assert [step.text for step in thinking] == [FIRST, SECOND]
    assert [step.note_before for step in thinking] == ["", FIRST]
    assert [step.note_after for step in thinking] == [FIRST, f"{FIRST}\n{SECOND}"]


def test_the_last_thought_may_say_that_the_evidence_does_not_suffice():
    answer, model, _ = read(last(sufficient=False))
    assert (answer.text, answer.outcome, model.calls) == ("Norway", "not enough evidence", 1)
    assert answer.steps[-1].reason == "the chain ends with an answer; the passages do not contain it"


def test_what_was_not_shown_is_not_cited():
    answer, _, _ = read(last(support=[2, 9]))
    assert len(answer.citations) == 1
    assert answer.steps[-1].remark == "cites passages that were not shown: 9"


# What the model says, what is set, the kinds of the steps, the outcome.
PATHS: dict[str, tuple[list[str], dict[str, Any], str, str]] = {
    "the first thought ends it": ([last()], {}, "retrieve think", "answered"),
    "the second": ([thought(), last()], {}, "retrieve think retrieve think", "answered"),
    "the third": (
        [thought(), thought(SECOND), last()],
        {},
        "retrieve think retrieve think retrieve think",
        "answered",
    ),
    "no look but the first": ([ANSWER], {"max_steps": 1}, "retrieve answer", "answered"),
    "two looks, as for HotpotQA": ([thought(), ANSWER], {"max_steps": 2}, "retrieve think retrieve answer", "answered"),
    "all steps": (
        [thought(), thought(SECOND), thought(THIRD), ANSWER],
        {"patience": 9},
        "retrieve think retrieve think retrieve think retrieve answer",
        "answered",
    ),
    "nothing new twice": (
        [thought("Fram lies Oslo"), thought("Fram lies"), ANSWER],
        {"max_steps": 9, "k": 1},
        "retrieve think retrieve think retrieve answer",
        "answered",
    ),
    "a thought again": (
        [thought(), thought("the fram lies in oslo"), ANSWER],
        {},
        "retrieve think retrieve think answer",
        "answered",
    ),
    "the question again": ([thought(QUESTION), ANSWER], {}, "retrieve think answer", "answered"),
    "a blank thought": ([thought(" "), ANSWER], {}, "retrieve think answer", "answered"),
    "done without an answer": ([thought(done=True), ANSWER], {}, "retrieve think answer", "answered"),
    "done, sufficient, no answer": ([last(answer=" "), ANSWER], {}, "retrieve think answer", "answered"),
    "an unusable thought": ([BROKEN, ANSWER], {}, "retrieve think answer", "answered"),
    "an unusable second thought": ([thought(), BROKEN, ANSWER], {}, "retrieve think retrieve think answer", "answered"),
    "no thought, no answer": ([BROKEN, BROKEN], {}, "retrieve think answer", "failed"),
    "an unusable answer": (
        [thought(), ANSWER.replace("answer", "reply")],
        {"max_steps": 2},
        "retrieve think retrieve answer",
        "failed",
    ),
    "parity asks apart": ([last(), ANSWER], {"parity": True}, "retrieve think answer", "answered"),
    "parity does not mind repetition": (
        [thought(), thought(), thought(), ANSWER],
        {"parity": True},
        "retrieve think retrieve think think answer",
        "answered",
    ),
    "parity does not mind finding nothing": (
        [thought("Fram lies Oslo"), thought("Fram lies"), thought("lies Fram?"), ANSWER],
        {"parity": True, "k": 1},
        "retrieve think retrieve think retrieve think retrieve answer",
        "answered",
    ),
    "with clues": (
        [json.dumps({"draft": "", "clues": ["Oslo is the capital"], "queries": []}), last()],
        {"clue": True},
        "clue retrieve retrieve think",
        "answered",
    ),
}


@pytest.mark.parametrize("path", PATHS)
def test_calls_and_steps_of_each_path(path):
    answers, options, steps, outcome = PATHS[path]
    answer, model, _ = read(*answers, **options)
    assert " ".join(kinds(answer)) == steps
    # Every answer of the script was asked for, and no more.
    assert (answer.outcome, model.calls) == (outcome, len(answers))
    assert model.calls <= options.get("max_steps", 4) + options.get("clue", False)


def test_why_it_stopped_is_told():
    reasons = {
        path: next(step.reason for step in read(*PATHS[path][0], **PATHS[path][1])[0].steps if step.decision == "stop")
        for path in PATHS
    }
    assert reasons["all steps"] == "this was look 4 of 4"
    assert reasons["nothing new twice"] == "2 looks in a row brought nothing new among the best 1"
    assert reasons["a thought again"] == "the thought says nothing new"
    assert reasons["done without an answer"] == "the chain ends; the answer is asked for apart"
    assert reasons["an unusable thought"] == "there is no thought to go on with"


def test_an_answer_asked_for_apart_rests_on_the_best_passages_and_the_chain():
    _, model, _ = read(thought(), thought(SECOND), thought(THIRD), ANSWER, patience=9)
    asked = material(model.requests[-1])
    assert asked["note"] == f"{FIRST}\n{SECOND}\n{THIRD}"
    assert len(asked["passages"]) == 2
    _, model, _ = read(thought(), last(), ANSWER, parity=True, k=6)
    asked = material(model.requests[-1])
    assert "note" not in asked
    assert len(asked["passages"]) == 5


def test_passages_are_told_in_the_order_in_which_they_were_first_shown():
    _, model, _ = read(thought(SECOND), thought("Oslo Norway"), last(), k=3, patience=9)
    told = [[one["number"] for one in material(request)["passages"]] for request in model.requests]
    assert told == [[1, 2, 3], [1, 2, 3], [1, 2, 3]]
    # A server has the beginning of the prompt already: all up to the thoughts.
    texts = [request.messages[-1].text for request in model.requests]
    shared = texts[0][: texts[0].index('"thoughts"')]
    assert all(text.startswith(shared) for text in texts)


def test_in_parity_and_laid_out_by_ends_the_best_come_first():
    ranked = {}
    layouts: dict[str, dict[str, Any]] = {"parity": {"parity": True}, "ends": {"arrangement": "ends"}}
    for name, options in layouts.items():
        _, model, _ = read(thought("Oslo is the capital of Norway."), last(), ANSWER, k=3, **options)
        ranked[name] = [one["text"] for one in material(model.requests[1])["passages"]]
    assert ranked["parity"][0] == ranked["ends"][0] == "Oslo is the capital of Norway."


def test_numbers_stay_those_of_their_passages():
    _, model, _ = read(thought(), thought(SECOND), last(), k=3)
    texts: dict[int, str] = {}
    for request in model.requests:
        for one in material(request)["passages"]:
            assert texts.setdefault(one["number"], one["text"]) == one["text"]


@dataclass
class Falling:
    """Walks from the question; for thoughts it knows nothing to walk from, and returns cosines."""

    def retrieve(self, queries, *, k):
        walk = Evidence(walk=WalkReport(engine="exact", iterations=1, residual=0.0))
        return [
            Ranking(query=query, hits=(Hit(passage=passage(0, "walked"), score=0.02),), evidence=walk)
            if query == QUESTION
            else Ranking(
                query=query,
                hits=(Hit(passage=passage(1, "first"), score=0.9), Hit(passage=passage(2, "near"), score=0.8)),
            )
            for query in queries
        ]


@pytest.mark.parametrize(("parity", "best"), [(False, ["p0", "p1"]), (True, ["p1", "p2"])])
def test_cosines_do_not_displace_what_a_walk_found(parity, best):
    model = ScriptedModel(answers=[thought("one"), thought("two"), last(), ANSWER])
    answer = InterleavedReader(retriever=Falling(), model=model, k=2, parity=parity).read(QUESTION)
    thinking = [step for step in answer.steps if step.kind == "think"]
    assert [hit.passage.id for hit in thinking[1].hits] == best


@pytest.mark.parametrize("calls", range(1, 5))
def test_calls_are_never_exceeded_and_one_is_kept_for_the_answer(calls):
    script = [*[thought(text) for text in (FIRST, SECOND, THIRD)][: calls - 1], ANSWER]
    answer, model, _ = read(*script, budget=ReadingBudget(calls=calls), patience=9, max_steps=9)
    assert model.calls == calls
    assert kinds(answer)[-1] == "answer"
    assert (answer.text, answer.outcome, answer.complete) == ("Norway", "budget", False)


@pytest.mark.parametrize("steps", range(2, 8))
def test_steps_are_never_exceeded(steps):
    def say(request):
        return (
            thought(f"Oslo {len(request.messages[-1].text)}")
            if "think one step" in request.messages[-1].text
            else ANSWER
        )

    model = ScriptedModel(answers=say)
    reader = InterleavedReader(
        retriever=Shelf(), model=model, max_steps=99, patience=99, budget=ReadingBudget(steps=steps)
    )
    answer = reader.read(QUESTION)
    assert (len(answer.steps), answer.outcome, answer.text) == (steps, "budget", "Norway")


def test_a_guess_on_the_way_is_better_than_nothing():
    failed = Completion(status="failed", error="503", usage=Usage(calls=1))
    answer, _, _ = read(thought(answer="Norway", support=[1]), failed, failed)
    assert (answer.text, answer.outcome, answer.complete) == ("Norway", "failed", False)
    assert "503" in answer.error
    reading = InterleavedReader(
        retriever=Shelf(), model=ScriptedModel(answers=[thought(answer="Norway", support=[1])])
    ).steps(QUESTION)
    assert [next(reading).kind, next(reading).kind] == ["retrieve", "think"]
    stopped = reading.stop()
    assert (stopped.text, stopped.outcome) == ("Norway", "stopped")


def test_an_error_that_concerns_all_is_raised():
    with pytest.raises(ModelError, match="key"):
        read(thought(), ModelError("the key is wrong"))


def test_without_passages_nothing_is_asked():
    answer, model, _ = read(texts=())
    assert (answer.outcome, model.calls) == ("not enough evidence", 0)


@pytest.mark.parametrize("name", ["k", "max_steps", "patience"])
def test_numbers_below_one_are_refused(name):
    with pytest.raises(InputError, match=f"{name} is 0"):
        read(**{name: 0})


def test_sub_questions_are_looked_up_one_by_one():
    subs = ("Where does the Fram lie?", "Oslo is the capital of?")
    reader = InterleavedReader(retriever=Shelf(), model=DecomposingModel(decompositions={QUESTION: subs}), k=1)
    answer = reader.read(QUESTION)
    assert [step.query for step in answer.steps if step.kind == "retrieve"] == [QUESTION, *subs]


said = st.one_of(
    st.sampled_from([BROKEN, Completion(status="failed", error="503", usage=Usage(calls=1)), ANSWER]),
    st.builds(
        thought,
        st.sampled_from([FIRST, SECOND, THIRD, "", QUESTION, "Larvik", "Nansen sailed"]),
        done=st.booleans(),
        answer=st.sampled_from(["", "Norway"]),
        support=st.lists(st.integers(-1, 9), max_size=3),
        sufficient=st.booleans(),
    ),
)


@given(
    st.lists(said, min_size=6, max_size=6),
    st.integers(1, 3),
    st.integers(1, 5),
    st.integers(1, 3),
    st.booleans(),
)
def test_whatever_the_model_says_the_chain_ends_and_nothing_is_lost(script, k, max_steps, patience, parity):
    answer, model, shelf = read(*script, k=k, max_steps=max_steps, patience=patience, parity=parity)
    assert model.calls <= max_steps
    queries = [query for query, _ in shelf.asked]
    assert len(set(queries)) == len(queries) <= max_steps
    notes = [
        step.note_after
        for step in answer.steps
        if step.kind == "think" and not step.remark.startswith(("invalid", "failed"))
    ]
    # The chain only grows.
    assert all(after.startswith(before) for before, after in pairwise(notes))
    shown = {hit.passage.id for step in answer.steps for hit in step.hits}
    assert {one.id for one in answer.citations} <= shown
    assert (answer.outcome == "answered") == answer.complete
    assert answer.text or answer.outcome == "failed"
    assert all(len(step.hits) <= max(k, 5) for step in answer.steps)
