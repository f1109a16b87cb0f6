"""Arrays and tables of strings as files that are mapped into memory: written once, checked when opened."""

from __future__ import annotations

import errno
import hashlib
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO, Final, overload

import numpy as np
from numpy.lib.format import header_data_from_array_1_0, write_array_header_1_0
from numpy.typing import NDArray

from hippograph.errors import DamagedIndexError, IndexDirectoryError, InputError
from hippograph.types import IntArray

__all__ = ["LAYERS", "SNAPSHOTS", "Bundle", "BundleWriter", "FileRecord", "StringTable", "compare_file", "damage"]
__all__ += ["sync_directory"]

SNAPSHOTS: Final = "snapshots"
"""The folder of the snapshots in an index directory."""

LAYERS: Final = "layers"
"""The folder of the summaries in an index directory."""

_BLOCK: Final = 1 << 20
# What NumPy raises of a file that is no array: it parses the header as Python would.
_READ_WHOLE: Final = 1 << 18
_NOT_ITS_FAULT: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.EACCES})
_NO_ARRAY: Final = (OSError, ValueError, TypeError, EOFError, SyntaxError, TokenError, OverflowError, MemoryError)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """What a file was when it was written.

    Parameters
    ----------
    sha256
        64 hexadecimal digits.
    bytes
        Its size.
    """

    sha256: str
    bytes: int


class StringTable(Sequence[str]):
    """Strings by number, read from a mapped file one at a time: opening a million costs nothing.

    Parameters
    ----------
    blob
        All strings in UTF-8, end to end; shape (bytes,), uint8.
    offsets
        Where each begins and the last one ends; shape (n + 1,).
    path
        The file that is mapped, which errors name.

    Examples
    --------
    >>> table = StringTable(np.frombuffer("OsloЗагреб".encode(), dtype=np.uint8), np.array([0, 4, 16]))
    >>> len(table), table[1], table[-2], table.to_list()
    (2, 'Загреб', 'Oslo', ['Oslo', 'Загреб'])
    """

    def __init__(self, blob: NDArray[np.uint8], offsets: IntArray, path: Path | None = None) -> None:
        self._blob = blob.data
        self._offsets = offsets
        self._path = path

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[row] for row in range(*place.indices(len(self)))]
        row = place + len(self) if place < 0 else place
        if not 0 <= row < len(self):
            raise IndexError(f"there is no string {place}; the table has {len(self)}")
        return self._decoded(int(self._offsets[row]), int(self._offsets[row + 1]))

    def __iter__(self) -> Iterator[str]:
        for at in range(0, len(self), 4096):
            ends: list[int] = self._offsets[at : at + 4097].tolist()
            for start, end in pairwise(ends):
                yield self._decoded(start, end)

    def _decoded(self, start: int, end: int) -> str:
        try:
            return str(self._blob[start:end], "utf-8")
        except UnicodeDecodeError as error:
            raise damage(self._path or Path("a table of strings"), f"is not UTF-8 at byte {start}") from error

    @classmethod
    def of(cls, strings: Iterable[str]) -> StringTable:
        """Make a table in memory.

        Raises
        ------
        InputError
            If a string holds a lone surrogate, which no UTF-8 can.

        Examples
        --------
        >>> StringTable.of(["Oslo", "Загреб"]).to_list()
        ['Oslo', 'Загреб']
        """
        ends = array("q", [0])
        pieces = [_encoded(text) for text in strings]
        ends.extend(accumulate(map(len, pieces)))
        return cls(np.frombuffer(b"".join(pieces), dtype=np.uint8), np.frombuffer(ends, dtype=np.int64))

    @property
    def blob(self) -> NDArray[np.uint8]:
        """All strings in UTF-8, end to end; shape (bytes,)."""
        return np.frombuffer(self._blob, dtype=np.uint8) if len(self._blob) else np.empty(0, dtype=np.uint8)

    @property
    def offsets(self) -> IntArray:
        """Where each string begins and the last one ends, in bytes; shape (n + 1,)."""
        return self._offsets

    def to_list(self) -> list[str]:
        """Return all strings, in memory."""
        return list(self)


class BundleWriter:
    """Writes named arrays and tables of strings into a directory, each flushed to the disk and hashed.

    Parameters
    ----------
    directory
        An existing, empty directory.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     writer = BundleWriter(Path(folder))
    ...     writer.write_array("squares", np.arange(3) ** 2)
    ...     writer.write_table("names", StringTable.of(["Oslo", "Bergen"]))
    ...     bundle = Bundle(Path(folder), writer.files)
    ...     print(sorted(writer.files), bundle.array("squares", np.int64, (3,)).tolist(), bundle.strings("names")[1])
    ['names.offsets.npy', 'names.utf8', 'squares.npy'] [0, 1, 4] Bergen
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.files: dict[str, FileRecord] = {}

    def write_array(self, name: str, values: NDArray[Any]) -> None:
        """Write `<name>.npy`, in C order."""
        with self._file(f"{name}.npy") as file:
            # Header and elements apart: for a file that is not one of the operating system, NumPy copies them first.
            whole = np.ascontiguousarray(values)
            if whole.dtype.hasobject:
                raise InputError(f"Object arrays cannot be saved, and {name} is one; give numbers")
            write_array_header_1_0(file, header_data_from_array_1_0(whole))
            if whole.size:
                file.write(whole.reshape(-1).view(np.uint8).data)

    def write_table(self, name: str, table: StringTable) -> None:
        """Write a table of strings that is in memory or mapped, as it is."""
        with self._file(f"{name}.utf8") as file:
            file.write(table.blob.data)
        self.write_array(f"{name}.offsets", table.offsets)

    def write_bytes(self, name: str, data: bytes) -> FileRecord:
        """Write a file that is not part of the bundle, such as its manifest."""
        with self._file(name) as file:
            file.write(data)
        return self.files.pop(name)

    @contextmanager
    def _file(self, name: str) -> Iterator[_HashedFile]:
        file = _HashedFile(self._directory / name)
        try:
            yield file
            self.files[name] = file.finish()
        finally:
            file.close()


class Bundle:
    """Reads what a `BundleWriter` wrote; the arrays are read-only, and maps of the files unless those are small.

    Parameters
    ----------
    directory
        Where the files are.
    files
        What they must be, by name. Their sizes are always checked.
    verify
        Whether their hashes are checked as well, which reads them whole.

    Raises
    ------
    DamagedIndexError
        If a file is missing or is not what it was.
    """

    def __init__(self, directory: Path, files: Mapping[str, FileRecord], *, verify: bool = False) -> None:
        self._directory = directory
        self._files = files
        for name, record in sorted(files.items()):
            wrong = compare_file(directory / name, record, verify=verify)
            if wrong is not None:
                raise damage(directory / name, wrong)

    def array(self, name: str, dtype: type[np.generic] | tuple[type[np.generic], ...], shape: tuple[int, ...]) -> Any:  # noqa: ANN401
        """Map an array, or read it if it is small.

        Parameters
        ----------
        name
            The name it was written under.
        dtype
            What its elements must be, or may be.
        shape
            What its shape must be; -1 stands for any length.

        Raises
        ------
        DamagedIndexError
            If there is no such array, or it is of another type or shape.
        IndexDirectoryError
            If it may not be read, or too many files are open.
        """
        path = self.path(f"{name}.npy")
        try:
            loaded = np.load(path, mmap_mode="r" if self._is_large(path) else None, allow_pickle=False)
        except _NO_ARRAY as error:
            raise _unreadable(path, error) from error
        # A plain view: the subclass that NumPy maps with takes ten times as long to slice (1.8 against 0.16 us).
        values = np.asarray(loaded)
        if values.flags.writeable:
            values.setflags(write=False)
        allowed = dtype if isinstance(dtype, tuple) else (dtype,)
        fits = len(shape) == values.ndim and all(
            wanted in (-1, actual) for wanted, actual in zip(shape, values.shape, strict=True)
        )
        if not fits or values.dtype not in [np.dtype(kind) for kind in allowed]:
            raise damage(path, f"holds {values.dtype} of shape {values.shape}, not {shape}")
        return values

    def strings(self, name: str, length: int = -1) -> StringTable:
        """Map or read a table of strings, which must have `length` of them unless that is -1.

        Raises
        ------
        DamagedIndexError
            If there is no such table, or its two files do not fit together.
        """
        path = self.path(f"{name}.utf8")
        offsets: IntArray = self.array(f"{name}.offsets", np.int64, (length + 1 if length >= 0 else -1,))
        size = self._files[path.name].bytes
        if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != size or np.any(offsets[1:] < offsets[:-1]):
            raise damage(self.path(f"{name}.offsets.npy"), f"does not fit {path.name}")
        try:
            large = self._is_large(path)
            blob = np.memmap(path, dtype=np.uint8, mode="r") if large else np.frombuffer(path.read_bytes(), np.uint8)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
        return StringTable(np.asarray(blob), offsets, path)

    def _is_large(self, path: Path) -> bool:
        # What is mapped keeps a file descriptor, of which a process may have few; what is small is better read.
        return self._files[path.name].bytes > _READ_WHOLE

    def path(self, name: str) -> Path:
        """Return where a file of the bundle is.

        Raises
        ------
        DamagedIndexError
            If it is not part of the bundle.
        """
        if name not in self._files:
            raise damage(self._directory / name, "is not listed in the manifest")
        return self._directory / name


def compare_file(path: Path, record: FileRecord, *, verify: bool) -> str | None:
    """Compare a file with what it was when it was written.

    Parameters
    ----------
    path
        The file.
    record
        What it was.
    verify
        Whether to compare the hash as well as the size, which reads it whole.

    Returns
    -------
    What is wrong with it; None if nothing is.
    """
    actual = record.sha256
    try:
        size = path.stat().st_size
        if verify and size == record.bytes:
            with path.open("rb") as file:
                actual = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"cannot be read ({error})"
    if size != record.bytes:
        return f"has {size} bytes instead of {record.bytes}"
    return None if actual == record.sha256 else f"has been altered: its SHA-256 is {actual}, not {record.sha256}"


def _unreadable(path: Path, error: Exception) -> IndexDirectoryError:
    """Make the error for a file that cannot be read: not its own fault if there are too many open files, for one."""
    if isinstance(error, OSError) and error.errno in _NOT_ITS_FAULT:
        remedy = "close some indexes, or raise the limit of open files" if error.errno != errno.EACCES else "allow it"
        return IndexDirectoryError(f"{path} cannot be opened ({error.strerror}); {remedy}")
    return damage(path, f"cannot be read ({error})")


def damage(path: Path, what: str) -> DamagedIndexError:
    """Make the error that names a file of a snapshot, what is wrong with it and the remedy.

    Examples
    --------
    >>> raise damage(Path("a.hippo/snapshots/00000001/triples.npy"), "is not there")
    Traceback (most recent call last):
    hippograph.errors.DamagedIndexError: a.hippo/snapshots/00000001/triples.npy is not there; run: hippograph doctor
    --repair --index a.hippo, which makes it again from the catalog: nothing is extracted or embedded twice
    """
    part = next((folder for folder in path.parents if folder.name in (SNAPSHOTS, LAYERS)), None)
    index = "" if part is None else f" --index {part.parent}"
    # What NumPy says of a header may be several lines.
    wrong = f"{path} {' '.join(what.split())}"
    if part is not None and part.name == LAYERS:
        return DamagedIndexError(f"{wrong}; run: hippograph index --layers{index}, which makes the summaries again")
    return DamagedIndexError(
        f"{wrong}; run: hippograph doctor --repair{index}, "
        "which makes it again from the catalog: nothing is extracted or embedded twice"
    )


def sync_directory(directory: Path) -> None:
    """Put the names of a directory's files on the disk; a no-op where directories cannot be opened, on Windows."""
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _HashedFile:
    """A new file that counts and hashes what is written to it."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("xb", buffering=_BLOCK)
        self._state = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes | memoryview) -> int:
        self._state.update(data)
        self.bytes += len(data)
        return self._file.write(data)

    def finish(self) -> FileRecord:
        self._file.flush()
        os.fsync(self._file.fileno())
        return FileRecord(sha256=self._state.hexdigest(), bytes=self.bytes)

    def close(self) -> None:
        self._file.close()


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"a lone surrogate at character {error.start} of {text[:60]!r} is not Unicode text; replace it"
        ) from error
