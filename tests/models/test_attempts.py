"""How often a model may be asked for one request: the cap holds for every reason to ask again, with every model."""

import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from hippograph.completions import Completion, Message, ModelRequest
from hippograph.errors import InputError, ModelError
from hippograph.models.answers import request_key
from hippograph.models.caching import CachingModel
from hippograph.models.openai_batch import OpenAIBatch
from hippograph.models.openai_chat import OpenAIChat
from hippograph.models.pacing import Limits
from hippograph.models.recorded import RecordedModel, RecordingModel
from hippograph.models.vllm_offline import VLLMOffline
from hippograph.protocols import LanguageModel
from hippograph.store.responses import ResponseStore
from hippograph.testing.scripted import ScriptedModel
from hippograph.types import Usage
from tests.models.fake_vllm import FakeVLLM
from tests.servers.plan import FAULTS, mixed

both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "pieces"])


class Facts(BaseModel):
    entities: list[str]


def ask(text: str = "Nansen sailed the Fram.", *, attempts: int | None = None) -> ModelRequest:
    return ModelRequest(messages=(Message("user", f"<passage>{text}</passage>"),), schema=Facts, attempts=attempts)


def chat_with(server, **how: Any) -> OpenAIChat:
    stream = how.pop("stream", False)
    limits = Limits(**({"timeout": 20.0, "longest_wait": 0.01} | how))
    return OpenAIChat(model="fault-model", base_url=server.base_url, limits=limits, stream=stream)


def complete(model: LanguageModel, request: ModelRequest) -> Completion:
    return model.submit(request).result(timeout=20)


def test_it_is_no_part_of_what_names_an_answer():
    assert request_key("a", ask()) == request_key("a", ask(attempts=1)) == request_key("a", ask(attempts=9))


@pytest.mark.parametrize("attempts", [0, -1])
def test_none_at_all_cannot_be_allowed(attempts):
    with pytest.raises(InputError, match=f"attempts is {attempts}; allow at least 1"):
        ask(attempts=attempts)


@both_ways
@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_a_server_that_fails_is_asked_no_more_often(server, stream, attempts):
    server.change(shares={"500": 1.0})
    with closing(chat_with(server, stream=stream)) as chat:
        done = complete(chat, ask(attempts=attempts))
    assert (done.status, done.attempts, done.usage.calls) == ("failed", attempts, attempts)
    assert done.error.endswith(f"; {attempts} attempts")
    assert server.ledger()["requests"] == attempts


def test_the_limits_hold_where_more_is_allowed(server):
    server.change(shares={"500": 1.0})
    with closing(chat_with(server, attempts=2)) as chat:
        assert complete(chat, ask(attempts=7)).attempts == 2


@both_ways
@pytest.mark.parametrize(("attempts", "calls"), [(1, 1), (2, 2), (None, 2)])
def test_a_wrong_answer_is_asked_for_again_only_where_that_is_allowed(server, stream, attempts, calls):
    server.change(shares={"wrong-schema": 1.0})
    with closing(chat_with(server, stream=stream)) as chat:
        done = complete(chat, ask(attempts=attempts))
    assert (done.status, done.usage.calls, server.ledger()["requests"]) == ("invalid", calls, calls)
    assert "entities: Input should be a valid list" in done.error
    assert done.text


def test_all_reasons_together_are_counted(server):
    # In turn: a refusal of the schema, a failure, a wrong answer, and a failure of what was to mend it.
    server.change(refuse_json_schema=True)
    for attempts, ends in (
        (1, ("failed", "is not supported by this server.; 1 attempts")),
        (2, ("failed", "The server had an error; 2 attempts")),
        (3, ("invalid", "entities: Input should be a valid list")),
        (4, ("failed", "The server had an error; 4 attempts")),
        (5, ("invalid", "entities: Input should be a valid list")),
    ):
        server.change(reset=True, script=("500", "wrong-schema"))
        with closing(chat_with(server)) as chat:
            done = complete(chat, ask(attempts=attempts))
        assert done.status == ends[0]
        assert ends[1] in done.error
        assert done.usage.calls == done.attempts == server.ledger()["requests"] == attempts


def test_what_a_server_does_not_understand_is_learnt_even_if_nothing_else_could_be_tried(server):
    server.change(refuse_json_schema=True, refuse_json_object=True)
    with closing(chat_with(server)) as chat:
        ends = [complete(chat, ask(attempts=1)) for _ in range(3)]
    assert [(done.status, done.usage.calls) for done in ends] == [("failed", 1), ("failed", 1), ("done", 1)]
    assert ends[0].error.endswith("'json_schema' is not supported by this server.; 1 attempts")


def test_requests_given_up_early_do_not_show_that_a_server_is_gone(server):
    with closing(chat_with(server, concurrency=2, attempts=2)) as chat:
        assert complete(chat, ask()).status == "done"
        server.change(shares={"500": 1.0})
        ends = [chat.submit(ask(f"{number}", attempts=1)).exception(timeout=20) for number in range(30)]
        assert ends == [None] * 30
        ends = [chat.submit(ask(f"{number}", attempts=2)).exception(timeout=20) for number in range(20)]
    assert ends[:19] == [None] * 19
    assert isinstance(ends[19], ModelError)
    assert "20 requests in a row have failed" in str(ends[19])


@both_ways
@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_no_mixture_of_faults_makes_more_calls(server, stream, attempts):
    server.change(
        shares=mixed(0.6, *sorted(FAULTS.keys() - {"hang"})),
        slow=0.01,
        retry_after=0.01,
        refuse_json_schema=attempts > 1,
    )
    with closing(chat_with(server, stream=stream)) as chat:
        futures = [chat.submit(ask(f"Nansen sailed {number} times.", attempts=attempts)) for number in range(60)]
        ends = [future.result(timeout=20) for future in futures]
    assert max(done.usage.calls for done in ends) == attempts
    assert sum(done.usage.calls for done in ends) == server.ledger()["requests"]
    assert {done.status for done in ends} == {"done", "invalid", "failed"}


@pytest.mark.parametrize(
    ("attempts", "script", "status", "calls"),
    [
        (1, ("500",), "failed", 1),
        (2, ("500", "500"), "failed", 2),
        (2, ("500",), "done", 2),
        (1, ("prose",), "invalid", 1),
        (2, ("prose",), "invalid", 2),
    ],
)
def test_batches(server, tmp_path, attempts, script, status, calls):
    server.change(faulty=("line",), script=script)
    with closing(batch_with(server, tmp_path)) as model:
        done = complete(model, ask(attempts=attempts))
    assert (done.status, done.usage.calls, done.attempts) == (status, calls, calls)
    assert server.ledger()["by_kind"]["line"] == calls


def test_batches_learn_what_could_not_be_tried(server, tmp_path):
    server.change(refuse_json_schema=True, refuse_json_object=True)
    with closing(batch_with(server, tmp_path)) as model:
        ends = [complete(model, ask(attempts=1)) for _ in range(3)]
    assert [(done.status, done.usage.calls) for done in ends] == [("failed", 1), ("failed", 1), ("done", 1)]
    assert ends[0].error.endswith("'json_schema' is not supported by this server.; sent in 1 batches")


def batch_with(server, folder: Path) -> OpenAIBatch:
    return OpenAIBatch(
        model="fault-model",
        base_url=server.base_url,
        ledger=folder / "batches.sqlite",
        poll_seconds=0.01,
        gather_seconds=0.01,
        limits=Limits(longest_wait=0.02, timeout=5.0),
    )


@pytest.fixture
def vllm(monkeypatch) -> Iterator[VLLMOffline]:
    fake = FakeVLLM()
    fake.answer = lambda told: '{"entities": 1}'
    monkeypatch.setitem(sys.modules, "vllm", fake)
    for name in ("VLLM_LOGGING_STREAM", "VLLM_LOGGING_LEVEL", "VLLM_NO_USAGE_STATS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    with closing(VLLMOffline(model="some/model")) as model:
        yield model


@pytest.mark.parametrize(("attempts", "calls"), [(1, 1), (2, 2), (None, 2)])
def test_a_model_in_this_process(vllm, attempts, calls):
    done = complete(vllm, ask(attempts=attempts))
    assert (done.status, done.usage.calls, done.attempts) == ("invalid", calls, calls)
    assert "entities" in done.error


THREE_CALLS = Completion(
    status="done",
    text='{"entities": ["Fram"]}',
    value=Facts(entities=["Fram"]),
    usage=Usage(calls=3, items=1, input_tokens=9),
    attempts=3,
)


class Later:
    """A model that answers when the test says so."""

    fingerprint, concurrency = "later", 1

    def __init__(self) -> None:
        self.futures: list[Future[Completion]] = []

    def submit(self, request: ModelRequest) -> Future[Completion]:
        self.futures.append(Future())
        return self.futures[-1]


def test_who_allows_less_shares_the_answer_of_who_allows_more(tmp_path):
    later = Later()
    model = CachingModel(model=later, responses=ResponseStore(tmp_path / "responses.sqlite"))
    free, small = model.submit(ask()), model.submit(ask(attempts=1))
    [asked] = later.futures
    asked.set_result(THREE_CALLS)
    assert (free.result().usage.calls, small.result().usage) == (3, Usage(items=1, reused=1))
    assert small.result().worth == free.result().worth == THREE_CALLS.usage
    model.close()


def test_who_allows_less_never_bears_the_cost_of_who_has_given_up(tmp_path):
    later = Later()
    model = CachingModel(model=later, responses=ResponseStore(tmp_path / "responses.sqlite"))
    futures = [model.submit(ask(attempts=attempts)) for attempts in (None, 1, 2, 3, 3)]
    assert futures[0].cancel()
    later.futures[0].set_result(THREE_CALLS)
    assert [future.result().usage.calls for future in futures[1:]] == [0, 0, 3, 0]
    assert [future.result().worth.calls for future in futures[1:]] == [3, 3, 3, 3]
    model.close()


def test_who_allows_more_does_not_fail_because_another_may_not(tmp_path):
    later = Later()
    model = CachingModel(model=later, responses=ResponseStore(tmp_path / "responses.sqlite"))
    small, large, same, free = [model.submit(ask(attempts=attempts)) for attempts in (1, 2, 2, None)]
    assert len(later.futures) == 3
    later.futures[0].set_result(Completion(status="failed", error="HTTP 500; 1 attempts", usage=Usage(calls=1)))
    assert (small.result().status, large.done()) == ("failed", False)
    later.futures[1].set_result(replace(THREE_CALLS, usage=Usage(calls=2, items=1), attempts=2))
    assert (large.result().usage.calls, same.result().usage.calls, free.done()) == (2, 0, False)
    assert free.cancel()
    assert later.futures[2].cancelled()
    assert complete(model, ask()).worth.calls == 2
    model.close()


def test_what_another_run_has_not_booked_is_charged_only_to_who_allows_it(tmp_path):
    def run() -> CachingModel:
        scripted = ScriptedModel(answers=[THREE_CALLS])
        return CachingModel(model=scripted, responses=ResponseStore(tmp_path / "responses.sqlite"))

    with closing(run()) as died:
        complete(died, ask())
    with closing(run()) as model:
        small, large, again = [complete(model, ask(attempts=attempts)) for attempts in (2, 3, 3)]
    assert [done.usage.calls for done in (small, large, again)] == [0, 3, 0]
    assert small.worth == large.worth == again.worth == THREE_CALLS.usage


def test_a_recording_is_found_whatever_is_allowed(tmp_path):
    path = tmp_path / "answers.jsonl"
    with RecordingModel(model=ScriptedModel(answers=[THREE_CALLS]), path=path) as recording:
        complete(recording, ask(attempts=3))
    done = complete(RecordedModel(path=path), ask(attempts=1))
    assert (done.value, done.usage.calls, done.worth) == (THREE_CALLS.value, 0, THREE_CALLS.usage)
