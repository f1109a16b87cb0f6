"""Sentence embeddings from an API like OpenAI's: hosted, or a server of one's own (vLLM, TEI, llama.cpp, Ollama)."""

from __future__ import annotations

import asyncio
import threading
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import numpy as np
from pydantic import SecretStr

from hippograph.errors import InputError, ModelError
from hippograph.models.endpoint import Endpoint
from hippograph.models.json_answers import clean
from hippograph.models.pacing import Limits
from hippograph.models.prices import Price
from hippograph.models.replies import Tally
from hippograph.models.server_faults import RefusedError, TransientError, UnansweredError
from hippograph.types import DoubleArray, FloatArray, TextRole, Usage

__all__ = ["OpenAIEmbedder"]

_PATH: Final = "/embeddings"
# What is embedded for a text with nothing in it, which servers refuse.
_NOTHING: Final = "."
# Bytes of UTF-8 to a token, for pacing alone.
_BYTES_PER_TOKEN: Final = 4
_SHOWN: Final = 60
_REMEDIES: Final = {
    403: "leave the passage out, or take a server that does not forbid it",
    404: "see whether the server still has the model",
}

_Result = TypeVar("_Result")


@dataclass(slots=True)
class _Found:
    """What is found out about a server, and what was spent on it."""

    dimension: int | None
    confirmed: bool = False
    as_base64: bool = True
    spent: Usage = field(default_factory=Usage)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, kw_only=True)
class OpenAIEmbedder:
    """Embed texts over the embeddings API of OpenAI, which most servers of embedding models speak.

    Equal texts are sent once. Batches are sent in parallel; one that the server finds too large is halved. A text with
    nothing in it is embedded as a full stop. The vectors are brought to length 1.

    The object is usable as soon as it is constructed, connects at the first use, and may be shared by threads.

    Parameters
    ----------
    model
        The name by which the server knows it.
    base_url
        Where the API stands, mostly ending in `/v1`; None for OpenAI's own.
    api_key
        The key; None for servers that want none.
    limits
        How much is asked at a time and in a minute, and how patiently.
    dimensions
        Length that the vectors are to have, for models that can shorten them; None for the model's own, which is
        learnt at the first use.
    batch_size
        Texts in a request; OpenAI takes 2,048, many servers fewer.
    query_prefix, passage_prefix
        Put before texts whose role is `query`, and before all others, as the model was trained with.
    price
        What its tokens cost; None counts no cost.

    Raises
    ------
    InputError
        If the URL, the key, the name of the model, `dimensions` or `batch_size` cannot be one.

    Examples
    --------
    >>> embedder = OpenAIEmbedder(model="text-embedding-3-small", base_url="http://localhost:8000/v1", dimensions=512)
    >>> embedder.fingerprint, embedder.dimension
    ("openai:text-embedding-3-small:512:'':''", 512)
    """

    model: str
    base_url: str | None = field(default=None, repr=False)
    api_key: SecretStr | None = None
    limits: Limits = field(default_factory=Limits)
    dimensions: int | None = None
    batch_size: int = 128
    query_prefix: str = ""
    passage_prefix: str = ""
    price: Price | None = None
    _endpoint: Endpoint = field(init=False, repr=False, compare=False)
    _found: _Found = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise InputError(f"the model is {self.model!r}; give the name by which the server knows it")
        if self.batch_size < 1:
            raise InputError(f"batch_size is {self.batch_size}; give at least 1 text")
        if self.dimensions is not None and self.dimensions < 1:
            raise InputError(f"dimensions is {self.dimensions}; give at least 1, or None for the model's own")
        endpoint = Endpoint(base_url=self.base_url, api_key=self.api_key, limits=self.limits)
        object.__setattr__(self, "_endpoint", endpoint)
        object.__setattr__(self, "_found", _Found(dimension=self.dimensions))

    @property
    def fingerprint(self) -> str:
        """Names the model, the length asked for and the prefixes; not the server, which may move."""
        return f"openai:{self.model}:{self.dimensions or 'own'}:{self.query_prefix!r}:{self.passage_prefix!r}"

    @property
    def dimension(self) -> int:
        """Length of a vector; where it is not known yet, a full stop is embedded to learn it.

        Raises
        ------
        ModelError
            If the server does not tell.
        """
        if self._found.dimension is None:
            self._run(self._embed_batch([_NOTHING]))
        return self._known_dimension()

    def embed(self, texts: Sequence[str], *, role: TextRole) -> FloatArray:
        """Embed texts.

        Returns
        -------
        Shape (len(texts), dimension), float32, rows of Euclidean length 1, in the order of `texts`.

        Raises
        ------
        ModelError
            If the server cannot be reached or refuses, or does not answer with one vector of the right length for each
            text, in spite of all attempts. What was embedded is lost then.
        InputError
            If this has been closed.
        """
        prefix = self.query_prefix if role == "query" else self.passage_prefix
        sent = [clean(prefix + text) for text in texts]
        sent = [text if text.strip() else _NOTHING for text in sent]
        rows = {text: row for row, text in enumerate(dict.fromkeys(sent))}
        vectors = self._run(self._embed_all(list(rows))) if rows else np.empty((0, self.dimension), dtype=np.float32)
        return vectors if len(rows) == len(sent) else vectors[[rows[text] for text in sent]]

    def spent(self) -> Usage:
        """Return what was spent since this was last asked."""
        with self._found.lock:
            spent, self._found.spent = self._found.spent, Usage()
        return spent

    def close(self) -> None:
        """Cancel what is under way and close the connections; closing again does nothing."""
        self._endpoint.close()

    def _run(self, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        future = self._endpoint.submit(coroutine)
        try:
            return future.result()
        finally:
            # Interrupted while it waits, nobody needs the vectors any more.
            future.cancel()

    def _known_dimension(self) -> int:
        if self._found.dimension is None:
            raise ModelError(f"the server of the model {self.model!r} gave no vector; look at its log")
        return self._found.dimension

    async def _embed_all(self, texts: list[str]) -> FloatArray:
        size = self.batch_size
        # The first batch alone, so that the length of the vectors is known before there are many.
        first = await self._embed_batch(texts[:size])
        vectors = np.empty((len(texts), self._known_dimension()), dtype=np.float32)
        vectors[:size] = first
        starts = iter(range(size, len(texts), size))
        workers = min(self.limits.concurrency, len(texts) // size)
        tasks = [asyncio.create_task(self._fill(vectors, texts, starts)) for _ in range(workers)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        return vectors

    async def _fill(self, vectors: FloatArray, texts: list[str], starts: Iterator[int]) -> None:
        for start in starts:
            stop = start + self.batch_size
            vectors[start:stop] = await self._embed_batch(texts[start:stop])

    async def _embed_batch(self, texts: list[str]) -> FloatArray:
        try:
            return await self._ask(texts)
        except UnansweredError as error:
            raise ModelError(
                f"the server of the embedder {self.model!r} has failed: {error}; try again later"
            ) from None
        except RefusedError as refusal:
            if self._found.as_base64 and "encoding_format" in f"{refusal.parameter} {refusal}":
                self._found.as_base64 = False
                return await self._embed_batch(texts)
            if len(texts) == 1:
                shown = texts[0] if len(texts[0]) <= _SHOWN else texts[0][:_SHOWN] + " …"
                remedy = _REMEDIES.get(refusal.status, "cut the passages shorter, or take a model that reads more")
                raise ModelError(
                    f"the embedder {self.model!r} refuses a text of {len(texts[0])} characters ({refusal}): {shown!r}; "
                    f"{remedy}"
                ) from None
        half = (len(texts) + 1) // 2
        return np.concatenate([await self._embed_batch(texts[:half]), await self._embed_batch(texts[half:])])

    async def _ask(self, texts: list[str]) -> FloatArray:
        body: dict[str, object] = {"model": self.model, "input": texts}
        if self.dimensions is not None:
            body["dimensions"] = self.dimensions
        body["encoding_format"] = "base64" if self._found.as_base64 else "float"
        tally, vectors = Tally(), np.empty((0, 0))

        def check(answer: dict[str, Any]) -> None:
            nonlocal vectors
            vectors = self._checked(_vectors_in(answer, len(texts)))

        tokens = sum(len(text.encode()) for text in texts) // _BYTES_PER_TOKEN
        try:
            await self._endpoint.post(_PATH, body, tally=tally, tokens=tokens, check=check)
        finally:
            self._count(tally, len(texts))
        return vectors.astype(np.float32)

    def _checked(self, vectors: DoubleArray) -> DoubleArray:
        """Return the vectors with length 1."""
        found, width = self._found, vectors.shape[1]
        if found.dimension is not None and width != found.dimension:
            message = f"the embedder {self.model!r} gave vectors of length {width} instead of {found.dimension}"
            if not found.confirmed:
                raise ModelError(f"{message}; ask for {width}, or for none to have the model's own")
            raise TransientError(message)
        lengths = np.linalg.norm(vectors, axis=1)
        if not np.all((lengths > 0) & (lengths < np.inf)):
            raise TransientError("the answer has a vector without a direction, of zeros or of what is no number")
        found.dimension, found.confirmed = width, True
        unit: DoubleArray = vectors / lengths[:, None]
        return unit

    def _count(self, tally: Tally, texts: int) -> None:
        spent = Usage(
            calls=tally.calls,
            items=texts,
            input_tokens=tally.input_tokens,
            output_tokens=tally.output_tokens,
            seconds=tally.waited,
            cost=self.price.cost(tally.input_tokens, tally.output_tokens) if self.price is not None else 0.0,
        )
        with self._found.lock:
            self._found.spent += spent


def _vectors_in(answer: Mapping[str, Any], count: int) -> DoubleArray:
    """Read as many vectors as there were texts, in their order."""
    data = answer.get("data")
    if not isinstance(data, list) or not all(isinstance(entry, Mapping) for entry in data):
        raise TransientError("the answer has no data")
    if len(data) != count:
        raise TransientError(f"the answer has {len(data)} vectors for {count} texts")
    places = [entry.get("index", at) for at, entry in enumerate(data)]
    if sorted(places) != list(range(count)):
        raise TransientError(f"the vectors of the answer are numbered {places[:8]}, not from 0 to {count - 1}")
    rows = [
        _vector(entry.get("embedding")) for _, entry in sorted(zip(places, data, strict=True), key=lambda each: each[0])
    ]
    if len({row.shape for row in rows}) != 1 or rows[0].ndim != 1 or not rows[0].size:
        raise TransientError(f"the vectors of the answer have the shapes {sorted({row.shape for row in rows})[:8]}")
    return np.stack(rows)


def _vector(embedding: object) -> DoubleArray:
    try:
        if isinstance(embedding, str):
            return np.frombuffer(b64decode(embedding, validate=True), dtype="<f4").astype(np.float64)
        return np.array(embedding, dtype=np.float64)
    except (Base64Error, ValueError, TypeError) as error:
        raise TransientError(f"the answer has something that is no vector: {error}") from None
