"""Texts, documents and snapshots for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import strategies as st

from hippograph.graph.knowledge_graph import from_edges
from hippograph.store.arrays import StringTable
from hippograph.store.catalog import Catalog
from hippograph.store.evidence import EvidenceTables
from hippograph.store.manifest import POINTER, Pointer
from hippograph.store.postings import invert
from hippograph.store.snapshot import SNAPSHOTS, Counts, Manifest, Snapshot
from hippograph.store.tables import PassageTable, TripleTable
from hippograph.types import Document, FloatArray, Passage


def point(folder: Path, generation: int) -> None:
    """Make a snapshot, which need not be there, the current one."""
    (folder / SNAPSHOTS).mkdir(parents=True, exist_ok=True)
    (folder / SNAPSHOTS / POINTER).write_bytes(Pointer(generation=generation, sha256="0" * 64).encoded())


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


def snapshot_content(passages: Sequence[Passage], keys: Sequence[str], /, **changes: Any) -> Snapshot:
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
    names = StringTable.of(key.upper() for key in keys)
    relations = StringTable.of(f"leads to {number:04d}" for number in subjects)
    words = StringTable.of(["curie", "warsaw"] if n_passages else [])
    token_indptr = np.arange(n_passages + 1) * 3
    token_words = np.tile(np.array([0, 1, 1], dtype=np.int32), n_passages)
    counts = Counts(
        documents=len({passage.document for passage in passages}),
        passages=n_passages,
        entities=n_entities,
        triples=len(subjects),
        edges=graph.n_edges,
    )
    described: dict[str, Any] = {
        "embedder": "embedder:1",
        "extractor": "extractor:1",
        "normalizer": "1",
        "settings": "set",
    }
    described |= {"state": "s", "graph_digest": "g"}
    described |= {name: changes.pop(name) for name in list(changes) if name in described}
    titled = rows % max(n_entities, 1)
    parts: dict[str, Any] = {
        "manifest": Manifest(
            generation=0,
            counts=counts,
            dimension=8 if n_passages or n_entities else 0,
            extractors=(described["extractor"],),
            files={},
            **described,
        ),
        "graph": graph,
        "passages": PassageTable.of(passages),
        "entity_keys": StringTable.of(keys),
        "entity_names": names,
        "entity_passages": np.bincount(titled, minlength=n_entities)[:n_entities],
        "title_entities": np.where(rows % 2, titled, -1) if n_entities else -np.ones(n_passages, int),
        "triples": TripleTable(
            subjects=subjects, objects=subjects + 1, relations=subjects, phrases=relations, names=names
        ),
        "passage_vectors": unit_rows(n_passages, seed=1),
        "entity_vectors": unit_rows(n_entities, seed=2),
        "triple_vectors": unit_rows(len(subjects), seed=3),
        "evidence": replace(
            EvidenceTables.empty(),
            contents=np.zeros((n_passages, 16), np.uint8),
            stamps=np.ones((n_passages, 32), np.uint8),
            readers=np.zeros(n_passages, np.uint16),
            words=words,
            spellings=words,
            phrases=words,
            token_indptr=token_indptr,
            token_words=token_words,
            token_names=np.zeros(len(token_words), np.bool_),
            title_tokens=np.ones(n_passages, np.int64),
            stated_indptr=np.zeros(n_passages + 1, np.int64),
            title_spellings=-np.ones(n_passages, np.int64),
            relations=relations,
            fact_indptr=np.zeros(n_passages + 1, np.int64),
            mention_indptr=np.zeros(n_passages + 1, np.int64),
            name_indptr=np.zeros(n_entities + 1, np.int64),
            near_indptr=np.zeros(n_entities + 1, np.int64),
            near_counts=np.zeros(n_entities, np.int64),
        ),
        "postings": invert(token_words, words, passage_indptr=token_indptr, title_tokens=np.ones(n_passages, np.int64)),
    }
    return Snapshot(**(parts | changes))


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
