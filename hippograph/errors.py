"""The exceptions hippograph raises on purpose.

::

    HippographError
    ├── InputError          the caller gave something unusable: a file, a question, an argument
    ├── MissingExtraError   an optional package is not installed; the message is the command to type
    ├── ModelError          a model is absent, altered, or answered with something impossible
    ├── ConvergenceError    a walk did not reach its tolerance
    └── IndexDirectoryError anything about the index on disk
        ├── NoIndexError        there is none here
        ├── IndexMismatchError  it was built by another embedder, normaliser or format
        └── DamagedIndexError   a file is missing, truncated or altered

Every message names the offending value and the remedy.
"""

from __future__ import annotations

__all__ = [
    "ConvergenceError",
    "DamagedIndexError",
    "HippographError",
    "IndexDirectoryError",
    "IndexMismatchError",
    "InputError",
    "MissingExtraError",
    "ModelError",
    "NoIndexError",
]


class HippographError(Exception):
    """The root of all errors that hippograph raises on purpose."""


class InputError(HippographError, ValueError):
    """The caller gave something that cannot be used: a file, a question, an argument."""


class MissingExtraError(HippographError, ImportError):
    """An optional package is not installed."""

    def __init__(self, *, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; type: pip install 'hippograph[{extra}]'")


class ModelError(HippographError):
    """A model is absent, is not the file it should be, or gave an impossible answer."""


class ConvergenceError(HippographError, ArithmeticError):
    """A walk did not reach its tolerance within its iterations."""


class IndexDirectoryError(HippographError):
    """Something is wrong with an index directory."""


class NoIndexError(IndexDirectoryError):
    """There is no index in this directory."""


class IndexMismatchError(IndexDirectoryError):
    """The index was built by another embedder, extractor, normaliser or format than the one that reads it."""


class DamagedIndexError(IndexDirectoryError):
    """A file of the index is missing, truncated or altered."""
