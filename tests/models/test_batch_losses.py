"""What was paid for in batches is neither lost nor forgotten in the books, whatever ends too early."""

import json
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import closing

import pytest

from hippograph.errors import ModelError
from hippograph.models.batch_server import BatchServer
from hippograph.models.pacing import Limits
from hippograph.models.server_faults import RefusedError
from hippograph.types import Usage
from tests.models.test_openai_batch import answers, ask, batches, lines, make, total
from tests.servers.running import FaultServer


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


def test_what_a_dead_process_was_given_is_counted_until_somebody_has_it_safe(server, tmp_path):
    spent = []
    for is_safe in (False, False, True, True):
        model = make(server, tmp_path)
        completions = answers(model, [ask(number) for number in range(3)])
        assert total(answers(model, [ask(0)])) == Usage(items=1, reused=1)
        if is_safe:
            model.settle()
            model.settle()
        model.close()
        spent.append(total(completions))
    assert spent[0] == spent[1] == spent[2]
    assert (spent[0].calls, spent[3]) == (3, Usage(items=3, reused=3))
    assert lines(server) == 3
    make(server, tmp_path).settle()  # nothing was asked


async def refuse_errors(self: BatchServer, id: str, file: str) -> dict[str, str]:
    """Hand out the file of answers, and not the one of errors."""
    found = await BatchServer._fetch(self, file)
    if any(json.loads(answer)[0] is None for answer in found.values()):
        raise RefusedError("HTTP 404: no such file", status=404)
    return found


@pytest.mark.parametrize("times", [1, 2])
def test_one_file_that_is_not_handed_out_loses_nothing(server, tmp_path, monkeypatch, times):
    server.change(batch_ending="expired")
    for _ in range(times):
        model = make(server, tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(BatchServer, "answers", refuse_errors)
            done = [model.submit(ask(number)) for number in range(8)]
            wait(done, timeout=30)
        model.close()
        failed = [future for future in done if future.exception()]
        assert len(failed) == 4
        for future in failed:
            with pytest.raises(ModelError, match=r"cannot be fetched: .*run the same again"):
                future.result()
        assert (lines(server), batches(server)) == (4, 1)
    server.change(batch_ending="completed")
    model = make(server, tmp_path)
    completions = answers(model, [ask(number) for number in range(8)])
    model.close()
    assert {completion.status for completion in completions} == {"done"}
    assert (lines(server), batches(server)) == (8, 2)


def test_a_server_that_goes_away_is_not_waited_for_for_ever(tmp_path, caplog):
    caplog.set_level("INFO", "hippograph.models")
    with FaultServer() as server:
        server.change(polls=1000)
        limits = Limits(attempts=1, longest_wait=0.01, timeout=5.0)
        model = make(server, tmp_path, patience_seconds=0.05, limits=limits)
        future = model.submit(ask(1))
        while not any(entry["topic"].startswith("/v1/batches/") for entry in server.entries()):
            time.sleep(0.01)
    with pytest.raises(ModelError, match=r"has not said for 0 minutes how batch .* run the same again"):
        future.result(timeout=30)
    model.close()
    told = caplog.text
    assert "requests is under way" in told
    assert "in_progress, 0 of 1 requests answered" in told
    assert told.count("in_progress") == 1
    assert "have to wait" in told


def test_a_batch_that_the_server_forgot_is_sent_again(server, tmp_path):
    model = make(server, tmp_path)
    answers(model, [ask(1)])
    model.close()
    with closing(sqlite3.connect(model.ledger)) as connection:
        connection.execute("UPDATE batches SET batch = 'batch_404', collected = 0")
        connection.execute("UPDATE lines SET answer = NULL, taken = NULL")
        connection.commit()
    again = make(server, tmp_path)
    [completion] = answers(again, [ask(1)])
    again.close()
    assert (completion.status, batches(server)) == ("done", 2)
