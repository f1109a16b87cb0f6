"""What a file holds: texts, Markdown, and JSON passages, read into documents row by row.

Nothing is lost silently: what cannot be indexed comes out as a `SkippedItem` with its place and the remedy, and the
rest of the file still loads.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hippograph.index.headings import first_heading
from hippograph.types import Document, SkippedItem

__all__ = ["SUFFIXES", "Found", "Loaded", "SourceFile", "checked", "fault", "printable", "read_file"]


class Found(NamedTuple):
    """A document that can be indexed, the file and row it stands in, and that file's absolute path; empty for none."""

    where: str
    document: Document
    path: str = ""


Loaded: TypeAlias = Found | SkippedItem

_BOM = b"\xef\xbb\xbf"
_LIST_KEYS = ("passages", "corpus", "data")
_MISPLACED = ("Cc", "Zl", "Zp")  # Unicode categories: control characters, line and paragraph separators
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file to read, and what to call it.

    Parameters
    ----------
    path
        Where to open it; its suffix, in either case, decides how it is read.
    id
        The id of the document, for files that hold one text.
    source
        The path as the user named it, with forward slashes.
    """

    path: Path
    id: str
    source: str


class _Row(BaseModel):
    """One JSON passage; keys beside these are ignored, because published corpora carry more."""

    model_config = ConfigDict(strict=True, extra="ignore")

    text: str
    title: str | None = None
    id: str | int | None = None
    beir_id: str | int | None = Field(default=None, alias="_id")
    idx: str | int | None = None
    metadata: dict[str, str | int | float | bool | None] | None = None

    def given_id(self) -> str | None:
        """Return the first of `id`, `_id` and `idx` that the row has."""
        given = next((value for value in (self.id, self.beir_id, self.idx) if value is not None), None)
        return None if given is None else str(given)


def printable(text: str) -> str:
    r"""Return the text on one line, with whatever cannot be printed escaped.

    Examples
    --------
    >>> print(printable("a\nb"))
    a\nb
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def checked(document: Document, *, where: str) -> Loaded:
    r"""Return the document with its place if it can be indexed, else why not.

    NUL characters are removed from the title and the text, because SQLite ends a text at the first one.

    Examples
    --------
    >>> checked(Document(id="a", text="Os\0lo"), where="a.txt").document.text
    'Oslo'
    """
    reason = fault(document)
    if reason is not None:
        return SkippedItem(where=where, reason=reason)
    return Found(where, _without_nul(document))


def _without_nul(document: Document) -> Document:
    if "\0" not in document.title and "\0" not in document.text:
        return document
    return replace(document, title=document.title.replace("\0", ""), text=document.text.replace("\0", ""))


def fault(document: Document) -> str | None:
    """Say why a document cannot be indexed, and the remedy.

    Returns
    -------
    None for a document that can be indexed.

    Examples
    --------
    >>> fault(Document(id="a", text="Oslo")) is None
    True
    >>> fault(Document(id="a", text=" "))
    'the text is blank; give it some text or leave it out'
    """
    for name in ("id", "title", "text", "source"):
        value = getattr(document, name)
        if not isinstance(value, str):
            return f"its {name} is {_shown(value)}, not a string; make it a string"
        if _LONE_SURROGATE.search(value):
            return f"its {name} has half of a surrogate pair, which UTF-8 cannot hold; repair or remove that character"
    if not document.id.strip():
        return "its id is empty; give it an id or leave the id out"
    if any(unicodedata.category(c) in _MISPLACED for c in document.id):
        return f"its id {_shown(document.id)} has control characters; remove them (the id of a text file is its path)"
    if not any(c.isprintable() and c != " " for c in document.text):
        return "the text is blank; give it some text or leave it out"
    return _metadata_fault(document.metadata)


def _metadata_fault(metadata: object) -> str | None:
    if not isinstance(metadata, Mapping):
        return f"its metadata is {_shown(metadata)}; give a mapping of strings to scalars"
    for key, value in metadata.items():
        if not isinstance(key, str):
            return f"metadata has the key {_shown(key)}; make it a string"
        if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
            return f"metadata {_shown(key)} is {_shown(value)}; give a string, a finite number, true or false"
        if _LONE_SURROGATE.search(f"{key}{value}"):
            return f"metadata {_shown(key)} has half of a surrogate pair, which UTF-8 cannot hold; repair or remove it"
    return None


def read_file(file: SourceFile) -> Iterator[Loaded]:
    """Yield the documents of a file whose suffix is one of `SUFFIXES`, and what of it had to be skipped.

    A `.txt`, `.md` or `.markdown` file is one document; line ends become newlines. A `.json` file is a list of
    passages, or an object that holds the list under `passages`, `corpus` or `data`; a `.jsonl` file has a passage a
    line and is streamed. Rows and lines count from 1. All are UTF-8, with or without a byte order mark.
    """
    try:
        yield from _READERS[file.path.suffix.lower()](file)
    except OSError as error:
        yield SkippedItem(where=printable(file.source), reason=f"cannot be read ({error.strerror}); make it readable")


def _read_text(file: SourceFile) -> Iterator[Loaded]:
    data = file.path.read_bytes()
    text = _decoded(data)
    if isinstance(text, _Undecodable):
        yield SkippedItem(where=printable(file.source), reason=text.reason)
        return
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    named = " ".join(re.sub("[_-]", " ", file.path.stem).split())
    heading = "" if file.path.suffix.lower() == ".txt" else first_heading(text)
    document = Document(id=file.id, title=heading or named, text=text, source=file.source)
    yield checked(document, where=printable(file.source))


def _read_json(file: SourceFile) -> Iterator[Loaded]:
    where = printable(file.source)
    text = _decoded(file.path.read_bytes())
    if isinstance(text, _Undecodable):
        yield SkippedItem(where=where, reason=text.reason)
        return
    if not text.strip():
        yield SkippedItem(where=where, reason="the file is empty; put passages into it or leave it out")
        return
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        remedy = "repair it, or name it .jsonl if it has one passage a line"
        yield SkippedItem(where=where, reason=f"is not JSON: {_json_fault(error)}; {remedy}")
        return
    rows = _rows(value)
    if rows is None:
        keys = ", ".join(f'"{key}"' for key in _LIST_KEYS)
        reason = (
            f"is {_kind(value)} that holds no list of passages; write a list, or an object with just one under {keys}"
        )
        yield SkippedItem(where=where, reason=reason)
    elif not rows:
        yield SkippedItem(where=where, reason="the list of passages is empty; fill it or leave the file out")
    else:
        for number, row in enumerate(rows, start=1):
            yield _document(row, where=f"{where}, row {number}", source=file.source)


def _read_json_lines(file: SourceFile) -> Iterator[Loaded]:
    where, empty, offset = printable(file.source), True, 0
    with file.path.open("rb") as lines:
        # Binary lines end at \n alone: U+2028 and its like are text within a JSON string.
        for number, line in enumerate(lines, start=1):
            text = _decoded(line, offset=offset)
            offset += len(line)
            if isinstance(text, str) and not text.strip():
                continue
            empty = False
            yield _json_line(text, where=f"{where}, line {number}", source=file.source)
    if empty:
        yield SkippedItem(where=where, reason="the file is empty; put passages into it or leave it out")


def _json_line(text: str | _Undecodable, *, where: str, source: str) -> Loaded:
    if isinstance(text, _Undecodable):
        return SkippedItem(where=where, reason=text.reason)
    try:
        row = json.loads(text.rstrip("\r\n"))
    except (ValueError, RecursionError) as error:
        return SkippedItem(where=where, reason=f"is not JSON: {_json_fault(error)}; repair it")
    return _document(row, where=where, source=source)


_READERS: dict[str, Callable[[SourceFile], Iterator[Loaded]]] = {
    ".txt": _read_text,
    ".md": _read_text,
    ".markdown": _read_text,
    ".json": _read_json,
    ".jsonl": _read_json_lines,
}

SUFFIXES = tuple(_READERS)
"""The suffixes that can be read."""


@dataclass(frozen=True, slots=True)
class _Undecodable:
    reason: str


def _decoded(data: bytes, *, offset: int = 0) -> str | _Undecodable:
    body = data.removeprefix(_BOM)  # also within a file, where JSON lines were joined
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        place = offset + len(data) - len(body) + error.start
        return _Undecodable(
            f"is not UTF-8 (byte {place} of the file is 0x{body[error.start]:02x}); convert it to UTF-8, "
            "for example with iconv"
        )


def _rows(value: object) -> Sequence[object] | None:
    if isinstance(value, dict):
        lists = [value[key] for key in _LIST_KEYS if isinstance(value.get(key), list)]
        return lists[0] if len(lists) == 1 else None
    return value if isinstance(value, list) else None


def _document(row: object, *, where: str, source: str) -> Loaded:
    try:
        valid = _Row.model_validate(row)
    except ValidationError as error:
        return SkippedItem(where=where, reason=_row_fault(row, error))
    metadata = {key: value for key, value in (valid.metadata or {}).items() if value is not None}
    document = _without_nul(Document(id="", title=valid.title or "", text=valid.text, source=source, metadata=metadata))
    given = valid.given_id()
    return checked(replace(document, id=_content_id(document) if given is None else given), where=where)


def _content_id(document: Document) -> str:
    # Lengths first, so that no two pairs of title and text run together into the same bytes.
    digest = blake2b(digest_size=8)
    for part in (document.title, document.text):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return f"sha-{digest.hexdigest()}"


def _row_fault(row: object, error: ValidationError) -> str:
    if not isinstance(row, dict):
        return f'is {_kind(row)}, not a passage; write an object such as {{"title": "...", "text": "..."}}'
    first = error.errors(include_url=False)[0]
    field = first["loc"][0]
    if first["type"] == "missing":
        return f"has no `{field}`; give each passage a `{field}` that is a string"
    if field == "metadata" and len(first["loc"]) > 1:
        key = printable(str(first["loc"][1]))
        return f"`metadata.{key}` is {_kind(first['input'])}; metadata is flat: give strings, numbers, true or false"
    wanted = {"text": "a string", "title": "a string", "metadata": "an object"}.get(str(field))
    return f"`{field}` is {_shown(first['input'])}; give {wanted or 'a string or a whole number, or leave it out'}"


def _json_fault(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        if error.lineno == 1:
            return f"{error.msg} at column {error.colno}"
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    return "nested too deeply" if isinstance(error, RecursionError) else "a number has too many digits"


def _shown(value: object) -> str:
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:59]}…"


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
