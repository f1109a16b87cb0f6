"""A module with the surface of vLLM that is used, whose engine answers what a test says."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace


class VLLMClientError(Exception):
    pass


@dataclass(kw_only=True)
class StructuredOutputsParams:
    json: dict[str, object] | None = None


@dataclass(kw_only=True)
class SamplingParams:
    max_tokens: int
    temperature: float
    top_p: float
    seed: int | None
    structured_outputs: StructuredOutputsParams | None
    repetition_penalty: float = 1.0


@dataclass
class Told:
    """One request as the engine got it."""

    messages: list[dict[str, str]]
    parameters: SamplingParams
    chat: dict[str, object]


@dataclass
class FakeVLLM:
    """Stands in for the module `vllm`: `answer` is asked for the text of each request.

    Texts that begin with `!` are finish reasons. Steps are taken only while `gate` is set. A request takes as many
    steps as its last message has words.
    """

    answer: Callable[[Told], str] = lambda told: '{"names": ["Oslo"]}'
    gate: threading.Event = field(default_factory=threading.Event)
    started: list[dict[str, object]] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    shut_down: int = 0
    threads: set[str] = field(default_factory=set)
    start_error: Exception | None = None
    step_error: Exception | None = None
    context: int = 1000
    exceptions = SimpleNamespace(VLLMClientError=VLLMClientError)
    sampling_params = SimpleNamespace(StructuredOutputsParams=StructuredOutputsParams)
    SamplingParams = SamplingParams

    def __post_init__(self):
        self.gate.set()

    def LLM(self, *, model, **engine):  # noqa: N802 - the name in vLLM
        self.threads.add(threading.current_thread().name)
        if self.start_error is not None:
            raise self.start_error
        self.started.append({"model": model, **engine})
        return FakeLLM(self)


class FakeLLM:
    def __init__(self, fake: FakeVLLM):
        self.fake = fake
        self.llm_engine = self
        self.engine_core = self
        self.running: dict[str, tuple[Told, int]] = {}
        self.number = 0

    def enqueue_chat(self, messages, *, sampling_params, use_tqdm, **chat):
        self.fake.threads.add(threading.current_thread().name)
        assert use_tqdm is False
        [conversation], [parameters] = messages, sampling_params
        length = sum(len(message["content"].split()) for message in conversation)
        if length > self.fake.context:
            raise VLLMClientError(f"This model's maximum context length is {self.fake.context} tokens")
        if "refused" in conversation[-1]["content"]:
            raise ValueError("the chat template cannot render this")
        told = Told(conversation, parameters, chat)
        self.fake.told.append(told)
        name = str(self.number)
        self.number += 1
        self.running[name] = (told, len(conversation[-1]["content"].split()))
        return [f"{name}-0badcafe"]

    def step(self):
        self.fake.threads.add(threading.current_thread().name)
        assert self.running
        self.fake.gate.wait(10)
        if self.fake.step_error is not None:
            raise self.fake.step_error
        self.fake.batches.append(len(self.running))
        outputs = []
        for name, (told, steps) in list(self.running.items()):
            if steps > 1:
                self.running[name] = (told, steps - 1)
                outputs.append(SimpleNamespace(request_id=name, finished=False))
                continue
            del self.running[name]
            outputs.append(_output(name, told, self.fake.answer(told)))
        return outputs[::-1]

    def shutdown(self):
        self.fake.threads.add(threading.current_thread().name)
        self.fake.shut_down += 1


def _output(name, told, text):
    reason = re.match(r"!(\w+) ?", text)
    text = text[reason.end() :] if reason else text
    words = sum(len(message["content"].split()) for message in told.messages)
    answer = SimpleNamespace(
        text=text, token_ids=[0] * len(text.split()), finish_reason=reason.group(1) if reason else "stop"
    )
    return SimpleNamespace(request_id=name, finished=True, prompt_token_ids=[0] * words, outputs=[answer])
