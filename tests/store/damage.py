"""A catalog with something in every table, and what it says, for the tests of damage."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from hippograph.store.catalog import Catalog
from hippograph.types import Document, Extraction, Passage, Triple, Usage
from tests.store.samples import TEXTS, document, unit_rows

__all__ = ["EMBEDDERS", "EXTRACTORS", "LONG", "Values", "fill", "pairs", "root_page", "say", "values_of"]

EXTRACTORS = ("extractor:one", "extractor:two")
EMBEDDERS = ("embedder:one", "embedder:two")
# Some texts do not fit in a page of the file.
LONG = [f"{text} {number}." * (1 + 60 * (number % 3)) for number, text in enumerate(TEXTS)]

Values = dict[str, Any]


def pairs(n: int = 24) -> list[tuple[Document, list[Passage]]]:
    """Documents of none to three passages, some of which say the same."""
    return [
        document(
            f"d{number:02d}",
            *(LONG[(number + part) % len(LONG)] for part in range(number % 4)),
            title="" if number % 3 else f"Title {number}",
            source=f"folder/{number % 5}.txt",
            metadata={"year": 1900 + number, "языки": "pl,ру"},
        )
        for number in range(n)
    ]


def fill(catalog: Catalog, n: int = 24) -> None:
    """Put something into every table."""
    catalog.documents.replace_all(pairs(n), origins={one.id: f"../{one.source}" for one, _ in pairs(n)})
    passages = list(catalog.documents.passages())
    for name in EXTRACTORS:
        extractions = [
            Extraction(status="done", entities=("Oslo", passage.text[:9]), triples=(Triple("a", "is", "b"),))
            for passage in passages
        ]
        catalog.extractions.save(name, zip(passages, extractions, strict=True))
    for name, dimension in zip(EMBEDDERS, (64, 8), strict=True):
        catalog.vectors.save(name, "passage", LONG, unit_rows(len(LONG), dimension))
    for number in range(3):
        catalog.sources.record(f"../folder {number}", f"folder {number}")
        catalog.usage.add("extract", f"model {number}", Usage(calls=1, items=2, input_tokens=3, seconds=0.75))


def say(catalog: Catalog) -> Values:
    """All that a catalog says."""
    said: Values = {
        "records": catalog.documents.records_of(catalog.documents.ids()),
        "facts": list(catalog.documents.facts()),
        "passages": {passage.id: passage for passage in catalog.documents.passages()},
        "counts": catalog.documents.counts(),
        "sources": catalog.sources.all(),
        "usage": catalog.usage.totals(),
    }
    for name in EXTRACTORS:
        said |= {
            f"items {name}": {passage.id: found for passage, found, _ in catalog.extractions.items([name])},
            f"stamps {name}": dict(catalog.extractions.stamps([name])),
            f"counts {name}": catalog.extractions.counts(name),
            f"pending {name}": [passage.id for passage in catalog.extractions.pending(name)],
        }
    for name in EMBEDDERS:
        missing = catalog.vectors.missing(name, "passage", LONG)
        present = [text for text in LONG if text not in missing]
        rows = catalog.vectors.load(name, "passage", present)
        said[f"vectors {name}"] = {text: row.tobytes() for text, row in zip(present, rows, strict=True)}
    return said


def values_of(path: Path) -> Values:
    """All that a file says, opened anew."""
    with Catalog.open(path) as catalog:
        return say(catalog)


def root_page(path: Path, name: str) -> int:
    """Return where the root page of a table or an index starts in the file."""
    with closing(sqlite3.connect(path)) as connection:
        [number] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        [size] = connection.execute("PRAGMA page_size").fetchone()
    return (int(number) - 1) * int(size)


def flipped(content: bytes, at: int, bit: int) -> bytes:
    """Flip one bit."""
    return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


def overwrite(path: Path, content: Sequence[int] | bytes) -> None:
    """Put a file where there was one, without what SQLite keeps beside it."""
    path.write_bytes(bytes(content))
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
