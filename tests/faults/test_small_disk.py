"""A real disk that is full: the complaint says so, what was published is readable, and with more room all goes on."""

from collections.abc import Iterator

import pytest

from tests.faults.small_disk import SmallDisk, obstacle
from tests.faults.workload import OPERATIONS

_OBSTACLE = obstacle()
pytestmark = pytest.mark.skipif(_OBSTACLE is not None, reason=str(_OBSTACLE))

# More than any of the operations needs, and several that are too few.
_ROOMS = {"pages": (0, 60, 1000), "files": (0, 30, 200)}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    with SmallDisk(tmp_path_factory.mktemp("small")) as process:
        yield process


@pytest.mark.parametrize("of", _ROOMS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_with_too_little_room(disk: SmallDisk, operation: str, of: str):
    trials = [disk.run(operation, of=of, room=room) for room in _ROOMS[of]]
    assert [trial.objection for trial in trials if trial.objection] == []
    # There is no room that is enough for less and too little for more.
    assert [trial.published for trial in trials] == sorted(trial.published for trial in trials)
    assert not trials[0].published
    assert trials[-1].published
    assert trials[-1].complaint == ""
