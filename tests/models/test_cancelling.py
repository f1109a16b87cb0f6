"""A deadline: an answer that does not come in time is given up, and nothing of it is left behind."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from typing import Any

import pytest
from pydantic import BaseModel

from hippograph.completions import Completion, Message, ModelRequest
from hippograph.models.caching import CachingModel
from hippograph.models.openai_chat import OpenAIChat
from hippograph.models.pacing import Limits
from hippograph.store.responses import ResponseStore
from hippograph.types import Usage

both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "pieces"])
# What a deadline may take beyond itself, seconds: a hundredth of what the model's own limits would.
SOON = 3.0


class Facts(BaseModel):
    entities: list[str]


def ask(text: str = "Nansen sailed the Fram.") -> ModelRequest:
    return ModelRequest(messages=(Message("user", f"<passage>{text}</passage>"),), schema=Facts)


@pytest.fixture(params=[False, True], ids=["httpx", "aiohttp"])
def library(request, monkeypatch) -> None:
    """Speak over each of the two libraries."""
    if request.param:
        pytest.importorskip("aiohttp")
    else:
        monkeypatch.setattr("hippograph.models.connection.find_spec", lambda name: None)


@pytest.fixture(autouse=True)
def silence(caplog, monkeypatch) -> Iterator[None]:
    """See that nothing is said about what was given up: not in a log, not by a thread."""
    caplog.set_level(logging.WARNING)
    died: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    yield
    assert died == []
    assert [record.getMessage() for record in caplog.get_records("call")] == []


def chat_with(server, *, stream: bool = False, **limits: Any) -> OpenAIChat:
    paced = Limits(**({"timeout": 300.0, "longest_wait": 300.0, "concurrency": 1} | limits))
    return OpenAIChat(model="fault-model", base_url=server.base_url, limits=paced, stream=stream)


def give_up(future: Future[Completion], *, after: float = 0.0) -> None:
    """Keep a deadline as readers do."""
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        future.result(timeout=after)
    assert future.cancel()
    assert future.cancelled()
    assert time.monotonic() - began < after + SOON


def until(what: Callable[[], bool]) -> None:
    late = time.monotonic() + 20
    while not what():
        assert time.monotonic() < late
        time.sleep(0.005)


def is_at_work(server) -> bool:
    return bool(server.ledger()["at_work"])


@both_ways
@pytest.mark.usefixtures("library")
def test_a_hanging_answer_is_given_up_at_once_and_the_next_takes_its_place(server, stream):
    server.change(script=("hang",))
    with closing(chat_with(server, stream=stream)) as chat:
        future = chat.submit(ask())
        until(lambda: is_at_work(server))
        give_up(future, after=0.05)
        server.change(script=())
        # One place is all there is: it and the connection are free again.
        done = chat.submit(ask("Amundsen sailed the Maud.")).result(timeout=20)
        until(lambda: not is_at_work(server))
    assert (done.status, done.usage.calls) == ("done", 1)
    assert [entry["sent"] for entry in server.entries()] == [False, True]


@pytest.mark.usefixtures("library")
def test_an_answer_that_has_begun_to_come_is_given_up(server):
    server.change(pause=30.0)
    with closing(chat_with(server, stream=True)) as chat:
        future = chat.submit(ask())
        until(lambda: is_at_work(server))
        give_up(future, after=0.05)
        until(lambda: not is_at_work(server))
        server.change(pause=0.0)
        assert chat.submit(ask()).result(timeout=20).status == "done"


def test_one_that_waits_for_its_turn_is_never_sent(server):
    server.change(script=("hang",))
    with closing(chat_with(server)) as chat:
        first = chat.submit(ask())
        until(lambda: is_at_work(server))
        give_up(chat.submit(ask("Amundsen sailed the Maud.")))
        give_up(first)
        until(lambda: not is_at_work(server))
    assert server.ledger()["requests"] == 1


def test_one_that_waits_to_be_tried_again_is_not_tried_again(server):
    server.change(script=("429-after",), retry_after=300.0)
    with closing(chat_with(server, concurrency=4)) as chat:
        future = chat.submit(ask())
        until(lambda: server.ledger()["sent"] == 1)
        give_up(future, after=0.05)
        # The server has said when, and to all: another one waits too, and can be given up as well.
        give_up(chat.submit(ask("Amundsen sailed the Maud.")), after=0.05)
    assert server.ledger()["requests"] == 1


def test_closing_does_not_wait_for_what_was_given_up(server):
    server.change(shares={"hang": 1.0})
    began = time.monotonic()
    with closing(chat_with(server, concurrency=8)) as chat:
        futures = [chat.submit(ask(f"{number}")) for number in range(16)]
        until(lambda: server.ledger()["at_work"] == 8)
        for future in futures:
            give_up(future)
    assert time.monotonic() - began < 10 * SOON


@pytest.fixture
def responses(tmp_path) -> Iterator[ResponseStore]:
    with closing(ResponseStore(tmp_path / "responses.sqlite")) as store:
        yield store


def test_who_gives_up_does_not_take_the_answer_from_others(server, responses):
    server.change(latency=0.5)
    with closing(chat_with(server)) as chat:
        model = CachingModel(model=chat, responses=responses)
        one, two, three = [model.submit(ask()) for _ in range(3)]
        until(lambda: is_at_work(server))
        give_up(one)
        give_up(three)
        done = two.result(timeout=20)
        again = model.submit(ask()).result(timeout=0)
    # What the first one began is paid for by who has waited for it, and by nobody else.
    assert (done.status, done.usage.calls, again.usage) == ("done", 1, Usage(items=1, reused=1))
    assert (server.ledger()["requests"], responses.counts().answers) == (1, 1)


def test_when_all_give_up_nothing_is_kept_and_the_next_asks_anew(server, responses):
    server.change(script=("hang",))
    with closing(chat_with(server)) as chat:
        model = CachingModel(model=chat, responses=responses)
        futures = [model.submit(ask()) for _ in range(3)]
        until(lambda: is_at_work(server))
        for future in futures:
            give_up(future)
        assert responses.counts().answers == 0
        done = model.submit(ask()).result(timeout=20)
        until(lambda: not is_at_work(server))
        again = model.submit(ask()).result(timeout=0)
    assert (done.status, done.usage.calls, again.usage.reused) == ("done", 1, 1)
    assert (server.ledger()["requests"], responses.counts().answers) == (2, 1)


def test_many_deadlines_at_once(server, responses):
    server.change(latency=0.03, shares={"500": 0.2, "cut-body": 0.1, "hang": 0.1})
    ends: list[Completion | None] = []

    def keep_deadlines(model: CachingModel, reader: int) -> None:
        for number in range(12):
            future = model.submit(ask(f"Nansen sailed {number} times."))
            try:
                ends.append(future.result(timeout=0.01 * (1 + (reader + number) % 8)))
            except TimeoutError:
                # It may have ended in this very instant.
                ends.append(None if future.cancel() else future.result(timeout=0))

    with closing(chat_with(server, concurrency=4, timeout=0.3, longest_wait=0.01)) as chat:
        model = CachingModel(model=chat, responses=responses)
        readers = [threading.Thread(target=keep_deadlines, args=(model, reader)) for reader in range(6)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(20)
        assert len(ends) == 6 * 12
        assert None in ends
        # Whatever was given up, all can still be asked, and all places are free.
        server.change(shares={})
        futures = [model.submit(ask(f"Nansen sailed {number} times.")) for number in range(12)]
        assert {future.result(timeout=20).status for future in futures} == {"done"}
        until(lambda: not is_at_work(server))
    assert {end.status for end in ends if end is not None} <= {"done"}
    assert responses.counts().answers == 12
