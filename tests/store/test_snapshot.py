"""Snapshots: round trips, what is refused, damage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.errors import DamagedIndexError, IndexMismatchError, InputError, NoIndexError
from hippograph.graph.knowledge_graph import KnowledgeGraph
from hippograph.store.arrays import StringTable
from hippograph.store.ragged import Selection
from hippograph.store.snapshot import Snapshot, open_snapshot, publish, suspecting_damage
from hippograph.store.tables import PassageTable
from hippograph.types import Passage
from tests.store.samples import many_passages, snapshot_content, texts, unit_rows

KEYS = ["curie", "warsaw", "кюри", "居里夫人"]
ARRAYS = ("entity_passages", "title_entities", "passage_vectors", "entity_vectors", "triple_vectors")


def assert_same(snapshot: Snapshot, content: Snapshot) -> None:
    passages = list(content.passages)
    assert list(snapshot.passages) == passages == [snapshot.passages[row] for row in range(len(passages))]
    assert snapshot.passages[::-2] == passages[::-2]
    assert snapshot.passages.ids.to_list() == [passage.id for passage in passages]
    assert snapshot.entity_keys.to_list() == list(content.entity_keys)
    assert snapshot.entity_names.to_list() == list(content.entity_names)
    for name in ARRAYS:
        read, written = getattr(snapshot, name), getattr(content, name)
        assert np.array_equal(read, written.reshape(read.shape))
        assert not read.flags.writeable
    assert list(snapshot.triples) == list(content.triples)
    assert snapshot.triples[1:] == list(snapshot.triples)[1:]
    for name in ("indptr", "indices", "weights"):
        read, written = getattr(snapshot.graph, name), getattr(content.graph, name)
        assert read.dtype == written.dtype
        assert np.array_equal(read, written)
    snapshot.graph.validate()
    for part in ("evidence", "postings"):
        for field in fields(getattr(content, part)):
            read, written = (getattr(getattr(side, part), field.name) for side in (snapshot, content))
            assert list(read) == list(written) if isinstance(read, StringTable) else np.array_equal(read, written)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(texts, texts, texts), max_size=6), st.sets(texts, max_size=6))
def test_any_snapshot_comes_back(rows: list[tuple[str, str, str]], keys: set[str]) -> None:
    passages = [
        Passage(id=f"p{number}", document=title, title=title, text=text, source=source, metadata={title: text})
        for number, (title, text, source) in enumerate(rows)
    ]
    content = snapshot_content(passages, sorted(keys))
    with TemporaryDirectory() as folder:
        assert publish(folder, content) == 1
        assert_same(open_snapshot(folder, verify=True), content)


@pytest.mark.parametrize("n_passages", [0, 1, 9])
@pytest.mark.parametrize("keys", [[], KEYS[:1], KEYS])
def test_every_count_may_be_zero(tmp_path: Path, n_passages: int, keys: list[str]) -> None:
    content = snapshot_content(many_passages(n_passages), keys)
    publish(tmp_path, content)
    snapshot = open_snapshot(tmp_path, verify=True)
    assert_same(snapshot, content)
    assert snapshot.manifest.counts.model_dump() == {
        "documents": (n_passages + 1) // 2,
        "passages": n_passages,
        "entities": len(keys),
        "triples": max(len(keys) - 1, 0),
        "edges": content.graph.n_edges,
    }
    assert snapshot.manifest.dimension == (8 if n_passages or keys else 0)


def test_vectors_without_rows_may_have_any_width(tmp_path: Path) -> None:
    nothing = np.zeros((0, 0), dtype=np.float32)
    publish(tmp_path, snapshot_content(many_passages(3), KEYS[:1], triple_vectors=nothing))
    assert open_snapshot(tmp_path).triple_vectors.shape == (0, 8)


def test_the_manifest_says_what_it_was_told(tmp_path: Path) -> None:
    publish(tmp_path, snapshot_content(many_passages(3), KEYS, embedder="ё", graph_digest="abc", state="xyz"))
    manifest = open_snapshot(tmp_path).manifest
    assert (manifest.embedder, manifest.extractor, manifest.normalizer) == ("ё", "extractor:1", "1")
    assert (manifest.graph_digest, manifest.state, manifest.generation) == ("abc", "xyz", 1)


def test_the_same_content_makes_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "other"):
        publish(tmp_path / name, snapshot_content(many_passages(9), KEYS))
    one, other = (
        {file.name: file.read_bytes() for file in (tmp_path / name).rglob("*") if file.is_file()}
        for name in ("one", "other")
    )
    assert one == other


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"entity_names": StringTable.of(["one"])}, "entity_names has 1 rows instead of 4"),
        ({"passages": PassageTable.of(many_passages(4))}, "passages has 4 rows instead of 5"),
        ({"entity_vectors": unit_rows(4, 9)}, "9 components instead of 8"),
        ({"graph": snapshot_content(many_passages(5), ["a"]).graph}, "1 entities, 5 passages"),
    ],
)
def test_parts_that_do_not_fit_are_not_published(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    publish(tmp_path, snapshot_content(many_passages(2), KEYS))
    with pytest.raises(InputError, match=told):
        publish(tmp_path, snapshot_content(many_passages(5), KEYS, **changes))
    assert_same(open_snapshot(tmp_path, verify=True), snapshot_content(many_passages(2), KEYS))
    assert sorted(entry.name for entry in (tmp_path / "snapshots").iterdir()) == ["00000001", "CURRENT"]


@pytest.mark.parametrize("order", [[1, 0], [0, 0]])
def test_passages_stand_in_the_order_of_their_ids(order: list[int]) -> None:
    added = [many_passages(2)[place] for place in order]
    with pytest.raises(InputError, match=f"{added[1].id!r} comes after {added[0].id!r}"):
        PassageTable.of([]).revised(Selection(rows=np.arange(2)), added)


@pytest.mark.parametrize(
    ("name", "values"),
    [("title_entities", [0, 1, 2, 3, 4]), ("triple_subjects", [0, 1, -1]), ("triple_objects", [4] * 3)],
)
def test_entities_that_do_not_exist_are_damage(tmp_path: Path, name: str, values: list[int]) -> None:
    content = snapshot_content(many_passages(5), KEYS)
    numbers = np.array(values)
    column = name.removeprefix("triple_")
    if column == name:
        publish(tmp_path, replace(content, title_entities=numbers))
    else:
        changes: dict[str, Any] = {column: numbers}
        publish(tmp_path, replace(content, triples=replace(content.triples, **changes)))
    with pytest.raises(DamagedIndexError, match=name):
        open_snapshot(tmp_path)


def test_where_nothing_was_published_there_is_no_index(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty" / "snapshots" / "00000001").mkdir(parents=True)
    for name in ("absent", "empty", "file"):
        with pytest.raises(NoIndexError, match="hippograph index SOURCE"):
            open_snapshot(tmp_path / name)


@pytest.mark.parametrize(
    "content", [b"", b"1\n", b"../../../etc " + b"0" * 64 + b"\n", b"\xff" * 74, b"0" * 73 + b"\n"]
)
def test_a_pointer_that_is_none_is_damage(tmp_path: Path, content: bytes) -> None:
    publish(tmp_path, snapshot_content(many_passages(2), KEYS))
    (tmp_path / "snapshots" / "CURRENT").write_bytes(content)
    with pytest.raises(DamagedIndexError, match="CURRENT"):
        open_snapshot(tmp_path)


def published_files() -> list[str]:
    with TemporaryDirectory() as folder:
        publish(folder, snapshot_content(many_passages(3), KEYS))
        return sorted(file.name for file in (Path(folder) / "snapshots" / "00000001").iterdir())


@pytest.mark.parametrize("name", published_files())
def test_a_missing_truncated_or_altered_file_is_damage(tmp_path: Path, name: str) -> None:
    publish(tmp_path, snapshot_content(many_passages(3), KEYS))
    path = tmp_path / "snapshots" / "00000001" / name
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(DamagedIndexError, match=name):
        open_snapshot(tmp_path)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DamagedIndexError, match=name):
        open_snapshot(tmp_path, verify=True)
    path.unlink()
    with pytest.raises(DamagedIndexError, match=name):
        open_snapshot(tmp_path)
    path.write_bytes(content)
    assert_same(open_snapshot(tmp_path, verify=True), snapshot_content(many_passages(3), KEYS))


def test_an_error_is_put_down_to_damage_where_there_is_any(tmp_path: Path) -> None:
    publish(tmp_path, snapshot_content(many_passages(3), KEYS))
    with pytest.raises(ZeroDivisionError), suspecting_damage(tmp_path):
        raise ZeroDivisionError
    path = tmp_path / "snapshots" / "00000001" / "words.utf8"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DamagedIndexError, match=r"words\.utf8 has been altered"), suspecting_damage(tmp_path):
        raise ZeroDivisionError
    with pytest.raises(InputError, match="blank"), suspecting_damage(tmp_path, innocent=(InputError,)):
        raise InputError("blank")
    with suspecting_damage(tmp_path):
        pass


def rewrite_manifest(directory: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Alter a manifest as a program would that also keeps the pointer right."""
    path = directory / "snapshots" / "00000001" / "manifest.json"
    content = json.loads(path.read_bytes())
    change(content)
    data = json.dumps(content).encode()
    path.write_bytes(data)
    pointer = f"00000001 {hashlib.sha256(data).hexdigest()}\n"
    (directory / "snapshots" / "CURRENT").write_text(pointer, encoding="utf-8", newline="")


def test_a_newer_format_does_not_match(tmp_path: Path) -> None:
    publish(tmp_path, snapshot_content(many_passages(3), KEYS))
    rewrite_manifest(tmp_path, lambda manifest: manifest.update(format_version=4, wonders="yet unknown"))
    with pytest.raises(IndexMismatchError, match="format 4"):
        open_snapshot(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.clear(),
        lambda manifest: manifest.pop("format_version"),
        lambda manifest: manifest.update(format_version="2"),
        lambda manifest: manifest.pop("state"),
        lambda manifest: manifest.update(generation=2),
        lambda manifest: manifest.update(dimension="8"),
        lambda manifest: manifest.update(dimension=9),
        lambda manifest: manifest.update(unknown=1),
        lambda manifest: manifest["counts"].update(passages=4),
        lambda manifest: manifest["counts"].update(edges=-1),
        lambda manifest: manifest["counts"].update(entities=3, passages=4),
        lambda manifest: manifest["files"].pop("graph_indptr.npy"),
        lambda manifest: manifest["files"]["graph_indptr.npy"].pop("bytes"),
    ],
)
def test_a_malformed_manifest_is_damage(tmp_path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    publish(tmp_path, snapshot_content(many_passages(3), KEYS))
    rewrite_manifest(tmp_path, change)
    with pytest.raises(DamagedIndexError, match="snapshots"):
        open_snapshot(tmp_path)


def test_a_graph_that_contradicts_itself_is_damage(tmp_path: Path) -> None:
    content = snapshot_content(many_passages(3), KEYS)
    graph = content.graph
    indices = graph.indices.copy()
    altered = KnowledgeGraph(indptr=graph.indptr, indices=indices, weights=graph.weights, n_entities=graph.n_entities)
    indices[0] = 99
    publish(tmp_path, snapshot_content(many_passages(3), KEYS, graph=altered))
    with pytest.raises(DamagedIndexError, match="graph"):
        open_snapshot(tmp_path)
