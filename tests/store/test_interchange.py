"""Parquet tables: what the snapshot says, exactly, however it is cut into row groups."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from hippograph.errors import DamagedIndexError, InputError, MissingExtraError
from hippograph.hippograph import HippoGraph
from hippograph.index.synonyms import NearNames, SynonymLinker
from hippograph.store import edges as edges_module
from hippograph.store import interchange
from hippograph.store.arrays import StringTable
from hippograph.store.edges import synonym_pairs
from hippograph.store.interchange import TABLES, export_parquet
from hippograph.store.snapshot import Snapshot
from tests.index.builds import built, mentions
from tests.store.exports import Evidence, adversarial, edges, evidence, hard_snapshot, stated, synonyms

Tables = dict[str, list[dict[str, Any]]]


def exported(snapshot: Snapshot, *, vectors: bool = False) -> Tables:
    with TemporaryDirectory() as directory:
        paths = export_parquet(snapshot, f"{directory}/tables", vectors=vectors)
        assert [path.name for path in paths] == [f"{name}.parquet" for name in TABLES]
        assert sorted(path.name for path in Path(directory, "tables").iterdir()) == sorted(path.name for path in paths)
        return {path.stem: pq.read_table(path).to_pylist() for path in paths}


def assert_says(tables: Tables, snapshot: Snapshot, said: Evidence) -> None:
    """Compare tables with the snapshot, passage by passage, and with what was extracted."""
    passages, keys, n_entities = list(snapshot.passages), snapshot.entity_keys.to_list(), len(snapshot.entity_keys)
    titled = [keys[entity] if entity >= 0 else None for entity in snapshot.title_entities.tolist()]
    assert tables["passages"] == [
        {
            "node": n_entities + row,
            "passage_id": one.id,
            "document_id": one.document,
            "source": one.source,
            "title": one.title,
            "text": one.text,
            "metadata": json.dumps(dict(one.metadata), ensure_ascii=False, sort_keys=True),
            "span_start": one.span[0],
            "span_end": one.span[1],
            "page": one.page,
            "title_entity": titled[row],
        }
        for row, one in enumerate(passages)
    ]
    firsts = {one.document: one for one in sorted(passages, key=lambda one: one.span, reverse=True)}
    counts = Counter(one.document for one in passages)
    assert {row["document_id"]: row for row in tables["documents"]} == {
        id: {
            "document_id": id,
            "title": first.title,
            "source": first.source,
            "metadata": json.dumps(dict(first.metadata), ensure_ascii=False, sort_keys=True),
            "passages": counts[id],
        }
        for id, first in firsts.items()
    }
    assert len(tables["documents"]) == len(firsts) == snapshot.manifest.counts.documents
    mentioned = [mentions(snapshot, row) for row in range(len(passages))]
    assert tables["entities"] == [
        {"node": node, "entity_key": key, "name": name, "passages": sum(key in one for one in mentioned)}
        for node, (key, name) in enumerate(zip(keys, snapshot.entity_names, strict=True))
    ]
    assert tables["mentions"] == [
        {"passage_id": one.id, "entity_key": key, "count": count}
        for one, found in zip(passages, mentioned, strict=True)
        for key, count in found.items()
    ]
    triples = {
        (row["subject_key"], row["relation"], row["object_key"]): row["passage_ids"] for row in tables["triples"]
    }
    assert triples == stated(said, snapshot)
    assert len(tables["triples"]) == len(snapshot.triples)
    assert {(row["entity_key"], row["synonym_key"]): row["cosine"] for row in tables["synonyms"]} == synonyms(snapshot)
    assert [(row["source"], row["target"]) for row in tables["edges"]] == sorted(edges(said, snapshot))
    for row, edge in zip(tables["edges"], edges(said, snapshot).values(), strict=True):
        assert row["weight"] == edge.weight
        assert {kind for kind in ("title", "mention", "relation", "synonym") if row[kind]} == edge.kinds


def test_hard_names_come_back() -> None:
    snapshot = hard_snapshot()
    tables = exported(snapshot)
    assert_says(tables, snapshot, adversarial())
    assert len(tables["synonyms"]) > 0
    assert any(row["relation"] and row["synonym"] for row in tables["edges"])
    assert {len(row["passage_ids"]) for row in tables["triples"]} > {1, 2}


@settings(max_examples=20, deadline=None)
@given(evidence())
def test_any_snapshot_comes_back(said: Evidence) -> None:
    snapshot = built(said)
    assert_says(exported(snapshot), snapshot, said)


def test_synonyms_are_those_that_the_graph_was_made_with() -> None:
    snapshot = hard_snapshot()
    tables = snapshot.evidence
    near = NearNames(
        indptr=tables.near_indptr,
        entities=tables.near_entities,
        cosines=tables.near_cosines,
        counts=tables.near_counts,
    )
    pairs = SynonymLinker().pairs(near)
    for one, other in zip(synonym_pairs(tables), (pairs.left, pairs.right, pairs.similarities), strict=True):
        assert np.array_equal(one, other)


def test_vectors_are_lists_of_fixed_length_and_the_same_bits(small: HippoGraph, tmp_path: Path) -> None:
    snapshot = small.parts.snapshot
    paths = {path.stem: path for path in export_parquet(snapshot, tmp_path / "tables", vectors=True)}
    for name in ("passages", "entities", "triples"):
        column = pq.read_table(paths[name]).column("vector").combine_chunks()
        assert column.type == pa.list_(pa.float32(), snapshot.manifest.dimension)
        written = getattr(snapshot, f"{name[:-1] if name != 'entities' else 'entity'}_vectors")
        assert np.array_equal(column.flatten().to_numpy().reshape(written.shape), written)
    for name in ("documents", "mentions", "synonyms", "edges"):
        assert "vector" not in pq.read_schema(paths[name]).names


@pytest.mark.parametrize("vectors", [False, True])
def test_an_empty_snapshot_makes_empty_tables_of_the_same_columns(tmp_path: Path, vectors: bool) -> None:
    for name, snapshot in (("none", Snapshot.empty()), ("some", hard_snapshot())):
        export_parquet(snapshot, tmp_path / name, vectors=vectors)
    for name in TABLES:
        none, some = (pq.read_table(tmp_path / folder / f"{name}.parquet") for folder in ("none", "some"))
        assert (none.num_rows, none.schema.names) == (0, some.schema.names)
        known = [field for field in none.schema if field.name != "vector"]
        assert known == [field for field in some.schema if field.name != "vector"]


def test_row_groups_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = hard_snapshot()
    whole = exported(snapshot, vectors=True)
    monkeypatch.setattr(interchange, "_ROWS", 4)
    monkeypatch.setattr(edges_module, "_BLOCK", 5)
    paths = export_parquet(snapshot, tmp_path / "tables", vectors=True)
    assert {path.stem: pq.read_table(path).to_pylist() for path in paths} == whole
    for path in paths:
        file = pq.read_metadata(path)
        groups = [file.row_group(number).num_rows for number in range(file.num_row_groups)]
        assert 0 < min(groups, default=1) <= max(groups, default=1) <= 5
        assert len(groups) >= file.num_rows / 5


def test_the_metadata_tells_where_the_tables_are_from_and_the_bytes_repeat(small: HippoGraph, tmp_path: Path) -> None:
    snapshot = small.parts.snapshot
    once, again = (export_parquet(snapshot, tmp_path / name) for name in ("once", "again"))
    for path, other in zip(once, again, strict=True):
        assert path.read_bytes() == other.read_bytes()
        told = pq.read_schema(path).metadata
        assert told[b"hippograph.generation"] == b"1"
        assert told[b"hippograph.graph_digest"].decode() == snapshot.manifest.graph_digest
        assert told[b"hippograph.embedder"].decode() == snapshot.manifest.embedder
        assert told[b"hippograph.extractor"].decode() == snapshot.manifest.extractor


def test_keys_join(small: HippoGraph, tmp_path: Path) -> None:
    tables = {path.stem: pq.read_table(path) for path in export_parquet(small.parts.snapshot, tmp_path / "tables")}
    joined = (
        tables["mentions"]
        .join(tables["passages"].select(["passage_id", "document_id", "title_entity"]), "passage_id", join_type="inner")
        .join(tables["entities"], "entity_key", join_type="inner")
        .join(tables["documents"].select(["document_id", "title"]), "document_id", join_type="inner")
    )
    assert joined.num_rows == tables["mentions"].num_rows > 0
    titles = joined.filter(pa.compute.equal(joined["title_entity"], joined["entity_key"]))
    assert {("Colin Archer", "colin archer"), ("Fram (ship)", "fram")} <= set(
        zip(titles["title"].to_pylist(), titles["entity_key"].to_pylist(), strict=True)
    )


def test_a_folder_that_holds_something_is_refused(small: HippoGraph, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.txt").write_text("keep")
    with pytest.raises(InputError, match=r"mine.* is not an empty folder"):
        export_parquet(small.parts.snapshot, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["note.txt"]


def test_without_pyarrow_the_extra_is_named(small: HippoGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'hippograph\[parquet\]'"):
        export_parquet(small.parts.snapshot, tmp_path / "tables")
    assert not (tmp_path / "tables").exists()


def test_what_cannot_be_is_damage_and_leaves_nothing(tmp_path: Path) -> None:
    snapshot = hard_snapshot()
    keys, facts = snapshot.entity_keys, snapshot.evidence.facts.copy()
    facts[0, 2] = max(facts[0, 2] - 1, 0) if facts[0, 2] else 1
    blob = keys.blob.copy()
    blob[3] = 0xFF
    for damaged, told in (
        (replace(snapshot, evidence=replace(snapshot.evidence, facts=facts)), "does not fit the triples"),
        (replace(snapshot, entity_keys=StringTable(blob, keys.offsets)), "is not UTF-8"),
    ):
        with pytest.raises(DamagedIndexError, match=told):
            export_parquet(damaged, tmp_path / "tables")
        assert list(tmp_path.iterdir()) == []
