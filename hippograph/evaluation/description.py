"""Describing a component by its parameters, as JSON values: what would have to be the same for the same results."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial, singledispatch
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from types import MethodType
from typing import Any, Final
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hippograph.store.snapshot import Snapshot

__all__ = ["described"]

# What would tell of a machine or open something; models are told by their fingerprints, which hold neither.
_PRIVATE: Final = re.compile(
    r"(^|_)((\w*api)?keys?|secrets?|pass(word|wd|phrase)s?|pwd|credentials?|tokens?|ur[il]s?|headers?|cookies?)$"
    r"|(^|_)\w*auth(_\w*|orization\w*|entication\w*)?$",
    re.IGNORECASE,
)
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\s.-]+")
# An address within a text; only what is behind its last slash is kept, without what is asked for there.
_ADDRESS: Final = re.compile(r"""([A-Za-z][\w+.-]*)://[^\s'"<>]*""")
# The folders of an absolute path within a text, as in the name of a model that a server has loaded from a file.
_FOLDERS: Final = re.compile(
    r"""(?<![\w./])/(?:[^/\s:'"]+(?: [^/\s:'"]+)*/)+(?=[^/\s])"""
    r"""|~[\w.-]*/(?:[^/\s:'"]+/)*(?=[^/\s])"""
    r"""|\b[A-Za-z]:[\\/](?:[^\\/:'"]+[\\/])*"""
)
_LONGEST: Final = 100
_DIGITS: Final = 32
_NAMES: Final = ("fingerprint", "digest")


@singledispatch
def described(value: object) -> object:
    """Describe a component by its type and its parameters.

    What has a `fingerprint` or a `digest`, as models, prompts and extractors have, is told by that; a snapshot by what
    its graph contains; another dataclass by its fields, one by one. Fields that their class does not show are left
    out, and so are those whose names speak of addresses or secrets. Of paths and addresses in texts the last part is
    kept; of arrays, and of collections of more than a hundred things, the digest.

    Parameters
    ----------
    value
        A retriever, or anything that one is made of.

    Returns
    -------
    JSON values, the same for equal parameters.

    Examples
    --------
    >>> from hippograph.types import LinkedTriple, Triple
    >>> described(LinkedTriple(triple=Triple("Oslo", "is in", "Norway"), similarity=0.75, kept=True))
    {'type': 'LinkedTriple', 'triple': ..., 'similarity': 0.75, 'kept': True}
    """
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return f"{value.__module__}.{value.__qualname__}"
    name = {"type": type(value).__name__}
    for attribute in _NAMES:
        told = getattr(value, attribute, None)
        if isinstance(told, str):
            return name | {attribute: described(told)}
    if not is_dataclass(value):
        return name
    shown = {field.name: getattr(value, field.name) for field in fields(value) if field.repr}
    return name | {key: described(item) for key, item in shown.items() if not _is_private(key, item)}


@described.register
def _(value: None) -> object:
    return value


@described.register(int)
def _(value: int) -> object:
    return value


@described.register(partial)
def _(value: partial[Any]) -> object:
    told = {"type": "partial", "function": described(value.func), "arguments": described(value.args)}
    return told | {"keywords": described(value.keywords)}


@described.register
def _(value: MethodType) -> object:
    return {"type": "method", "function": described(value.__func__), "of": described(value.__self__)}


@described.register
def _(value: str) -> object:
    value = _ADDRESS.sub(_end_of_address, value)
    if PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute():
        return PureWindowsPath(value).name or value
    return _FOLDERS.sub("", value)


@described.register
def _(value: float) -> object:
    return value if math.isfinite(value) else repr(value)


@described.register
def _(value: Enum) -> object:
    return described(value.value)


@described.register
def _(value: PurePath) -> object:
    return value.name


@described.register
def _(value: np.generic) -> object:
    return described(value.item())


@described.register(np.ndarray)
def _(value: NDArray[Any]) -> object:
    return _condensed(str(value.dtype), value.shape, np.ascontiguousarray(value).tobytes())


@described.register(csr_array)
def _(value: csr_array[Any]) -> object:
    parts = (np.ascontiguousarray(part).tobytes() for part in (value.data, value.indices, value.indptr))
    return _condensed(f"sparse {value.dtype}", value.shape, b"".join(parts))


@described.register(Mapping)
def _(value: Mapping[Any, Any]) -> object:
    told = {str(described(key)): described(item) for key, item in value.items() if not _is_private(str(key), item)}
    return _short({key: told[key] for key in sorted(told)})


@described.register(Sequence)
def _(value: Sequence[Any]) -> object:
    return _short([described(item) for item in value])


@described.register(AbstractSet)
def _(value: AbstractSet[Any]) -> object:
    return _short(sorted((described(item) for item in value), key=str))


@described.register
def _(value: Snapshot) -> object:
    return {"type": type(value).__name__, "graph_digest": value.manifest.graph_digest}


def _is_private(name: str, value: object) -> bool:
    """Tell whether a name speaks of a secret or an address; numbers are neither, `max_tokens` for instance."""
    secret = _PRIVATE.search(_HUMP.sub("_", name)) is not None
    return secret and not (value is None or isinstance(value, int | float))


def _end_of_address(found: re.Match[str]) -> str:
    path = urlsplit(found[0].replace("[", "").replace("]", "")).path
    return PurePosixPath(path).name or found[1]


def _short(told: list[Any] | dict[str, Any]) -> object:
    """Condense what is data rather than parameters."""
    if len(told) <= _LONGEST:
        return told
    return _condensed(type(told).__name__, (len(told),), json.dumps(told).encode())


def _condensed(kind: str, shape: Sequence[int], content: bytes) -> str:
    return f"{kind}{list(shape)} {hashlib.sha256(content).hexdigest()[:_DIGITS]}"
