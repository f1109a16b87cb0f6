from concurrent.futures import Future

import pytest

from hippograph.completions import Completion
from hippograph.models.openai_chat import OpenAIChat
from hippograph.models.pacing import Limits
from hippograph.testing.model_contract import ContractAnswer, check_language_model, contract_requests
from hippograph.testing.scripted import ScriptedModel
from hippograph.types import Usage
from tests.servers.running import FaultServer

DONE = Completion(status="done", text="x", usage=Usage(calls=1), attempts=1)
VALUE = ContractAnswer(answer="In Warsaw.")


@pytest.mark.parametrize(
    "setting", [{}, {"seconds": 0.001, "concurrency": 3}, {"order": (3, 1, 0, 2)}], ids=["at once", "threads", "order"]
)
@pytest.mark.parametrize(
    "answer", [VALUE, "no JSON", Completion(status="failed", error="overloaded")], ids=["done", "invalid", "failed"]
)
def test_the_scripted_model_keeps_it(setting, answer):
    model = ScriptedModel(answers=lambda request: answer, **setting)
    check_language_model(model)
    model.close()


@pytest.mark.parametrize("stream", [False, True])
def test_the_chat_api_keeps_it(stream):
    limits = Limits(longest_wait=0.05, timeout=5.0)
    with FaultServer(shares={"500": 0.1, "429": 0.1, "prose": 0.1, "cut-body": 0.1}) as server:
        chat = OpenAIChat(model="fault-model", base_url=server.base_url, limits=limits, stream=stream)
        check_language_model(chat)
        chat.close()


def test_no_request_is_like_another():
    assert len(set(contract_requests(rounds=3))) == 36


@pytest.mark.parametrize(
    ("answer", "clause"),
    [
        (DONE, "done has the value None"),
        (Completion(status="done", value=VALUE, usage=Usage(calls=1), attempts=1), "there is a value"),
        (Completion(status="failed"), "failed has the error ''"),
        (Completion(status="done", usage=Usage()), "neither asked for nor reused"),
        (Completion(status="done", usage=Usage(calls=1), attempts=2), "2 attempts made 1 calls"),
        (Completion(status="done", usage=Usage(reused=1)), "has never cost a call"),
        (
            Completion(status="failed", error="x", usage=Usage(calls=2), attempts=2),
            "2 calls were made, and 1 are allowed",
        ),
        (Completion(status="failed", error="x", usage=Usage(cost=-1)), "below 0"),
    ],
)
def test_it_finds_what_breaks_it(answer, clause):
    with pytest.raises(AssertionError, match=clause):
        check_language_model(ScriptedModel(answers=lambda request: answer))


class _Forgetful(ScriptedModel):
    def submit(self, request):
        super().submit(request)
        return Future()


class _Restless(ScriptedModel):
    @property
    def fingerprint(self):
        return f"call {self.calls}"


def test_it_finds_futures_that_never_end():
    with pytest.raises(TimeoutError):
        check_language_model(_Forgetful(answers=lambda request: VALUE), timeout=0.01)


def test_it_finds_changing_fingerprints():
    with pytest.raises(AssertionError, match="not stable"):
        check_language_model(_Restless(answers=lambda request: VALUE))
