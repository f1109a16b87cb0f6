"""`kill -9` at any instant: what was published is readable, what was committed is kept, the next run goes on."""

from collections import Counter
from collections.abc import Callable

import pytest

from tests.faults.calls import Strike
from tests.faults.kills import SECONDS, kill_at_call, kill_at_random
from tests.faults.trials import Scene
from tests.faults.workload import OPERATIONS
from tests.faults.zygote import Zygote

# `benchmarks/crashes.py` kills some hundred times at random, and at every call.
_SEEDS = 2
_STRIDE = 97


@pytest.mark.parametrize("operation", OPERATIONS)
def test_kills_at_random_moments(scene: Callable[[str], Scene], zygote: Zygote, operation: str):
    hurt = scene(operation)
    with hurt.copy() as directory:
        alive = zygote.run(operation, directory, seconds=SECONDS)
    assert not alive.killed
    deaths = [
        death
        for seed in range(_SEEDS)
        for death in kill_at_random(hurt, zygote, seed=len(operation) * 1000 + seed, alive=alive)
    ]
    stages = Counter(death.stage for death in deaths if death.killed)
    assert stages.total() > 0


@pytest.mark.parametrize("operation", OPERATIONS)
def test_kills_in_every_97th_call(scene: Callable[[str], Scene], zygote: Zygote, operation: str):
    hurt = scene(operation)
    first = 1 + 17 * [*OPERATIONS].index(operation)
    for at in range(first, len(hurt.calls), _STRIDE):
        assert kill_at_call(hurt, zygote, Strike(at=at, mode="kill", torn=at % 2 == 0)).killed
