"""An index to damage, the ways to damage it, and models that must not be called."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hippograph.hippograph import HippoGraph
from hippograph.index.indexer import Indexer
from hippograph.store.manifest import MANIFEST, POINTER, Manifest, read_pointer
from hippograph.store.schema import stamp_of
from hippograph.store.snapshot import SNAPSHOTS, open_snapshot
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder, OverlapCrossEncoder
from hippograph.types import Document, Extraction, FloatArray, Passage, TextRole
from tests.conftest import small_passages
from tests.store.test_migrations import FORMAT_1, FORMAT_2

CATALOG = "catalog.sqlite"
QUERIES = ("Who built the ship that Nansen sailed north?", "北京", "Amundsen")


@dataclass(frozen=True)
class ForbiddenExtractor:
    """Has the name of the extractor, and must not be called."""

    fingerprint: str = CapitalsExtractor().fingerprint

    def extract(self, passages: Iterable[Passage]) -> Iterator[tuple[Passage, Extraction]]:
        raise AssertionError(f"asked to extract from {[passage.id for passage in passages]}")


@dataclass(frozen=True)
class ForbiddenEmbedder:
    """Has the name of the embedder, and must not be called."""

    fingerprint: str = HashingEmbedder().fingerprint
    dimension: int = 64

    def embed(self, texts: Sequence[str], *, role: TextRole) -> FloatArray:
        raise AssertionError(f"asked to embed {list(texts)}")


FORBIDDEN = Indexer(extractor=ForbiddenExtractor(), embedder=ForbiddenEmbedder())


def documents() -> list[Document | Passage]:
    """Documents of one passage and of several, cut by their author or by the index, some of them from files."""
    long = " ".join(f"Otto Sverdrup led Fram on day {day}." for day in range(120))
    return [
        *small_passages(),
        *(
            Passage(id=f"log:{page}", document="log", page=page, title="Log", text=text, metadata={"year": 1893})
            for page, text in enumerate(("Fram left Vardø.", "Fridtjof Nansen left Fram.", "nothing to tell"), 1)
        ),
        Document(id="long", title="Second voyage", text=long, source="voyages.txt", metadata={"year": 1898}),
        Document(id="line", text="Roald Amundsen sailed Gjøa.\n", source="voyages.txt"),
    ]


def build(directory: Path) -> None:
    """Index the documents; the extractor fails on one of them."""
    with HippoGraph(directory, extractor=CapitalsExtractor(), embedder=HashingEmbedder()) as index:
        index.index(documents())


def current(directory: Path) -> Path:
    """Return the folder of the current snapshot."""
    snapshots = directory / SNAPSHOTS
    return snapshots / read_pointer(snapshots).folder


def manifest_of(directory: Path) -> Manifest:
    """Return the manifest of the current snapshot, all files of which are compared with it."""
    return open_snapshot(directory, verify=True).manifest


def rankings(directory: Path) -> list[Any]:
    """What an index answers."""
    with HippoGraph(
        directory, extractor=ForbiddenExtractor(), embedder=HashingEmbedder(), cross_encoder=OverlapCrossEncoder()
    ) as index:
        return [
            [(hit.passage, hit.score) for hit in ranking.hits]
            for name in ("default", "dense", "bm25")
            for ranking in index.retrieve_all(QUERIES, retriever=name)
        ]


def flip(path: Path, at: int, bit: int = 2) -> None:
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)


def truncate(path: Path) -> None:
    """Take the last byte off a file."""
    path.write_bytes(path.read_bytes()[:-1])


def alter(directory: Path, *statements: str) -> None:
    """Change rows of the catalog behind its back."""
    with closing(sqlite3.connect(directory / CATALOG, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def forge_manifest(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what the manifest says, and have the pointer vouch for it."""
    path = current(directory) / MANIFEST
    content = json.loads(path.read_bytes())
    change(content)
    data = json.dumps(content).encode()
    path.write_bytes(data)
    line = f"{path.parent.name} {hashlib.sha256(data).hexdigest()}\n"
    (directory / SNAPSHOTS / POINTER).write_text(line)


def forge_array(directory: Path, name: str, change: Callable[[np.ndarray[Any, Any]], object]) -> None:
    """Change an array of the snapshot, and have the manifest vouch for it."""
    path = current(directory) / f"{name}.npy"
    values = np.load(path)
    change(values)
    np.save(path, values)
    data = path.read_bytes()
    record = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    forge_manifest(directory, lambda content: content["files"].update({path.name: record}))


def write_format_1(directory: Path) -> None:
    """Turn an index into one that hippograph 0.1.0 made, as far as that is looked at."""
    write_catalog(directory, FORMAT_1)
    forge_manifest(directory, _older(1, "settings", "extractors"))


def write_format_2(directory: Path) -> None:
    """Turn an index into one of the second format."""
    write_catalog(
        directory,
        FORMAT_2,
        "UPDATE extractors SET stamp = stamp(number, fingerprint)",
        "UPDATE usage SET stamp = stamp(stage, model, calls, items, tokens, seconds)",
    )
    forge_manifest(directory, _older(2, "extractors"))


def _older(version: int, *lacking: str) -> Callable[[dict[str, Any]], object]:
    def change(content: dict[str, Any]) -> None:
        content["format_version"] = version
        for name in lacking:
            del content[name]

    return change


def write_catalog(directory: Path, definitions: Sequence[str], *changes: str) -> None:
    """Put the rows of the catalog into tables that are defined in another way."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as old:
        for statement in definitions:
            old.execute(statement)
        old.execute("ATTACH ? AS now", (str(directory / CATALOG),))
        for table in ("documents", "passages", "extractors", "extractions", "embedders", "vectors", "usage"):
            columns = ", ".join(name for _, name, *_ in old.execute(f"PRAGMA main.table_info({table})"))
            values = columns.replace("tokens", "input_tokens + output_tokens")
            old.execute(f"INSERT INTO main.{table} ({columns}) SELECT {values} FROM now.{table}")
        old.execute("DETACH now")
        old.create_function("stamp", -1, stamp_of)
        for statement in changes:
            old.execute(statement)
        (directory / CATALOG).unlink()
        with closing(sqlite3.connect(directory / CATALOG)) as file:
            old.backup(file)


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Let nobody write to an index; root, who always may, is somebody else meanwhile."""
    paths = [directory, *directory.rglob("*")]
    modes = [path.stat().st_mode for path in paths]
    root = os.getuid() == 0
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        if root:
            os.setresuid(65534, 65534, 0)
        yield
    finally:
        if root:
            os.setresuid(0, 0, 0)
        for path, mode in zip(paths, modes, strict=True):
            path.chmod(mode)
