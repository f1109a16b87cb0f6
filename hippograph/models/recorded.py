"""Answers of a language model in a file: written down once, given again anywhere, without the model.

The file is JSON, a line for each answer in the order of the keys, so that it can be read, compared and kept under
version control. It holds no key, no address and no time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Final
from uuid import uuid4

from hippograph.completions import Completion, ModelRequest
from hippograph.errors import InputError, ModelError
from hippograph.models.answers import answer_of, record_of, request_key
from hippograph.protocols import LanguageModel

__all__ = ["RecordedModel", "RecordingModel"]

_FORMAT: Final = "hippograph answers 1"


@dataclass(frozen=True, kw_only=True)
class RecordedModel:
    """Gives the answers of a file that `RecordingModel` wrote; asks nobody.

    A request that the file does not have ends in `ModelError`. What the recorded model spent is not spent again:
    usage says that an answer was reused, and `first_usage` what it once cost.

    Parameters
    ----------
    path
        The file, read at the first call.
    concurrency
        How many requests it says it works on at a time; all are answered before `submit` returns.

    Raises
    ------
    InputError
        By any method, if the file cannot be read or has another format.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from hippograph.completions import Message
    >>> from hippograph.testing.scripted import ScriptedModel
    >>> request = ModelRequest(messages=(Message("user", "Where is Oslo?"),))
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "answers.jsonl"
    ...     with RecordingModel(model=ScriptedModel(answers=["In Norway."]), path=path) as recording:
    ...         _ = recording.submit(request).result()
    ...     model = RecordedModel(path=path)
    ...     print(model.submit(request).result().text, model.fingerprint)
    In Norway. scripted:1
    """

    path: Path
    concurrency: int = 1
    _contents: _Contents = field(init=False, repr=False, compare=False, default_factory=lambda: _Contents())

    @property
    def fingerprint(self) -> str:
        """That of the model that was recorded."""
        return self._read()[0]

    def submit(self, request: ModelRequest) -> Future[Completion]:
        """Take a request, and answer it at once."""
        fingerprint, records = self._read()
        future: Future[Completion] = Future()
        future.set_running_or_notify_cancel()
        key = request_key(fingerprint, request)
        answer = answer_of(records.get(key), request)
        if answer is not None:
            future.set_result(answer)
        else:
            wrong = "does not fit the schema of" if key in records else "is missing for"
            message = (
                f"the answer in {self.path} {wrong} the request {_shortened(request)!r} of {fingerprint!r} "
                f"(key {key}); record it with: RecordingModel(model=..., path={str(self.path)!r})"
            )
            future.set_exception(ModelError(message))
        return future

    def _read(self) -> tuple[str, Mapping[str, object]]:
        contents = self._contents
        with contents.lock:
            if contents.read is None:
                contents.read = _read(self.path)
            return contents.read


@dataclass(frozen=True, kw_only=True)
class RecordingModel:
    """Asks a model, and writes down what it says for `RecordedModel` to repeat.

    The file is written when the recording is closed, all at once, in place of what it was. What it held before is
    kept: a request that is asked again gets the new answer.

    Parameters
    ----------
    model
        Who is asked.
    path
        The file.

    Raises
    ------
    InputError
        On closing, if the file there is no recording of the same model, or cannot be written.
    """

    model: LanguageModel
    path: Path
    _heard: dict[str, dict[str, Any]] = field(init=False, repr=False, compare=False, default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """That of the model."""
        return self.model.fingerprint

    @property
    def concurrency(self) -> int:
        """That of the model."""
        return self.model.concurrency

    def submit(self, request: ModelRequest) -> Future[Completion]:
        """Pass a request on to the model."""
        key = request_key(self.fingerprint, request)
        future = self.model.submit(request)
        future.add_done_callback(lambda done: self._write_down(key, done))
        return future

    def save(self) -> None:
        """Write the file: all answers heard so far, and those that it held before."""
        fingerprint, records = self.fingerprint, dict[str, object]()
        if self.path.exists():
            before, kept = _read(self.path)
            if before != fingerprint:
                message = (
                    f"{self.path} has answers of {before!r}, not of {fingerprint!r}; give another path or delete it"
                )
                raise InputError(message)
            records.update(kept)
        records.update(self._heard.copy())
        lines = [{"format": _FORMAT, "fingerprint": fingerprint}]
        lines += [{"key": key, **_mapping(records[key])} for key in sorted(records)]
        _replace(self.path, "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines))

    def close(self) -> None:
        """Write the file, and close the model if it can be closed."""
        self.save()
        close: Callable[[], None] | None = getattr(self.model, "close", None)
        if close is not None:
            close()

    def __enter__(self) -> RecordingModel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write_down(self, key: str, done: Future[Completion]) -> None:
        if not done.cancelled() and done.exception() is None:
            self._heard[key] = record_of(done.result())


@dataclass(slots=True)
class _Contents:
    """What a recorded model has read."""

    lock: Lock = field(default_factory=Lock)
    read: tuple[str, Mapping[str, object]] | None = None


def _read(path: Path) -> tuple[str, dict[str, object]]:
    """Read the fingerprint and the records by key."""
    try:
        lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        message = f"the recorded answers {path} cannot be read ({error}); record them with RecordingModel"
        raise InputError(message) from error
    header = _mapping(_parsed(lines[0]))
    fingerprint = header.get("fingerprint")
    if header.get("format") != _FORMAT or not isinstance(fingerprint, str):
        message = f"{path} holds no recorded answers: its first line is not a header with the format {_FORMAT!r}"
        raise InputError(f"{message}; record them with RecordingModel")
    records: dict[str, object] = {}
    for number, line in enumerate(lines[1:], start=2):
        record = _mapping(_parsed(line))
        key = record.pop("key", None)
        if not isinstance(key, str):
            message = f"line {number} of {path} is no recorded answer: {line[:80]!r}; remove it or record it again"
            raise InputError(message)
        records[key] = record
    return fingerprint, records


def _parsed(line: str) -> object:
    try:
        value: object = json.loads(line)
    except ValueError:
        return None
    return value


def _mapping(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _replace(path: Path, text: str) -> None:
    """Write a file all at once: whoever reads it finds the old or the new one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{uuid4().hex}")
        try:
            with beside.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        message = f"the answers cannot be written to {path} ({error}); give another path"
        raise InputError(message) from error


def _shortened(request: ModelRequest) -> str:
    text = request.messages[-1].text if request.messages else ""
    return text if len(text) <= 80 else text[:80] + "…"
