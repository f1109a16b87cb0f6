import gc
import os
import sys
import threading
import time

import pytest
from pydantic import BaseModel

from hippograph.completions import Message, ModelRequest, Sampling
from hippograph.errors import InputError, MissingExtraError, ModelError
from hippograph.models.prices import Price
from hippograph.models.vllm_offline import VLLMOffline
from hippograph.protocols import LanguageModel
from hippograph.testing.model_contract import check_language_model
from tests.models.fake_vllm import FakeVLLM

PATIENCE = 10.0


class Names(BaseModel):
    names: list[str]


def request(text: str = "Who?", *, schema: type[BaseModel] | None = Names, **sampling) -> ModelRequest:
    return ModelRequest(messages=(Message("user", text),), schema=schema, sampling=Sampling(**sampling))


@pytest.fixture
def fake(monkeypatch):
    fake = FakeVLLM()
    monkeypatch.setitem(sys.modules, "vllm", fake)
    for name in ("VLLM_LOGGING_STREAM", "VLLM_LOGGING_LEVEL", "VLLM_NO_USAGE_STATS"):
        # Set first, so that what the model sets is taken back at the end.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return fake


@pytest.fixture
def model(fake):
    model = VLLMOffline(model="some/model", engine={"max_model_len": 1000})
    yield model
    fake.gate.set()
    model.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "hippograph-vllm"]


def results(futures):
    return [future.result(timeout=PATIENCE) for future in futures]


def wait_until(what):
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_keeps_the_contract(fake, model):
    fake.answer = lambda told: '{"answer": "Yes", "names": []}'
    assert isinstance(model, LanguageModel)
    check_language_model(model)


def test_nothing_is_started_before_the_first_request(fake, model):
    assert model.concurrency == 1024
    assert model.fingerprint == "vllm:some/model"
    assert not fake.started


def test_all_that_is_asked_together_is_worked_on_together_by_one_engine_on_one_thread(fake, model):
    fake.gate.clear()
    futures = [model.submit(request(f"Who is number {number}?")) for number in range(50)]
    wait_until(lambda: len(fake.told) >= 1)
    fake.gate.set()
    assert {completion.status for completion in results(futures)} == {"done"}
    assert fake.started == [{"model": "some/model", "max_model_len": 1000}]
    assert max(fake.batches) >= 49
    assert fake.threads == {"hippograph-vllm"}


def test_each_gets_its_own_answer_and_short_ones_do_not_wait_for_long_ones(fake, model):
    fake.answer = lambda told: told.messages[-1]["content"].upper()
    ended = []
    texts = ["a long question of many words to be answered", "short one", "b c d"]
    fake.gate.clear()
    futures = [model.submit(request(text, schema=None)) for text in texts]
    for text, future in zip(texts, futures, strict=True):
        future.add_done_callback(lambda _, text=text: ended.append(text))
    wait_until(lambda: fake.told)
    fake.gate.set()
    assert [completion.text for completion in results(futures)] == [text.upper() for text in texts]
    assert ended[-1] == texts[0]


def test_late_requests_join_the_ones_under_way(fake, model):
    fake.gate.clear()
    first = model.submit(request("a question " * 50, schema=None))
    wait_until(lambda: fake.told)
    second = model.submit(request("late", schema=None))
    fake.gate.set()
    assert second.result(timeout=PATIENCE).status == "done"
    assert first.result(timeout=PATIENCE).status == "done"
    assert fake.batches[1] == 2


def test_no_more_than_the_concurrency_at_a_time(fake):
    model = VLLMOffline(model="m", concurrency=3)
    results([model.submit(request(f"{number} " * (number % 5 + 1))) for number in range(40)])
    assert max(fake.batches) <= 3
    model.close()


def test_the_schema_and_the_sampling_are_handed_over(fake, model):
    results([model.submit(request(max_tokens=7, temperature=0.5, top_p=0.9, seed=3))])
    [told] = fake.told
    parameters = told.parameters
    assert (parameters.max_tokens, parameters.temperature, parameters.top_p, parameters.seed) == (7, 0.5, 0.9, 3)
    assert parameters.structured_outputs.json["required"] == ["names"]
    assert parameters.structured_outputs.json["additionalProperties"] is False
    assert told.messages == [{"role": "user", "content": "Who?"}]


def test_free_text_has_no_schema(fake, model):
    fake.answer = lambda told: "Nansen."
    [completion] = results([model.submit(request(schema=None))])
    assert (completion.status, completion.text, completion.value) == ("done", "Nansen.", None)
    assert fake.told[0].parameters.structured_outputs is None


def test_arguments_of_chat_are_passed_on(fake):
    model = VLLMOffline(model="m", chat={"chat_template_kwargs": {"enable_thinking": False}})
    results([model.submit(request())])
    assert fake.told[0].chat == {"chat_template_kwargs": {"enable_thinking": False}}
    model.close()


def test_further_sampling_parameters_are_passed_on_and_do_not_replace_those_of_the_request(fake):
    model = VLLMOffline(model="m", sampling={"repetition_penalty": 1.3, "max_tokens": 1})
    results([model.submit(request(max_tokens=7))])
    assert (fake.told[0].parameters.repetition_penalty, fake.told[0].parameters.max_tokens) == (1.3, 7)
    model.close()


def test_a_wrong_answer_is_asked_for_once_more_and_all_is_counted(fake):
    fake.answer = lambda told: '{"names": ["Fram"]}' if len(told.messages) > 1 else '{"names": 1}'
    model = VLLMOffline(model="m", price=Price(1.0, 2.0))
    [completion] = results([model.submit(request("one two three"))])
    assert completion.value == Names(names=["Fram"])
    usage = completion.usage
    assert (completion.attempts, usage.calls, usage.items) == (2, 2, 1)
    words = sum(len(message["content"].split()) for told in fake.told for message in told.messages)
    assert (usage.input_tokens, usage.output_tokens) == (words, 4)
    assert usage.cost == pytest.approx((words + 2 * 4) / 1e6)
    assert 0 < usage.seconds <= completion.seconds
    model.close()


def test_an_answer_that_stays_wrong_is_invalid(fake, model):
    fake.answer = lambda told: '{"names": 1}'
    [completion] = results([model.submit(request())])
    assert (completion.status, completion.attempts, len(fake.told)) == ("invalid", 2, 2)
    assert "names" in completion.error


def test_an_answer_cut_off_is_not_asked_for_again(fake, model):
    fake.answer = lambda told: '!length {"names": ["Fr'
    [completion] = results([model.submit(request())])
    assert (completion.status, completion.finish_reason, completion.attempts) == ("invalid", "length", 1)


@pytest.mark.parametrize(
    ("text", "reason", "error"),
    [("word " * 1001, "length", "maximum context length is 1000"), ("refused", "", "chat template cannot")],
)
def test_one_that_the_engine_refuses_fails_alone(fake, model, text, reason, error):
    before, wrong, after = results([model.submit(request(text_)) for text_ in ("a", text, "b")])
    assert (before.status, wrong.status, after.status) == ("done", "failed", "done")
    assert (wrong.finish_reason, wrong.attempts, wrong.usage.calls) == (reason, 0, 0)
    assert error in wrong.error


def test_a_second_question_that_is_too_long_fails_and_the_first_is_counted(fake, model):
    fake.answer = lambda told: '{"names": 1}'
    [completion] = results([model.submit(request("word " * 995))])
    assert (completion.status, completion.finish_reason, completion.usage.calls) == ("failed", "length", 1)
    assert completion.usage.input_tokens == 995


def test_one_that_the_engine_gives_up_fails_alone(fake, model):
    fake.answer = lambda told: "!abort" if "bad" in told.messages[-1]["content"] else '{"names": []}'
    good, bad = results([model.submit(request(text)) for text in ("good", "bad")])
    assert (good.status, bad.status) == ("done", "failed")
    assert "abort" in bad.error


def test_what_waits_can_be_cancelled_and_is_not_sent(fake):
    model = VLLMOffline(model="m", concurrency=1)
    fake.gate.clear()
    futures = [model.submit(request(f"number{number}")) for number in range(5)]
    wait_until(lambda: fake.told)
    assert not futures[0].cancel()
    assert all(future.cancel() for future in futures[1:4])
    fake.gate.set()
    assert futures[4].result(timeout=PATIENCE).status == futures[0].result(timeout=PATIENCE).status == "done"
    assert [told.messages[0]["content"] for told in fake.told] == ["number0", "number4"]
    model.close()


def test_closing_gives_up_what_is_under_way_and_shuts_the_engine_down(fake):
    model = VLLMOffline(model="m", concurrency=1)
    fake.gate.clear()
    futures = [model.submit(request("a question " * 9)) for _ in range(3)]
    wait_until(lambda: fake.told)
    closing = threading.Thread(target=model.close)
    closing.start()
    fake.gate.set()
    closing.join(PATIENCE)
    for future in futures:
        with pytest.raises(ModelError, match="m was closed before it had answered"):
            future.result(timeout=PATIENCE)
    assert fake.shut_down == 1
    model.close()
    with pytest.raises(InputError, match="closed"):
        model.submit(request())


def test_closing_unused_starts_nothing(fake):
    VLLMOffline(model="m").close()
    assert not fake.started


def test_a_model_that_is_forgotten_is_closed(fake):
    model = VLLMOffline(model="m")
    results([model.submit(request())])
    del model
    gc.collect()
    wait_until(lambda: fake.shut_down == 1)
    wait_until(lambda: "hippograph-vllm" not in {thread.name for thread in threading.enumerate()})


def test_an_engine_that_does_not_start_is_told_to_all(fake, model):
    fake.start_error = RuntimeError("CUDA out of memory")
    futures = [model.submit(request()) for _ in range(3)]
    for future in futures:
        with pytest.raises(ModelError, match=r"cannot start with the model some/model \(CUDA out of .*max_model_len"):
            future.result(timeout=PATIENCE)
    with pytest.raises(ModelError, match="cannot start"):
        model.submit(request()).result(timeout=PATIENCE)


def test_an_engine_that_dies_is_told_to_all(fake, model):
    fake.step_error = RuntimeError("EngineCore encountered an issue")
    with pytest.raises(ModelError, match=r"has stopped while it ran some/model \(EngineCore"):
        model.submit(request()).result(timeout=PATIENCE)
    wait_until(lambda: fake.shut_down == 1)
    with pytest.raises(ModelError, match="has stopped"):
        model.submit(request()).result(timeout=PATIENCE)


def test_without_vllm_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    model = VLLMOffline(model="m")
    with pytest.raises(MissingExtraError, match=r"pip install 'hippograph\[vllm\]'"):
        model.submit(request()).result(timeout=PATIENCE)
    model.close()


def test_the_log_leaves_standard_output_alone_unless_told_otherwise(fake, model, monkeypatch):
    monkeypatch.setenv("VLLM_LOGGING_LEVEL", "DEBUG")
    results([model.submit(request())])
    assert os.environ["VLLM_LOGGING_STREAM"] == "ext://sys.stderr"
    assert os.environ["VLLM_NO_USAGE_STATS"] == "1"
    assert os.environ["VLLM_LOGGING_LEVEL"] == "DEBUG"


def test_the_fingerprint_names_what_decides_an_answer(tmp_path):
    def of(**fields) -> str:
        return VLLMOffline(**{"model": "some/model", **fields}).fingerprint

    assert of(engine={"tensor_parallel_size": 8, "hf_token": "secret"}) == of()
    others = [
        of(),
        of(engine={"dtype": "float16"}),
        of(engine={"revision": "abc"}),
        of(chat={"chat_template_kwargs": {"enable_thinking": False}}),
        of(sampling={"repetition_penalty": 1.3}),
        of(model="other/model"),
    ]
    assert len(set(others)) == len(others)
    assert "secret" not in "".join(others)
    folder = tmp_path / "tuned"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    first = of(model=str(folder))
    assert first.startswith("vllm:tuned@")
    assert str(tmp_path) not in first
    (folder / "model.safetensors").write_bytes(b"Weights")
    assert of(model=str(folder)) != first


@pytest.mark.parametrize(
    "wrong", [{"model": " "}, {"model": "m", "concurrency": 0}, {"model": "m", "engine": {"model": "n"}}]
)
def test_unusable_settings(wrong):
    with pytest.raises(InputError):
        VLLMOffline(**wrong)
