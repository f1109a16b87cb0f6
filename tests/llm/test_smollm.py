"""What a real server says and counts, asked through hippograph's own backends; never what it means."""

import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, Field, SecretStr

from hippograph.completions import Message, ModelRequest, Sampling
from hippograph.errors import ModelError
from hippograph.hippograph import HippoGraph
from hippograph.index.llm_extractor import LLMExtractor
from hippograph.models.openai_chat import OpenAIChat
from hippograph.models.openai_embedder import OpenAIEmbedder
from hippograph.models.pacing import Limits
from hippograph.testing.doubles import HashingEmbedder
from hippograph.types import Passage, Usage
from tests.llm.conftest import SmolServer

pytestmark = pytest.mark.llm

# The schema keeps answers short, as the model itself does not.
SHORT = Sampling(max_tokens=60)


class Ship(BaseModel):
    name: str = Field(max_length=20)
    year: int = Field(ge=0, le=9999)
    afloat: bool


@contextmanager
def chat(smol: SmolServer, **more: Any) -> Iterator[OpenAIChat]:
    given: dict[str, Any] = {"model": smol.model, "base_url": smol.base_url, "api_key": SecretStr(smol.key)}
    with closing(OpenAIChat(**(given | more))) as model:
        yield model


def asked(text: str, **more: Any) -> ModelRequest:
    return ModelRequest(messages=(Message("user", text),), **({"sampling": SHORT} | more))


def spent(smol: SmolServer, before: tuple[int, int]) -> tuple[int, int]:
    read, written = smol.tokens()
    return read - before[0], written - before[1]


@pytest.mark.parametrize("stream", [False, True])
def test_an_object_of_the_schema_is_answered_and_its_tokens_are_counted(smol: SmolServer, stream: bool) -> None:
    before = smol.tokens()
    with chat(smol, stream=stream) as model:
        answer = model.submit(asked("Describe the ship Fram.", schema=Ship)).result(60)
    assert (answer.status, answer.finish_reason) == ("done", "stop"), answer
    assert isinstance(answer.value, Ship)
    assert Ship.model_validate_json(answer.text) == answer.value
    assert answer.usage.calls == answer.attempts == 1
    assert spent(smol, before) == (answer.usage.input_tokens, answer.usage.output_tokens)
    assert min(spent(smol, before)) > 0
    assert answer.usage.seconds > 0


def test_streamed_or_not_it_says_the_same(smol: SmolServer) -> None:
    request = asked("Count to three.", sampling=Sampling(max_tokens=12))
    answers = []
    for stream in (False, True):
        with chat(smol, stream=stream) as model:
            answers.append(model.submit(request).result(60))
    whole, streamed = answers
    assert (whole.text, whole.finish_reason) == (streamed.text, streamed.finish_reason)
    assert (whole.usage.tokens, whole.status) == (streamed.usage.tokens, "done")
    assert whole.usage.output_tokens <= 12


def test_an_object_that_is_cut_off_is_invalid_and_paid_for(smol: SmolServer) -> None:
    with chat(smol) as model:
        answer = model.submit(asked("Describe the Fram.", schema=Ship, sampling=Sampling(max_tokens=4))).result(60)
    assert (answer.status, answer.finish_reason) == ("invalid", "length")
    assert answer.usage.output_tokens == 4 * answer.usage.calls


def test_many_at_a_time_are_counted_to_the_last(smol: SmolServer) -> None:
    before = smol.tokens()
    with chat(smol, limits=Limits(concurrency=4)) as model:
        futures = [model.submit(asked(f"Ship {n}?", sampling=Sampling(max_tokens=5))) for n in range(6)]
        answers = [future.result(60) for future in futures]
    assert {answer.status for answer in answers} == {"done"}
    total = sum((answer.usage for answer in answers), start=Usage())
    assert spent(smol, before) == (total.input_tokens, total.output_tokens)


def test_a_wrong_key_ends_it_all_and_is_not_told(smol: SmolServer) -> None:
    with chat(smol, api_key=SecretStr("a-wrong-secret")) as model, pytest.raises(ModelError, match="key") as caught:
        model.submit(asked("Who?")).result(60)
    assert "a-wrong-secret" not in str(caught.value)
    assert smol.base_url in str(caught.value)


def test_a_prompt_that_is_too_long_fails_alone(smol: SmolServer) -> None:
    with chat(smol) as model:
        answer = model.submit(asked("ship " * 5000)).result(60)
        assert answer.status == "failed"
        assert model.submit(asked("Who?", sampling=Sampling(max_tokens=2))).result(60).status == "done"


def test_a_request_that_is_cancelled_leaves_the_server_idle(smol: SmolServer) -> None:
    with chat(smol, stream=True) as model:
        future = model.submit(asked("Write a very long story.", sampling=Sampling(max_tokens=3000)))
        wait_until(lambda: smol.metric("requests_processing") == 1)
        assert future.cancel()
        with pytest.raises(CancelledError):
            future.result(60)
        # Of the 3,000 tokens, which take half a minute, the rest is not written.
        wait_until(lambda: smol.metric("requests_processing") == 0)


def test_embeddings(smol: SmolServer) -> None:
    embedder = OpenAIEmbedder(model=smol.model, base_url=smol.base_url, api_key=SecretStr(smol.key))
    with closing(embedder):
        texts = ["Fram is a ship.", "Larvik is a town.", "Fram is a ship."]
        vectors = embedder.embed(texts, role="passage")
        assert vectors.shape == (3, embedder.dimension)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(vectors[0], vectors[2], atol=1e-5)
        assert float(vectors[0] @ vectors[1]) < 0.9999
        usage = embedder.spent()
        assert usage.calls >= 1
        assert usage.input_tokens > 0


def test_passages_are_indexed(smol: SmolServer, tmp_path: Any) -> None:
    texts = ["Fram was built in Larvik.", "Nansen sailed the Fram."]
    passages = [Passage(id=str(n), document=str(n), text=text) for n, text in enumerate(texts)]
    with chat(smol) as model:
        extractor = LLMExtractor(model=model, sampling=Sampling(max_tokens=100))
        with HippoGraph(tmp_path / "smol.hippo", extractor=extractor, embedder=HashingEmbedder()) as index:
            index.index(passages)
            status: dict[str, Any] = index.status()
            assert sum(status["extraction"].values()) == 2
            assert status["extraction"]["failed"] == 0
            assert index.retrieve("Who sailed the Fram?", k=1).hits


def wait_until(holds: Any) -> None:
    late = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < late
        time.sleep(0.02)
