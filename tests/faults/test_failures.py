"""A write or a flush fails, once or from then on, or the disk is full: nothing is lost, and nothing is done twice."""

from collections.abc import Callable
from typing import Final

import pytest

from tests.faults.calls import Mode, Strike
from tests.faults.trials import Scene, try_failure
from tests.faults.workload import OPERATIONS

# `benchmarks/crashes.py --every-n` has each call fail in each way; a test has time for some, others in each case.
_STRIDE: Final = 97
_MODES: Final[tuple[Mode, ...]] = ("once", "dead", "full")
_CASES: Final = [(operation, mode) for operation in OPERATIONS for mode in _MODES]


@pytest.mark.parametrize("case", range(len(_CASES)), ids=["-".join(case) for case in _CASES])
def test_every_97th_call_fails(scene: Callable[[str], Scene], case: int):
    operation, mode = _CASES[case]
    hurt = scene(operation)
    first = 1 + 11 * case % _STRIDE
    trials = [try_failure(hurt, Strike(at=at, mode=mode)) for at in range(first, len(hurt.calls), _STRIDE)]
    assert all(trial.struck for trial in trials)
    assert any(trial.complaint for trial in trials)
    assert [trial.complaint for trial in trials if trial.complaint and trial.complaint.objection] == []
