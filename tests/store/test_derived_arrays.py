"""Derived arrays: made once of the same, made again of other things, and kept for the current snapshot only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hippograph.store.derived import DERIVED
from hippograph.store.derived_arrays import derived_array
from tests.store.samples import point

PAIR = np.dtype([("place", "<i8"), ("cosine", "<f4")])


class Maker:
    """Makes an array and counts how often."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> NDArray[Any]:
        self.made += 1
        return np.array([(1 << 40, 0.8125), (3, 1.0)], dtype=PAIR)


def kept(folder: Path | None, maker: Maker, *inputs: bytes, generation: int = 1) -> NDArray[Any]:
    return derived_array(folder, "pairs", inputs, maker, generation=generation)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    point(tmp_path, 1)
    return tmp_path


def test_an_array_is_made_once_of_the_same(folder: Path) -> None:
    maker = Maker()
    first = kept(folder, maker, b"a", b"b")
    again = kept(folder, maker, b"a", b"b")
    assert maker.made == 1
    assert again.dtype == first.dtype == PAIR
    assert again.tobytes() == first.tobytes()
    assert kept(None, maker, b"a", b"b").tobytes() == first.tobytes()
    assert [path.name for path in sorted((folder / DERIVED).iterdir())] == ["lock", "pairs.array"]


@pytest.mark.parametrize("other", [(b"a",), (b"ab",), (b"b", b"a"), (b"a", b"b", b"")])
def test_of_other_things_it_is_made_again(folder: Path, other: tuple[bytes, ...]) -> None:
    maker = Maker()
    kept(folder, maker, b"a", b"b")
    kept(folder, maker, *other)
    kept(folder, maker, *other)
    assert maker.made == 2


@pytest.mark.parametrize("place", [0, 25, 60, 90, -1])
def test_damage_is_noticed_and_mended(folder: Path, caplog: pytest.LogCaptureFixture, place: int) -> None:
    maker = Maker()
    first = kept(folder, maker, b"a")
    path = folder / DERIVED / "pairs.array"
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    for _ in range(2):
        assert kept(folder, maker, b"a").tobytes() == first.tobytes()
    assert "damaged" in caplog.text
    assert maker.made == 2


def test_only_readers_of_the_current_snapshot_keep_theirs(folder: Path) -> None:
    current, former, part = Maker(), Maker(), Maker()
    point(folder, 2)
    for _ in range(2):
        kept(folder, former, b"old", generation=1)
        kept(folder, current, b"new", generation=2)
        kept(folder, part, b"part", generation=0)
    assert (current.made, former.made, part.made) == (1, 2, 2)
