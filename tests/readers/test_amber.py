"""The reader with a memory: its filter, every way in which it can end, and what each costs."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.completions import Completion
from hippograph.errors import InputError, ModelError
from hippograph.readers.amber import AmberReader
from hippograph.readers.amber_filter import Thresholds
from hippograph.readers.budget import ReadingBudget
from hippograph.testing.decomposing import DecomposingModel
from hippograph.testing.doubles import OverlapCrossEncoder
from hippograph.testing.scripted import ScriptedModel
from hippograph.types import Usage
from tests.readers.reading import TEXTS, Shelf, answer_reply

QUESTION = "In which country does the Fram lie?"
SUFFICES = {"sufficient": True, "answer": "Norway", "support": [1], "queries": []}
BROKEN = "I cannot say."
FAILED = Completion(status="failed", error="503", usage=Usage(calls=1))
ANSWER = answer_reply(answer="Norway")


def sift(*numbers, sentences=()):
    return json.dumps({"passages": list(numbers), "sentences": list(sentences)})


def revise(memory="The Fram lies in Oslo [1].", queries=("Oslo is the capital of?",), **values):
    said = {"review": "r", "challenge": "c", "memory": memory, "sufficient": False, "answer": "", "support": []}
    return json.dumps(said | {"queries": list(queries)} | values)


def rewrite(memory="The Fram lies in Oslo [1]."):
    return json.dumps({"memory": memory})


def collect(*queries, sufficient=False):
    return json.dumps({"sufficient": sufficient, "queries": list(queries)})


def encoder():
    return {"cross_encoder": OverlapCrossEncoder(), "thresholds": Thresholds(passage=-0.8, sentence=-0.5)}


def read(*answers, texts=TEXTS, budget=None, **options):
    model = ScriptedModel(answers=list(answers))
    shelf = Shelf(texts=texts)
    options = {"k": 2} | options
    reader = AmberReader(retriever=shelf, model=model, budget=budget or ReadingBudget(), **options)
    return reader.read(QUESTION), model, shelf


def kinds(answer):
    return [step.kind for step in answer.steps]


def material(request):
    return json.JSONDecoder().raw_decode(request.messages[-1].text)[0]


def task(request):
    text = request.messages[-1].text
    return text[json.JSONDecoder().raw_decode(text)[1] :].strip()


REVIEWS = [json.dumps({"review": "r"}), json.dumps({"challenge": "c"})]
PUBLISHED = "retrieve sift sift review challenge rewrite collect"
Path = tuple[list[Any], dict[str, Any], str, str]

# What the model says, what is set, the kinds of the steps, the outcome.
PATHS: dict[str, Path] = {
    "the first look suffices": ([sift(1), revise(**SUFFICES)], {}, "retrieve sift revise", "answered"),
    "the second": (
        [sift(1), revise(), sift(1, 3), revise(**SUFFICES)],
        {},
        "retrieve sift revise retrieve sift revise",
        "answered",
    ),
    "two questions at a time": (
        [sift(1), revise(queries=["Oslo capital?", "Larvik town?", "Nansen?"]), sift(1, 3), revise(**SUFFICES)],
        {},
        "retrieve sift revise retrieve retrieve sift revise",
        "answered",
    ),
    "all looks": (
        [sift(1), revise(), sift(1, 3), revise(queries=["Larvik?"]), sift(1, 4), revise(), ANSWER],
        {},
        "retrieve sift revise retrieve sift revise retrieve sift revise answer",
        "answered",
    ),
    "one look": ([sift(1), revise(), ANSWER], {"max_steps": 1}, "retrieve sift revise answer", "answered"),
    "nothing bears on it": ([sift(), ANSWER], {}, "retrieve sift answer", "answered"),
    "twice nothing bears on it": (
        [sift(1), revise(), sift(), revise(queries=["Larvik town?"]), sift(), ANSWER],
        {"max_steps": 4},
        "retrieve sift revise retrieve sift revise retrieve sift answer",
        "answered",
    ),
    "it suffices, and cites nothing": (
        [sift(1), revise(**SUFFICES | {"support": [99]}), ANSWER],
        {},
        "retrieve sift revise answer",
        "answered",
    ),
    "nothing to ask": ([sift(1), revise(queries=[]), ANSWER], {}, "retrieve sift revise answer", "answered"),
    "nothing new to ask": (
        [sift(1), revise(queries=[QUESTION.upper(), " "]), ANSWER],
        {},
        "retrieve sift revise answer",
        "answered",
    ),
    "it suffices, and there is no answer": (
        [sift(1), revise(**SUFFICES | {"answer": " "}), ANSWER],
        {},
        "retrieve sift revise answer",
        "answered",
    ),
    "an unusable filter": ([BROKEN, revise(**SUFFICES)], {}, "retrieve sift revise", "answered"),
    "a filter that fails": ([FAILED, revise(**SUFFICES)], {}, "retrieve sift revise", "answered"),
    "an unusable memory": ([sift(1), BROKEN, ANSWER], {}, "retrieve sift revise answer", "answered"),
    "a memory that fails, and all after it": ([sift(1), FAILED, FAILED], {}, "retrieve sift revise answer", "failed"),
    "an unusable answer": ([sift(1), revise(queries=[]), BROKEN], {}, "retrieve sift revise answer", "failed"),
    "the evidence never suffices": (
        [sift(1), revise(queries=[]), answer_reply(answer="", sufficient=False)],
        {},
        "retrieve sift revise answer",
        "not enough evidence",
    ),
    "a cross-encoder": ([revise(**SUFFICES)], encoder(), "retrieve revise", "answered"),
    "a cross-encoder, two looks": (
        [revise(), revise(**SUFFICES)],
        encoder(),
        "retrieve revise retrieve revise",
        "answered",
    ),
    "a cross-encoder, all looks": (
        [revise(), revise(queries=["Larvik is a town?"]), revise(), ANSWER],
        encoder(),
        "retrieve revise retrieve revise retrieve revise answer",
        "answered",
    ),
    "a cross-encoder that keeps nothing": (
        [ANSWER],
        {"cross_encoder": OverlapCrossEncoder(), "thresholds": Thresholds(passage=2.0)},
        "retrieve answer",
        "answered",
    ),
    "parity, two looks": (
        [
            *[sift(1), sift(), *REVIEWS, rewrite(), collect("Oslo capital?")],
            *[sift(1), sift(3), *REVIEWS, rewrite(), collect(sufficient=True), ANSWER],
        ],
        {"parity": True},
        f"{PUBLISHED} {PUBLISHED} answer",
        "answered",
    ),
    "parity, nobody collects": (
        [sift(1), sift(), BROKEN, BROKEN, BROKEN, BROKEN, ANSWER],
        {"parity": True},
        f"{PUBLISHED} answer",
        "answered",
    ),
    "parity, an unusable answer": (
        [sift(1), sift(), *REVIEWS, rewrite(), collect(), BROKEN],
        {"parity": True},
        f"{PUBLISHED} answer",
        "failed",
    ),
    "with clues": (
        [json.dumps({"draft": "", "clues": ["Oslo capital"], "queries": []}), sift(1), revise(**SUFFICES)],
        {"clue": True},
        "clue retrieve retrieve sift revise",
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
    looks = options.get("max_steps", 3)
    each = 2 + 4 if options.get("parity") else 1 if "cross_encoder" in options else 2
    assert model.calls <= looks * each + 1 + options.get("clue", False)


def test_why_it_stopped_is_told():
    reasons = {
        path: [step.reason for step in read(*told[0], **told[1])[0].steps if step.reason]
        for path, told in PATHS.items()
    }
    assert reasons["the first look suffices"] == ["the memory suffices"]
    assert reasons["nothing to ask"][0] == "the memory does not suffice, and there is nothing new to ask"
    assert reasons["one look"][0] == "the memory does not suffice, and this was the last look"
    assert reasons["nothing bears on it"] == ["1 look in a row brought nothing new; the evidence is enough"]
    assert reasons["twice nothing bears on it"][-1] == "2 looks in a row brought nothing new; the evidence is enough"
    assert reasons["a cross-encoder"] == ["new evidence: 3 sentences of 2 passages; the memory suffices"]
    assert reasons["an unusable memory"][0] == "nobody says what comes next"


def test_the_memory_is_shown_growing():
    answer, model, _ = read(sift(1), revise("One [1]."), sift(1, 3), revise("One [1]. Two [3].", **SUFFICES))
    revising = [step for step in answer.steps if step.kind == "revise"]
    assert [(step.note_before, step.note_after) for step in revising] == [
        ("", "One [1]."),
        ("One [1].", "One [1]. Two [3]."),
    ]
    assert material(model.requests[3])["memory"] == "One [1]."
    assert material(model.requests[3])["asked"] == [QUESTION, "Oslo is the capital of?"]


def test_a_memory_that_comes_back_empty_is_not_lost():
    answer, model, _ = read(sift(1), revise("One [1]."), sift(1, 3), revise(" ", queries=[]), ANSWER)
    assert answer.steps[-2].note_after == "One [1]."
    assert answer.steps[-2].remark == "the memory came back empty; the former is kept"
    assert material(model.requests[-1])["note"] == "One [1]."


def test_of_what_was_found_only_the_sentences_that_are_kept_are_told_word_for_word():
    answer, model, _ = read(sift(1, sentences=[2, 3]), revise(**SUFFICES))
    [told] = material(model.requests[0])["passages"][:1]
    assert told["sentences"] == {"1": "The Fram is a ship.", "2": "The Fram lies in Oslo."}
    # Sentence 3 is of a passage that was dropped.
    assert [(one["number"], one["text"]) for one in material(model.requests[1])["evidence"]] == [
        (1, "The Fram lies in Oslo.")
    ]
    assert answer.steps[1].decision == "keep 1 sentence of 1 passage"


def test_what_is_kept_but_was_not_shown_is_dropped_and_noted():
    answer, _, _ = read(sift(1, 8, sentences=[99]), revise(**SUFFICES | {"support": [1, 7]}))
    assert answer.steps[1].remark == "keeps what was not shown: passage 8, sentence 99"
    assert answer.steps[2].remark == "cites passages that were not shown: 7"
    assert [passage.id for passage in answer.citations] == ["p0"]


def test_an_unusable_filter_keeps_all_that_is_new():
    answer, model, _ = read(sift(1, sentences=[1]), revise(), BROKEN, revise(**SUFFICES))
    assert [one["number"] for one in material(model.requests[3])["evidence"]] == [3, 4]
    assert answer.steps[4].decision == "keep all that is new"
    assert answer.steps[4].remark.startswith("invalid")


@pytest.mark.parametrize("options", [{}, encoder()])
def test_what_was_seen_does_not_come_again(options):
    replies = [revise(queries=["the Fram in Oslo?"]), revise(queries=["Fram ship?"]), revise(), ANSWER]
    if not options:
        replies = [reply for pair in zip([sift(1), sift(1, 3), sift(5)], replies, strict=False) for reply in pair] + [
            ANSWER
        ]
    answer, _, shelf = read(*replies, **options)
    found = [[hit.passage.id for hit in step.hits] for step in answer.steps if step.kind == "retrieve"]
    ids = [id for one in found for id in one]
    assert len(ids) == len(set(ids)) == 6
    # Others take their places.
    assert [k for _, k in shelf.asked] == [2, 4, 6]


def test_what_was_dropped_is_judged_anew_with_each_new_question():
    texts = ("The Fram does lie in which country? Bananas.", "Larvik is a town. Oslo has parks.")
    answer, model, _ = read(revise(queries=["Oslo parks?"]), revise(**SUFFICES), texts=texts, **encoder())
    told = [[(one["title"], one["text"]) for one in material(request)["evidence"]] for request in model.requests]
    assert told == [[("T0", "The Fram does lie in which country?")], [("T1", "Oslo has parks.")]]
    assert answer.steps[2].hits == ()


def test_nothing_that_was_told_is_told_again():
    _, model, _ = read(sift(1, sentences=[1]), revise(), sift(1, sentences=[1, 2]), revise(**SUFFICES))
    told = [[one["text"] for one in material(model.requests[number])["evidence"]] for number in (1, 3)]
    assert told == [["The Fram is a ship."], ["The Fram lies in Oslo."]]


def test_the_prompt_of_the_filter_begins_like_the_one_before():
    _, model, _ = read(sift(1), revise(), sift(1, 3), revise(**SUFFICES))
    first, second = (model.requests[number].messages[-1].text for number in (0, 2))
    assert second.startswith(first[: first.index('], "queries"')])


def test_at_the_end_the_answer_rests_on_the_memory_and_the_passages_that_were_kept():
    _, model, _ = read(sift(2), revise("One.", queries=[]), ANSWER)
    asked = material(model.requests[-1])
    assert (asked["note"], [one["number"] for one in asked["passages"]]) == ("One.", [2])
    # Where nothing was kept, on what was found.
    _, model, _ = read(sift(), revise("", queries=[]), ANSWER)
    assert [one["number"] for one in material(model.requests[-1])["passages"]] == [1, 2]


def test_parity_asks_as_published():
    answers, options, _, _ = PATHS["parity, two looks"]
    answer, model, shelf = read(*answers, **options)
    asked = [task(request).split(".")[0] for request in model.requests]
    assert asked[:2] == ["Task: keep what bears on the question, and drop the rest"] * 2
    # Each passage is filtered apart, though both at a time, and may come again.
    assert [len(material(request)["passages"]) for request in model.requests[:2]] == [1, 1]
    assert [k for _, k in shelf.asked] == [2, 2]
    refiner = material(model.requests[4])
    assert (refiner["review"], refiner["challenge"]) == ("r", "c")
    # The answer is from the memory alone.
    assert material(model.requests[-1]) == {"question": QUESTION, "note": "The Fram lies in Oslo [1]."}
    assert answer.steps[-1].reason == "the memory is enough"


@pytest.mark.parametrize("calls", range(1, 7))
def test_calls_are_never_exceeded_and_one_is_kept_for_the_answer(calls):
    script = [sift(1), revise(), sift(1, 3), revise(queries=["Larvik?"]), sift(1, 4), revise()][: calls - 1]
    answer, model, _ = read(*script, ANSWER, budget=ReadingBudget(calls=calls))
    assert (model.calls, kinds(answer)[-1]) == (calls, "answer")
    assert (answer.text, answer.outcome, answer.complete) == ("Norway", "budget", False)


@pytest.mark.parametrize("steps", range(2, 9))
def test_steps_are_never_exceeded(steps):
    def say(request):
        fields = request.schema.model_fields
        if "sentences" in fields:
            return sift(*range(1, 7))
        return revise(queries=[f"Oslo {len(request.messages[-1].text)}"]) if "queries" in fields else ANSWER

    reader = AmberReader(
        retriever=Shelf(),
        model=ScriptedModel(answers=say),
        k=1,
        max_steps=99,
        patience=99,
        budget=ReadingBudget(steps=steps),
    )
    answer = reader.read(QUESTION)
    assert (len(answer.steps), answer.outcome, answer.text) == (steps, "budget", "Norway")


def test_a_guess_on_the_way_is_better_than_nothing():
    answer, _, _ = read(sift(1), revise(answer="Norway", support=[1]), FAILED, FAILED, FAILED)
    assert (answer.text, answer.outcome, answer.complete) == ("Norway", "failed", False)
    assert "503" in answer.error


def test_an_error_that_concerns_all_is_raised():
    for script in ([ModelError("the key is wrong")], [sift(1), ModelError("the key is wrong")]):
        with pytest.raises(ModelError, match="key"):
            read(*script)


def test_without_passages_nothing_is_asked():
    answer, model, _ = read(texts=())
    assert (answer.outcome, model.calls) == ("not enough evidence", 0)


@pytest.mark.parametrize("name", ["k", "max_steps", "patience", "max_queries"])
def test_numbers_below_one_are_refused(name):
    with pytest.raises(InputError, match=f"{name} is 0"):
        read(**{name: 0})


def test_sub_questions_are_looked_up():
    subs = ("Where does the Fram lie?", "Oslo is the capital of?")
    model = DecomposingModel(decompositions={QUESTION: subs})
    answer = AmberReader(retriever=Shelf(), model=model, k=1, **encoder()).read(QUESTION)
    assert [step.query for step in answer.steps if step.kind == "retrieve"] == [QUESTION, *subs]


numbers = st.lists(st.integers(-1, 12), max_size=4)
queries = st.lists(st.sampled_from(["Oslo?", "Larvik town?", "Nansen sailed", "", QUESTION, "Archer?"]), max_size=3)
said = st.one_of(
    st.sampled_from([BROKEN, FAILED, ANSWER]),
    st.builds(lambda passages, sentences: sift(*passages, sentences=sentences), numbers, numbers),
    st.builds(
        revise,
        st.sampled_from(["", "One.", "Two."]),
        queries,
        sufficient=st.booleans(),
        answer=st.sampled_from(["", "Norway"]),
        support=numbers,
    ),
    st.builds(rewrite, st.sampled_from(["", "One."])),
    st.builds(lambda next_, sufficient: collect(*next_, sufficient=sufficient), queries, st.booleans()),
)


@given(
    st.lists(said, min_size=30, max_size=30),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from([{}, encoder(), {"parity": True}]),
)
def test_whatever_the_model_says_it_ends_and_nothing_is_lost(script, k, max_steps, patience, options):
    answer, model, shelf = read(*script, k=k, max_steps=max_steps, patience=patience, **options)
    each = k + 4 if "parity" in options else 1 if options else 2
    assert model.calls <= max_steps * each + 1
    asked = [query for query, _ in shelf.asked]
    assert len(asked) == len(set(asked)) <= 1 + 2 * (max_steps - 1)
    notes = [step.note_after for step in answer.steps if step.kind in ("revise", "rewrite")]
    assert all(later or not earlier for earlier, later in pairwise(notes))
    told: dict[tuple[int, str], int] = {}
    titles: dict[int, str] = {}
    for request in model.requests:
        for one in material(request).get("evidence", []):
            assert titles.setdefault(one["number"], one["title"]) == one["title"]
            # Word for word, but for what is left out.
            whole = TEXTS[int(one["title"][1:])]
            assert all(part in whole for part in one["text"].split(" … "))
            told[one["number"], one["text"]] = told.get((one["number"], one["text"]), 0) + 1
    if "parity" not in options:
        assert set(told.values()) <= {1}
    shown = {hit.passage.id for step in answer.steps for hit in step.hits}
    assert {one.id for one in answer.citations} <= shown
    assert (answer.outcome == "answered") == answer.complete
    assert answer.text or answer.outcome == "failed"
