"""Where a model's files are, and whether they are the files they should be."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hippograph.errors import ModelError

__all__ = ["digest_of", "packaged_folder", "sampled_digest", "usable_cpus", "verify_digest"]

_SAMPLE: Final = 1 << 16
_SAMPLES: Final = 16


def packaged_folder(package: str, *parts: str) -> Path | None:
    """Find a folder inside an installed package without importing (and so running) the package.

    Returns
    -------
    The folder, or None where the package is not installed or has no such folder.

    Examples
    --------
    >>> packaged_folder("hippograph", "models").name
    'models'
    >>> packaged_folder("no_such_package") is None
    True
    """
    spec = importlib.util.find_spec(package)
    for root in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(root).joinpath(*parts)
        if folder.is_dir():
            return folder
    return None


def digest_of(paths: Iterable[Path]) -> str:
    """SHA-256 over the contents of files, in the order given, as 64 hexadecimal digits.

    Raises
    ------
    ModelError
        If one of them is missing.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                # Streamed, because weights may be larger than memory allows for.
                while block := file.read(1 << 20):
                    digest.update(block)
        except FileNotFoundError as error:
            message = f"the model file {path} does not exist; give the folder that holds it, or reinstall the model"
            raise ModelError(message) from error
    return digest.hexdigest()


def sampled_digest(paths: Iterable[Path]) -> str:
    """SHA-256 over parts of files, for weights that take minutes to read whole, as 64 hexadecimal digits.

    What is read of each is its size and 16 stretches of 64 KiB, evenly spaced from its beginning to its end: all of
    a small file, and enough to tell two trainings of one model apart. It does not tell whether a file is damaged.

    Raises
    ------
    ModelError
        If one of them is missing.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                digest.update(size.to_bytes(8, "little"))
                last = max(0, size - _SAMPLE)
                for part in range(_SAMPLES):
                    file.seek(last * part // (_SAMPLES - 1))
                    digest.update(file.read(_SAMPLE))
        except FileNotFoundError as error:
            message = f"the model file {path} does not exist; give the folder that holds it, or reinstall the model"
            raise ModelError(message) from error
    return digest.hexdigest()


def verify_digest(found: str, *, expected: str, what: str, remedy: str) -> None:
    """Refuse weights that are not the ones that were measured.

    Raises
    ------
    ModelError
        If the digests differ.

    Examples
    --------
    >>> verify_digest("ab", expected="ab", what="the model", remedy="reinstall it")
    """
    if found != expected:
        message = f"{what} was altered: its SHA-256 is {found}, not {expected}; {remedy}"
        raise ModelError(message)


def usable_cpus() -> int:
    """Count the processors this process may run on, which a container or `taskset` can make fewer than exist.

    Examples
    --------
    >>> usable_cpus() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
