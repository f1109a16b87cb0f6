"""vLLM in this process: no server, no HTTP; the way through millions of passages on one machine with GPUs."""

from __future__ import annotations

import atexit
import gc
import json
import os
import threading
import time
import weakref
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import Any, Final, Protocol

from hippograph.completions import Completion, ModelRequest
from hippograph.errors import HippographError, InputError, ModelError
from hippograph.extras import import_extra
from hippograph.models.dialect import too_long
from hippograph.models.json_schemas import strict_schema
from hippograph.models.prices import Price
from hippograph.models.replies import Tally
from hippograph.models.server_faults import RefusedError
from hippograph.models.structured import Exchange
from hippograph.models.weights import sampled_digest

__all__ = ["VLLMOffline"]

_EXTRA: Final = "vllm"
# What of the engine's arguments decides an answer; the others say where and how fast it is found.
_DECIDING: Final = frozenset(
    {
        "dtype",
        "generation_config",
        "hf_overrides",
        "kv_cache_dtype",
        "load_format",
        "model_impl",
        "override_generation_config",
        "quantization",
        "revision",
        "speculative_config",
        "structured_outputs_config",
        "tokenizer",
        "tokenizer_mode",
        "tokenizer_revision",
    }
)
# Standard output belongs to results, so the log goes elsewhere; and nobody is told what runs here. Each can be
# overruled from outside. vLLM reads them when it is imported.
_SURROUNDINGS: Final = {
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
}
_FILES: Final = ("*.json", "*.jinja", "*.model", "*.safetensors", "*.bin", "*.gguf")
_REMEDY: Final = (
    "what vLLM wrote to standard error says more; `engine` takes its arguments, as max_model_len or "
    "gpu_memory_utilization where memory is short"
)
# At the end of the interpreter an engine that has not stopped within this time dies with its daemon thread.
_PATIENCE: Final = 30.0


class _Answer(Protocol):
    """One of a request's answers; there is only ever one."""

    text: str
    token_ids: Sequence[int]
    finish_reason: str | None


class _Output(Protocol):
    """What is used of vLLM's `RequestOutput`."""

    request_id: str
    finished: bool
    prompt_token_ids: Sequence[int] | None
    outputs: Sequence[_Answer]


class _LLM(Protocol):
    """What is used of vLLM's `LLM`, which has no types where it is not installed."""

    llm_engine: Any

    def enqueue_chat(
        self, messages: list[list[dict[str, str]]], *, sampling_params: list[object], use_tqdm: bool, **chat: object
    ) -> list[str]: ...


@dataclass(frozen=True, kw_only=True)
class VLLMOffline:
    """Run a language model in this process with vLLM [1]_: the `vllm` extra, and in practice a GPU.

    Requests join the ones under way between two steps of the engine, and each is answered as soon as it is done, so
    that the GPU is never idle for the sake of a batch's slowest answer. The form of answers is enforced while they are
    written.

    The object is usable as soon as it is constructed, and may be shared by threads. The first request starts the
    engine, on a thread of its own, and waits for it: minutes for a large model. vLLM starts processes, so a script
    has to start from `if __name__ == "__main__":`.

    Parameters
    ----------
    model
        A folder, or a name on the Hugging Face Hub.
    engine
        Arguments for vLLM's `LLM`: `tensor_parallel_size` to spread a model over several GPUs, `max_model_len`,
        `gpu_memory_utilization`, `quantization`, `max_num_seqs` and so on.
    chat
        Arguments for its `chat`: `chat_template`, or `chat_template_kwargs={"enable_thinking": False}`.
    sampling
        Further fields of its `SamplingParams`: `repetition_penalty`, `top_k`, `min_p` and so on.
    concurrency
        Requests that the engine is given at a time; how many of these it works on in one step, `max_num_seqs` says.
    price
        What its tokens cost; None counts no cost.

    References
    ----------
    .. [1] Kwon et al., "Efficient Memory Management for Large Language Model Serving with PagedAttention", SOSP 2023.

    Examples
    --------
    >>> model = VLLMOffline(model="Qwen/Qwen3-8B", engine={"max_model_len": 8192, "tensor_parallel_size": 2})
    >>> model.fingerprint, model.concurrency
    ('vllm:Qwen/Qwen3-8B', 1024)
    """

    model: str
    engine: Mapping[str, Any] = field(default_factory=dict, hash=False)
    chat: Mapping[str, Any] = field(default_factory=dict, hash=False)
    sampling: Mapping[str, Any] = field(default_factory=dict, hash=False)
    concurrency: int = 1024
    price: Price | None = None
    _line: _Line = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise InputError(f"the model is {self.model!r}; give a folder, or a name on the Hugging Face Hub")
        if self.concurrency < 1:
            raise InputError(f"concurrency is {self.concurrency}; give at least 1")
        if "model" in self.engine:
            raise InputError(f"engine names the model {self.engine['model']!r}; give it as `model`")
        line = _Line(
            model=self.model,
            engine=dict(self.engine),
            chat=dict(self.chat),
            sampling=dict(self.sampling),
            concurrency=self.concurrency,
            price=self.price,
        )
        object.__setattr__(self, "_line", line)
        # Collected in the middle of anything, so that only a signal is given: waiting there could wait for itself.
        weakref.finalize(self, line.stop).atexit = False

    @cached_property
    def fingerprint(self) -> str:
        """The model's name, for a folder also a digest of its files, and one of what else decides an answer."""
        folder = Path(self.model)
        name = self.model
        if folder.is_dir():
            files = sorted({file for pattern in _FILES for file in folder.glob(pattern)})
            name = f"{folder.resolve().name}@{sampled_digest(files)[:12]}"
        deciding = {key: value for key, value in self.engine.items() if key in _DECIDING}
        deciding |= {f"sampling.{key}": value for key, value in self.sampling.items()}
        if not deciding and not self.chat:
            return f"vllm:{name}"
        told = json.dumps([deciding, dict(self.chat)], sort_keys=True, default=str)
        return f"vllm:{name}+{sha256(told.encode()).hexdigest()[:12]}"

    def submit(self, request: ModelRequest) -> Future[Completion]:
        """Hand a request to the engine, and return at once.

        Returns
        -------
        The future completion. Its status is `failed` if the engine refuses the request; where it is too long for the
        model, the finish reason is then `length`. The future raises `ModelError` if the engine does not start or stops
        of itself, and `MissingExtraError` where vLLM is not installed. It can be cancelled while it waits for a turn.

        Raises
        ------
        InputError
            If this has been closed.
        """
        return self._line.add(request)

    def close(self) -> None:
        """Stop the engine and free its memory; what is under way is given up. Closing again does nothing."""
        self._line.stop()
        self._line.join()


@dataclass(slots=True, eq=False, kw_only=True)
class _Turn:
    """A request, from the time it is handed over to its completion."""

    request: ModelRequest
    exchange: Exchange
    future: Future[Completion] = field(default_factory=Future)
    tally: Tally = field(default_factory=Tally)
    sent: float = 0.0


@dataclass(eq=False, kw_only=True)
class _Line:
    """The queue before the engine, and the thread that all calls of the engine are made on.

    It does not know the `VLLMOffline`, which can so be collected while it works.
    """

    model: str
    engine: dict[str, Any]
    chat: dict[str, Any]
    sampling: dict[str, Any]
    concurrency: int
    price: Price | None
    _queue: SimpleQueue[_Turn | None] = field(default_factory=SimpleQueue)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _thread: threading.Thread | None = None
    _closed: bool = False
    _error: HippographError | None = None

    def add(self, request: ModelRequest) -> Future[Completion]:
        turn = _Turn(request=request, exchange=Exchange(request, rungs=("json_schema",)))
        # Under the lock, so that nothing is put behind the sign that ends the thread.
        with self._lock:
            if self._closed:
                raise InputError("this model has been closed; make a new one")
            if self._error is not None:
                turn.future.set_exception(self._error)
                return turn.future
            self._queue.put(turn)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="hippograph-vllm", daemon=True)
                self._thread.start()
        return turn.future

    def stop(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)

    def join(self, timeout: float | None = None) -> None:
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _leave(self) -> None:
        self.stop()
        self.join(_PATIENCE)

    def _run(self) -> None:
        under_way: dict[str, _Turn] = {}
        error: HippographError = ModelError(f"{self.model} was closed before it had answered; make a new one")
        try:
            self._work(under_way)
        except HippographError as found:
            error = found
        except Exception as found:  # noqa: BLE001 - whatever stops the engine is told to all who wait for it
            error = ModelError(f"vLLM has stopped while it ran {self.model} ({found}); {_REMEDY}")
            error.__cause__ = found
        with self._lock:
            self._error = error
        for turn in under_way.values():
            turn.future.set_exception(error)
        for turn in self._left():
            if turn.future.set_running_or_notify_cancel():
                turn.future.set_exception(error)

    def _left(self) -> Iterable[_Turn]:
        while True:
            try:
                turn = self._queue.get_nowait()
            except Empty:
                return
            if turn is not None:
                yield turn

    def _work(self, under_way: dict[str, _Turn]) -> None:
        vllm, llm = self._start()
        # Registered after vLLM's own, and so called before it: the engine must not go away under a running step.
        atexit.register(self._leave)
        try:
            while self._admit(under_way, vllm, llm):
                for output in llm.llm_engine.step():
                    if output.finished:
                        self._take(under_way, output, vllm, llm)
        finally:
            atexit.unregister(self._leave)
            llm.llm_engine.engine_core.shutdown()
            del llm
            gc.collect()

    def _start(self) -> tuple[ModuleType, _LLM]:
        for name, value in _SURROUNDINGS.items():
            os.environ.setdefault(name, value)
        vllm = import_extra("vllm", extra=_EXTRA)
        try:
            return vllm, vllm.LLM(model=self.model, **self.engine)
        except Exception as error:  # whatever is wrong with a GPU, a model or an argument
            raise ModelError(f"vLLM cannot start with the model {self.model} ({error}); {_REMEDY}") from error

    def _admit(self, under_way: dict[str, _Turn], vllm: ModuleType, llm: _LLM) -> bool:
        """Give the engine what waits, as much as it may have; if it has nothing to do, wait. False at the end."""
        while not self._closed and len(under_way) < self.concurrency:
            try:
                turn = self._queue.get(block=not under_way)
            except Empty:
                break
            if turn is not None and turn.future.set_running_or_notify_cancel():
                self._send(turn, under_way, vllm, llm)
        return not self._closed

    def _send(self, turn: _Turn, under_way: dict[str, _Turn], vllm: ModuleType, llm: _LLM) -> None:
        messages = [{"role": role, "content": text} for role, text in turn.exchange.messages]
        try:
            parameters = _sampling_parameters(turn.request, vllm, more=self.sampling)
            turn.sent = time.monotonic()
            [name] = llm.enqueue_chat([messages], sampling_params=[parameters], use_tqdm=False, **self.chat)
        except (ValueError, TypeError, vllm.exceptions.VLLMClientError) as error:
            message = f"vLLM refuses the request: {error}"
            reason = "length" if too_long(RefusedError(message, status=400)) else ""
            turn.future.set_result(self._failed(turn, message, reason=reason))
        else:
            # vLLM adds some random letters to the number that it calls the request by when it is done.
            under_way[name.partition("-")[0]] = turn

    def _take(self, under_way: dict[str, _Turn], output: _Output, vllm: ModuleType, llm: _LLM) -> None:
        turn = under_way.pop(output.request_id)
        [answer] = output.outputs
        turn.tally.count(turn.sent, time.monotonic())
        turn.tally.input_tokens += len(output.prompt_token_ids or ())
        turn.tally.output_tokens += len(answer.token_ids)
        reason = answer.finish_reason or ""
        if reason in ("abort", "error"):
            turn.future.set_result(self._failed(turn, f"vLLM gave up the request ({reason}); see its log"))
        elif turn.exchange.take(answer.text, reason, is_last=not turn.request.allows(turn.tally.calls)):
            tally = turn.tally
            found = turn.exchange.completion(usage=tally.usage(self.price), seconds=tally.seconds, attempts=tally.calls)
            turn.future.set_result(found)
        else:
            self._send(turn, under_way, vllm, llm)

    def _failed(self, turn: _Turn, error: str, *, reason: str = "") -> Completion:
        return Completion(
            status="failed",
            finish_reason=reason,
            error=error,
            usage=turn.tally.usage(self.price),
            seconds=turn.tally.seconds,
            attempts=turn.tally.calls,
        )


def _sampling_parameters(request: ModelRequest, vllm: ModuleType, *, more: Mapping[str, Any]) -> object:
    form = None
    if request.schema is not None:
        form = vllm.sampling_params.StructuredOutputsParams(json=strict_schema(request.schema))
    given = {**more, **asdict(request.sampling), "structured_outputs": form}
    return vllm.SamplingParams(**given)
