"""The double that knows sub-questions and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from hippograph.completions import Message, ModelRequest
from hippograph.prompts.prompt import quoted
from hippograph.protocols import LanguageModel
from hippograph.readers.interleaved import InterleavedReader
from hippograph.readers.memory import MemoryReader
from hippograph.readers.single_pass import SinglePassReader
from hippograph.testing.decomposing import DecomposingModel
from hippograph.types import Hit, Passage, Ranking

WHO = "Who leads the country where the composer of Aschenbrödel was born?"
PARTS = ("Aschenbrödel composer", 'Where was "Johann Strauss II" born?', "Austria leader", "What else?")
MODEL = DecomposingModel(decompositions={WHO: PARTS, "Who leads?": ("Never asked for?",)})


class Queries(BaseModel):
    note: str
    support: list[int]
    queries: list[str]


class Probe(BaseModel):
    probe: str


class Thought(BaseModel):
    thought: str
    done: bool
    answer: str = ""
    support: list[int] = []


class Better(BaseModel):
    better: Literal["A", "B", "tie"]


class Other(BaseModel):
    answer: str
    sufficient: bool
    support: list[int]
    score: float
    page: int | None
    kept: list[dict[str, str]]


def asked(schema: type[BaseModel], *, question: str = WHO, **material: object) -> Any:
    told = f"{quoted({'question': question, **material})}\n\nTask: say something."
    completion = MODEL.submit(ModelRequest(messages=(Message("user", told),), schema=schema)).result()
    assert completion.status == "done", completion
    return completion.value


def test_several_are_given_at_a_time_and_none_twice() -> None:
    assert asked(Queries).queries == list(PARTS)
    assert asked(Queries, asked=[PARTS[0], PARTS[2]]).queries == [PARTS[1], PARTS[3]]
    assert asked(Queries, memories=[{"probe": PARTS[1], "cue": "Vienna"}]).queries == [PARTS[0], *PARTS[2:]]
    assert asked(Queries, asked=PARTS).queries == []
    # To be spoken of is not to be asked: only whole texts count.
    assert asked(Queries, note=f"I looked for {PARTS[0]} in vain").queries == list(PARTS)


def test_one_is_given_if_one_is_asked_for() -> None:
    assert asked(Probe).probe == PARTS[0]
    assert asked(Probe, asked=PARTS[:2]).probe == PARTS[2]
    assert asked(Probe, asked=PARTS).probe == PARTS[-1]
    assert asked(Thought, thoughts=PARTS[:3]) == Thought(thought=PARTS[3], done=False)
    assert asked(Thought, thoughts=PARTS).done


def test_the_longest_question_that_stands_there_is_meant() -> None:
    assert asked(Probe, question="Who leads?").probe == "Never asked for?"
    assert asked(Probe, before="Who leads?").probe == PARTS[0]
    assert asked(Probe, question="Who is it?") == Probe(probe="")
    assert asked(Queries, question="Who is it?").queries == []
    assert asked(Thought, question="Who is it?").done


def test_notes_grow_and_the_longer_one_is_better() -> None:
    passages = [{"number": 3, "title": "Vienna", "text": "..."}, {"number": 5, "title": "", "text": "..."}]
    noted = asked(Queries, passages=passages)
    assert (noted.note, noted.support) == ("Passage 3 tells of Vienna. Passage 5 tells of it.", [3, 5])
    again = asked(Queries, passages=[{"number": 7, "title": "Graz"}], note=noted.note)
    assert again.note == f"{noted.note} Passage 7 tells of Graz."
    longer, shorter = {"note": again.note}, {"note": noted.note}
    assert asked(Better, A=longer, B=shorter).better == "A"
    assert asked(Better, A=shorter, B=longer).better == "B"
    assert asked(Better, A=longer, B=longer).better == "tie"


def test_everything_else_is_neutral() -> None:
    passages = [{"number": 1, "title": "Vienna", "text": "..."}]
    wanted = Other(answer="", sufficient=False, support=[], score=0, page=None, kept=[])
    assert asked(Other, passages=passages) == wanted
    free = MODEL.submit(ModelRequest(messages=(Message("user", quoted(WHO)),))).result()
    assert (free.status, free.text) == ("done", "nothing")
    without = MODEL.submit(ModelRequest(messages=(Message("user", f"About {quoted(WHO)}:"),), schema=Queries)).result()
    assert without.value == Queries(note="", support=[], queries=list(PARTS))


@given(st.lists(st.sampled_from(PARTS)), st.lists(st.text(alphabet="ab"), max_size=3))
def test_what_is_left_depends_on_the_request_alone(known: Sequence[str], others: Sequence[str]) -> None:
    left = asked(Queries, asked=[*known, *others]).queries
    assert left == [part for part in PARTS if part not in known]


def test_it_is_a_language_model_with_a_name_of_its_own() -> None:
    assert isinstance(MODEL, LanguageModel)
    other = DecomposingModel(decompositions={WHO: PARTS[:1]}, concurrency=2)
    assert other.fingerprint != MODEL.fingerprint
    assert (
        DecomposingModel(decompositions=dict(sorted(MODEL.decompositions.items(), reverse=True))).fingerprint
        == MODEL.fingerprint
    )
    assert other.concurrency == 2
    request = ModelRequest(messages=(Message("user", json.dumps(WHO)),))
    other.submit(request)
    assert (other.calls, other.requests) == (1, (request,))


class Echo:
    """A retriever that finds a passage of the query's name."""

    def retrieve(self, queries: Sequence[str], *, k: int) -> list[Ranking]:
        hits = [(Hit(passage=Passage(id=query, document=query, text=query), score=1.0),) for query in queries]
        return [Ranking(query=query, hits=some) for query, some in zip(queries, hits, strict=True)]


@pytest.mark.parametrize(
    ("reader", "wanted"),
    [
        (SinglePassReader(retriever=Echo(), model=MODEL), [WHO]),
        (MemoryReader(retriever=Echo(), model=MODEL), [WHO, *PARTS]),
        (InterleavedReader(retriever=Echo(), model=MODEL, max_steps=9), [WHO, *PARTS]),
    ],
    ids=["single", "memory", "ircot"],
)
def test_loops_look_up_every_sub_question(reader: Any, wanted: list[str]) -> None:
    answer = reader.read(WHO)
    assert [step.query for step in answer.steps if step.kind == "retrieve"] == wanted
    assert answer.outcome == "not enough evidence"
    assert not answer.complete
