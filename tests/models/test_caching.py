import json
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, create_model

from hippograph.completions import Completion, Message, ModelRequest, Sampling
from hippograph.errors import IndexDirectoryError, ModelError
from hippograph.models.answers import answer_of, record_of, request_key
from hippograph.models.caching import CachingModel
from hippograph.store.responses import ResponseStore
from hippograph.testing.model_contract import ContractAnswer, check_language_model
from hippograph.testing.scripted import ScriptedModel
from hippograph.types import Usage


class Names(BaseModel):
    names: list[str]


class Kept(dict[str, str]):
    """A store of answers in memory, all of them booked."""

    def load(self, key: str) -> str | None:
        return self.get(key)

    def save(self, key: str, value: str, *, run: str) -> None:
        self[key] = value

    def claim(self, key: str, *, run: str) -> bool:
        return False

    def settle(self, *, run: str) -> None:
        pass


class Later:
    """A model that answers when the test says so."""

    fingerprint, concurrency = "later", 1

    def __init__(self) -> None:
        self.futures: list[Future[Completion]] = []

    def submit(self, request: ModelRequest) -> Future[Completion]:
        self.futures.append(Future())
        return self.futures[-1]


def ask(text: str = "Who sailed?", schema: type[BaseModel] | None = Names, **sampling: Any) -> ModelRequest:
    return ModelRequest(messages=(Message("user", text),), schema=schema, sampling=Sampling(**sampling))


ANSWER = Completion(
    status="done",
    text='{"names": ["Nansen"]}',
    value=Names(names=["Nansen"]),
    finish_reason="stop",
    usage=Usage(calls=2, items=1, input_tokens=9, output_tokens=3, cost=0.5, seconds=1.0),
    attempts=2,
    seconds=1.0,
)
FREE = Usage(items=1, reused=1)
REUSED = replace(ANSWER, usage=FREE, first_usage=ANSWER.usage, seconds=0.0, attempts=0)


@pytest.mark.parametrize("setting", [{}, {"seconds": 0.001}, {"order": (2, 0, 1)}], ids=["at once", "threads", "order"])
def test_it_keeps_the_contract(setting, tmp_path):
    scripted = ScriptedModel(answers=lambda request: ContractAnswer(answer="In Warsaw."), **setting)
    model = CachingModel(model=scripted, responses=ResponseStore(tmp_path / "responses.sqlite"))
    check_language_model(model)
    check_language_model(model)
    assert scripted.calls <= 24
    model.close()


def test_an_answer_is_paid_for_once(tmp_path):
    path = tmp_path / "responses.sqlite"
    scripted = ScriptedModel(answers=[ANSWER])
    model = CachingModel(model=scripted, responses=ResponseStore(path))
    assert model.submit(ask()).result() == ANSWER
    again = model.submit(ask()).result()
    assert again == REUSED
    model.settle()
    model.close()
    later = CachingModel(model=scripted, responses=ResponseStore(path))
    hit = later.submit(ask())
    assert hit.done()
    assert hit.result() == again
    assert (scripted.calls, later.fingerprint, later.concurrency) == (1, scripted.fingerprint, scripted.concurrency)
    later.close()


@pytest.mark.parametrize(
    "answer",
    [
        Completion(status="invalid", text="no", error="no JSON"),
        Completion(status="failed", error="overloaded"),
        ModelError("wrong key"),
    ],
)
def test_what_is_not_done_is_asked_again(answer):
    scripted, kept = ScriptedModel(answers=[answer, ANSWER]), Kept()
    model = CachingModel(model=scripted, responses=kept)
    first = model.submit(ask())
    if isinstance(answer, Exception):
        with pytest.raises(ModelError, match="wrong key"):
            first.result()
    else:
        assert first.result() == answer
    assert not kept
    assert model.submit(ask()).result() == ANSWER
    assert len(kept) == 1


CHANGES = [
    replace(ask(), messages=(Message("system", "Who sailed?"),)),
    replace(ask(), messages=(Message("user", "Who sailed"), Message("user", "?"))),
    ask("Who sailed? "),
    ask(schema=None),
    ask(schema=ContractAnswer),
    ask(max_tokens=5),
    ask(temperature=0.1),
    ask(top_p=0.9),
    ask(seed=0),
]


def test_whatever_changes_an_answer_changes_the_key():
    keys = {request_key(model, request) for model in ("a", "b") for request in [ask(), *CHANGES]}
    assert len(keys) == 2 * (1 + len(CHANGES))


def test_keys_are_the_same_everywhere():
    # What is stored under these keys has been paid for: a change of them is a change of the format.
    assert request_key("a", ask()) == "150adc4d73d4fa182199f9a701c25c37"


def test_a_schema_is_named_by_what_it_says():
    described = create_model("Names", names=(list[str], Field(description="People.")))
    same = create_model("Names", names=(list[str], ...))
    assert request_key("a", ask(schema=same)) == request_key("a", ask()) != request_key("a", ask(schema=described))


@pytest.mark.parametrize(
    "kept",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        '{"text": 3, "finish_reason": "stop"}',
        '{"text": "{}", "finish_reason": "stop"}',
        '{"text": "{\\"names\\": [3]}", "finish_reason": "stop"}',
        '{"text": "{\\"names\\": []}", "finish_reason": "stop", "value": "{}"}',
        '{"text": "{\\"names\\": []}", "finish_reason": "stop", "status": "invalid", "error": "x"}',
        '{"text": "{\\"names\\": []}", "finish_reason": "stop", "usage": {"gold": 3}}',
        '{"text": "{\\"names\\": []}", "finish_reason": "stop", "usage": {"calls": "3"}}',
        '{"text": "{\\"names\\": []}", "finish_reason": "stop", "worth": {"calls": "3"}}',
    ],
)
def test_what_is_kept_is_validated_again(kept):
    responses = Kept({request_key("scripted:1", ask()): kept})
    model = CachingModel(model=ScriptedModel(answers=[ANSWER]), responses=responses)
    assert model.submit(ask()).result() == ANSWER
    assert model.submit(ask()).result().usage == FREE


@given(st.text(), st.lists(st.text(st.characters(codec="utf-8"))), st.booleans())
def test_repaired_answers_come_back_as_they_were(text, names, fits):
    value = Names(names=names)
    answer = replace(ANSWER, text=value.model_dump_json() if fits else text, value=value)
    record = record_of(answer)
    assert ("value" in record) != fits
    assert answer_of(record, ask()) == replace(REUSED, text=answer.text, value=value)


def test_what_an_answer_once_cost_is_told_however_often_it_is_handed_on(tmp_path):
    scripted = ScriptedModel(answers=[ANSWER])
    inner = CachingModel(model=scripted, responses=ResponseStore(tmp_path / "inner.sqlite"))
    assert inner.submit(ask()).result().worth == ANSWER.usage
    inner.settle()
    for folder in ("one.sqlite", "two.sqlite"):
        with closing(ResponseStore(tmp_path / folder)) as responses:
            outer = CachingModel(model=inner, responses=responses)
            for _ in range(2):
                done = outer.submit(ask()).result()
                assert (done.usage, done.worth) == (FREE, ANSWER.usage)
    inner.close()


@pytest.mark.parametrize(
    ("told", "worth"),
    [
        ({"usage": {"calls": 2, "items": 1, "cost": 0.5}}, Usage(calls=2, items=1, cost=0.5)),
        # As kept of an answer that was itself reused, before it was kept what that once cost.
        ({"usage": {"items": 1, "reused": 1}}, Usage(calls=1, items=1, input_tokens=3, output_tokens=7)),
        ({"usage": {"input_tokens": 9}}, Usage(calls=1, items=1, input_tokens=9, output_tokens=7)),
        ({}, Usage(calls=1, items=1, input_tokens=3, output_tokens=7)),
        ({"usage": {"items": 1}, "worth": {"calls": 4}}, Usage(calls=4)),
    ],
)
def test_what_a_kept_answer_once_cost(told, worth):
    record = {"text": ANSWER.text, "finish_reason": "stop"} | told
    assert answer_of(record, ask()) == replace(REUSED, first_usage=worth)


def test_what_is_kept_of_an_answer_is_what_was_always_kept():
    assert record_of(ANSWER) == {
        "text": ANSWER.text,
        "finish_reason": "stop",
        "usage": {"calls": 2, "items": 1, "input_tokens": 9, "output_tokens": 3, "cost": 0.5, "seconds": 1.0},
    }
    assert record_of(REUSED) == record_of(ANSWER) | {
        "usage": {"items": 1, "reused": 1},
        "worth": record_of(ANSWER)["usage"],
    }


def test_equal_requests_under_way_are_one():
    later, kept = Later(), Kept()
    model = CachingModel(model=later, responses=kept)
    one, two, three = [model.submit(ask()) for _ in range(3)]
    other = model.submit(ask("Who sang?"))
    assert len(later.futures) == 2
    saved_before = []
    one.add_done_callback(lambda _: saved_before.append(len(kept)))
    later.futures[0].set_running_or_notify_cancel()
    assert (one.running(), other.running()) == (True, False)
    later.futures[0].set_result(ANSWER)
    assert saved_before == [1]
    assert [future.result().usage.calls for future in (one, two, three)] == [2, 0, 0]
    assert two.result() == three.result() == REUSED
    assert not other.done()
    later.futures[1].set_exception(ModelError("gone"))
    with pytest.raises(ModelError, match="gone"):
        other.result()


def test_failures_under_way_are_shared_at_no_cost():
    later = Later()
    model = CachingModel(model=later, responses=Kept())
    one, two = model.submit(ask()), model.submit(ask())
    later.futures[0].set_result(Completion(status="failed", error="x", usage=Usage(calls=4), attempts=4))
    assert (one.result().usage.calls, two.result().usage, two.result().status) == (4, Usage(), "failed")


def test_cancelling_leaves_the_request_to_others():
    later = Later()
    model = CachingModel(model=later, responses=Kept())
    one, two, three = [model.submit(ask()) for _ in range(3)]
    assert one.cancel()
    assert one.cancel()
    assert wait([one, two], return_when=FIRST_COMPLETED, timeout=10).done == {one}
    assert not later.futures[0].cancelled()
    later.futures[0].set_result(ANSWER)
    # Who made the request is gone; somebody has to bear its cost.
    assert (two.result().usage, three.result().usage) == (ANSWER.usage, FREE)
    assert not two.cancel()


def test_the_last_one_to_cancel_cancels_the_request():
    later = Later()
    model = CachingModel(model=later, responses=Kept())
    one, two = model.submit(ask()), model.submit(ask())
    assert one.cancel()
    assert two.cancel()
    assert later.futures[0].cancelled()
    assert wait([one, two], timeout=10).not_done == set()
    three = model.submit(ask())
    later.futures[1].set_running_or_notify_cancel()
    assert not three.cancel()
    later.futures[1].set_result(ANSWER)
    assert three.result() == ANSWER


def test_a_model_that_cancels_by_itself():
    later = Later()
    model = CachingModel(model=later, responses=Kept())
    one, two = model.submit(ask()), model.submit(ask())
    assert later.futures[0].cancel()
    assert (one.cancelled(), two.cancelled()) == (True, True)
    assert wait([one, two], timeout=10).not_done == set()


def test_an_answer_that_cannot_be_kept_is_given_all_the_same(caplog):
    class Full(Kept):
        def save(self, key, value, *, run):
            raise IndexDirectoryError("the disk is full")

        def claim(self, key, *, run):
            raise IndexDirectoryError("the disk is full")

        def settle(self, *, run):
            raise IndexDirectoryError("nothing can be noted")

    responses = Full()
    model = CachingModel(model=ScriptedModel(answers=[ANSWER] * 2), responses=responses)
    assert [model.submit(ask(text)).result(timeout=10) for text in "ab"] == [ANSWER] * 2
    assert caplog.text.count("answers are used and not kept: the disk is full") == 1
    responses[request_key("scripted:1", ask())] = json.dumps(record_of(ANSWER))
    assert model.submit(ask()).result(timeout=10).usage == FREE
    model.settle()
    assert "counted again by another run: nothing can be noted" in caplog.text


def test_a_store_that_cannot_be_read_is_told_by_the_future():
    class Gone(Kept):
        def load(self, key):
            raise IndexDirectoryError("no such disk")

    future = CachingModel(model=ScriptedModel(answers=[ANSWER]), responses=Gone()).submit(ask())
    with pytest.raises(IndexDirectoryError, match="no such disk"):
        future.result(timeout=10)


def test_what_nobody_has_booked_is_counted_once_more(tmp_path):
    path, scripted = tmp_path / "responses.sqlite", ScriptedModel(answers=[ANSWER])

    def usages(*, settled: bool) -> list[Usage]:
        model = CachingModel(model=scripted, responses=ResponseStore(path))
        found = [model.submit(ask()).result(timeout=10).usage for _ in range(2)]
        if settled:
            model.settle()
        model.close()
        return found

    paid, free = [ANSWER.usage, FREE], [FREE, FREE]
    assert [usages(settled=settled) for settled in (False, False, True, True, False)] == [paid, paid, paid, free, free]
    assert scripted.calls == 1


def test_books_that_were_lost_are_written_again(tmp_path):
    responses = ResponseStore(tmp_path / "responses.sqlite")
    model = CachingModel(model=ScriptedModel(answers=[ANSWER]), responses=responses)
    for _ in range(2):
        assert model.submit(ask()).result().usage == ANSWER.usage
        model.reopen()
    assert model.submit(ask()).result().usage == ANSWER.usage
    model.settle()
    model.reopen()
    assert model.submit(ask()).result().usage == FREE
    model.close()


def test_settling_reaches_the_model():
    class Batches(ScriptedModel):
        def settle(self) -> None:
            settled.append(self)

    settled: list[object] = []
    CachingModel(model=Batches(answers=[]), responses=Kept()).settle()
    assert len(settled) == 1


@pytest.mark.parametrize(
    ("status", "reason", "temperature", "calls"),
    [
        ("invalid", "length", 0.0, 1),
        ("invalid", "length", 0.5, 2),
        ("invalid", "stop", 0.0, 2),
        ("failed", "length", 0.0, 2),
    ],
)
def test_that_an_answer_was_cut_off_is_known_next_time(tmp_path, status, reason, temperature, calls):
    usage = Usage(calls=1, items=1, output_tokens=2048)
    cut = Completion(status=status, text='{"names": ["N', finish_reason=reason, error="cut off", usage=usage)
    scripted = ScriptedModel(answers=[cut] * 2)
    path = tmp_path / "responses.sqlite"
    for again in (False, True):
        model = CachingModel(model=scripted, responses=ResponseStore(path))
        answer = model.submit(ask(temperature=temperature)).result()
        assert (answer.status, answer.finish_reason, answer.error) == (status, reason, "cut off")
        assert answer.usage == (FREE if again and calls == 1 else usage)
        model.settle()
        model.close()
    assert scripted.calls == calls
    if path.exists():
        assert b'["N' not in path.read_bytes()


def test_mistakes_do_not_leave_anybody_waiting():
    class Wrong(Kept):
        def save(self, key, value, *, run):
            raise TypeError("a mistake")

    future = CachingModel(model=ScriptedModel(answers=[ANSWER]), responses=Wrong()).submit(ask())
    with pytest.raises(TypeError, match="a mistake"):
        future.result(timeout=10)
    model = CachingModel(model=ScriptedModel(answers=lambda request: str(1 // 0)), responses=Kept())
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            model.submit(ask())


def test_many_threads_ask_and_cancel(tmp_path):
    scripted = ScriptedModel(answers=lambda request: request.messages[0].text, seconds=0.0005, concurrency=3)
    model = CachingModel(model=scripted, responses=ResponseStore(tmp_path / "responses.sqlite"))
    barrier = threading.Barrier(8)

    def work(worker: int) -> list[tuple[str, Usage]]:
        barrier.wait(timeout=10)
        futures = [model.submit(ask(f"{number}", None)) for number in range(40)]
        for future in futures[worker::5]:
            future.cancel()
        wait(futures, timeout=30)
        return [(done.result().text, done.result().usage) for done in futures if not done.cancelled()]

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for found in pool.map(work, range(8)) for answer in found]
    texts = {text for text, _ in answers}
    assert sum(usage.calls for _, usage in answers) <= scripted.calls
    assert scripted.calls <= 80
    assert len(texts) == 40
    model.close()
