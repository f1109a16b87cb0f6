"""A language model behind a chat API, asked through a server that fails on purpose."""

import asyncio
import gc
import logging
import subprocess
import sys
import threading
import traceback
from collections import Counter
from concurrent.futures import CancelledError, Future, as_completed
from contextlib import closing
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from hippograph.completions import Completion, Message, ModelRequest, Sampling
from hippograph.errors import InputError, ModelError
from hippograph.models.openai_chat import OpenAIChat
from hippograph.models.pacing import Limits
from hippograph.models.prices import Price
from hippograph.models.server_faults import RefusedError
from hippograph.testing.model_contract import check_language_model
from hippograph.types import Usage
from tests.servers.plan import FAULTS, mixed

KEY = "sk-that-nobody-may-see"
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "pieces"])


class Facts(BaseModel):
    entities: list[str] = []
    triples: list[tuple[str, str, str]] = []


FOUND = Facts(entities=["Nansen", "Fram"], triples=[("Nansen", "sailed the", "Fram")])


def asked(text: str = "Nansen sailed the Fram.", *, schema: type[BaseModel] | None = Facts, **how: Any) -> ModelRequest:
    messages = (Message("system", "Read the passage."), Message("user", f"<passage>{text}</passage>"))
    return ModelRequest(messages=messages, schema=schema, sampling=Sampling(**how))


def chat_with(server, *, stream: bool = False, more: dict[str, Any] | None = None, **limits: Any) -> OpenAIChat:
    paced = Limits(**({"timeout": 20.0, "longest_wait": 0.01} | limits))
    return OpenAIChat(model="fault-model", base_url=server.base_url, limits=paced, stream=stream, **(more or {}))


def complete(chat: OpenAIChat, request: ModelRequest) -> Completion:
    return chat.submit(request).result(timeout=20)


def counted(ledger: dict[str, Any]) -> tuple[int, int]:
    """Add up the tokens that the server has reported and those that it kept to itself."""
    told, untold = ledger["usage"], ledger["unreported"]
    return tuple(told[name] + untold[name] for name in ("prompt_tokens", "completion_tokens"))


@both_ways
def test_the_contract(server, stream):
    with closing(chat_with(server, stream=stream)) as chat:
        check_language_model(chat)


@both_ways
def test_an_answer_is_read_and_accounted_for(server, stream):
    price = Price(2.0, 10.0)
    with closing(chat_with(server, stream=stream, more={"price": price})) as chat:
        done = complete(chat, asked())
    usage = server.ledger()["usage"]
    assert (done.status, done.value, done.finish_reason, done.error, done.attempts) == ("done", FOUND, "stop", "", 1)
    assert (done.usage.calls, done.usage.items) == (1, 1)
    assert done.usage.input_tokens == usage["prompt_tokens"] > 0
    assert done.usage.output_tokens == usage["completion_tokens"] > 0
    assert done.usage.cost == price.cost(done.usage.input_tokens, done.usage.output_tokens)
    assert done.seconds == done.usage.seconds > 0


@both_ways
@pytest.mark.parametrize(
    ("fault", "status", "attempts", "error"),
    [
        ("429-after", "done", 2, ""),
        ("500", "done", 2, ""),
        ("html-200", "done", 2, ""),
        ("hang", "done", 2, ""),
        ("cut-body", "done", 2, ""),
        ("no-choices", "done", 2, ""),
        ("no-usage", "done", 1, ""),
        ("slow", "done", 1, ""),
        # These come again when the model is asked again, in other words: to the server that is another request.
        ("truncated", "invalid", 2, "the JSON ends in the middle"),
        ("prose", "invalid", 2, "there is no JSON in it"),
        ("wrong-schema", "invalid", 2, "entities: Input should be a valid list"),
        ("length", "invalid", 1, "the answer was cut off at 99 tokens"),
    ],
)
def test_what_comes_of_a_fault(server, stream, fault, status, attempts, error):
    server.change(script=(fault,), slow=0.01)
    with closing(chat_with(server, stream=stream, timeout=0.4 if fault == "hang" else 20.0)) as chat:
        done = complete(chat, asked(max_tokens=99))
    ledger = server.ledger()
    assert (done.status, done.value) == (status, FOUND if status == "done" else None)
    assert done.error.startswith(error)
    assert bool(done.error) == bool(error)
    assert (done.finish_reason == "length") == (fault == "length")
    assert done.attempts == done.usage.calls == ledger["requests"] == attempts
    assert (done.usage.input_tokens, done.usage.output_tokens) == counted(ledger)
    assert done.usage.input_tokens > 0 < done.usage.output_tokens


class Stubborn:
    """Takes the place of an endpoint whose server refuses some parameters."""

    def __init__(self, **refused: str) -> None:
        self.refused = refused
        self.bodies: list[dict[str, Any]] = []

    async def post(self, path: str, body: dict[str, Any], *, tally: Any, check: Any, **_: Any) -> Any:
        self.bodies.append(body)
        tally.calls += 1
        for name, message in self.refused.items():
            if name in body:
                raise RefusedError(message, status=400, parameter=name)
        return type("Reply", (), {"json": {"choices": [{"message": {"content": "Oslo"}}]}})

    def count_failed(self, message: str) -> None:
        """Count nothing."""


class Forgetful(Stubborn):
    """Answers the first question wrongly."""

    async def post(self, path: str, body: dict[str, Any], *, tally: Any, check: Any, **_: Any) -> Any:
        reply = await super().post(path, body, tally=tally, check=check)
        reply.json["choices"][0]["message"]["content"] = (
            FOUND.model_dump_json() if len(self.bodies) > 1 else '{"entities": 3}'
        )
        return reply


def test_a_wrong_answer_is_mended_by_asking_again(server, monkeypatch):
    endpoint = Forgetful()
    with closing(chat_with(server)) as chat:
        monkeypatch.setitem(chat.__dict__, "_endpoint", endpoint)
        done = asyncio.run(chat._answer(asked()))
        monkeypatch.undo()
    assert (done.status, done.value, done.attempts) == ("done", FOUND, 2)
    first, second = (body["messages"] for body in endpoint.bodies)
    assert second[: len(first)] == first
    assert second[2] == {"role": "assistant", "content": '{"entities": 3}'}
    assert "entities: Input should be a valid list" in second[3]["content"]


@both_ways
def test_mixed_faults_lose_nothing(server, stream):
    # A request that is given up for its silence may never have come to the server's ledger.
    server.change(shares=mixed(0.4, *sorted(FAULTS.keys() - {"hang"})), slow=0.01, retry_after=0.01)
    with closing(chat_with(server, stream=stream, concurrency=16)) as chat:
        futures = [chat.submit(asked(f"Nansen sailed the Fram {number} times.")) for number in range(120)]
        completions = [future.result(timeout=20) for future in futures]
    ledger = server.ledger()
    total = sum((done.usage for done in completions), Usage())
    statuses = Counter(done.status for done in completions)
    assert statuses["done"] == ledger["good"] >= 90
    assert statuses.keys() <= {"done", "invalid", "failed"}
    assert total.items == 120
    assert total.calls == ledger["requests"]
    assert (total.input_tokens, total.output_tokens) == counted(ledger)
    assert ledger["unreported"]["responses"] > 0
    assert ledger["most_at_work"] <= 16


@both_ways
@pytest.mark.parametrize("refused", [("refuse_json_schema",), ("refuse_json_schema", "refuse_json_object")])
def test_what_a_server_does_not_understand_is_asked_once(server, stream, refused):
    server.change(**dict.fromkeys(refused, True))
    with closing(chat_with(server, stream=stream)) as chat:
        assert complete(chat, asked(schema=None)).attempts == 1
        first, second = complete(chat, asked()), complete(chat, asked("Amundsen sailed the Maud."))
    assert (first.status, first.value, first.attempts) == ("done", FOUND, 1 + len(refused))
    assert (second.status, second.attempts) == ("done", 1)


def test_a_refusal_of_one_request_teaches_nothing(server):
    with closing(chat_with(server)) as chat:
        server.change(refuse_json_schema=True, refuse_json_object=True, context=1)
        failed = complete(chat, asked())
        assert (failed.status, failed.finish_reason, failed.attempts) == ("failed", "length", 1)
        assert "maximum context length" in failed.error
        server.change(refuse_json_schema=False, refuse_json_object=False, context=0)
        assert complete(chat, asked()).attempts == 1


class Moody(Stubborn):
    """Refuses some requests, without saying why, and is fine with the next."""

    def __init__(self, *moods: bool) -> None:
        super().__init__()
        self.moods = list(moods)

    async def post(self, path: str, body: dict[str, Any], *, tally: Any, check: Any, **_: Any) -> Any:
        if "json_schema" in str(body.get("response_format")) and self.moods.pop(0):
            self.bodies.append(body)
            raise RefusedError("HTTP 400: Bad request", status=400)
        reply = await super().post(path, body, tally=tally, check=check)
        reply.json["choices"][0]["message"]["content"] = FOUND.model_dump_json()
        return reply


@pytest.mark.parametrize(
    ("moods", "forms"),
    [
        # Refused once: the schema is asked for again.
        ((True, False, False), ["json_schema", "json_object", "json_schema", "json_schema"]),
        # Refused for two requests: given up.
        ((True, True), ["json_schema", "json_object", "json_schema", "json_object", "json_object"]),
        # Refused twice, but understood in between.
        ((True, False, True), ["json_schema", "json_object", "json_schema", "json_schema", "json_object"]),
    ],
)
def test_a_refusal_without_a_reason_does_not_lower_the_form_for_ever(server, monkeypatch, moods, forms):
    endpoint = Moody(*moods)
    with closing(chat_with(server)) as chat:
        monkeypatch.setitem(chat.__dict__, "_endpoint", endpoint)
        for number in range(3):
            assert asyncio.run(chat._answer(asked(f"Nansen {number}"))).value == FOUND
        monkeypatch.undo()
    assert [body["response_format"]["type"] for body in endpoint.bodies] == forms


def test_what_is_forbidden_is_asked_once(server, monkeypatch):
    class Forbidding(Stubborn):
        async def post(self, path: str, body: dict[str, Any], **_: Any) -> Any:
            self.bodies.append(body)
            raise RefusedError("HTTP 403: Your input was flagged", status=403)

    endpoint = Forbidding()
    with closing(chat_with(server)) as chat:
        monkeypatch.setitem(chat.__dict__, "_endpoint", endpoint)
        done = asyncio.run(chat._answer(asked()))
        monkeypatch.undo()
    assert (done.status, done.error, done.finish_reason) == ("failed", "HTTP 403: Your input was flagged", "")
    assert len(endpoint.bodies) == 1


def test_parameters_that_a_server_does_not_take_are_left_out(server, monkeypatch):
    endpoint = Stubborn(
        max_tokens="Unsupported parameter: 'max_tokens'; use 'max_completion_tokens' instead",
        temperature="Unsupported value: 'temperature' does not support 0.0",
        top_p="top_p is not supported",
        seed="seed: unknown field",
        stream_options="Unrecognized request argument: stream_options",
    )
    with closing(chat_with(server, stream=True)) as chat:
        monkeypatch.setitem(chat.__dict__, "_endpoint", endpoint)
        request = asked(schema=None, top_p=0.5, seed=1)
        for _ in range(2):
            assert asyncio.run(chat._answer(request)).text == "Oslo"
        monkeypatch.undo()
    sent = {"model", "messages", "max_completion_tokens", "stream"}
    assert endpoint.bodies[-1].keys() == endpoint.bodies[-2].keys() == sent
    assert len(endpoint.bodies) == 7


def test_what_is_sent(server, monkeypatch):
    endpoint = Stubborn()
    with closing(chat_with(server, more={"extra_body": {"reasoning_effort": "low"}})) as chat:
        monkeypatch.setitem(chat.__dict__, "_endpoint", endpoint)
        asyncio.run(chat._answer(asked(schema=None, max_tokens=7)))
        monkeypatch.undo()
    [body] = endpoint.bodies
    messages = body.pop("messages")
    assert messages[0] == {"role": "system", "content": "Read the passage."}
    assert body == {"model": "fault-model", "max_tokens": 7, "temperature": 0.0, "reasoning_effort": "low"}


def test_a_stream_may_take_long_as_long_as_something_comes(server):
    server.change(pause=0.1)
    with closing(chat_with(server, stream=True, attempts=1, timeout=0.4)) as chat:
        done = complete(chat, asked())
        assert done.status == "done"
        assert done.seconds > 0.4
        server.change(pause=1.0)
        assert complete(chat, asked()).error == "no answer within 0.4 seconds; 1 attempts"


@both_ways
def test_a_wrong_key_is_told_and_not_shown(server, stream, caplog):
    caplog.set_level(logging.DEBUG)
    server.change(key="another")
    with closing(chat_with(server, stream=stream, more={"api_key": SecretStr(KEY)})) as chat:
        error = chat.submit(asked()).exception(timeout=20)
        assert isinstance(error, ModelError)
        assert "give a valid API key" in str(error)
        assert KEY not in "".join(traceback.format_exception(error)) + caplog.text + repr(chat) + chat.fingerprint


def test_cancelling(server):
    server.change(latency=30.0)
    with closing(chat_with(server, concurrency=2)) as chat:
        futures = [chat.submit(asked(f"{number}")) for number in range(6)]
        while server.ledger()["at_work"] < 2:
            pass
        # Those that wait first: where one is cancelled that is under way, the next one takes its place.
        assert all(future.cancel() for future in reversed(futures))
        assert {future for future in as_completed(futures, timeout=20) if future.cancelled()} == set(futures)
        while server.ledger()["at_work"]:
            pass
        assert server.ledger()["requests"] == 2
        server.change(latency=0.0)
        assert complete(chat, asked()).status == "done"


def test_closing_cancels_what_is_under_way(server):
    server.change(latency=30.0)
    chat = chat_with(server)
    future = chat.submit(asked())
    while server.ledger()["at_work"] == 0:
        pass
    chat.close()
    chat.close()
    with pytest.raises(CancelledError):
        future.result(timeout=20)
    with pytest.raises(InputError, match="closed"):
        chat.submit(asked())


def test_many_threads_share_one(server):
    results: list[Future[Completion]] = []
    # Other tests may have left theirs to the collector.
    before = set(threading.enumerate())
    with closing(chat_with(server)) as chat:

        def ask(number: int) -> None:
            results.append(chat.submit(asked(f"Nansen {number}")))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {future.result(timeout=20).status for future in results} == {"done"}
        new = [thread for thread in threading.enumerate() if thread not in before]
        assert sum(thread.name == "hippograph-models" for thread in new) == 1


def test_its_answers_come_also_when_nobody_holds_it(server):
    future = chat_with(server).submit(asked())
    gc.collect()
    assert future.result(timeout=20).status == "done"


def test_the_names_of_models():
    chat = OpenAIChat(model="m", base_url="http://localhost:1/v1", limits=Limits(concurrency=3))
    assert (chat.fingerprint, chat.concurrency) == ("m", 3)
    more = OpenAIChat(model="m", base_url="http://localhost:1/v1", extra_body={"a": 1, "b": 2})
    same = OpenAIChat(model="m", base_url="http://localhost:2/v1", extra_body={"b": 2, "a": 1})
    assert "extra_body" not in repr(more)
    assert more.fingerprint == same.fingerprint != chat.fingerprint
    with pytest.raises(InputError, match="the model is ' '"):
        OpenAIChat(model=" ", base_url="http://localhost:1/v1")
    with pytest.raises(InputError, match="api_key"):
        OpenAIChat(model="m")


def test_a_program_that_does_not_close_it_ends_quietly(server):
    program = f"""
from hippograph.completions import Message, ModelRequest
from hippograph.models.openai_chat import OpenAIChat
chat = OpenAIChat(model="fault-model", base_url={server.base_url!r})
request = ModelRequest(messages=(Message("user", "Oslo?"),))
assert chat.submit(request).result().status == "done"
chat.submit(request)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
