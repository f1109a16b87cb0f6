import subprocess
import sys
import time
from pathlib import Path

import pytest

from hippograph.errors import IndexDirectoryError
from hippograph.store.lock import writing

HOLDER = """
import sys, time
from pathlib import Path
from hippograph.store.lock import writing
with writing(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_another_process_is_refused_until_the_holder_dies(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(IndexDirectoryError, match="being changed by another process"), writing(tmp_path):
                pass
        finally:
            holder.kill()
        holder.wait()
    deadline = time.monotonic() + 10
    while True:
        try:
            with writing(tmp_path):
                return
        except IndexDirectoryError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_directory_that_does_not_exist_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(IndexDirectoryError, match="nowhere"), writing(tmp_path / "nowhere"):
        pass
