import json
from itertools import chain

import pytest

from hippograph.completions import Completion
from hippograph.errors import InputError, ModelError
from hippograph.readers.budget import ReadingBudget
from hippograph.readers.notes import NotesReader
from hippograph.readers.tasks import AnswerReply
from hippograph.testing.scripted import ScriptedModel
from hippograph.types import Usage
from tests.readers.reading import Shelf, answer_reply

QUESTION = "In which country does the ship lie?"
MANY = tuple(f"Fact number {number}." for number in range(40))
FAILED = Completion(status="failed", error="503", usage=Usage(calls=1))


class Index(Shelf):
    """Finds only what has a word of the query."""

    def _hits(self, query):
        return tuple(hit for hit in super()._hits(query) if hit.score > 0)


def note(text="One.", **values):
    reply = {"note": text, "support": [1], "answer": "", "sufficient": False, "queries": [f"{text}?"]}
    return json.dumps(reply | values)


def better(which):
    return json.dumps({"better": which})


def read(*answers, texts=MANY, shelf=Shelf, **options):
    model = ScriptedModel(answers=list(answers))
    answer = NotesReader(retriever=shelf(texts), model=model, **options).read(QUESTION)
    assert answer.usage.calls == model.calls == len(answers)
    return answer, model


def material(request):
    return json.JSONDecoder().raw_decode(request.messages[-1].text)[0]


def kinds(answer):
    return [step.kind for step in answer.steps if step.kind != "retrieve"]


A, GUESS = {"answer": "Norway"}, {"answer": "Sweden"}
DONE = {"answer": "Norway", "sufficient": True, "queries": []}
GROWN = ("One.", "One. Two.", "One. Two. Three.", "One. Two. Three. Four.")
FULL = {"max_passages": 40}

# Every way that a reading can take: what the model says, and how it ends.
PATHS = {
    "enough at once": ([note(**DONE)], "answered", "Norway"),
    "nothing to look up, with a guess": ([note(queries=[], **A)], "not enough evidence", "Norway"),
    "nothing to look up, and no answer": (
        [note(queries=[" ", QUESTION.upper()]), answer_reply()],
        "answered",
        "Oslo",
    ),
    "enough after one look-up, seen at a glance": (
        [note(), note("One. Two.", **DONE)],
        "answered",
        "Norway",
    ),
    "enough after one look-up, seen in both orders": (
        [note("One."), note("Two.", **DONE), better("B"), better("A")],
        "answered",
        "Norway",
    ),
    "a tie in one order is enough": (
        [note("One."), note("Two.", **DONE), better("tie"), better("A")],
        "answered",
        "Norway",
    ),
    "a tie in the other order is enough": (
        [note("One."), note("Two.", **DONE), better("B"), better("tie")],
        "answered",
        "Norway",
    ),
    "the notes only grow": ([note(text, **A) for text in GROWN], "not enough evidence", "Norway"),
    "the notes only grow, and there is no answer": ([*map(note, GROWN), answer_reply()], "answered", "Oslo"),
    "two notes that add nothing": (
        [note(**A), note(**A, queries=["apples"]), note(queries=["birds"], **GUESS)],
        None,
        "Norway",
    ),
    "two notes that are worse at once": (
        [note(**A), note("Two.", **A), better("A"), note("Three.", **A), better("A")],
        "not enough evidence",
        "Norway",
    ),
    "two notes that are worse in the end": (
        [note(**A), *[note("Two.", **A), better("B"), better("B"), note("Three.", **A), better("tie"), better("tie")]],
        "not enough evidence",
        "Norway",
    ),
    "two notes that are worse, and no answer": (
        [note(), *[note("Two."), better("tie"), better("B"), note("Three."), better("B"), better("B")], answer_reply()],
        "answered",
        "Oslo",
    ),
    "the longest": (
        [
            note(**A),
            *chain.from_iterable((note(text, **A), better("B"), better("A")) for text in ("Two.", "Three.", "Four.")),
        ],
        "not enough evidence",
        "Norway",
    ),
    "the longest without an answer": (
        [
            note(),
            *chain.from_iterable((note(text), better("B"), better("A")) for text in ("Two.", "Three.")),
            note("Four."),
            answer_reply(),
        ],
        "answered",
        "Oslo",
    ),
    "in the end an answer is better than none": (
        [note("One."), note("One. Two."), note("One. Two. Three."), note("Four.", **A)],
        "not enough evidence",
        "Norway",
    ),
    "the first note fails": (["I think", answer_reply()], "answered", "Oslo"),
    "the first note fails, and so does the answer": ([FAILED, FAILED], "failed", ""),
    "two later notes fail": ([note(**A), FAILED, "{"], "not enough evidence", "Norway"),
    "one later note fails": ([note(), '{"note": 1}', note("One. Two.", **DONE)], "answered", "Norway"),
    "a comparison fails": (
        [note(**A), note("Two.", **A), FAILED, note("One. Three.", **DONE)],
        "answered",
        "Norway",
    ),
    "a comparison in the other order fails": (
        [note(**A), note("Two.", **A), better("B"), better("C"), note("One. Three.", **DONE)],
        "answered",
        "Norway",
    ),
    "the last answer fails": ([note(queries=[]), FAILED], "failed", ""),
}


@pytest.mark.parametrize("path", PATHS)
def test_each_path_takes_so_many_calls_and_no_more(path):
    script, outcome, text = PATHS[path]
    answer, _ = read(*script)
    assert answer.outcome == outcome or outcome is None
    assert answer.text == text
    assert bool(answer.error) == (outcome == "failed")
    assert len(script) <= 10


def test_the_longest_path_is_shorter_than_the_published_one():
    assert max(len(script) for script, _, _ in PATHS.values()) == 10
    published = 1 + 3 * NotesReader.max_steps + 1
    assert published == 11


def test_a_step_tells_what_was_decided_and_why():
    answer, _ = read(*PATHS["enough after one look-up, seen in both orders"][0])
    told = [(step.kind, step.decision, step.reason) for step in answer.steps if step.decision]
    assert told == [
        ("note", "take the new note, go on", "it is the first"),
        ("note", "compare", "it has lost something"),
        ("compare", "compare in the other order", "what is told at one place may be preferred"),
        (
            "compare",
            "take the new note, stop",
            "it is better in one order, and not worse in the other; the note is enough",
        ),
    ]
    notes = [(step.note_before, step.note_after) for step in answer.steps if step.note_after]
    assert notes == [("", "One."), ("One.", "One."), ("One.", "Two.")]


@pytest.mark.parametrize(
    ("path", "end"),
    [
        ("enough at once", "the note is enough"),
        ("nothing to look up, with a guess", "there is nothing else to look up"),
        ("the notes only grow", "it was rewritten 3 times"),
        ("two notes that add nothing", "2 new notes were no better"),
    ],
)
def test_the_end_has_a_reason(path, end):
    answer, _ = read(*PATHS[path][0])
    assert answer.steps[-1].decision.endswith(", stop")
    assert answer.steps[-1].reason.endswith(end)


def test_no_more_passages_are_shown_than_allowed():
    answer, _ = read(note(), note("One. Two."), note("One. Two. Three."), answer_reply(), max_passages=9)
    shown = [len(step.hits) for step in answer.steps if step.kind == "note"]
    assert shown == [5, 3, 1]
    assert answer.steps[-2].reason.endswith("9 passages were shown")


def test_each_query_is_looked_up_alone_and_the_question_with_them():
    texts = ("The country is large.", "Oslo is a capital.", "Larvik is a town.", "The ship lies there.")
    queries = ["Oslo capital", "oslo capital?", "Larvik town", "fact number"]
    answer, model = read(note(queries=queries), note("One. Two.", **DONE), texts=texts, shelf=Index)
    looked_up = [step.query for step in answer.steps if step.kind == "retrieve"]
    assert looked_up == [QUESTION, QUESTION, "Oslo capital", "Larvik town"]
    told = material(model.requests[1])
    assert list(told) == ["question", "passages", "note", "support", "asked"]
    assert told["asked"] == ["Oslo capital", "Larvik town"]
    assert [one["text"] for one in told["passages"]] == ["Oslo is a capital.", "Larvik is a town."]
    assert not {one["number"] for one in told["passages"]} & {
        one["number"] for one in material(model.requests[0])["passages"]
    }


def test_what_a_failed_note_was_made_from_is_shown_with_what_is_found_next():
    answer, _ = read(note(), FAILED, note("One. Two.", **DONE))
    first, failed, last = ([hit.passage.id for hit in step.hits] for step in answer.steps if step.kind == "note")
    assert len(failed) == 3
    assert last[:3] == failed
    assert len(set(first) | set(last)) == 11
    step = [step for step in answer.steps if step.kind == "note"][1]
    assert (step.decision, step.remark) == ("keep the note, go on", "failed: 503")
    assert (step.note_before, step.note_after) == ("One.", "One.")


def test_if_nothing_new_is_found_other_queries_are_asked_for_once():
    answer, _ = read(note(**A), note("Invented.", **(DONE | {"queries": ["elsewhere"]})), texts=MANY[:4])
    assert (answer.text, answer.outcome) == ("Norway", "not enough evidence")
    assert [step.query for step in answer.steps if step.kind == "retrieve"][1:] == [
        QUESTION,
        "One.?",
        QUESTION,
        "elsewhere",
    ]
    dry = [step for step in answer.steps if step.kind == "note"][1]
    assert (dry.hits, dry.decision, dry.reason) == ((), "keep the note, go on", "nothing new was read")
    assert answer.steps[-1].decision == "stop"
    assert answer.steps[-1].reason == "two look-ups in a row found nothing new"


def test_the_answer_cites_what_the_best_note_rests_on():
    answer, _ = read(note(support=[2, 9]), note("One. Two.", **(DONE | {"support": [6, 2, 0, 77]})))
    assert len(answer.citations) == 2
    remarks = [step.remark for step in answer.steps if step.kind == "note"]
    assert remarks == ["cites passages that were not shown: 9", "cites passages that were not shown: 0, 77"]


def test_a_note_that_is_worse_does_not_give_its_answer():
    answer, _ = read(
        note(support=[1], **A), *[note("Two.", support=[2], **GUESS), better("B"), better("tie")], max_steps=1
    )
    assert answer.text == "Sweden"
    answer, _ = read(note(support=[1], **A), note("Two.", support=[2], **(DONE | GUESS)), better("A"), max_fails=1)
    assert (answer.text, answer.outcome) == ("Norway", "not enough evidence")
    assert answer.citations[0] == answer.steps[0].hits[0].passage


def test_without_passages_nothing_is_asked():
    answer, _ = read(texts=())
    assert answer.text == "not enough evidence"


@pytest.mark.parametrize("calls", range(1, 11))
def test_at_the_end_of_the_budget_the_best_so_far_is_the_answer(calls):
    script = PATHS["the longest"][0]
    replies = iter(script)
    model = ScriptedModel(answers=lambda request: answer_reply() if request.schema is AnswerReply else next(replies))
    reader = NotesReader(retriever=Shelf(MANY), model=model, budget=ReadingBudget(calls=calls))
    answer = reader.read(QUESTION)
    assert answer.usage.calls == model.calls <= calls
    assert answer.outcome == "budget"
    assert answer.text in {"Oslo", "Norway"}


@pytest.mark.parametrize("steps", range(2, 16))
def test_it_keeps_to_a_budget_of_steps(steps):
    model = ScriptedModel(answers=lambda request: answer_reply() if "note" in material(request) else note())
    answer = NotesReader(retriever=Shelf(MANY), model=model, budget=ReadingBudget(steps=steps)).read(QUESTION)
    assert len(answer.steps) <= steps
    assert answer.text


def test_it_can_be_stopped_at_any_step():
    script = PATHS["the longest"][0]
    for steps in range(1, 18):
        reading = NotesReader(retriever=Shelf(MANY), model=ScriptedModel(answers=list(script))).steps(QUESTION)
        done = [step for step, _ in zip(reading, range(steps), strict=False)]
        answer = reading.stop()
        assert len(answer.steps) >= len(done)
        assert answer.text == "Norway" or "note" not in [step.kind for step in done]


def test_a_wrong_key_is_raised_wherever_it_is_met():
    script = PATHS["the longest"][0]
    for place in range(len(script)):
        model = ScriptedModel(answers=[*script[:place], ModelError("the key is wrong")])
        with pytest.raises(ModelError, match="key"):
            NotesReader(retriever=Shelf(MANY), model=model).read(QUESTION)


def test_clues_are_looked_up_first():
    clue = json.dumps({"draft": "Norway", "clues": ["fact number 7"], "queries": []})
    answer, _ = read(clue, note(**DONE), clue=True)
    assert kinds(answer) == ["clue", "note"]
    assert answer.text == "Norway"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"later_k": 0}, "later_k is 0"),
        ({"max_steps": 0}, "max_steps is 0"),
        ({"max_fails": 0}, "max_fails is 0"),
        ({"k": 16}, "k is 16, and 15 passages are shown in a reading at most"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        read(**options)


def test_a_bad_query_does_not_take_the_place_of_the_question_in_the_last_prompt():
    """The note rests on nothing, and what was looked up in vain is no better known than what the question found."""
    question = "Where is it that the Fram lies?"
    model = ScriptedModel(answers=[note("", queries=["bananas yellow"]), note(""), answer_reply()])
    answer = NotesReader(retriever=Shelf(), model=model, k=2, later_k=2).read(question)
    assert [step.kind for step in answer.steps][-1] == "answer"
    best = Shelf().retrieve([question], k=1)[0].hits[0].passage.id
    assert answer.steps[-1].hits[0].passage.id == best
