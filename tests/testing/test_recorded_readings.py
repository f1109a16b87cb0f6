"""The double that answers by what it is shown, and the file of the toy corpus that it answers from."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from hippograph.completions import Message, ModelRequest
from hippograph.errors import InputError, ModelError
from hippograph.evaluation.datasets import load_questions
from hippograph.prompts.prompt import quoted
from hippograph.protocols import LanguageModel
from hippograph.readers.notes_tasks import CompareReply, NoteReply
from hippograph.testing.recorded_readings import RecordedReading, RecordedReadings
from hippograph.testing.toy_corpus import toy_passages, toy_questions_path, toy_readings_path
from hippograph.types import Passage

MODEL = RecordedReadings(path=toy_readings_path())
PASSAGES = {passage.title: passage for passage in toy_passages()}
QUESTIONS = {question.text: question for question in load_questions(toy_questions_path()).questions}
RIVER = MODEL.readings[0]
VARGA, TOWN, ORROW, SHIP = (
    PASSAGES[title] for title in ("Ottilie Varga", "Aldermere (town)", "Orrow", "Aldermere (ship)")
)
TOLD = ("note", "memory", "summary")

each_reading = pytest.mark.parametrize("reading", MODEL.readings, ids=lambda reading: QUESTIONS[reading.question].id)


class Attempt(BaseModel):
    answer: str
    memories: list[int] = []
    support: list[int]
    sufficient: bool
    probes: list[str]


class Cue(BaseModel):
    veridical: str
    semantic: str = ""
    support: list[int] = []


class Memory(BaseModel):
    memory: str
    support: list[int]
    sufficient: bool


class Better(BaseModel):
    better: Literal["A", "B", "tie"]


def request(schema: type[BaseModel] | None, *, question: str = RIVER.question, **material: Any) -> ModelRequest:
    told = f"{quoted({'question': question, **material})}\n\nTask: say something."
    return ModelRequest(messages=(Message("system", "Help."), Message("user", told)), schema=schema)


def asked(schema: type[BaseModel], *, question: str = RIVER.question, **material: Any) -> Any:
    completion = MODEL.submit(request(schema, question=question, **material)).result()
    assert completion.status == "done", completion
    return completion.value


def shown(*passages: Passage, first: int = 1) -> list[dict[str, object]]:
    return [
        {"number": number, "title": passage.title, "text": passage.text}
        for number, passage in enumerate(passages, start=first)
    ]


# The file.


@each_reading
def test_an_answer_rests_on_the_gold_passages_and_no_others(reading: RecordedReading) -> None:
    question = QUESTIONS[reading.question]
    assert {PASSAGES[fact.passage].id for fact in reading.needed} == set(question.gold)
    assert reading.states[0].says["answer"] in question.answers


@each_reading
def test_each_fact_is_told_by_one_passage_alone_and_by_its_cue(reading: RecordedReading) -> None:
    for fact in reading.facts:
        assert [title for title, passage in PASSAGES.items() if fact.words in passage.text] == [fact.passage]
        assert [other.fact for other in reading.facts if other.words in fact.cue] == [fact.fact]


@each_reading
def test_states_are_told_from_most_to_least_and_one_alone_is_enough(reading: RecordedReading) -> None:
    known = [set(state.knows) for state in reading.states]
    assert (known[0], known[-1]) == ({fact.fact for fact in reading.needed}, set())
    assert not [one for place, one in enumerate(known) if any(former <= one for former in known[:place])]
    assert [state.says["sufficient"] for state in reading.states] == [True] + [False] * (len(known) - 1)
    for state in reading.states[1:]:
        assert state.says["queries"] == state.says["probes"] != ()
    assert reading.states[0].says["queries"] == reading.states[0].says["probes"] == ()


@each_reading
def test_what_a_state_writes_down_tells_what_it_knows_and_no_more(reading: RecordedReading) -> None:
    for state in reading.states:
        for name in TOLD:
            told = str(state.says[name])
            assert [fact.fact for fact in reading.facts if fact.words in told] == [
                fact.fact for fact in reading.facts if fact.fact in state.knows
            ]
        cited = {fact.passage for fact in reading.facts if fact.fact in state.knows}
        assert {title for title in PASSAGES if f"[{title}]" in str(state.says["memory"])} == cited


@each_reading
def test_a_note_of_one_who_knows_more_has_lost_nothing(reading: RecordedReading) -> None:
    for state in reading.states:
        for other in reading.states:
            if set(other.knows) < set(state.knows):
                assert {*str(other.says["note"]).split(". ")[:-1]} <= {*str(state.says["note"]).split(". ")}


# The double.


def test_what_is_known_is_told_by_the_words_wherever_they_stand() -> None:
    nothing = asked(Attempt, passages=shown(SHIP))
    assert (nothing.answer, nothing.support, nothing.probes) == ("", [], ["Where was Ottilie Varga born?"])
    first = asked(Attempt, passages=shown(SHIP, VARGA))
    assert (first.support, first.probes) == ([2], ["By which river does Aldermere lie?"])
    noted = asked(Attempt, passages=shown(ORROW, TOWN, first=4), note="She was born in Aldermere.")
    assert (noted.answer, noted.sufficient, noted.support) == ("Gulf of Farrow", True, [4, 5])
    thought = asked(Attempt, passages=shown(VARGA), thoughts=["It lies on the left bank of the Orrow."])
    assert (thought.sufficient, thought.probes) == (False, ["Where does the Orrow empty?"])
    evidence = asked(Attempt, evidence=shown(VARGA, first=7))
    assert evidence.support == [7]


def test_what_only_summaries_say_is_not_known() -> None:
    summaries: dict[str, Any] = {"semantic summaries": [TOWN.text], "episodic summaries": [TOWN.text]}
    first = asked(Attempt, passages=shown(VARGA), **summaries)
    assert first.probes == ["By which river does Aldermere lie?"]
    memories = [
        {"memory": 1, "kind": "veridical", "text": "She was born in Aldermere.", "passages": [3]},
        {"memory": 2, "kind": "semantic", "text": TOWN.text},
    ]
    again = asked(Attempt, memories=memories)
    assert (again.memories, again.support, again.probes) == ([1], [], ["By which river does Aldermere lie?"])


def test_memories_are_cited_that_rest_on_passages() -> None:
    memories = [
        {"memory": 4, "kind": "fusion", "text": "She was born in Aldermere, on the left bank of the Orrow."},
        {"memory": 6, "kind": "veridical", "text": ORROW.text, "passages": [5]},
        {"memory": 7, "kind": "veridical", "text": SHIP.text, "passages": [6]},
    ]
    again = asked(Attempt, memories=memories)
    assert (again.answer, again.sufficient, again.memories) == ("Gulf of Farrow", True, [6])


def test_a_note_keeps_its_support() -> None:
    first = asked(NoteReply, passages=shown(VARGA))
    again = asked(NoteReply, passages=shown(TOWN, first=2), note=first.note, support=first.support)
    assert again.note.startswith(first.note)
    assert (first.support, again.support) == ([1], [1, 2])


def test_titles_in_brackets_become_numbers_or_nothing() -> None:
    first = asked(Memory, evidence=shown(SHIP, VARGA), memory="")
    assert first.memory == "Ottilie Varga was born in Aldermere [2]."
    last = asked(Memory, evidence=shown(TOWN, ORROW, first=5), memory=first.memory)
    assert re.findall(r"\[\d+\]", last.memory) == ["[2]", "[5]", "[6]"]
    assert (last.support, last.sufficient) == ([2, 5, 6], True)
    lost = asked(Memory, evidence=shown(TOWN, first=5), memory="She was born in Aldermere.")
    assert lost.memory.startswith("Ottilie Varga was born in Aldermere. ")
    assert lost.support == [5]


def test_cues_are_of_their_layers_and_rest_on_what_leads_on() -> None:
    cues = {fact.passage: fact.cue for fact in RIVER.facts}
    summaries: dict[str, Any] = {"semantic summaries": [f"Born elsewhere. {VARGA.text}"]}
    cue = asked(Cue, passages=shown(SHIP, TOWN), **summaries)
    assert cue == Cue(veridical=f"{cues[TOWN.title]} {cues[SHIP.title]}", semantic=cues[VARGA.title], support=[2])
    assert asked(Cue, passages=shown(PASSAGES["Tolvaux"])) == Cue(veridical="")


def test_the_better_note_tells_more() -> None:
    longer, shorter = {"note": "She was born in Aldermere."}, {"note": f"She was not born in a ship. {SHIP.text}"}
    assert asked(Better, A=longer, B=shorter).better == "A"
    assert asked(CompareReply, A=shorter, B=longer).better == "B"
    assert asked(Better, A=longer, B=longer).better == "tie"


@given(st.permutations(sorted(PASSAGES)), st.integers(0, 40), st.integers(1, 9))
def test_neither_order_nor_numbers_matter_and_only_what_is_shown_is_cited(
    titles: list[str], count: int, first: int
) -> None:
    some = [PASSAGES[title] for title in titles[:count]]
    for reading in MODEL.readings:
        one = asked(Attempt, question=reading.question, passages=shown(*some, first=first))
        other = asked(Attempt, question=reading.question, passages=shown(*reversed(some)))
        assert (one.answer, one.sufficient, one.probes) == (other.answer, other.sufficient, other.probes)
        cited = {some[number - first].title for number in one.support}
        assert cited == {[*reversed(some)][number - 1].title for number in other.support}
        assert one.sufficient == ({fact.passage for fact in reading.needed} <= {passage.title for passage in some})
        assert one.sufficient <= (cited == {fact.passage for fact in reading.needed})


class Other(BaseModel):
    answer: str
    weather: str


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (request(Attempt, question="Who is it?"), "has no reading of the question 'Who is it\\?'"),
        (
            ModelRequest(messages=(Message("user", "Who is it?"),), schema=Attempt),
            "has no reading of the question None",
        ),
        (ModelRequest(messages=(Message("user", "[1, 2]"),), schema=Attempt), "has no reading of the question None"),
        (request(None), "has no answer in free text"),
        (request(Other), "has nothing to say of weather"),
    ],
)
def test_what_is_not_in_the_file_is_not_answered(made: ModelRequest, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        MODEL.submit(made).result()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no recorded readings"),
        ('{"question": "Who?"}', "holds no recorded readings"),
        ('[{"question": "Who?", "facts": [], "states": [], "more": 1}]', "holds no recorded readings"),
        ('[{"question": "Who?", "facts": [], "states": [{"knows": ["it"], "says": {}}]}]', "'it'; there is no such"),
    ],
)
def test_what_is_no_file_of_readings_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "readings.json"
    with pytest.raises(InputError, match="holds no recorded readings"):
        RecordedReadings(path=path)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        RecordedReadings(path=path)


def test_a_reading_without_a_state_that_fits_is_not_answered(tmp_path: Path) -> None:
    path = tmp_path / "readings.json"
    path.write_text(json.dumps([{"question": "Who?", "facts": [], "states": []}]), encoding="utf-8")
    with pytest.raises(ModelError, match="has nothing to say of answer"):
        RecordedReadings(path=path).submit(request(Attempt, question="Who?")).result()


def test_it_is_a_language_model_named_by_its_file(tmp_path: Path) -> None:
    assert isinstance(MODEL, LanguageModel)
    copy = tmp_path / "copy.json"
    copy.write_bytes(toy_readings_path().read_bytes())
    same = RecordedReadings(path=copy, concurrency=1)
    assert (same.fingerprint, same.concurrency) == (MODEL.fingerprint, 1)
    copy.write_text("[]", encoding="utf-8")
    assert RecordedReadings(path=copy).fingerprint != MODEL.fingerprint
    made = request(Attempt)
    same.submit(made)
    assert (same.calls, same.requests) == (1, (made,))
