"""One server, its moods, and the one place where requests are tried again."""

import asyncio
import gc
import json
import logging
import socket
import threading
import traceback
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx2
import openai
import pytest
from pydantic import SecretStr

from hippograph.errors import InputError, ModelError
from hippograph.models.chat_answers import ChatAnswer
from hippograph.models.endpoint import Endpoint
from hippograph.models.pacing import Limits
from hippograph.models.replies import Reply, Tally
from hippograph.models.server_faults import RefusedError, UnansweredError

CHAT = "/chat/completions"
SOON = {"timeout": 20.0, "longest_wait": 0.01}
# For servers that hang; those that do not must answer within it, on a busy machine too.
SILENCE = 0.4
KEY = "sk-that-nobody-may-see"


def body(text: str = "Nansen sailed the Fram.", **more: Any) -> dict[str, Any]:
    return {"model": "fault-model", "messages": [{"role": "user", "content": text}], **more}


def endpoint_of(server, *, key: str | None = None, sleep: Any = asyncio.sleep, **limits: Any) -> Endpoint:
    given = None if key is None else SecretStr(key)
    return Endpoint(base_url=server.base_url, api_key=given, limits=Limits(**(SOON | limits)), sleep=sleep)


@pytest.fixture
def endpoint(server) -> Iterator[Endpoint]:
    with closing(endpoint_of(server)) as endpoint:
        yield endpoint


def post(endpoint: Endpoint, *, tally: Tally | None = None, path: str = CHAT, **more: Any) -> Reply:
    sent = endpoint.post(path, body(**more), tally=tally or Tally(), check=ChatAnswer.of)
    return endpoint.submit(sent).result(timeout=20)


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_an_answer(server, endpoint):
    tally = Tally()
    reply = post(endpoint, tally=tally)
    assert ChatAnswer.of(reply.json).text == "It is about Nansen, Fram."
    usage = server.ledger()["usage"]
    assert (reply.input_tokens, reply.output_tokens) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert (tally.calls, tally.input_tokens, tally.output_tokens) == (1, reply.input_tokens, reply.output_tokens)
    assert 0 < reply.seconds == tally.waited == tally.seconds


@pytest.mark.parametrize(
    "fault", ["429-after", "429", "500", "503", "html", "html-200", "hang", "cut-head", "cut-body", "no-choices"]
)
def test_what_may_pass_is_tried_again(server, fault):
    server.change(script=(fault,))
    tally = Tally()
    with closing(endpoint_of(server, timeout=SILENCE if fault == "hang" else 20.0)) as endpoint:
        assert post(endpoint, tally=tally).attempts == 2
    assert tally.calls == server.ledger()["requests"] == 2
    assert tally.input_tokens == server.ledger()["usage"]["prompt_tokens"]
    assert tally.waited < tally.seconds


@pytest.mark.parametrize("client", ["aiohttp", "httpx"])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("429", "HTTP 429: .*; 2 attempts"),
        ("500", "HTTP 500: .*; 2 attempts"),
        ("html", "HTTP 502: .*Bad gateway.*; 2 attempts"),
        ("html-200", "the answer is not JSON: '<!DOCTYPE.*; 2 attempts"),
        ("hang", "no answer within 0.4 seconds; 2 attempts"),
        ("cut-head", "the connection was cut .*; 2 attempts"),
        ("cut-body", "the connection was cut .*; 2 attempts"),
        ("no-choices", "the answer has no choices.*; 2 attempts"),
    ],
)
def test_it_is_given_up_after_some_attempts(server, fault, message, client, monkeypatch):
    if client == "httpx":
        monkeypatch.setattr("hippograph.models.connection.find_spec", lambda _: None)
    server.change(shares={fault: 1.0})
    tally = Tally()
    limits: dict[str, Any] = {"attempts": 2, "timeout": SILENCE if fault == "hang" else 20.0}
    with closing(endpoint_of(server, **limits)) as endpoint, pytest.raises(UnansweredError, match=message):
        post(endpoint, tally=tally)
    assert tally.calls == server.ledger()["requests"] == 2


def test_what_is_wrong_is_sent_once(server, endpoint):
    server.change(context=1)
    with pytest.raises(RefusedError, match="maximum context length is 1 tokens") as told:
        post(endpoint)
    assert told.value.status == 400
    assert server.ledger()["requests"] == 1


def test_nothing_is_sent_before_the_time_that_the_server_names(server):
    server.change(script=("429-after",), retry_after=0.3)
    with closing(endpoint_of(server, concurrency=1)) as endpoint:
        sent = [endpoint.submit(endpoint.post(CHAT, body(f"{n}"), tally=Tally())) for n in range(3)]
        for future in sent:
            future.result(timeout=20)
    refused, *later = [entry["at"] for entry in server.entries()]
    # Each of the three is refused once, and each time all wait.
    assert len(later) == 5
    assert min(later) - refused >= 0.3


class SleptError(Exception):
    """Raised instead of sleeping long."""


@pytest.mark.parametrize(("named", "least", "most"), [(45.0, 45.0, 45.5), (5000.0, 600.0, 600.5)])
def test_a_long_time_that_is_named_is_kept_up_to_a_bound(server, named, least, most):
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        raise SleptError

    server.change(script=("429-after",), retry_after=named)
    with closing(endpoint_of(server, sleep=sleep, longest_wait=1.0)) as endpoint, pytest.raises(SleptError):
        post(endpoint)
    assert least <= slept[0] <= most


def test_waits_grow_at_random_up_to_a_bound(server):
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    server.change(shares={"500": 1.0})
    with closing(endpoint_of(server, sleep=sleep, attempts=9, longest_wait=3.0)) as endpoint:
        for _ in range(3):
            with pytest.raises(UnansweredError):
                post(endpoint)
    assert len(slept) == len(set(slept)) == 24
    assert all(seconds <= min(3.0, 0.5 * 2 ** (number % 8)) for number, seconds in enumerate(slept))
    assert max(slept) > 0.5


def test_who_waits_holds_no_place(server):
    other_is_done = threading.Event()

    async def sleep(_: float) -> None:
        assert await asyncio.to_thread(other_is_done.wait, 10)

    server.change(script=("500",))
    with closing(endpoint_of(server, sleep=sleep, concurrency=1)) as endpoint:
        first = endpoint.submit(endpoint.post(CHAT, body("first"), tally=Tally()))
        while server.ledger()["requests"] == 0:
            pass
        server.change(script=())
        assert post(endpoint, text="second").attempts == 1
        other_is_done.set()
        assert first.result(timeout=20).attempts == 2


def test_a_wrong_key_ends_all_and_is_not_shown(server, caplog):
    caplog.set_level(logging.DEBUG)
    server.change(key="another")
    with closing(endpoint_of(server, key=KEY, concurrency=1)) as endpoint:
        futures = [endpoint.submit(endpoint.post(CHAT, body(f"{n}"), tally=Tally())) for n in range(10)]
        errors = [future.exception(timeout=20) for future in futures]
        assert server.ledger()["requests"] == 1
        for error in errors:
            assert isinstance(error, ModelError)
            assert server.base_url in str(error)
            assert "'fault-model'" in str(error)
            assert "give a valid API key" in str(error)
            assert KEY not in "".join(traceback.format_exception(error))
        assert KEY not in caplog.text
        assert KEY not in repr(endpoint.__dict__)
        # What comes later is tried anew: the server may have learnt.
        server.change(key=KEY)
        assert post(endpoint).attempts == 1


def test_no_such_model(server, endpoint):
    server.change(models=("smaller",))
    with pytest.raises(ModelError, match=r"no model 'fault-model'.*check the name of the model"):
        post(endpoint)


def test_no_such_path(server, endpoint):
    with pytest.raises(ModelError, match=r"no /completion .*which mostly ends in /v1"):
        post(endpoint, path="/completion")


def test_no_server():
    url = f"http://me:hunter2@127.0.0.1:{closed_port()}/v1"
    limits = Limits(longest_wait=0.01, attempts=3)
    with closing(Endpoint(base_url=url, limits=limits)) as endpoint:
        with pytest.raises(ModelError, match=r"does not answer: no connection.*3 attempts; start it, or check") as told:
            post(endpoint)
        assert "hunter2" not in "".join(traceback.format_exception(told.value))
        assert url.replace("me:hunter2@", "") in str(told.value)


def test_a_server_that_has_answered_before_is_not_given_up_so_soon(server):
    with closing(endpoint_of(server, attempts=2)) as endpoint:
        post(endpoint)
        server.change(shares={"cut-head": 1.0})
        with pytest.raises(UnansweredError):
            post(endpoint, text="another")


def test_when_failing_is_the_rule_all_is_stopped(server):
    server.change(shares={"500": 1.0})
    with closing(endpoint_of(server, attempts=1, concurrency=1)) as endpoint:
        for number in range(19):
            with pytest.raises(UnansweredError):
                post(endpoint, text=f"{number}")
        with pytest.raises(
            ModelError, match=r"does not answer as it should: 20 requests in a row have failed.*HTTP 500"
        ):
            post(endpoint, text="19")
        for number in range(10):
            with pytest.raises(UnansweredError):
                post(endpoint, text=f"more {number}")
        server.change(shares={})
        post(endpoint)
        server.change(shares={"500": 1.0})
        with pytest.raises(UnansweredError):
            post(endpoint, text="after a good one")


def test_the_places_are_kept(server):
    server.change(latency=0.02)
    with closing(endpoint_of(server, concurrency=4)) as endpoint:
        futures = [endpoint.submit(endpoint.post(CHAT, body(f"{n}"), tally=Tally())) for n in range(16)]
        assert all(future.result(timeout=20).attempts == 1 for future in futures)
    assert server.ledger()["most_at_work"] == 4


def test_cancelling_breaks_the_request_off(server, endpoint):
    server.change(latency=30.0)
    future = endpoint.submit(endpoint.post(CHAT, body(), tally=Tally()))
    while server.ledger()["at_work"] == 0:
        pass
    assert future.cancel()
    while server.ledger()["at_work"]:
        pass


def test_it_can_be_closed_cold_and_twice(server):
    endpoint = endpoint_of(server)
    endpoint.close()
    endpoint.close()
    with pytest.raises(InputError, match="closed"):
        post(endpoint)


def test_it_need_not_be_closed(server):
    before = threading.active_count()
    endpoint = endpoint_of(server)
    post(endpoint)
    del endpoint
    gc.collect()
    for thread in threading.enumerate():
        if thread.name == "hippograph-models":
            thread.join(10)
    assert threading.active_count() <= before


def test_half_characters_do_not_spoil_an_answer(endpoint, monkeypatch):
    async def told(*_: object) -> bytes:
        return b'{"choices": [{"message": {"content": "\\ud83d"}}]}'

    monkeypatch.setattr(endpoint, "_answered", told)
    monkeypatch.setattr(endpoint, "_connected", lambda: FakeClient())
    assert ChatAnswer.of(post(endpoint).json).text == "\ud83d"


class FakeClient:
    def post(self, *_: object, **__: object) -> None:
        """Send nothing."""


@pytest.mark.parametrize("status", [403, 404])
def test_what_is_forbidden_once_is_forbidden_for_that_alone(server, status, monkeypatch):
    with closing(endpoint_of(server)) as endpoint:
        post(endpoint)
        if status == 404:
            server.change(models=("another",))
        else:
            monkeypatch.setattr(endpoint, "_answered", answering(endpoint, 403, {"error": "Your input was flagged"}))
        with pytest.raises(RefusedError, match=f"HTTP {status}: .*(flagged|does not exist)") as told:
            post(endpoint, text="flagged")
        assert told.value.status == status
        monkeypatch.undo()
        server.change(models=())
        assert post(endpoint, text="another").attempts == 1


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_what_concerns_all_from_the_beginning_ends_all(server, status, monkeypatch):
    with closing(endpoint_of(server)) as endpoint:
        monkeypatch.setattr(endpoint, "_answered", answering(endpoint, status, {"error": "No"}))
        with pytest.raises(ModelError, match=f"HTTP {status}: No"):
            post(endpoint)


@pytest.mark.parametrize("status", [401, 402])
def test_a_key_or_an_account_may_end_later_too(server, status, monkeypatch):
    with closing(endpoint_of(server)) as endpoint:
        post(endpoint)
        monkeypatch.setattr(endpoint, "_answered", answering(endpoint, status, {"error": "No"}))
        with pytest.raises(ModelError, match=f"HTTP {status}: No"):
            post(endpoint)


def test_a_server_that_serves_nothing_any_more_is_given_up(server):
    with closing(endpoint_of(server, concurrency=1)) as endpoint:
        post(endpoint)
        server.change(models=("another",))
        for _ in range(19):
            with pytest.raises(RefusedError):
                post(endpoint)
            endpoint.count_failed("HTTP 404")
        with pytest.raises(ModelError, match="20 requests in a row have failed, the last with: HTTP 404"):
            endpoint.count_failed("HTTP 404")


def answering(endpoint: Endpoint, status: int, told: dict[str, Any]) -> Any:
    """Take the place of a client that gets an answer with this status."""

    async def answered(sent: Any, path: str, model: str | None) -> None:
        sent.close()
        response = httpx2.Response(status, json=told, request=httpx2.Request("POST", "http://127.0.0.1/v1"))
        endpoint._explain(openai.APIStatusError("No", response=response, body=told), path, model)

    return answered


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 3}, (7, 3)),
        ({"prompt_tokens": 7.0, "completion_tokens": 3}, (7, 3)),
        # By estimate, the question has 5 and the answer 1.
        ({"prompt_tokens": -28_500, "completion_tokens": 3}, (5, 3)),
        (None, (5, 1)),
    ],
)
def test_what_is_counted_is_what_can_be(endpoint, monkeypatch, caplog, usage, counted):
    async def told(*_: object) -> bytes:
        return json.dumps({"choices": [{"message": {"content": "Oslo"}}], "usage": usage}).encode()

    monkeypatch.setattr(endpoint, "_answered", told)
    monkeypatch.setattr(endpoint, "_connected", lambda: FakeClient())
    tally = Tally()
    for _ in range(2):
        reply = post(endpoint, tally=tally)
        assert (reply.input_tokens, reply.output_tokens) == counted
    assert (tally.input_tokens, tally.output_tokens) == (2 * counted[0], 2 * counted[1])
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == (counted != (7, 3))
    assert all("are estimated" in warning for warning in warnings)


def test_of_what_is_no_answer_nothing_is_estimated(server):
    server.change(script=("no-choices", "no-usage"))
    tally = Tally()
    with closing(endpoint_of(server)) as endpoint:
        post(endpoint, tally=tally)
    ledger = server.ledger()
    assert tally.input_tokens == ledger["usage"]["prompt_tokens"] + ledger["unreported"]["prompt_tokens"]
    assert ledger["usage"]["responses"] == ledger["unreported"]["responses"] == 1
