"""Python's calls that change the disk, counted and struck: whatever goes through `open`, `io.open` or `os`.

Files are watched below their buffers, where a call is a call of the operating system. What is watched is not a file of
the operating system for NumPy, which would otherwise write past Python.
"""

import builtins
import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from tests.faults.calls import Befall, Calls, die

__all__ = ["watched_python"]

# What each function does, and to which of its arguments.
_ACTS: Final = {
    "fsync": "sync",
    "fdatasync": "sync",
    "ftruncate": "extend",
    "link": "create",
    "mkdir": "mkdir",
    "pwrite": "write",
    "remove": "delete",
    "rename": "rename",
    "replace": "rename",
    "rmdir": "delete",
    "sendfile": "write",
    "symlink": "create",
    "truncate": "extend",
    "unlink": "delete",
    "write": "write",
    "writev": "write",
}


@contextmanager
def watched_python(calls: Calls) -> Iterator[None]:
    """Count and strike, as long as this lasts, the calls that this process makes through Python."""
    with ExitStack() as stack:
        for name, act in _ACTS.items():
            if hasattr(os, name):
                stack.enter_context(patch.object(os, name, _watched(calls, act, getattr(os, name))))
        stack.enter_context(patch.object(os, "open", _watched_descriptor(calls, os.open)))
        opening = _watched_open(calls, io.open)
        stack.enter_context(patch.object(io, "open", opening))
        stack.enter_context(patch.object(builtins, "open", opening))
        yield


def strike(calls: Calls, file: Any, act: str) -> None:
    """Count a call, and raise or die if it is its turn; for calls that are done or not, never half."""
    befalls = calls.next("python", _path(file), act)
    if befalls is Befall.DIES:
        die()
    if befalls is not Befall.NOTHING:
        raise _error(befalls)


def _watched(calls: Calls, act: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        strike(calls, arguments[0] if arguments else "", act)
        return function(*arguments, **options)

    return call


def _watched_descriptor(calls: Calls, function: Callable[..., int]) -> Callable[..., int]:
    def call(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & (os.O_CREAT | os.O_TRUNC):
            strike(calls, path, "create")
        return function(path, flags, *arguments, **options)

    return call


def _watched_open(calls: Calls, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(file: Any, mode: str = "r", buffering: int = -1, *arguments: Any, **options: Any) -> Any:
        if not set(mode) & set("wxa+"):
            return function(file, mode, buffering, *arguments, **options)
        if not isinstance(file, int):
            strike(calls, file, "create")
        raw = _Raw(file, mode.replace("b", "").replace("t", ""), calls)
        if buffering == 0:
            return _File(raw)
        size = buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE
        binary = io.BufferedRandom(raw, size) if "+" in mode else io.BufferedWriter(raw, size)
        return _File(binary) if "b" in mode else io.TextIOWrapper(binary, *arguments, **options)

    return call


class _Raw(io.FileIO):
    """A file whose writes are watched."""

    def __init__(self, file: Any, mode: str, calls: Calls) -> None:
        super().__init__(file, mode)
        self._calls = calls

    def write(self, data: Any, /) -> int:
        befalls = self._calls.next("python", _path(self.name), "write")
        if befalls is Befall.NOTHING:
            return super().write(data)
        super().write(bytes(data)[: self._calls.torn(len(data))])
        if befalls is Befall.DIES:
            die()
        raise _error(befalls)


class _File:
    """A file like any other, but for those that ask whether it is one of `io`'s."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._file)


def _error(befalls: Befall) -> OSError:
    number = errno.ENOSPC if befalls is Befall.FULL else errno.EIO
    return OSError(number, os.strerror(number))


def _path(file: Any) -> Path:
    if not isinstance(file, int):
        return Path(os.fsdecode(file))
    link = Path(f"/proc/self/fd/{file}")
    return link.readlink() if link.is_symlink() else Path(f"descriptor {file}")
