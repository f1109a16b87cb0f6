import gc
import json
import sqlite3
import subprocess
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from hippograph.completions import Completion, Message, ModelRequest, Sampling
from hippograph.errors import InputError, ModelError
from hippograph.models.openai_batch import OpenAIBatch
from hippograph.models.openai_chat import OpenAIChat
from hippograph.models.pacing import Limits
from hippograph.models.prices import Price
from hippograph.testing.model_contract import check_language_model
from hippograph.types import Usage
from tests.servers.running import FaultServer


class Facts(BaseModel):
    entities: list[str]


def ask(number: int, schema: type[BaseModel] | None = Facts) -> ModelRequest:
    text = f"Passage {number}: Fridtjof Nansen sailed the Fram."
    return ModelRequest(messages=(Message("user", text),), schema=schema, sampling=Sampling(max_tokens=64))


@pytest.fixture(scope="module")
def running() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture
def server(running: FaultServer) -> FaultServer:
    running.change(
        reset=True, shares={}, script=(), faulty=("line",), polls=2, batch_ending="completed", key="", models=(),
        refuse_json_schema=False, refuse_json_object=False,
    )  # fmt: skip
    return running


def make(server: FaultServer, folder: Path, **changes: Any) -> OpenAIBatch:
    setting: dict[str, Any] = {
        "model": "fault-model",
        "base_url": server.base_url,
        "ledger": folder / "made" / "batches.sqlite",
        "poll_seconds": 0.01,
        "gather_seconds": 0.05,
        "limits": Limits(longest_wait=0.02, timeout=5.0),
    }
    return OpenAIBatch(**setting | changes)


def answers(model: OpenAIBatch, requests: list[ModelRequest]) -> list[Completion]:
    futures = [model.submit(request) for request in requests]
    return [future.result(timeout=30) for future in futures]


def lines(server: FaultServer) -> int:
    return int(server.ledger()["by_kind"].get("line", 0))


def batches(server: FaultServer) -> int:
    return Counter((entry["kind"], entry["topic"]) for entry in server.entries())["batch", "/v1/files"]


def total(completions: list[Completion]) -> Usage:
    return sum((completion.usage for completion in completions), Usage())


def test_it_keeps_the_contract(server, tmp_path):
    model = make(server, tmp_path)
    check_language_model(model)
    model.close()


def test_many_requests_are_one_batch(server, tmp_path):
    model = make(server, tmp_path, price=Price(input=2.0, output=8.0))
    completions = answers(model, [ask(number) for number in range(30)] + [ask(0, None)])
    model.close()
    assert {completion.status for completion in completions} == {"done"}
    assert isinstance(completions[0].value, Facts)
    assert (lines(server), batches(server)) == (31, 1)
    spent, usage = server.ledger()["usage"], total(completions)
    assert (usage.calls, usage.items, usage.reused) == (31, 31, 0)
    assert (usage.input_tokens, usage.output_tokens) == (spent["prompt_tokens"], spent["completion_tokens"])
    assert usage.cost == pytest.approx((2.0 * usage.input_tokens + 8.0 * usage.output_tokens) / 2e6)


def test_the_answers_are_those_of_the_chat(server, tmp_path):
    chat = OpenAIChat(model="fault-model", base_url=server.base_url)
    model = make(server, tmp_path)
    assert model.fingerprint == chat.fingerprint
    assert answers(model, [ask(1)])[0].value == chat.submit(ask(1)).result(timeout=30).value
    model.close()
    chat.close()


@pytest.mark.parametrize("limit", [{"max_requests": 4}, {"max_bytes": 2000}])
def test_a_full_batch_is_sent(server, tmp_path, limit):
    model = make(server, tmp_path, **limit)
    assert {completion.status for completion in answers(model, [ask(number) for number in range(10)])} == {"done"}
    model.close()
    assert batches(server) >= 3
    assert lines(server) == 10


def test_a_ledger_pays_for_nothing_twice(server, tmp_path):
    model = make(server, tmp_path)
    first = answers(model, [ask(number) for number in range(5)])
    model.settle()
    model.close()
    again = make(server, tmp_path)
    second = answers(again, [ask(number) for number in range(6)])
    again.close()
    assert [completion.value for completion in second[:5]] == [completion.value for completion in first]
    assert total(second[:5]) == Usage(items=5, reused=5)
    assert [completion.worth for completion in second[:5]] == [completion.usage for completion in first]
    assert (lines(server), total(second).calls) == (6, 1)


def test_equal_requests_are_one_line(server, tmp_path):
    model = make(server, tmp_path)
    completions = answers(model, [ask(1)] * 3)
    model.close()
    assert lines(server) == 1
    assert (total(completions).calls, total(completions).reused) == (1, 2)


def test_cancelled_before_it_was_sent_it_is_not_sent(server, tmp_path):
    model = make(server, tmp_path, gather_seconds=0.2)
    futures = [model.submit(ask(number)) for number in range(6)]
    assert all(future.cancel() for future in futures[::2])
    wait(futures[1::2], timeout=30)
    model.close()
    assert lines(server) == 3


PROGRAM = """
import sys
import time
from pathlib import Path
from tests.models.test_openai_batch import ask, make
class Server:
    base_url = sys.argv[1]
model = make(Server(), Path(sys.argv[2]))
futures = [model.submit(ask(number)) for number in range(8)]
print([future.result().status for future in futures], flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("polls", [0, 1000])
def test_killed_and_resumed_no_call_is_paid_twice(server, tmp_path, polls):
    server.change(polls=polls)
    command = [sys.executable, "-c", PROGRAM, server.base_url, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as one:
        assert one.stdout is not None
        if polls:  # it is killed while it waits for its batch, else with all answers
            while not any(entry["topic"].startswith("/v1/batches/") for entry in server.entries()):
                assert one.poll() is None
                time.sleep(0.02)
        else:
            assert one.stdout.readline().count(b"done") == 8
        one.kill()
    server.change(polls=0)
    model = make(server, tmp_path)
    completions = answers(model, [ask(number) for number in range(8)])
    model.close()
    assert {completion.status for completion in completions} == {"done"}
    assert (lines(server), batches(server)) == (8, 1)
    # It died before it said that they were safe, so what they cost may be in nobody's books.
    assert (total(completions).calls, total(completions).reused) == (8, 0)


def closed_when(server: FaultServer, model: OpenAIBatch, topic: str, requests: int) -> list[Future[Completion]]:
    """Ask, and close when a request of some kind has come to the server."""
    futures = [model.submit(ask(number)) for number in range(requests)]
    while not any(entry["topic"].startswith(topic) for entry in server.entries()):
        assert not any(future.done() for future in futures)
        time.sleep(0.01)
    model.close()
    return futures


def test_closed_and_opened_again_it_comes_back_to_its_batch(server, tmp_path):
    server.change(polls=1000)
    futures = closed_when(server, make(server, tmp_path), "/v1/batches/", 4)
    assert all(future.cancelled() for future in futures)
    server.change(polls=0)
    model = make(server, tmp_path)
    assert total(answers(model, [ask(number) for number in range(5)])).calls == 5
    model.close()
    assert (lines(server), batches(server)) == (5, 2)


@pytest.mark.parametrize(("token", "expected"), [("token", 1), ("'another'", 2)], ids=["known", "unknown"])
def test_a_batch_of_which_it_is_not_known_whether_it_was_made(server, tmp_path, token, expected):
    model = make(server, tmp_path)
    answers(model, [ask(number) for number in range(4)])
    model.close()
    with closing(sqlite3.connect(model.ledger)) as connection:  # what a death at the worst moment leaves
        connection.execute(f"UPDATE batches SET token = {token}, batch = NULL, collected = 0")
        connection.execute(f"UPDATE lines SET token = {token}, answer = NULL, taken = NULL")
        connection.commit()
    again = make(server, tmp_path)
    assert total(answers(again, [ask(number) for number in range(4)])).reused == 0
    again.close()
    assert (lines(server), batches(server)) == (4 * expected, expected)


@pytest.mark.parametrize("ending", ["expired", "cancelled"])
def test_what_a_batch_leaves_is_sent_again(server, tmp_path, ending):
    server.change(batch_ending=ending)
    model = make(server, tmp_path)
    completions = answers(model, [ask(number) for number in range(8)])
    model.close()
    assert {completion.status for completion in completions} == {"failed", "done"}
    # Half of a batch is answered, and half of the rest by the next one: 4, 2, 1, and the last one never is.
    [failed] = [completion for completion in completions if completion.status == "failed"]
    assert ending in failed.error
    assert (failed.attempts, failed.usage.calls) == (6, 6)
    assert lines(server) == 7


def test_a_batch_that_is_turned_down_is_sent_again_a_few_times(server, tmp_path):
    server.change(batch_ending="failed")
    model = make(server, tmp_path, limits=Limits(attempts=3, longest_wait=0.02))
    [completion] = answers(model, [ask(1)])
    model.close()
    assert (completion.status, completion.attempts, batches(server)) == ("failed", 3, 3)


def test_faulty_lines_end_in_one_of_the_states(server, tmp_path):
    faults = (
        "429",
        "500",
        "hang",
        "cut-body",
        "truncated",
        "length",
        "prose",
        "wrong-schema",
        "no-choices",
        "no-usage",
    )
    server.change(shares=dict.fromkeys(faults, 0.04), seed=3)
    model = make(server, tmp_path)
    completions = answers(model, [ask(number) for number in range(60)])
    model.close()
    statuses = Counter(completion.status for completion in completions)
    assert statuses["done"] >= 50
    assert statuses["failed"] == 0
    spent, usage = server.ledger()["usage"], total(completions)
    assert (usage.input_tokens, usage.output_tokens) == (spent["prompt_tokens"], spent["completion_tokens"])
    assert usage.calls == lines(server) > 60


def test_an_invalid_answer_is_asked_for_once_more_and_not_kept(server, tmp_path):
    server.change(script=("prose", "prose"))
    model = make(server, tmp_path)
    [completion] = answers(model, [ask(1)])
    assert (completion.status, completion.usage.calls) == ("invalid", 2)
    server.change(script=())
    [completion] = answers(model, [ask(1)])
    assert (completion.status, completion.usage.reused) == ("done", 0)
    model.close()


def test_extra_fields_are_not_shown(server, tmp_path):
    assert "secret" not in repr(make(server, tmp_path, extra_body={"metadata": "secret"}))


def test_a_server_that_knows_no_schemas_is_asked_in_words(server, tmp_path):
    server.change(refuse_json_schema=True, refuse_json_object=True)
    model = make(server, tmp_path)
    assert [completion.status for completion in answers(model, [ask(1), ask(2)])] == ["done", "done"]
    assert batches(server) == 3
    assert [completion.status for completion in answers(model, [ask(3)])] == ["done"]
    assert batches(server) == 4
    model.close()


def test_calls_of_files_and_batches_fail_too(server, tmp_path):
    server.change(
        faulty=("batch",), shares={"500": 0.15, "429": 0.1, "html-200": 0.1, "cut-head": 0.1, "cut-body": 0.1}
    )
    model = make(server, tmp_path, max_requests=3, limits=Limits(attempts=12, longest_wait=0.02, timeout=5.0))
    completions = answers(model, [ask(number) for number in range(12)])
    model.close()
    assert {completion.status for completion in completions} == {"done"}
    assert lines(server) == 12
    assert total(completions).calls == 12


def test_what_concerns_all_is_raised(server, tmp_path):
    server.change(key="right")
    model = make(server, tmp_path, api_key=SecretStr("wrong-key"))
    futures = [model.submit(ask(number)) for number in range(3)]
    for future in futures:
        with pytest.raises(ModelError, match="refuses the key") as caught:
            future.result(timeout=30)
        assert "wrong-key" not in str(caught.value)
    assert "wrong-key" not in repr(model)
    model.close()
    server.change(key="", models=("other",))
    model = make(server, tmp_path)
    with pytest.raises(ModelError, match="check the model's name"):
        model.submit(ask(1)).result(timeout=30)
    server.change(models=())
    assert answers(model, [ask(1)])[0].status == "done"
    model.close()


def test_no_server(tmp_path):
    model = OpenAIBatch(
        model="x", ledger=tmp_path / "batches.sqlite", base_url="http://127.0.0.1:9/v1", gather_seconds=0.01,
        limits=Limits(attempts=2, longest_wait=0.01),
    )  # fmt: skip
    with pytest.raises(ModelError, match=r"http://127\.0\.0\.1:9/v1"):
        model.submit(ask(1)).result(timeout=30)
    model.close()


def test_one_process_at_a_time(server, tmp_path):
    one, two = make(server, tmp_path), make(server, tmp_path)
    answers(one, [ask(1)])
    with pytest.raises(ModelError, match="another process uses it"):
        two.submit(ask(2)).result(timeout=30)
    one.close()
    assert answers(two, [ask(1)])[0].usage.calls == 1
    assert lines(server) == 1
    two.close()


def test_a_file_that_is_no_ledger(server, tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "batches.sqlite").write_bytes(b"no ledger" * 100)
    model = make(server, tmp_path)
    with pytest.raises(ModelError, match=r"batches\.sqlite cannot be used"):
        model.submit(ask(1)).result(timeout=30)
    model.close()


@pytest.mark.parametrize(
    "setting", [{"model": " "}, {"poll_seconds": 0}, {"max_requests": 0}, {"base_url": "localhost"}]
)
def test_settings_that_make_no_sense(tmp_path, setting):
    with pytest.raises(InputError):
        OpenAIBatch(**{"model": "x", "ledger": tmp_path / "l", "base_url": "http://localhost/v1"} | setting)


def test_the_ledger_holds_neither_key_nor_passage(server, tmp_path):
    server.change(key="sk-right")
    model = make(server, tmp_path, api_key=SecretStr("sk-right"))
    completion = answers(model, [replace(ask(1), messages=(Message("user", "a very secret passage"),))])[0]
    assert completion.status == "done"
    model.close()
    content = (tmp_path / "made" / "batches.sqlite").read_bytes()
    assert b"sk-right" not in content
    assert b"very secret" not in content
    assert json.dumps(completion.text)[1:5].encode() in content


def test_who_forgets_to_close_it_loses_nothing(server, tmp_path):
    model = make(server, tmp_path)
    answers(model, [ask(1)])
    gone = weakref.ref(model)
    del model
    for _ in range(200):
        gc.collect()
        if gone() is None and not [one for one in threading.enumerate() if one.name == "hippograph-models"]:
            break
        time.sleep(0.01)
    assert gone() is None
    again = make(server, tmp_path)
    assert answers(again, [ask(1)])[0].status == "done"
    assert lines(server) == 1
    again.close()
