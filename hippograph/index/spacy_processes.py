"""Passages spread over processes of `hippograph.index.spacy_worker`, with the answers in order.

The workers are programs of their own that speak through pipes: unlike `multiprocessing`, this never imports the
caller's `__main__`, so it works in plain scripts, notebooks and the interactive prompt, and it never forks a process
that has threads.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import IO, Any, Final

from hippograph.errors import ModelError
from hippograph.index.spacy_worker import decoded
from hippograph.types import Extraction

__all__ = ["read_in_processes"]

_PROGRAM: Final = "from hippograph.index.spacy_worker import main; main()"
_PATIENCE: Final = 5.0


def read_in_processes(
    batches: Iterable[Sequence[tuple[str, str]]], *, size: int, setup: dict[str, Any]
) -> Generator[list[Extraction]]:
    """Yield the extractions of every batch, in order; no more than two batches per worker are under way.

    A worker that dies is started anew, and the passages it held are read one by one: only the one it dies of is lost,
    with the status `failed`. The workers end with the iterator, also when it is not used up.

    Parameters
    ----------
    batches
        Titled texts.
    size
        Number of workers.
    setup
        What every worker is told first.

    Raises
    ------
    ModelError
        If the workers cannot load the pipeline.
    """
    workers = [_Worker(setup=setup) for _ in range(size)]
    idle: SimpleQueue[_Worker] = SimpleQueue()
    for worker in workers:
        idle.put(worker)

    ahead: deque[Future[list[Extraction]]] = deque()
    try:
        with ThreadPoolExecutor(size, thread_name_prefix="hippograph-extract") as pool:
            try:
                for batch in batches:
                    ahead.append(pool.submit(_read, idle, batch))
                    if len(ahead) >= 2 * size:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                # Left early: what waits is dropped, and what runs is cut short, or the threads would wait for it.
                running = [future for future in ahead if not future.cancel()]
                for worker in workers if running else ():
                    worker.kill()
    finally:
        for worker in workers:
            worker.close()


def _read(idle: SimpleQueue[_Worker], batch: Sequence[tuple[str, str]]) -> list[Extraction]:
    worker = idle.get()
    try:
        return _ask(worker, batch)
    finally:
        idle.put(worker)


def _ask(worker: _Worker, batch: Sequence[tuple[str, str]]) -> list[Extraction]:
    try:
        return decoded(worker.ask(batch))
    except _WorkerDiedError as death:
        if len(batch) == 1:
            return [Extraction(status="failed", error=str(death))]
        return [found for passage in batch for found in _ask(worker, [passage])]


class _WorkerDiedError(Exception):
    """A worker ended before it answered."""


class _Worker:
    """One process, started when it is first asked, and anew whenever it has died."""

    def __init__(self, *, setup: dict[str, Any]) -> None:
        self._setup = setup
        self._process: subprocess.Popen[str] | None = None
        self._complaints: IO[str] | None = None
        self._killed = False

    def ask(self, batch: Sequence[tuple[str, str]]) -> Any:  # noqa: ANN401 - JSON
        if self._process is None and not self._killed:
            self._start()
        return self._exchange(batch)

    def kill(self) -> None:
        """End the process at once, from another thread than the one that waits for it."""
        self._killed = True
        if (process := self._process) is not None:
            process.kill()

    def close(self) -> None:
        """End the process by closing its input."""
        self._end()

    def _start(self) -> None:
        paths = [path or os.getcwd() for path in sys.path]  # noqa: PTH109 - a path to hand on, not to work with
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"}
        self._complaints = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter and a module of this package, no shell
            [sys.executable, "-P", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=environment,
            text=True,
            encoding="ascii",
        )
        try:
            hello = self._exchange(self._setup)
        except _WorkerDiedError as death:
            message = f"the extraction worker did not start: {death}; set processes=1 to extract in this process"
            raise ModelError(message) from death
        if "error" in hello:
            self._end()
            raise ModelError(hello["error"])

    def _exchange(self, question: object) -> Any:  # noqa: ANN401 - JSON
        process = self._process
        if process is None or process.stdin is None or process.stdout is None or self._killed:
            message = "the extraction was broken off"
            raise _WorkerDiedError(message)
        try:
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except (OSError, ValueError):
            answer = ""
        if not answer.endswith("\n"):
            raise _WorkerDiedError(self._end())
        return json.loads(answer)

    def _end(self) -> str:
        """Let the process go, and tell how it went."""
        process, complaints = self._process, self._complaints
        self._process = self._complaints = None
        if process is None or complaints is None:
            return "the extraction worker was not running"
        if process.stdin is not None:
            # A question that the dead will not read any more is still in the buffer.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        complaints.seek(0)
        last = complaints.read().strip().rsplit("\n", 1)[-1]
        complaints.close()
        if process.stdout is not None:
            process.stdout.close()
        return f"the extraction worker ended with code {process.returncode}: {last}".rstrip(": ")
