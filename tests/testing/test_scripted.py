import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from hippograph.completions import Completion, Message, ModelRequest
from hippograph.errors import InputError, ModelError
from hippograph.protocols import LanguageModel
from hippograph.testing.scripted import ScriptedModel


class Place(BaseModel):
    name: str = Field(min_length=1)


def ask(text: str, schema: type[BaseModel] | None = None) -> ModelRequest:
    return ModelRequest(messages=(Message("system", "be brief"), Message("user", text)), schema=schema)


def test_it_is_a_language_model():
    assert isinstance(ScriptedModel(answers=[]), LanguageModel)


def test_each_kind_of_answer():
    done = Completion(status="failed", error="overloaded", attempts=3)
    model = ScriptedModel(answers=["Oslo", Place(name="Oslo"), done, ModelError("no such model")])
    text, value, made, error = [model.submit(ask(f"question {n}", Place if n == 1 else None)) for n in range(4)]
    assert (text.result().text, text.result().value, text.result().usage.tokens) == ("Oslo", None, 5)
    assert (value.result().value, value.result().text) == (Place(name="Oslo"), '{"name":"Oslo"}')
    assert made.result() is done
    with pytest.raises(ModelError, match="no such model"):
        error.result()
    assert model.calls == 4
    assert [request.messages[-1].text for request in model.requests] == [f"question {n}" for n in range(4)]


@pytest.mark.parametrize("text", ["", "Oslo", "{}", '{"name": ""}', '{"name": 3}', '{"title": "Oslo"'])
def test_what_does_not_fit_the_schema_is_invalid(text):
    completion = ScriptedModel(answers=[text]).submit(ask("where", Place)).result()
    assert (completion.status, completion.value, completion.text) == ("invalid", None, text)
    assert completion.error
    assert completion.usage.calls == 1


def test_what_backends_repair_is_repaired():
    completion = ScriptedModel(answers=['```json\n{"name": "Oslo",}\n```']).submit(ask("where", Place)).result()
    assert (completion.status, completion.value) == ("done", Place(name="Oslo"))


def test_a_script_that_ends_too_early():
    model = ScriptedModel(answers=["one"])
    model.submit(ask("1")).result()
    with pytest.raises(InputError, match="the script has 1 answers and this is request 2"):
        model.submit(ask("2")).result()


def test_errors_of_the_script():
    def refuse(request):
        raise ModelError("wrong key")

    with pytest.raises(ModelError, match="wrong key"):
        ScriptedModel(answers=refuse).submit(ask("1")).result()
    with pytest.raises(
        ValueError, match="invalid literal"
    ):  # a mistake in the test, which must not look like an answer
        ScriptedModel(answers=lambda request: str(int(request.messages[-1].text))).submit(ask("one"))


@given(st.permutations(range(5)), st.integers(min_value=1, max_value=12))
def test_answers_come_back_in_the_order_asked_for(order, number):
    model = ScriptedModel(answers=lambda request: request.messages[-1].text, order=tuple(order))
    came: list[str] = []
    futures = []
    for n in range(number):
        future = model.submit(ask(str(n)))
        future.add_done_callback(lambda done: came.append(done.result().text))
        futures.append(future)
    model.close()
    expected = [start + place for start in range(0, number, 5) for place in order if start + place < number]
    assert came == [str(n) for n in expected]
    assert [future.result().text for future in futures] == [str(n) for n in range(number)]


def test_works_on_as_many_at_a_time_as_it_says():
    model = ScriptedModel(answers=lambda request: "yes", concurrency=2, seconds=0.02)
    futures = [model.submit(ask(str(n))) for n in range(4)]
    assert futures[3].cancel()
    assert [future.result().text for future in futures[:3]] == ["yes"] * 3
    model.close()
    assert (model.calls, len(model.requests)) == (3, 4)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("scripted-model")]


@pytest.mark.parametrize(("setting", "complaint"), [({"concurrency": 0}, "concurrency"), ({"order": (0, 2)}, "order")])
def test_settings_that_make_no_sense(setting, complaint):
    with pytest.raises(InputError, match=complaint):
        ScriptedModel(answers=[], **setting)


def test_the_last_ones_do_not_wait_for_others():
    model = ScriptedModel(answers=["one", "two"], order=(2, 1, 0))
    one, two = model.submit(ask("1")), model.submit(ask("2"))
    assert (one.result(timeout=10).text, two.result(timeout=10).text) == ("one", "two")
