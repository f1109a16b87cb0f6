"""The tables of the configuration: their keys, what each means, and what values it takes."""

from __future__ import annotations

from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

__all__ = ["OPENAI_URL", "BudgetSettings", "EmbeddingSettings", "ExtractionSettings", "LLMSettings", "Table"]

OPENAI_URL: Final = "https://api.openai.com/v1"
"""Where requests go if no `base_url` is set."""


class Table(BaseModel):
    """Keys that belong together; unknown ones are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)

    @field_validator("base_url", check_fields=False)
    @classmethod
    def _check_address(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("write an address like http://localhost:8000/v1")
        return value


class LLMSettings(Table):
    """The language model, how it is reached and how it is asked.

    Parameters
    ----------
    model
        Its name at the server, or for `vllm` a name or folder.
    base_url
        The address of an OpenAI-compatible server; by default OpenAI's.
    api_key
        The key for it; servers that need none are sent a placeholder.
    backend
        `openai`: a server; `openai-batch`: OpenAI's Batch API, half the price within a day; `vllm`: in this process.
    max_tokens, temperature, top_p, seed
        As in `Sampling`.
    concurrency
        Requests under way at a time; by default 16 at a server, 1,024 with vLLM in this process.
    requests_per_minute, tokens_per_minute
        What the server allows; no limit by default.
    timeout
        Seconds to wait for an answer.
    attempts
        How often a request is tried.
    stream
        Whether answers are received piece by piece, for servers whose proxies close silent connections.
    extra_body
        Added to every request as it is, for what only one server knows; for `vllm`, to its sampling parameters.
    engine, chat
        Arguments of the vLLM engine, and of its `chat`.
    """

    model: str | None = Field(default=None, min_length=1)
    # May hold a name and a password.
    base_url: str | None = Field(default=None, repr=False)
    api_key: SecretStr | None = None
    backend: Literal["openai", "openai-batch", "vllm"] = "openai"
    max_tokens: int = Field(default=2048, ge=1)
    temperature: float = Field(default=0.0, ge=0, le=2)
    top_p: float = Field(default=1.0, gt=0, le=1)
    seed: int | None = None
    concurrency: int | None = Field(default=None, ge=1)
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    timeout: float = Field(default=180.0, gt=0)
    attempts: int = Field(default=6, ge=1)
    stream: bool = False
    extra_body: dict[str, Any] = Field(default_factory=dict, repr=False)
    engine: dict[str, Any] = Field(default_factory=dict, repr=False)
    chat: dict[str, Any] = Field(default_factory=dict, repr=False)


class EmbeddingSettings(Table):
    """The embedder, if it is not the one that `embedder` names.

    Parameters
    ----------
    backend
        `onnx`: a folder, named by `embedder`; `sentence-transformers`: in this process, with torch; `openai`: a server
        with `/v1/embeddings`.
    model, revision
        Its name, or for `sentence-transformers` a name or folder, and which version of it.
    base_url, api_key, concurrency, requests_per_minute, tokens_per_minute, timeout, attempts
        As for the language model.
    device, dtype
        Where and in what precision `sentence-transformers` computes.
    devices
        Devices to spread the work over, a process on each.
    dimension
        Length of the vectors, for models that can shorten them.
    max_length
        Tokens read of a text by `sentence-transformers`.
    batch_size
        Texts in a request or a step.
    query_prefix, passage_prefix
        Put before texts, for models that were trained so.
    """

    backend: Literal["onnx", "sentence-transformers", "openai"] = "onnx"
    model: str | None = Field(default=None, min_length=1)
    revision: str | None = Field(default=None, min_length=1)
    # May hold a name and a password.
    base_url: str | None = Field(default=None, repr=False)
    api_key: SecretStr | None = None
    device: str | None = Field(default=None, min_length=1)
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    devices: tuple[str, ...] = ()
    dimension: int | None = Field(default=None, ge=1)
    max_length: int | None = Field(default=None, ge=1)
    batch_size: int | None = Field(default=None, ge=1)
    query_prefix: str | None = None
    passage_prefix: str | None = None
    concurrency: int = Field(default=8, ge=1)
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    timeout: float = Field(default=60.0, gt=0)
    attempts: int = Field(default=6, ge=1)


class ExtractionSettings(Table):
    """How a language model reads passages.

    Parameters
    ----------
    calls
        1: entities and triples together; 2: entities first, then triples, as the HippoRAG papers do.
    window
        Longest piece of a passage that is read at a time, in estimated tokens; None leaves it to the extractor.
    """

    calls: int = Field(default=1, ge=1, le=2)
    window: int | None = Field(default=None, ge=1)


class BudgetSettings(Table):
    """Where a run stops, to be resumed by the same command.

    Parameters
    ----------
    max_tokens
        Tokens read and written by models that count them.
    max_cost
        US dollars.
    max_minutes
        Minutes since the run began.
    """

    max_tokens: int | None = Field(default=None, ge=1)
    max_cost: float | None = Field(default=None, gt=0)
    max_minutes: float | None = Field(default=None, gt=0)
