"""What is opened of an index directory, and what is refused because it would be begun anew."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from hippograph.errors import DamagedIndexError, IndexMismatchError, NoIndexError
from hippograph.store.catalog import Catalog
from hippograph.store.index_directory import CATALOG, IndexDirectory
from hippograph.store.responses import RESPONSES, ResponseStore
from hippograph.store.snapshot import publish
from tests.store.samples import document, many_passages, snapshot_content


@pytest.fixture
def place(tmp_path: Path) -> IndexDirectory:
    with Catalog.open(tmp_path / CATALOG, create=True) as catalog:
        catalog.documents.replace(*document("d", "Oslo"))
    publish(tmp_path, snapshot_content(many_passages(2), ["oslo"]))
    return IndexDirectory(tmp_path)


@pytest.mark.parametrize("emptied", [False, True])
def test_a_lost_catalog_is_not_begun_anew(place: IndexDirectory, emptied: bool) -> None:
    (place.path / CATALOG).unlink()
    if emptied:
        (place.path / CATALOG).touch()
    for create in (False, True):
        with pytest.raises(DamagedIndexError, match=r"lost its catalog\.sqlite.*doctor --repair"):
            place.session(create=create).__enter__()
    with pytest.raises(DamagedIndexError, match="lost its catalog"):
        place.catalog()
    assert len(place.snapshot().passages) == 2
    assert (place.path / CATALOG).exists() == emptied


def test_what_a_process_leaves_that_died_at_the_very_beginning_is_begun_anew(tmp_path: Path) -> None:
    place = IndexDirectory(tmp_path / "it.hippo")
    place.path.mkdir()
    (place.path / CATALOG).touch()
    with pytest.raises(NoIndexError):
        place.catalog()
    with place.session(create=True) as session:
        assert session.catalog.documents.counts() == (0, 0)


def test_answers_that_were_paid_for_outlive_a_catalog(tmp_path: Path) -> None:
    place = IndexDirectory(tmp_path / "it.hippo")
    ResponseStore(place.path / RESPONSES).save("key", "answer")
    (place.path / "batches.sqlite").touch()
    with place.session(create=True) as session:
        assert session.catalog.documents.counts() == (0, 0)


def test_what_holds_other_things_is_no_index(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").touch()
    with pytest.raises(NoIndexError, match="other things than an index"):
        IndexDirectory(tmp_path).session(create=True).__enter__()


def rewrite_format(place: IndexDirectory, version: int) -> None:
    path = place.path / "snapshots" / "00000001" / "manifest.json"
    data = json.dumps(json.loads(path.read_bytes()) | {"format_version": version}).encode()
    path.write_bytes(data)
    (place.path / "snapshots" / "CURRENT").write_text(f"00000001 {sha256(data).hexdigest()}\n", newline="")


def test_an_older_snapshot_is_left_to_be_made_anew_and_a_newer_one_is_refused(place: IndexDirectory) -> None:
    with place.session() as session:
        assert session.published is not None
    rewrite_format(place, 1)
    with place.session() as session:
        assert session.published is None
    with pytest.raises(IndexMismatchError, match="format 1"):
        place.snapshot()
    rewrite_format(place, 99)
    with pytest.raises(IndexMismatchError, match="format 99"):
        place.session().__enter__()
