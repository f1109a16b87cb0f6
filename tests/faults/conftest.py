"""Scenes in memory, prepared once per module, and the process that forks writers."""

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.faults.trials import Scene, prepare
from tests.faults.zygote import Zygote

# Whether a call fails or a process dies does not depend on the disk, and flushing to this one takes no time.
_MEMORY: Final = Path("/dev/shm")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where there is one."""
    if not (_MEMORY.is_dir() and os.access(_MEMORY, os.W_OK)):
        yield tmp_path_factory.mktemp("faults")
        return
    with tempfile.TemporaryDirectory(dir=_MEMORY) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def scene(scratch: Path) -> Callable[[str], Scene]:
    """Prepares the scene of an operation, once."""

    @cache
    def prepared(operation: str) -> Scene:
        folder = scratch / operation.replace(" ", "-")
        folder.mkdir()
        return prepare(operation, folder)

    return prepared


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    if not hasattr(os, "fork"):
        pytest.skip("this operating system does not fork processes")
    with Zygote() as process:
        yield process
