"""Bundles of arrays and strings: round trips, damage."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.errors import DamagedIndexError, IndexDirectoryError, InputError
from hippograph.store.arrays import Bundle, BundleWriter, StringTable
from tests.store.samples import TEXTS, texts


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(texts, texts), max_size=8))
def test_strings_come_back(rows: list[tuple[str, str]]) -> None:
    with TemporaryDirectory() as folder:
        writer = BundleWriter(Path(folder))
        for column, name in enumerate(["left", "right"]):
            writer.write_table(name, StringTable.of(row[column] for row in rows))
        bundle = Bundle(Path(folder), writer.files, verify=True)
        for column, name in enumerate(["left", "right"]):
            table, expected = bundle.strings(name, len(rows)), [row[column] for row in rows]
            assert table.to_list() == expected == [table[place] for place in range(len(rows))]
            assert table[::-1] == expected[::-1]
            assert len(table) == len(expected)
            for place in (len(rows), -len(rows) - 1):
                with pytest.raises(IndexError):
                    table[place]


def test_a_sorted_table_can_be_searched(tmp_path: Path) -> None:
    names = sorted([*TEXTS, *(f"name {number:05d}" for number in range(10_000))])
    writer = BundleWriter(tmp_path)
    writer.write_table("names", StringTable.of(names))
    table = Bundle(tmp_path, writer.files).strings("names")
    assert list(table) == names
    assert [bisect_left(table, name) for name in names[::97]] == list(range(len(names)))[::97]
    assert "name 04711" in table
    assert "name" not in table


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64])
@pytest.mark.parametrize("shape", [(0,), (5,), (0, 7), (3, 4), (3, 0)])
def test_arrays_come_back_read_only(tmp_path: Path, dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    writer = BundleWriter(tmp_path)
    writer.write_array("values", values[::-1])
    read = Bundle(tmp_path, writer.files, verify=True).array("values", dtype, shape)
    assert np.array_equal(read, values[::-1])
    assert read.dtype == values.dtype
    assert read.shape == shape
    assert type(read) is np.ndarray
    assert not read.flags.writeable
    content = (tmp_path / "values.npy").read_bytes()
    record = writer.files["values.npy"]
    assert (record.bytes, record.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_the_same_content_makes_the_same_files(tmp_path: Path) -> None:
    files = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        writer = BundleWriter(tmp_path / name)
        writer.write_array("values", np.arange(5).reshape(5, 1))
        writer.write_table("texts", StringTable.of(TEXTS))
        files.append(writer.files)
    assert files[0] == files[1]


def test_an_array_of_objects_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Object arrays"):
        BundleWriter(tmp_path).write_array("values", np.array([{}], dtype=object))


def test_a_lone_surrogate_is_in_no_table() -> None:
    with pytest.raises(InputError, match="surrogate at character 1"):
        StringTable.of(["a\ud83d"])


def replaced(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new)


@pytest.mark.parametrize(
    ("name", "harm", "resize"),
    [
        ("values.npy", lambda content: content[:-1], False),
        ("values.npy", lambda content: content + b"x", False),
        ("values.npy", lambda content: content[:-1], True),
        ("values.npy", lambda content: b"", True),
        ("values.npy", lambda content: b"x" * len(content), False),
        ("values.npy", lambda content: replaced(content, b"(5,)", b"(9,)"), False),
        ("values.npy", lambda content: replaced(content, b"(5,)", b"(4,)"), False),
        ("values.npy", lambda content: replaced(content, b"<i8", b"<f8"), False),
        ("values.npy", lambda content: replaced(content, b"'<i8'", b"exit "), False),
        ("texts.offsets.npy", lambda content: content[:-8] + b"\xff" * 8, False),
        ("texts.offsets.npy", lambda content: content[:-16] + b"\x7f" * 8 + content[-8:], False),
        ("texts.utf8", lambda content: content[:-1], True),
    ],
)
def test_damage_is_told_with_the_file_and_the_remedy(
    tmp_path: Path, name: str, harm: Callable[[bytes], bytes], resize: bool
) -> None:
    writer = BundleWriter(tmp_path)
    writer.write_array("values", np.arange(5))
    writer.write_table("texts", StringTable.of(TEXTS))
    path = tmp_path / name
    path.write_bytes(harm(path.read_bytes()))
    files = dict(writer.files)
    if resize:
        files[name] = replace(files[name], bytes=path.stat().st_size)

    def read(*, verify: bool) -> None:
        bundle = Bundle(tmp_path, files, verify=verify)
        bundle.array("values", np.int64, (5,))
        bundle.strings("texts")

    for verify in (False, True):
        with pytest.raises(DamagedIndexError, match=rf"(?s){name}.*hippograph doctor --repair"):
            read(verify=verify)


def test_a_flipped_bit_is_seen_on_request(tmp_path: Path) -> None:
    writer = BundleWriter(tmp_path)
    writer.write_array("values", np.arange(5))
    path = tmp_path / "values.npy"
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    Bundle(tmp_path, writer.files)
    with pytest.raises(DamagedIndexError, match="altered"):
        Bundle(tmp_path, writer.files, verify=True)


def test_a_missing_file_and_an_unlisted_array_are_damage(tmp_path: Path) -> None:
    writer = BundleWriter(tmp_path)
    writer.write_array("values", np.arange(5))
    with pytest.raises(DamagedIndexError, match=r"others\.npy is not listed"):
        Bundle(tmp_path, writer.files).array("others", np.int64, (5,))
    (tmp_path / "values.npy").unlink()
    for verify in (False, True):
        with pytest.raises(DamagedIndexError, match=r"values\.npy cannot be read"):
            Bundle(tmp_path, writer.files, verify=verify)


@pytest.mark.skipif(sys.platform == "win32", reason="counts open files")
def test_what_is_small_keeps_no_file_open_and_what_is_large_is_mapped(tmp_path: Path) -> None:
    writer = BundleWriter(tmp_path)
    writer.write_array("small", np.arange(10))
    writer.write_array("large", np.arange(100_000))
    writer.write_table("words", StringTable.of(["Oslo", "Rome"]))
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir())) if descriptors.exists() else 0
    bundle = Bundle(tmp_path, writer.files)
    small, large = bundle.array("small", np.int64, (10,)), bundle.array("large", np.int64, (-1,))
    words = bundle.strings("words")
    assert (small.tolist(), int(large[-1]), words.to_list()) == (list(range(10)), 99_999, ["Oslo", "Rome"])
    assert not small.flags.writeable
    assert not large.flags.writeable
    if before:
        assert len(list(descriptors.iterdir())) == before + 1


def test_too_many_open_files_are_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = BundleWriter(tmp_path)
    writer.write_array("small", np.arange(10))
    bundle = Bundle(tmp_path, writer.files)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(np, "load", refuse)
    with pytest.raises(IndexDirectoryError, match="raise the limit") as told:
        bundle.array("small", np.int64, (10,))
    assert not isinstance(told.value, DamagedIndexError)
