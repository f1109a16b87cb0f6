"""Extractions that somebody has made before, read from a file: published ones, or those of another program."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from hippograph.errors import InputError
from hippograph.types import Extraction, ExtractionStatus, Passage, Triple

__all__ = ["ReplayExtractor"]

_log = logging.getLogger("hippograph.index")

_FORMATS: Final = 'give a list of {"idx", "entities", "triples"}, or what HippoRAG saves: {"docs": [...]}'
_CHUNK: Final = re.compile(r"chunk-([0-9a-f]{32})")
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class ReplayExtractor:
    """Gives each passage the entities and triples that a file has for it.

    Two formats are read. A list of objects with `entities` and `triples`, and what they are about: `title` and
    `text`, or `idx`, the id of a passage. And the `openie_results` that HippoRAG saves: `docs` with `passage` (title
    and text in two lines), `extracted_entities` and `extracted_triples`, or without `passage` but with its MD5 in
    `idx`. Where the file has texts, they decide, and white space makes no difference.

    Names and triples that are not made of texts are left out, and their number is logged. A passage that the file
    does not have is `failed`, so that it is tried again with a fuller file.

    Parameters
    ----------
    path
        The file, read at the first use.

    Raises
    ------
    InputError
        By any member, if the file cannot be read or has another format.

    References
    ----------
    Gutiérrez et al. 2025, "From RAG to Memory: Non-Parametric Continual Learning for Large Language Models", whose
    program saves `openie_results`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "openie.json"
    ...     _ = path.write_text('[{"idx": 0, "entities": ["Oslo"], "triples": [["Oslo", "lies in", "Norway"]]}]')
    ...     passage = Passage(id="0", document="0", text="Oslo is in Norway.")
    ...     [(_, found)] = ReplayExtractor(path=path).extract([passage])
    >>> found.entities, tuple(found.triples[0])
    (('Oslo',), ('Oslo', 'lies in', 'Norway'))
    """

    path: Path

    @property
    def fingerprint(self) -> str:
        """Names the contents of the file, wherever it lies."""
        return f"replay:{self._contents.digest}"

    def extract(self, passages: Iterable[Passage]) -> Iterator[tuple[Passage, Extraction]]:
        """Yield each passage with what the file has for it."""
        contents = self._contents
        for passage in passages:
            found = contents.find(passage)
            if found is None:
                error = f"{self.path.name} has no extraction for this passage; add it to the file and index again"
                found = Extraction(status="failed", error=error)
            yield passage, found

    @cached_property
    def _contents(self) -> _Contents:
        try:
            data = self.path.read_bytes()
        except OSError as error:
            message = f"{self.path} cannot be read ({error.strerror}); give a file of extractions"
            raise InputError(message) from error
        contents = _Contents(digest=hashlib.sha256(data).hexdigest()[:16])
        for place, entry in enumerate(self._entries(data)):
            contents.add(entry, f"entry {place} of {self.path}")
        if contents.dropped:
            what = "names and triples that are not made of texts"
            _log.warning("%d %s were left out of %s", contents.dropped, what, self.path)
        return contents

    def _entries(self, data: bytes) -> list[object]:
        try:
            value: object = json.loads(data.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            message = f"{self.path} is no JSON ({error}); {_FORMATS}"
            raise InputError(message) from error
        entries = value.get("docs") if isinstance(value, Mapping) else value
        if not isinstance(entries, list):
            message = f"{self.path} holds no list of extractions; {_FORMATS}"
            raise InputError(message)
        return entries


@dataclass(slots=True, kw_only=True)
class _Contents:
    """The extractions of a file: by the MD5 of a text, or by the id of a passage."""

    digest: str
    by_text: dict[str, Extraction] = field(default_factory=dict)
    by_id: dict[str, Extraction] = field(default_factory=dict)
    dropped: int = 0

    def add(self, entry: object, where: str) -> None:
        """Take in an entry of the file."""
        if not isinstance(entry, Mapping):
            message = f"{where} is {_shown(entry)}, not an object; {_FORMATS}"
            raise InputError(message)
        entities = self._names(_listed(entry, "entities", where))
        triples = self._triples(_listed(entry, "triples", where))
        status: ExtractionStatus = "done" if entities or triples else "empty"
        found = Extraction(status=status, entities=entities, triples=triples)
        text = _text_of(entry)
        if text is not None:
            # Of two extractions of one text, one is as good as the other.
            self.by_text.setdefault(_digest(text), found)
            self.by_text.setdefault(_digest(_plain(text)), found)
            return
        idx = entry.get("idx", entry.get("id"))
        if not isinstance(idx, str | int) or isinstance(idx, bool):
            message = f"{where} does not say what it is about: idx is {_shown(idx)}; {_FORMATS}"
            raise InputError(message)
        chunk = _CHUNK.fullmatch(str(idx))
        if chunk:
            self.by_text[chunk[1]] = found
        if self.by_id.setdefault(str(idx), found) != found:
            message = f"{where} has the same idx {idx!r} as one before it and says something else; remove one of them"
            raise InputError(message)

    def find(self, passage: Passage) -> Extraction | None:
        """Return what there is for a passage."""
        for text in (passage.headed_text, passage.text, _plain(passage.headed_text), _plain(passage.text)):
            found = self.by_text.get(_digest(text))
            if found is not None:
                return found
        return self.by_id.get(passage.id)

    def _names(self, listed: list[Any]) -> tuple[str, ...]:
        names = tuple(name for name in listed if _is_phrase(name))
        self.dropped += len(listed) - len(names)
        return names

    def _triples(self, listed: list[Any]) -> tuple[Triple, ...]:
        triples = tuple(Triple(*said) for said in listed if _is_triple(said))
        self.dropped += len(listed) - len(triples)
        return triples


def _listed(entry: Mapping[Any, Any], name: str, where: str) -> list[Any]:
    listed = entry.get(name, entry.get(f"extracted_{name}"))
    if not isinstance(listed, list):
        message = f"{where} has no list of {name}, but {_shown(listed)}; {_FORMATS}"
        raise InputError(message)
    return listed


def _is_phrase(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and not _LONE_SURROGATE.search(value)


def _is_triple(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_is_phrase, value))


def _text_of(entry: Mapping[Any, Any]) -> str | None:
    """Return the text that an entry is about, under its title, if it has one."""
    passage, text, title = (entry.get(name) for name in ("passage", "text", "title"))
    if isinstance(passage, str):
        return passage
    if not isinstance(text, str):
        return None
    return f"{title}\n{text}" if isinstance(title, str) and title else text


def _plain(text: str) -> str:
    return " ".join(text.split())


def _digest(text: str) -> str:
    # MD5, because that is how HippoRAG names passages; nothing depends on its safety.
    return hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def _shown(value: object) -> str:
    written = json.dumps(value)
    return written if len(written) <= 60 else written[:60] + "…"
