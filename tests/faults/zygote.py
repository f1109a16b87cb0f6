"""A process that has imported everything and forks a writer for each attempt on its life.

The writer is a process of its own like any other, but it lives within a millisecond of being asked for, so that
hundreds of them can be killed in a test. Run as a program, this is that process.
"""

import itertools
import os
import signal
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.attendant import Attendant, attend
from tests.faults.calls import Calls, Strike
from tests.faults.trials import watched
from tests.faults.workload import OPERATIONS, hurried

__all__ = ["Death", "Zygote"]


@dataclass(frozen=True, kw_only=True)
class Death:
    """How a writer ended.

    Parameters
    ----------
    killed
        Whether it was killed; otherwise it finished before.
    stage
        The last stage it told of, "start" if none.
    seconds
        How long it lived.
    told
        How often it told something: where it was, or what a model was asked.
    asked, embedded
        How many passages and texts the models were asked.
    """

    killed: bool
    stage: str
    seconds: float
    told: int
    asked: int
    embedded: int


class Zygote(Attendant):
    """Forks writers, and tells how they died; a context, at whose end its process ends."""

    def __init__(self) -> None:
        super().__init__("tests.faults.zygote")

    def __enter__(self) -> "Zygote":
        return self

    def run(
        self,
        operation: str,
        directory: Path,
        *,
        strike: Strike | None = None,
        after: int = 0,
        delay: float | None = None,
        seconds: float = 0.0,
    ) -> Death:
        """Have a writer do an operation and be killed: at a call, at a moment, or not at all.

        Parameters
        ----------
        operation, directory
            What it does to which index.
        strike
            At which call it is killed.
        after, delay
            It is killed so many seconds after it has told so many things; None for never.
        seconds
            How long the models take for each passage and text.
        """
        answer = self.ask(
            {
                "operation": operation,
                "directory": str(directory),
                "at": strike and strike.at,
                "torn": strike is not None and strike.torn,
                "after": after,
                "delay": delay,
                "seconds": seconds,
            }
        )
        end = answer.pop("end")
        assert end in ("killed", "finished"), end
        return Death(killed=end == "killed", **answer)


def _write(order: Mapping[str, Any], descriptor: int) -> None:
    """Do what was ordered, in the process that is to die."""
    strike = None if order["at"] is None else Strike(at=order["at"], mode="kill", torn=order["torn"])
    write = os.write  # as it is before it is watched

    def tell(stage: str, done: int, total: int | None) -> None:
        write(descriptor, f"stage {stage}\n".encode())

    operation = OPERATIONS[order["operation"]]
    models = operation.models(seconds=order["seconds"], log=descriptor)
    with watched(Calls(strike=strike)), hurried(), models.open(Path(order["directory"])) as index:
        operation.do(index, tell)


def _attend(order: Mapping[str, Any]) -> dict[str, object]:
    """Fork a writer, see it die, and say how."""
    reading, writing = os.pipe()
    began = time.perf_counter()
    child = os.fork()
    if child == 0:
        os.close(reading)
        code = 1
        try:
            _write(order, writing)
            code = 0
        except BaseException:  # noqa: BLE001 - whatever it is, this process must not go on as its parent
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    lines = []
    with os.fdopen(reading, encoding="utf-8") as told:
        if order["delay"] is not None:
            lines = list(itertools.islice(told, order["after"]))
            time.sleep(order["delay"])
            os.kill(child, signal.SIGKILL)
        lines += told
    _, status = os.waitpid(child, 0)
    ends = {-signal.SIGKILL: "killed", 0: "finished"}
    code = os.waitstatus_to_exitcode(status)
    stages = [line.removeprefix("stage ").strip() for line in lines if line.startswith("stage ")]
    return {
        "end": ends.get(code, f"exit code {code}"),
        "stage": stages[-1] if stages else "start",
        "seconds": time.perf_counter() - began,
        "told": len(lines),
        "asked": sum(line.startswith("extract ") for line in lines),
        "embedded": sum(line.startswith("embed ") for line in lines),
    }


if __name__ == "__main__":
    attend(_attend)
