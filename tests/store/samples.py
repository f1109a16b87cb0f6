"""Texts, documents and snapshots for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import strategies as st

from hippograph.graph.knowledge_graph import from_edges
from hippograph.store.catalog import Catalog
from hippograph.store.snapshot import SnapshotContent
from hippograph.types import Document, FloatArray, Passage

TEXTS = (
    "Marie Curie was born in Warsaw.",
    "居里夫人出生于华沙。她发现了镭。",
    "Мария Кюри родилась в Варшаве.",
    "وُلِدَت ماري كوري في وارسو.",
    "Nguyễn Trãi, Ångström, café, cafe\u0301",
    "हिन्दी भाषा भारत में बोली जाती है।",
    "ภาษาไทยเป็นภาษาราชการ",
    "퀴리는 바르샤바에서 태어났다.",
    "C++ is not C#; 🙂 \u200d \ufffd",
    "with\0a\0NUL",
    "",
)

texts = st.one_of(st.sampled_from(TEXTS), st.text(st.characters(exclude_categories=["Cs"]), max_size=40))


@contextmanager
def fresh_catalog() -> Iterator[Catalog]:
    """A catalog of its own: hypothesis runs many examples in one call of a test."""
    with TemporaryDirectory() as folder, Catalog.open(Path(folder) / "catalog.sqlite", create=True) as catalog:
        yield catalog


def document(name: str, *texts: str, title: str = "", **fields: Any) -> tuple[Document, list[Passage]]:
    """A document and its passages, one for each text."""
    whole = Document(id=name, text="\n".join(texts), title=title, **fields)
    passages, start = [], 0
    for position, text in enumerate(texts):
        passages.append(
            Passage(
                id=name if len(texts) == 1 else f"{name}#{position}",
                document=name,
                text=text,
                title=title,
                source=whole.source,
                span=(start, start + len(text)),
                metadata=whole.metadata,
            )
        )
        start += len(text) + 1
    return whole, passages


def unit_rows(n: int, dimension: int = 8, *, seed: int = 0) -> FloatArray:
    rows = np.random.default_rng(seed).normal(size=(n, dimension))
    units: FloatArray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return units


def snapshot_content(passages: Sequence[Passage], keys: Sequence[str], /, **changes: Any) -> SnapshotContent:
    """A snapshot in which each passage mentions one entity, and each entity is related to the next."""
    n_passages, n_entities = len(passages), len(keys)
    rows = np.arange(n_passages if n_entities else 0)
    subjects = np.arange(max(n_entities - 1, 0))
    graph = from_edges(
        np.concatenate([rows % max(n_entities, 1), subjects]),
        np.concatenate([rows + n_entities, subjects + 1]),
        np.linspace(0.1, 2.0, len(rows) + len(subjects)),
        n_entities=n_entities,
        n_passages=n_passages,
    )
    parts: dict[str, Any] = {
        "embedder": "embedder:1",
        "extractor": "extractor:1",
        "normalizer": "1",
        "state": "s",
        "graph_digest": "g",
        "graph": graph,
        "passages": passages,
        "entity_keys": keys,
        "entity_names": [key.upper() for key in keys],
        "entity_passages": np.bincount(rows % max(n_entities, 1), minlength=n_entities)[:n_entities],
        "title_entities": np.where(rows % 2, rows % max(n_entities, 1), -1)
        if n_entities
        else -np.ones(n_passages, int),
        "triple_subjects": subjects,
        "triple_objects": subjects + 1,
        "triple_relations": [f"leads to {number}" for number in subjects],
        "passage_vectors": unit_rows(n_passages, seed=1),
        "entity_vectors": unit_rows(n_entities, seed=2),
        "triple_vectors": unit_rows(len(subjects), seed=3),
    }
    return SnapshotContent(**(parts | changes))


def many_passages(n: int = 5) -> list[Passage]:
    """Passages in the order of their ids, in many scripts."""
    return [
        Passage(
            id=f"p{number:03d}",
            document=f"d{number // 2}",
            text=TEXTS[number % len(TEXTS)],
            title="Curie" if number % 3 else "",
            source="кюри.txt",
            span=(number, number + 7),
            page=number if number % 2 else None,
            metadata={"year": 1900 + number, "языки": "pl,ру", "share": 0.5, "alive": False},
        )
        for number in range(n)
    ]
