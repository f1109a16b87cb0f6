import errno
from pathlib import Path

import pytest

from hippograph.errors import DamagedIndexError, IndexDirectoryError
from hippograph.store.space import needing_space

INDEX = Path("a.hippo")


def cannot_lock(number: int) -> None:
    try:
        raise OSError(number, "no room")
    except OSError as error:
        raise IndexDirectoryError("it cannot be locked") from error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_called_one_and_the_remedy_is_told(number):
    with pytest.raises(IndexDirectoryError, match=r"a\.hippo is full .* free some space"), needing_space(INDEX):
        raise OSError(number, "no room")


def test_so_is_one_that_another_part_complained_of():
    with pytest.raises(IndexDirectoryError, match="is full"), needing_space(INDEX):
        cannot_lock(errno.ENOSPC)


def test_what_another_part_complained_of_stays_what_it_is():
    with pytest.raises(IndexDirectoryError, match="it cannot be locked"), needing_space(INDEX):
        cannot_lock(errno.EACCES)


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "broken"), IndexDirectoryError("busy"), DamagedIndexError("altered")]
)
def test_other_errors_stay_what_they_are(error):
    with pytest.raises(type(error)) as raised, needing_space(INDEX):
        raise error
    assert raised.value is error
