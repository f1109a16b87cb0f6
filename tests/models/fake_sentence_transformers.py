"""A module with the surface of sentence-transformers that is used; a text is its words, and a token is a word.

Like real ones, its vectors depend on the shape of the batch in the last digit.
"""

import math
import threading
from dataclasses import dataclass, field

import numpy as np

from hippograph.testing.doubles import HashingEmbedder


class Tensor:
    """As much of a tensor as is asked for."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def sum(self, dim):
        return Tensor(self.values.sum(axis=dim))

    def tolist(self):
        return self.values.tolist()

    def __getitem__(self, where):
        return Tensor(self.values[where])

    def __len__(self):
        return len(self.values)

    def float(self):
        return Tensor(self.values.astype(np.float32))

    def cpu(self):
        return self

    def numpy(self):
        return self.values


@dataclass(frozen=True)
class Run:
    """A call of `encode`."""

    texts: tuple[str, ...]
    prompt: str
    batch_size: int
    width: int
    pooled: bool


@dataclass
class FakeLibrary:
    """Stands in for the module `sentence_transformers`."""

    prompts: dict[str, str] = field(default_factory=lambda: {"query": "", "document": ""})
    device: str = "cpu"
    longest: int | None = 32
    looks_up: bool = False
    broken: Exception | None = None
    zero: bool = False
    loaded: list[dict[str, object]] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    pools: list[list[str]] = field(default_factory=list)
    stopped: int = 0
    bars_shown: bool = True

    def SentenceTransformer(self, name, **arguments):  # noqa: N802 - the name in sentence-transformers
        assert not self.bars_shown
        self.loaded.append({"name": name, **arguments})
        return FakeModel(self, arguments)


class FakeModel:
    def __init__(self, library, arguments):
        self.library = library
        self.prompts = library.prompts
        self.max_seq_length = library.longest
        self.kept = arguments["truncate_dim"]
        self.busy = threading.Lock()

    @property
    def device(self):
        return type("Device", (), {"type": self.library.device})

    def get_embedding_dimension(self):
        return 64

    def _tokens(self, text, prompt, limit=None):
        own = [] if self.library.looks_up else ["["]
        return (own + (prompt + text).split())[: limit or self.max_seq_length]

    def preprocess(self, texts, *, prompt):
        rows = [self._tokens(text, prompt) for text in texts]
        if self.library.looks_up:
            starts = np.cumsum([0] + [len(row) for row in rows[:-1]])
            return {"input_ids": Tensor([0] * sum(map(len, rows))), "offsets": Tensor(starts)}
        width = max(map(len, rows))
        return {"attention_mask": Tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])}

    def encode(self, texts, *, prompt, batch_size, pool, processing_kwargs, chunk_size, convert_to_tensor, **others):
        assert convert_to_tensor
        assert others == {"show_progress_bar": False}
        assert not self.busy.locked(), "tokenizers are not for several threads at a time"
        with self.busy:
            if self.library.broken is not None:
                raise self.library.broken
            width = processing_kwargs["text"]["max_length"]
            self.library.runs.append(Run(tuple(texts), prompt, batch_size, width, pool is not None))
            assert len(texts) % batch_size == 0, "a batch that is not full has another shape"
            assert chunk_size % batch_size == 0
            kept = [" ".join(self._tokens(text, prompt, width)) for text in texts]
            vectors = HashingEmbedder(dimension=64).embed(kept, role="passage")
            rounding = np.float32(1 + 1e-6 * math.sin(batch_size * 7919 + width))
            vectors[:, 1] = vectors[:, 1] * rounding + (rounding - 1)
            return Tensor(vectors[:, : self.kept] * (0 if self.library.zero else 3))

    def start_multi_process_pool(self, devices):
        self.library.pools.append(devices)
        return {"processes": devices}

    def stop_multi_process_pool(self, pool):
        self.library.stopped += 1
