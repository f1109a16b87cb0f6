"""Layers at rest: written whole or not at all, checked when opened, cut down without a model, and removed."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hippograph.errors import DamagedIndexError, IndexMismatchError
from hippograph.store.arrays import LAYERS, StringTable
from hippograph.store.layers import Layers, collect_layers, open_layers, publish_layers, remove_layers
from hippograph.store.layers_manifest import LayersManifest, SummaryFailure
from hippograph.store.ragged import indptr_of
from hippograph.store.snapshot import Snapshot
from hippograph.types import Extraction, Passage
from tests.index.builds import built
from tests.store.test_publication import fault

TEXTS = ("Fram sailed.", "Nansen skied.", "Gjøa was small.", "北京是首都。")


def snapshot_of(*texts: str) -> Snapshot:
    passages = [Passage(id=f"p{place}", document=f"p{place}", text=text) for place, text in enumerate(texts)]
    return built([(one, Extraction(status="empty")) for one in passages])


def layers_of(texts: tuple[str, ...] = TEXTS, *, mark: str = "") -> Layers:
    """Two clusters of two, one above both, and two episodes of equal keys."""
    contents = snapshot_of(*texts).evidence.contents
    below = [[0, 2], [1, 3], [0, 1, 2, 3], [0, 1], [2, 3]]
    children = [[2, 0], [3, 1], [1, 0], [0, 1], [2, 3]]
    keys = ["a" * 32, "b" * 32, "c" * 32, "d" * 32, "d" * 32]
    said = [f"Summary {number}{mark}." for number in range(5)]
    vectors = np.eye(5, 8, dtype=np.float32)
    return Layers(
        manifest=LayersManifest(
            embedder="embedder:1",
            summariser="summariser:1",
            dimension=8,
            shape="shape",
            state="state",
            semantic=3,
            episodic=2,
            levels=2,
            passages=4,
            lacking=1,
            failures=(SummaryFailure(layer="episodic", level=1, key="e" * 32, error="no answer"),),
        ),
        levels=np.array([1, 1, 2, 1, 1]),
        keys=StringTable.of(keys),
        texts=StringTable.of(said),
        child_indptr=indptr_of(np.array([len(one) for one in children])),
        children=np.concatenate([np.array(one) for one in children]),
        passage_indptr=indptr_of(np.array([len(one) for one in below])),
        passages=np.concatenate([np.array(one) for one in below]),
        passage_ids=StringTable.of(f"p{place}" for place in range(4)),
        contents=contents,
        vectors=vectors,
    )


OLD, NEW = layers_of(), layers_of(mark=" anew")


def assert_same(found: Layers | None, expected: Layers) -> None:
    assert found is not None
    told = found.manifest.model_copy(update={"generation": 0, "files": {}})
    assert told == expected.manifest
    for name in ("keys", "texts", "passage_ids"):
        assert getattr(found, name).to_list() == getattr(expected, name).to_list()
    for name in ("levels", "child_indptr", "children", "passage_indptr", "passages", "contents", "vectors"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.fixture
def unflushed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def test_what_is_published_is_read_and_replaced(tmp_path: Path) -> None:
    assert open_layers(tmp_path) is None
    assert publish_layers(tmp_path, OLD) == 1
    first = open_layers(tmp_path, verify=True)
    assert_same(first, OLD)
    assert publish_layers(tmp_path, NEW) == 2
    assert_same(open_layers(tmp_path), NEW)
    # Who has the former ones open keeps them.
    assert_same(first, OLD)
    assert (tmp_path / LAYERS / "00000001").is_dir()
    del first
    collect_layers(tmp_path)
    assert sorted(entry.name for entry in (tmp_path / LAYERS).iterdir()) == ["00000002", "CURRENT"]


@pytest.mark.usefixtures("unflushed")
@pytest.mark.parametrize("lasting", [False, True])
def test_a_crash_at_any_instant_leaves_whole_layers(tmp_path: Path, lasting: bool) -> None:
    publish_layers(tmp_path / "template", OLD)
    with fault(passes=10**9, lasting=False) as counted:
        publish_layers(tmp_path / "count", NEW)
    outcomes = set()
    for passes in [*range(0, counted.calls - 16, 5), *range(counted.calls - 16, counted.calls + 2)]:
        directory = tmp_path / "victim"
        shutil.copytree(tmp_path / "template", directory)
        with fault(passes=passes, lasting=lasting):
            try:
                publish_layers(directory, NEW)
                outcome = "published"
            except OSError:
                outcome = "failed"
        found = open_layers(directory, verify=True)
        assert found is not None
        outcomes.add((outcome, found.manifest.generation))
        assert_same(found, NEW if found.manifest.generation == 2 else OLD)
        del found
        assert publish_layers(directory, NEW) > 1
        assert_same(open_layers(directory, verify=True), NEW)
        shutil.rmtree(directory)
    assert outcomes == {("failed", 1), ("failed", 2), ("published", 2)}


@pytest.mark.usefixtures("unflushed")
def test_every_file_is_missed_and_every_changed_byte_is_found(tmp_path: Path) -> None:
    publish_layers(tmp_path, OLD)
    folder = tmp_path / LAYERS / "00000001"
    remedy = f"run: hippograph index --layers --index {tmp_path}, which makes the summaries again"
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        with pytest.raises(DamagedIndexError, match=path.name):
            open_layers(tmp_path)
        flipped = bytearray(whole)
        flipped[-1] ^= 1
        path.write_bytes(flipped)
        with pytest.raises(DamagedIndexError) as told:
            open_layers(tmp_path, verify=True)
        assert str(told.value).endswith(remedy)
        path.unlink()
        with pytest.raises(DamagedIndexError):
            open_layers(tmp_path)
        path.write_bytes(whole)
    assert_same(open_layers(tmp_path, verify=True), OLD)
    (tmp_path / LAYERS / "CURRENT").write_text("nonsense")
    with pytest.raises(DamagedIndexError, match="nonsense"):
        open_layers(tmp_path)


def test_numbers_that_name_nothing_are_found(tmp_path: Path) -> None:
    for name, wrong in (("children", 99), ("passages", 4), ("passages", -1), ("passage_indptr", 1)):
        values = getattr(OLD, name).copy()
        values[0] = wrong
        broken = replace(OLD, **{name: values})
        publish_layers(tmp_path, broken)
        with pytest.raises(DamagedIndexError, match=name):
            open_layers(tmp_path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    manifest = OLD.manifest.model_copy(update={"format_version": 99})
    publish_layers(tmp_path, replace(OLD, manifest=manifest))
    with pytest.raises(IndexMismatchError, match="format 99"):
        open_layers(tmp_path)


def test_only_what_rests_on_passages_that_are_there_is_founded() -> None:
    assert OLD.founded(snapshot_of(*TEXTS)).tolist() == [True] * 5
    assert OLD.founded(snapshot_of(*TEXTS, "More.")).tolist() == [True] * 5
    assert OLD.founded(snapshot_of(*TEXTS[:3])).tolist() == [True, False, False, True, False]
    # Another text under the same id is not what was summarised.
    assert OLD.founded(snapshot_of("Fram sank.", *TEXTS[1:])).tolist() == [False, True, False, False, True]
    assert OLD.founded(Snapshot.empty()).tolist() == [False] * 5


def test_layers_are_cut_down_without_a_model(tmp_path: Path) -> None:
    rest = OLD.restricted(np.array([True, False, False, False, True]))
    assert rest.texts.to_list() == ["Summary 0.", "Summary 4."]
    assert rest.passage_ids.to_list() == ["p0", "p2", "p3"]
    assert [rest.passages_below(row) for row in range(2)] == [("p0", "p2"), ("p2", "p3")]
    assert rest.children.tolist() == [1, 0, 1, 2]
    assert (rest.manifest.semantic, rest.manifest.episodic, rest.manifest.levels) == (1, 1, 1)
    assert rest.manifest.state == ""
    assert rest.names == (f"semantic:{'a' * 16}", f"episodic:{'d' * 16}")
    assert OLD.names[3:] == (f"episodic:{'d' * 16}", f"episodic:{'d' * 16}-2")
    publish_layers(tmp_path, rest)
    assert_same(open_layers(tmp_path, verify=True), rest)
    nothing = OLD.restricted(np.zeros(5, dtype=np.bool_))
    publish_layers(tmp_path, nothing)
    found = open_layers(tmp_path)
    assert_same(found, nothing)
    assert found is not None
    assert len(found) == 0
    whole = OLD.restricted(np.ones(5, dtype=np.bool_))
    np.testing.assert_array_equal(whole.children, OLD.children)


def test_all_layers_are_removed(tmp_path: Path) -> None:
    assert not remove_layers(tmp_path)
    publish_layers(tmp_path, OLD)
    held = open_layers(tmp_path)
    assert remove_layers(tmp_path)
    assert not (tmp_path / LAYERS).exists()
    assert_same(held, OLD)
    assert open_layers(tmp_path) is None
    # A run that was killed before it could point to its layers leaves some that nobody can open.
    (tmp_path / LAYERS / "00000001").mkdir(parents=True)
    collect_layers(tmp_path)
    assert not (tmp_path / LAYERS).exists()


def test_a_damaged_pointer_keeps_the_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    publish_layers(tmp_path, OLD)
    (tmp_path / LAYERS / "CURRENT").write_text("nonsense")
    collect_layers(tmp_path)
    assert "nonsense" in caplog.text
    assert (tmp_path / LAYERS / "00000001").is_dir()
    assert publish_layers(tmp_path, NEW) == 2
    assert_same(open_layers(tmp_path), NEW)
