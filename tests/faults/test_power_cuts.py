"""The power fails at any moment: what was published is readable, and the same command ends as if undisturbed."""

from collections.abc import Callable
from typing import Final

import pytest

from tests.faults.power_cuts import DISKS, Disk, cuts, try_cut
from tests.faults.trials import Scene
from tests.faults.workload import OPERATIONS

# `benchmarks/crashes.py --power-cuts` tries all that is left after some flush; a test has time for so many.
_MOST: Final = 3


@pytest.mark.parametrize("disk", DISKS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_some_power_cuts(scene: Callable[[str], Scene], operation: str, disk: Disk):
    hurt = scene(operation)
    remains = cuts(hurt, disk)
    step = -(-len(remains) // _MOST)
    late = [try_cut(hurt, left) for left in remains[::-step]]
    assert late == sorted(late, reverse=True), "what was published was lost again"
    assert late[0], "what is published when all is done is not on the disk"
