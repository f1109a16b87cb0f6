"""A process that attends to orders: one line of JSON each, answered by another."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

__all__ = ["Attendant", "attend"]

_ROOT: Final = Path(__file__).parents[2]
# Linear algebra in threads would take cores from other tests, and threads do not survive a fork.
_ENVIRONMENT: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(_ROOT)}


class Attendant:
    """The side of the one who orders; a context, at whose end the process ends.

    Parameters
    ----------
    module
        The module that is run as the process's program, and calls `attend`.
    prefix
        The command that runs it in surroundings of its own.
    """

    def __init__(self, module: str, *, prefix: Sequence[str] = ()) -> None:
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-W", "error", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
            env={**os.environ, **_ENVIRONMENT},
        )

    def __enter__(self) -> "Attendant":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _, complaints = self._process.communicate()
        assert error is not None or not complaints, complaints

    def ask(self, order: object) -> Any:
        """Have an order attended to, and return the answer.

        Raises
        ------
        AssertionError
            If the process ends instead, with what it left on stderr.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            _, complaints = self._process.communicate()
            raise AssertionError(f"exit code {self._process.returncode}: {complaints}")
        return json.loads(answer)


def attend(answer: Callable[[Any], object]) -> None:
    """Answer the orders on stdin until there are no more."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()
