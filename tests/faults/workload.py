"""What is done to an index while it is being hurt: operations, the models they call, and what the index then says."""

import hashlib
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from unittest.mock import patch

from hippograph.errors import IndexMismatchError, NoIndexError
from hippograph.hippograph import HippoGraph
from hippograph.index.report import Progress
from hippograph.store.manifest import read_pointer
from hippograph.store.snapshot import SNAPSHOTS
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder, OverlapCrossEncoder
from hippograph.types import Document, Extraction, FloatArray, Passage, TextRole

__all__ = ["OPERATIONS", "Models", "Operation", "State", "Stock", "hurried", "published", "rankings", "stock"]

_QUERIES: Final = ("Where did the parents of who built Fram come from?", "Amundsen")
# Retrievers whose rankings depend on nothing but the published snapshot.
_RETRIEVERS: Final = ("default", "dense", "bm25")

DIMENSION: Final = 64
"""Of the embedder that indexes are made with; another dimension makes another embedder."""

_SECONDS_PER_PASSAGE: Final = 1.5
"""What each extraction takes by the clock of `Models`: longer than hippograph waits before it saves."""


def _document(id: str, title: str, text: str) -> Document:
    return Document(id=id, title=title, text=text)


_FRAM = _document("fram", "Fram (ship)", "Fram was built by Colin Archer in Larvik. Nansen sailed it north.")
_BASE: Final[tuple[Document | Passage, ...]] = (
    _FRAM,
    _document("archer", "Colin Archer", "Colin Archer was a naval architect. His parents came from Newburgh."),
    _document("newburgh", "Newburgh", "A burgh in Fife, on the southern bank of the Tay."),
    *(
        Passage(id=f"log:{page}", document="log", page=page, text=text)
        for page, text in enumerate(("Fram left Vardø.", "Fridtjof Nansen left Fram.", "Otto Sverdrup led Fram."), 1)
    ),
)
_MORE: Final = (
    _document("gjoa", "Gjøa", "Gjøa went through the Northwest Passage with Roald Amundsen."),
    _document("maud", "Maud", "Maud was built in Vollen for Roald Amundsen and went down in Cambridge Bay."),
)
_NEWER: Final = (
    _document("fram", "Fram (ship)", "Fram was built by Colin Archer. Roald Amundsen sailed it to Antarctica."),
    _document("newburgh", "Newburgh", "Colin Archer's parents came from Newburgh in Fife."),
)


_FILES: Final = {
    "framheim.txt": "Framheim was the base of Roald Amundsen on the Ross Ice Shelf.",
    "gauss.txt": "Gauss was built in Kiel for Erich von Drygalski.",
    "endurance.txt": "Endurance was built in Sandefjord for Ernest Shackleton.",
}
_EDITED: Final = {
    "framheim.txt": _FILES["framheim.txt"],
    "drygalski/gauss.txt": _FILES["gauss.txt"],
    "endurance.txt": "Endurance was built in Sandefjord and went down in the Weddell Sea.",
    "nimrod.txt": "Nimrod was the ship of Ernest Shackleton.",
}


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One thing that changes an index.

    Parameters
    ----------
    name
        What it is.
    run
        Does it, given the folder of `files`.
    base
        What was indexed before, besides the files.
    files, edited
        Texts by file name: as they were when they were indexed, and as they are when `run` comes.
    dimension
        Of the embedder that it is done with; the base is always made with `DIMENSION`.
    """

    name: str
    run: Callable[[HippoGraph, Path, Progress | None], object]
    base: Sequence[Document | Passage] = _BASE
    files: Mapping[str, str] = field(default_factory=dict)
    edited: Mapping[str, str] = field(default_factory=dict)
    dimension: int = DIMENSION

    def models(self, *, seconds: float = 0.0, log: int | None = None) -> "Models":
        """Make the models that it is done with."""
        return Models(seconds=seconds, log=log, dimension=self.dimension)

    def begin(self, directory: Path) -> None:
        """Make the index that there is before, if any, and then edit the files."""
        documents = _documents(directory)
        if self.base:
            _write_files(documents, self.files)
            with Models().open(directory) as index:
                index.index([*self.base, documents] if self.files else self.base)
        _write_files(documents, self.edited)

    def do(self, index: HippoGraph, tell: Progress | None = None) -> None:
        """Do it to an index."""
        self.run(index, _documents(index.directory), tell)


OPERATIONS: Final[Mapping[str, Operation]] = {
    operation.name: operation
    for operation in (
        Operation(name="first index", base=(), run=lambda index, _, tell: index.index(_BASE, progress=tell)),
        Operation(name="add", run=lambda index, _, tell: index.index(_MORE, progress=tell)),
        Operation(name="replace", run=lambda index, _, tell: index.index(_NEWER, progress=tell)),
        Operation(
            name="update",
            run=lambda index, documents, tell: index.update([documents], progress=tell),
            files=_FILES,
            edited=_EDITED,
        ),
        Operation(name="delete", run=lambda index, *_: index.delete(["fram", "log"])),
        Operation(
            name="reembed",
            run=lambda index, _, tell: index.index(_MORE, progress=tell, reembed=True),
            dimension=DIMENSION // 2,
        ),
    )
}


def _documents(directory: Path) -> Path:
    """The folder of files that all copies of an index were made from, and which lies equally far from each."""
    return directory.parents[1] / "documents"


def _write_files(documents: Path, texts: Mapping[str, str]) -> None:
    if documents.is_dir():
        shutil.rmtree(documents)
    for name, text in texts.items():
        (documents / name).parent.mkdir(parents=True, exist_ok=True)
        (documents / name).write_text(text, encoding="utf-8")


@dataclass(kw_only=True)
class Models:
    """Doubles of the extractor and the embedder that remember what they were asked, and may be slow.

    Parameters
    ----------
    seconds
        How long each passage or text takes.
    asked, embedded
        Texts of the passages that were to be extracted, and texts that were to be embedded, in order.
    log
        A file descriptor that every such text is written to at once, for those who outlive this process.
    dimension
        Of the embedder.
    """

    seconds: float = 0.0
    asked: list[str] = field(default_factory=list)
    embedded: list[str] = field(default_factory=list)
    log: int | None = None
    dimension: int = DIMENSION

    def open(self, directory: Path) -> HippoGraph:
        """Open an index with these models."""
        embedder = _Embedder(self, HashingEmbedder(dimension=self.dimension))
        return HippoGraph(directory, extractor=_Extractor(self), embedder=embedder, cross_encoder=OverlapCrossEncoder())

    def take(self, what: list[str], text: str) -> None:
        """Note a text and work on it."""
        what.append(text)
        if self.log is not None:
            _write(self.log, f"{'extract' if what is self.asked else 'embed'} {text!r}\n".encode())
        if self.seconds:
            time.sleep(self.seconds)


# As it was before anybody watched it.
_write: Final = os.write


@dataclass(frozen=True)
class _Extractor:
    models: Models
    fingerprint: str = CapitalsExtractor().fingerprint

    def extract(self, passages: Iterable[Passage]) -> Iterator[tuple[Passage, Extraction]]:
        for passage in passages:
            self.models.take(self.models.asked, passage.headed_text)
            _clock.ahead += _SECONDS_PER_PASSAGE
            yield from CapitalsExtractor().extract([passage])


@dataclass(frozen=True)
class _Embedder:
    models: Models
    double: HashingEmbedder

    @property
    def fingerprint(self) -> str:
        return self.double.fingerprint

    @property
    def dimension(self) -> int:
        return self.double.dimension

    def embed(self, texts: Sequence[str], *, role: TextRole) -> FloatArray:
        for text in texts if role != "query" else ():
            self.models.take(self.models.embedded, f"{role} {text}")
        return self.double.embed(texts, role=role)


class _Clock:
    """A clock that goes ahead when told: seconds of a slow extractor pass without anybody waiting for them."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._monotonic = time.monotonic

    def __call__(self) -> float:
        return self._monotonic() + self.ahead


_clock: Final = _Clock()


@contextmanager
def hurried() -> Iterator[None]:
    """Have hippograph look at the clock of the slow extractor, so that it saves as often as in a run of hours."""
    real = time.monotonic
    with ExitStack() as stack:
        for name, module in sorted(sys.modules.items()):
            if name.startswith("hippograph.") and getattr(module, "monotonic", None) is real:
                stack.enter_context(patch.object(module, "monotonic", _clock))
        yield


@dataclass(frozen=True, kw_only=True)
class State:
    """What a published index says.

    Parameters
    ----------
    digest
        That of the graph.
    files
        The hash of every array, by file name.
    rankings
        By retriever and query.
    """

    digest: str
    files: Mapping[str, str]
    rankings: Mapping[tuple[str, str], Sequence[tuple[str, float]]]


def published(directory: Path, *, dimension: int = DIMENSION) -> State | None:
    """Open what is published, hash every file and rank; None if nothing is.

    Parameters
    ----------
    directory
        The index.
    dimension
        Of the embedder it may have been made with, unless it was `DIMENSION`.
    """
    with Models(dimension=dimension).open(directory) as index:
        try:
            manifest = index.parts.snapshot.manifest
        except NoIndexError:
            return None
        except IndexMismatchError:
            if dimension == DIMENSION:
                raise
            return published(directory)
        folder = directory / SNAPSHOTS / read_pointer(directory / SNAPSHOTS).folder
        files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in manifest.files}
        assert files == {name: record.sha256 for name, record in manifest.files.items()}, "a file is not what it was"
        return State(digest=manifest.graph_digest, files=files, rankings=rankings(index))


def rankings(index: HippoGraph) -> dict[tuple[str, str], Sequence[tuple[str, float]]]:
    """Rank for every query by every retriever."""
    return {
        (retriever, ranking.query): [(hit.passage.id, hit.score) for hit in ranking.hits]
        for retriever in _RETRIEVERS
        for ranking in index.retrieve_all(_QUERIES, k=5, retriever=retriever)
    }


@dataclass(frozen=True, kw_only=True)
class Stock:
    """What is committed.

    Parameters
    ----------
    documents, passages
        How many there are.
    extractions, vectors
        How much work of models there is.
    """

    documents: int
    passages: int
    extractions: int
    vectors: int


def stock(directory: Path) -> Stock:
    """Count what is committed, in a connection that knows nothing of hippograph."""
    tables = ("documents", "passages", "extractions", "vectors")
    catalog = directory / "catalog.sqlite"
    if not catalog.is_file():
        return Stock(**dict.fromkeys(tables, 0))
    with closing(sqlite3.connect(catalog)) as connection:
        present = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}

        def count(table: str) -> int:
            if table not in present:
                return 0
            [(rows,)] = connection.execute(f"SELECT count(*) FROM {table}")
            return int(rows)

        return Stock(**{table: count(table) for table in tables})
