"""SQLite's calls that change the disk, counted and struck, by a file system of its own put around the default one.

SQLite reaches the disk through a table of functions, its *virtual file system* [1]_. This makes a copy of the default
one with some functions replaced by Python's, and has it be the default for a while. It must be the very SQLite that the
module `sqlite3` uses, which `unreachable` finds out.

References
----------
.. [1] https://www.sqlite.org/vfs.html
"""

import _sqlite3
import ctypes
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final

from tests.faults.calls import Befall, Calls, die

__all__ = ["unreachable", "watched_sqlite"]

_IOERR: Final = 10
_WRITE_FAILS: Final = _IOERR | 3 << 8
_SYNC_FAILS: Final = _IOERR | 4 << 8
_TRUNCATE_FAILS: Final = _IOERR | 6 << 8
_DELETE_FAILS: Final = _IOERR | 10 << 8
_EXTEND_FAILS: Final = _IOERR | 19 << 8
_FULL: Final = 13
_CANTOPEN: Final = 14
_CREATE: Final = 0x4


class _File(Structure):
    """`sqlite3_file`: what all files begin with."""


class _Methods(Structure):
    """`sqlite3_io_methods`, version 3: what can be done with an open file."""

    _fields_: ClassVar = [
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", c_void_p),
        ("truncate", c_void_p),
        ("sync", c_void_p),
        ("file_size", c_void_p),
        ("lock", c_void_p),
        ("unlock", c_void_p),
        ("check_reserved_lock", c_void_p),
        ("file_control", c_void_p),
        ("sector_size", c_void_p),
        ("device_characteristics", c_void_p),
        ("shm_map", c_void_p),
        ("shm_lock", c_void_p),
        ("shm_barrier", c_void_p),
        ("shm_unmap", c_void_p),
        ("fetch", c_void_p),
        ("unfetch", c_void_p),
    ]


_File._fields_ = [("methods", POINTER(_Methods))]


class _FileSystem(Structure):
    """`sqlite3_vfs`, version 3."""

    _fields_: ClassVar = [
        ("version", c_int),
        ("file_bytes", c_int),
        ("path_bytes", c_int),
        ("following", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", c_void_p),
        ("delete", c_void_p),
        ("access", c_void_p),
        ("full_path", c_void_p),
        ("load", c_void_p),
        ("load_error", c_void_p),
        ("load_symbol", c_void_p),
        ("unload", c_void_p),
        ("randomness", c_void_p),
        ("sleep", c_void_p),
        ("time", c_void_p),
        ("last_error", c_void_p),
        ("time_int64", c_void_p),
        ("set_system_call", c_void_p),
        ("system_call", c_void_p),
        ("next_system_call", c_void_p),
    ]


_FILE: Final = POINTER(_File)
_OPEN: Final = CFUNCTYPE(c_int, c_void_p, c_void_p, _FILE, c_int, POINTER(c_int))
_DELETE: Final = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_WRITE: Final = CFUNCTYPE(c_int, _FILE, c_void_p, c_int, c_int64)
_TRUNCATE: Final = CFUNCTYPE(c_int, _FILE, c_int64)
_SYNC: Final = CFUNCTYPE(c_int, _FILE, c_int)
_SHM_MAP: Final = CFUNCTYPE(c_int, _FILE, c_int, c_int, c_int, POINTER(c_void_p))


@contextmanager
def watched_sqlite(calls: Calls) -> Iterator[None]:
    """Count and strike the calls of the connections that are opened as long as this lasts.

    Connections opened meanwhile are watched until they are closed, by whichever watch is on at the time.
    """
    file_system = _file_system()
    with file_system.default():
        former, file_system.calls = file_system.calls, calls
        try:
            yield
        finally:
            file_system.calls = former


@cache
def unreachable() -> str | None:
    """Say why SQLite cannot be watched on this machine; None if it can."""
    library = _library()
    if library is None:
        return "the SQLite of the module sqlite3 exports no functions"
    with closing(sqlite3.connect(":memory:")) as connection:
        [(used,)] = connection.execute("SELECT sqlite_source_id()")
    found = library.sqlite3_sourceid()
    if found.decode() != used:
        return f"the module sqlite3 uses the SQLite {used}, and only {found.decode()} is to be found"
    default = library.sqlite3_vfs_find(None).contents
    if default.version < 3 or default.name not in (b"unix", b"unix-none", b"win32"):
        return f"the default file system of SQLite is {default.name!r}, version {default.version}"
    return None


@cache
def _library() -> Any:
    """Load the library with SQLite's functions: that of the module, or what it depends on, or the program itself."""
    for name in (getattr(_sqlite3, "__file__", None), None):
        library = ctypes.CDLL(name)
        try:
            library.sqlite3_sourceid.restype = c_char_p
            library.sqlite3_vfs_find.argtypes = [c_char_p]
            library.sqlite3_vfs_find.restype = POINTER(_FileSystem)
            library.sqlite3_vfs_register.argtypes = [POINTER(_FileSystem), c_int]
            library.sqlite3_vfs_unregister.argtypes = [POINTER(_FileSystem)]
        except AttributeError:
            continue
        return library
    return None


@cache
def _file_system() -> "_WatchedFileSystem":
    """Make the file system once: open connections point into it as long as the process lives."""
    return _WatchedFileSystem(_library())


class _WatchedFileSystem:
    """The default file system with some functions replaced; everything that C points to is kept in `_kept`."""

    def __init__(self, library: Any) -> None:
        self.calls: Calls | None = None
        self._library = library
        self._default = library.sqlite3_vfs_find(None)
        self._kept: list[object] = []
        self._methods: dict[int, _Methods] = {}
        self._paths: dict[int, Path] = {}
        self._own = _FileSystem.from_buffer_copy(self._default.contents)
        self._own.name = b"hippograph-faults"
        self._own.following = None
        self._own.open = self._function(_OPEN, self._opening())
        self._own.delete = self._function(_DELETE, self._deleting())

    @contextmanager
    def default(self) -> Iterator[None]:
        """Have new connections use this file system."""
        self._library.sqlite3_vfs_register(ctypes.byref(self._own), 1)
        try:
            yield
        finally:
            self._library.sqlite3_vfs_unregister(ctypes.byref(self._own))
            self._library.sqlite3_vfs_register(self._default, 1)

    def _function(self, prototype: Any, function: Callable[..., int]) -> int:
        made = prototype(function)
        self._kept.append(made)
        address = ctypes.cast(made, c_void_p).value
        assert address is not None
        return address

    def _befalls(self, path: Path, act: str) -> Befall:
        return Befall.NOTHING if self.calls is None else self.calls.next("sqlite", path, act)

    def _opening(self) -> Callable[..., int]:
        original = _OPEN(self._default.contents.open)

        def opening(_: int, path: int | None, file: Any, flags: int, out: Any) -> int:
            known = Path(ctypes.string_at(path).decode() if path else "temporary file")
            if flags & _CREATE:
                befalls = self._befalls(known, "create")
                if befalls is not Befall.NOTHING:
                    if befalls is Befall.DIES:
                        die()
                    file.contents.methods = None
                    return _CANTOPEN
            result: int = original(self._default, path, file, flags, out)
            if file.contents.methods:
                self._paths[_address(file)] = known
                file.contents.methods = ctypes.pointer(self._watched(file.contents.methods))
            return result

        return opening

    def _deleting(self) -> Callable[..., int]:
        original = _DELETE(self._default.contents.delete)

        def deleting(_: int, path: bytes, sync: int) -> int:
            befalls = self._befalls(Path(path.decode()), "delete")
            if befalls is Befall.DIES:
                die()
            result: int = original(self._default, path, sync) if befalls is Befall.NOTHING else _DELETE_FAILS
            return result

        return deleting

    def _watched(self, original: Any) -> _Methods:
        """Copy a table of methods with those that change the disk replaced; one copy for each table."""
        address = _address(original)
        if address not in self._methods:
            table = original.contents
            own = _Methods.from_buffer_copy(table)
            own.write = self._function(_WRITE, self._writing(_WRITE(table.write)))
            plain = ((_TRUNCATE, "truncate", _TRUNCATE_FAILS), (_SYNC, "sync", _SYNC_FAILS))
            for prototype, act, code in plain:
                function = self._changing(prototype(getattr(table, act)), act, code)
                setattr(own, act, self._function(prototype, function))
            if table.version >= 2 and table.shm_map:
                own.shm_map = self._function(_SHM_MAP, self._mapping(_SHM_MAP(table.shm_map)))
            self._methods[address] = own
        return self._methods[address]

    def _writing(self, original: Any) -> Callable[..., int]:
        def writing(file: Any, data: int, size: int, offset: int) -> int:
            befalls = self._befalls(self._paths[_address(file)], "write")
            if befalls is Befall.NOTHING:
                result: int = original(file, data, size, offset)
                return result
            assert self.calls is not None
            torn = self.calls.torn(size)
            if torn:
                original(file, data, torn, offset)
            if befalls is Befall.DIES:
                die()
            return _FULL if befalls is Befall.FULL else _WRITE_FAILS

        return writing

    def _changing(self, original: Any, act: str, code: int) -> Callable[..., int]:
        def changing(file: Any, argument: int) -> int:
            befalls = self._befalls(self._paths[_address(file)], act)
            if befalls is Befall.DIES:
                die()
            result: int = original(file, argument) if befalls is Befall.NOTHING else code
            return result

        return changing

    def _mapping(self, original: Any) -> Callable[..., int]:
        def mapping(file: Any, region: int, size: int, extend: int, out: Any) -> int:
            if extend:
                befalls = self._befalls(Path("shared memory"), "extend")
                if befalls is Befall.DIES:
                    die()
                if befalls is not Befall.NOTHING:
                    return _EXTEND_FAILS
            result: int = original(file, region, size, extend, out)
            return result

        return mapping


def _address(pointer: Any) -> int:
    address = ctypes.cast(pointer, c_void_p).value
    assert address is not None
    return address
