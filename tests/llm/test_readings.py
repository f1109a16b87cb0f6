"""What readers make of what a real model says: that it ends, what it costs, and what may be cited; never what it means.

A model as small as this writes what nobody would script: lists that go on, numbers of nothing, answers cut off.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import pytest
from pydantic import SecretStr

from hippograph.completions import ModelRequest, Sampling
from hippograph.hippograph import HippoGraph
from hippograph.index.summaries import LLMSummariser, SummarySizes
from hippograph.models.openai_chat import OpenAIChat
from hippograph.models.pacing import Limits
from hippograph.readers.answering import Loop, answered, told
from hippograph.readers.budget import ReadingBudget
from hippograph.readers.desk import Desk
from hippograph.readers.interleaved import ThinkReply
from hippograph.readers.model_reader import ModelReader
from hippograph.readers.single_pass import SinglePassReader
from hippograph.readers.tasks import task_request
from hippograph.testing.doubles import HashingEmbedder
from hippograph.text.token_estimate import estimate_tokens
from hippograph.types import Answer, Outcome, Passage, Step, Usage
from tests.llm.conftest import SmolServer
from tests.readers.reading import TEXTS, Shelf

pytestmark = pytest.mark.llm

QUESTION = "In which country does the Fram lie?"
READERS = ("single", "single:clue,ends", "ircot", "notes", "memory", "amber")
SHORT = Sampling(max_tokens=80)
CALLS = 3


@dataclass(frozen=True)
class Counted:
    """A model that tells how often it was asked something."""

    model: OpenAIChat
    requests: list[ModelRequest] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        return self.model.fingerprint

    @property
    def concurrency(self) -> int:
        return self.model.concurrency

    def submit(self, request: ModelRequest) -> Any:
        self.requests.append(request)
        return self.model.submit(request)

    def close(self) -> None:
        self.model.close()


@contextmanager
def asking(smol: SmolServer) -> Iterator[Counted]:
    model = Counted(
        OpenAIChat(
            model=smol.model,
            base_url=smol.base_url,
            api_key=SecretStr(smol.key),
            limits=Limits(concurrency=2),
            stream=True,
        )
    )
    try:
        yield model
    finally:
        model.close()


@pytest.fixture(scope="module")
def library(smol: SmolServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HippoGraph, Counted]]:
    """An index of six passages with layers, and the model that it asks."""
    passages = [
        Passage(id=f"p{place}", document=f"p{place}", title=f"T{place}", text=text) for place, text in enumerate(TEXTS)
    ]
    place = tmp_path_factory.mktemp("readings") / "smol.hippo"
    with (
        asking(smol) as model,
        HippoGraph(place, extractor="none", embedder=HashingEmbedder(), language_model=model) as index,
    ):
        index.index(passages, layers=True)
        yield index, model


def spent(smol: SmolServer, before: tuple[int, int]) -> tuple[int, int]:
    read, written = smol.tokens()
    return read - before[0], written - before[1]


def tokens(steps: Sequence[Step]) -> tuple[int, int]:
    usage = sum((step.usage for step in steps), start=Usage())
    return usage.input_tokens, usage.output_tokens


def without_costs(answer: Answer) -> Answer:
    """Leave out what a repeated reading has not: costs, and what was said in an answer that was cut off."""
    free = [replace(step, usage=Usage(), seconds=0.0) for step in answer.steps]
    steps = tuple(replace(step, text="") if step.remark.startswith("invalid") else step for step in free)
    return replace(answer, steps=steps, usage=Usage())


@pytest.mark.parametrize("name", READERS)
def test_a_reading_is_in_order_whatever_the_model_says(
    smol: SmolServer, library: tuple[HippoGraph, Counted], name: str
) -> None:
    index, model = library
    reader = index.parts.reader(name, k=2, sampling=SHORT, budget=ReadingBudget(calls=CALLS))
    before, asked_before = smol.tokens(), len(model.requests)
    steps: list[Step] = []
    reading = reader.steps(QUESTION)
    for step in reading:
        steps.append(step)
        # What is done is told before the next thing is begun: nothing is spent that no step tells, but by requests
        # that were made at a time with this one.
        if name != "memory":
            assert spent(smol, before) == tokens(steps)
    answer = reading.answer

    assert answer.steps == tuple(steps)
    assert len(model.requests) > asked_before
    assert spent(smol, before) == (answer.usage.input_tokens, answer.usage.output_tokens) == tokens(steps)
    assert 1 <= answer.usage.calls <= CALLS
    assert answer.outcome in set(get_args(Outcome)) - {"stopped"}
    assert answer.complete == (answer.outcome == "answered")
    assert bool(answer.error) == (answer.outcome == "failed")
    assert answer.text or answer.error
    shown = {hit.passage.id for step in steps if step.kind != "retrieve" for hit in step.hits}
    assert {passage.id for passage in answer.citations} <= shown

    again_before = smol.tokens()
    again = reader.read(QUESTION)
    assert spent(smol, again_before) == (0, 0)
    assert again.usage.calls == 0
    assert without_costs(again) == without_costs(answer)


@dataclass(frozen=True, kw_only=True)
class Thinking(ModelReader):
    """Thinks about the same passages over and over, and then answers."""

    name = "thinking"

    def _loop(self, desk: Desk) -> Loop:
        [found] = desk.look_up([desk.question], k=self.k)
        yield found
        desk.evidence = found.hits
        for number in range(2):
            material = {"question": desk.question, "passages": desk.shown(found.hits), "thoughts": ["..."] * number}
            [completion] = desk.ask([task_request("think", material, schema=ThinkReply, sampling=desk.sampling)])
            yield told("think", desk.question, completion)
        return (yield from answered(desk))


def test_later_prompts_begin_as_those_before_which_the_server_has_kept(smol: SmolServer) -> None:
    question = "Of all that the passages tell, what is the town on a fjord known for?"
    before, cached = smol.tokens(), smol.metric("prompt_tokens_cached_total")
    with asking(smol) as model:
        reader = Thinking(retriever=Shelf(), model=model, k=6, sampling=Sampling(max_tokens=24))
        answer = reader.read(question)
    kept = smol.metric("prompt_tokens_cached_total") - cached
    # A busy machine may have a request tried again.
    assert answer.usage.items == len(model.requests) == 3
    shared = "\n".join(message.text for message in model.requests[0].messages).partition('"thoughts"')[0]
    # The words of the system, the question and the passages are read once; what is left is thoughts and tasks.
    assert kept > 0.9 * 2 * estimate_tokens(shared)
    assert kept > 0.4 * spent(smol, before)[0]


def test_a_prompt_that_is_too_long_is_asked_again_with_fewer_passages(smol: SmolServer) -> None:
    texts = (TEXTS[0], "The Fram is told of at length. " * 700)
    with asking(smol) as model:
        answer = SinglePassReader(retriever=Shelf(texts), model=model, sampling=SHORT).read(QUESTION)
    step = next(step for step in answer.steps if step.kind == "answer")
    assert [request.sampling for request in model.requests] == [SHORT, SHORT]
    assert answer.usage.calls >= 2
    assert step.remark.startswith("the prompt is too long for the model; left out: 1 of 2 passages")
    assert [hit.passage.id for hit in step.hits] == ["p0"]


def test_layers_are_summarised_and_nothing_is_summarised_twice(smol: SmolServer, tmp_path: Any) -> None:
    passages = [Passage(id=str(n), document="log", text=text, span=(n, n + 1)) for n, text in enumerate(TEXTS[:3])]
    with (
        asking(smol) as model,
        HippoGraph(tmp_path / "s.hippo", extractor="none", embedder=HashingEmbedder()) as index,
    ):
        summariser = LLMSummariser(model=model, sizes=SummarySizes(semantic=24, episodic=24))
        before = smol.tokens()
        layers = index.index(passages, layers=True, summariser=summariser).layers
        assert layers is not None
        assert layers.usage.calls >= len(model.requests) >= 1
        assert spent(smol, before) == (layers.usage.input_tokens, layers.usage.output_tokens)
        assert layers.made == layers.semantic + layers.episodic
        assert len(model.requests) >= layers.made + len(layers.failures)
        # What failed is tried again, and nothing else.
        made, asked = layers.made, len(model.requests)
        layers = index.index(passages, layers=True, summariser=summariser).layers
        assert layers is not None
        assert layers.kept == made
        assert layers.made + len(layers.failures) <= len(model.requests) - asked
        assert layers.made or layers.failures or len(model.requests) == asked
