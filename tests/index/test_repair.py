"""A repaired index is the one that was damaged, and no model was asked for it."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from hippograph.errors import DamagedIndexError, IndexDirectoryError, IndexMismatchError, NoIndexError
from hippograph.hippograph import HippoGraph
from hippograph.index.doctor import examine
from hippograph.index.recovery import recover_catalog
from hippograph.index.repair import Repair, prune, repair
from hippograph.index.synonyms import SynonymLinker
from hippograph.store.lock import writing
from hippograph.store.manifest import MANIFEST, POINTER, Manifest
from hippograph.store.snapshot import SNAPSHOTS, open_snapshot
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder
from hippograph.types import Document
from tests.index.damaged import (
    CATALOG,
    FORBIDDEN,
    ForbiddenEmbedder,
    ForbiddenExtractor,
    alter,
    build,
    current,
    documents,
    flip,
    forge_array,
    forge_manifest,
    manifest_of,
    rankings,
    truncate,
    write_format_1,
    write_format_2,
)
from tests.store.damage import root_page

Damage = Callable[[Path], object]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power is cut here; tests/faults tests what of that."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("built") / "it.hippo"
    build(directory)
    # The next number is the third.
    with HippoGraph(directory, extractor=CapitalsExtractor(), embedder=HashingEmbedder()) as index:
        index.index([Document(id="late", title="Maud", text="Maud was built in Vollen.")])
    return directory


@pytest.fixture(scope="module")
def whole(built: Path) -> Manifest:
    return manifest_of(built)


@pytest.fixture(scope="module")
def answers(built: Path) -> list[object]:
    return rankings(built)


@pytest.fixture
def index(tmp_path: Path, built: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "it.hippo"))


def check(index: Path, repaired: Repair) -> None:
    """See that nothing is left but notes, and that what was found is what an examination finds."""
    assert repaired.left.sound, repaired.left.findings
    assert examine(index, indexer=FORBIDDEN).findings == repaired.left.findings


def damage_everything(index: Path) -> None:
    for number, path in enumerate(sorted(current(index).iterdir())):
        if number % 3 == 0:
            path.unlink()
        elif number % 3 == 1:
            truncate(path)
        elif path.stat().st_size:
            flip(path, path.stat().st_size // 2)


SNAPSHOT_DAMAGE: dict[str, Damage] = {
    "a flipped bit in the vectors": lambda index: flip(current(index) / "entity_vectors.npy", -9),
    "a flipped bit in the names": lambda index: flip(current(index) / "entity_keys.utf8", 1),
    "a truncated text": lambda index: truncate(current(index) / "passage_texts.utf8"),
    "a missing graph": lambda index: (current(index) / "graph_indptr.npy").unlink(),
    "a missing manifest": lambda index: (current(index) / MANIFEST).unlink(),
    "an altered manifest": lambda index: flip(current(index) / MANIFEST, 900),
    "an altered embedder": lambda index: (current(index) / MANIFEST).write_bytes(
        (current(index) / MANIFEST).read_bytes().replace(b"hashing:1:64", b"hashing:1:65")
    ),
    "a missing pointer": lambda index: (index / SNAPSHOTS / POINTER).unlink(),
    "an altered pointer": lambda index: flip(index / SNAPSHOTS / POINTER, 3, 6),
    "a missing generation": lambda index: shutil.rmtree(current(index)),
    "numbers that name nothing": lambda index: forge_array(index, "mention_entities", lambda values: values.fill(999)),
    "everything": damage_everything,
    "an older format": lambda index: forge_manifest(index, lambda content: content.update(format_version=1)),
    "a newer format": lambda index: forge_manifest(index, lambda content: content.update(format_version=99)),
}


@pytest.mark.parametrize("damage", SNAPSHOT_DAMAGE.values(), ids=SNAPSHOT_DAMAGE.keys())
def test_a_snapshot_is_made_again_as_it_was(index, whole, answers, damage):
    damage(index)
    repaired = repair(index, indexer=FORBIDDEN)
    check(index, repaired)
    assert not repaired.found.sound
    assert (repaired.lost, len(repaired.steps)) == ((), 1)
    made = manifest_of(index)
    assert (made.files, made.graph_digest, made.state) == (whole.files, whole.graph_digest, whole.state)
    assert (made.generation, made.embedder, made.extractor) == (3, whole.embedder, whole.extractor)
    assert [path.name for path in (index / SNAPSHOTS).iterdir() if path.is_dir()] == ["00000003"]
    assert rankings(index) == answers
    with HippoGraph(index, indexer=FORBIDDEN) as hippograph:
        assert hippograph.index(documents()).published is False


def test_all_snapshots_deleted(index, whole):
    shutil.rmtree(index / SNAPSHOTS)
    check(index, repair(index, indexer=FORBIDDEN))
    assert manifest_of(index).files == whole.files


def test_a_sound_index_is_left_alone(index, whole):
    before = {path: path.read_bytes() for path in index.rglob("*") if path.is_file()}
    repaired = repair(index, indexer=FORBIDDEN)
    assert (repaired.steps, repaired.lost, repaired.found.findings) == ((), (), ())
    assert {path: path.read_bytes() for path in index.rglob("*") if path.is_file()} == before


def test_leftovers_go(index):
    (index / SNAPSHOTS / ".unfinished-00000009").mkdir()
    shutil.copytree(current(index), index / SNAPSHOTS / "00000001")
    assert len(examine(index, indexer=FORBIDDEN).findings) == 2
    assert repair(index, indexer=FORBIDDEN).left.findings == ()


def test_the_numbers_of_generations_go_on_from_the_highest(index):
    shutil.copytree(current(index), index / SNAPSHOTS / "00000041")
    (index / SNAPSHOTS / POINTER).write_bytes(b"00000")
    check(index, repair(index, indexer=FORBIDDEN))
    assert manifest_of(index).generation == 42


ROWS = {
    "a document": "UPDATE documents SET title = 'x' WHERE id = 'fram'",
    "a passage": "UPDATE passages SET text = 'x' WHERE id = 'long#1'",
    "a part": "DELETE FROM passages WHERE id = 'log:2'",
    "a vector": "UPDATE vectors SET vector = zeroblob(128) WHERE row IN (1, 9, 22)",
    "the embedder": "UPDATE embedders SET dimension = 63",
    "an index": "DROP INDEX passages_by_content",
    "the usage": "UPDATE usage SET calls = 99",
}


@pytest.mark.parametrize("statement", ROWS.values(), ids=ROWS.keys())
def test_rows_of_the_catalog_come_back_from_the_snapshot(index, whole, answers, statement):
    alter(index, statement)
    repaired = repair(index, indexer=FORBIDDEN)
    check(index, repaired)
    assert repaired.left.findings == ()
    assert repaired.lost == ()
    assert manifest_of(index) == whole
    (current(index) / "words.utf8").unlink()
    check(index, repair(index, indexer=FORBIDDEN))
    assert manifest_of(index).files == whole.files
    with HippoGraph(index, indexer=FORBIDDEN) as hippograph:
        report = hippograph.index(documents())
        assert (report.added, report.published, report.skipped) == (0, False, ())


def test_an_altered_id_comes_back_and_what_it_became_is_told(index, whole):
    content = (index / CATALOG).read_bytes()
    at = content.index(b"fram", root_page(index / CATALOG, "documents"))
    flip(index / CATALOG, at, 0)
    repaired = repair(index, indexer=FORBIDDEN)
    check(index, repaired)
    # It may have been a document of its own.
    assert [document.id for document in repaired.lost] == ["gram"]
    assert manifest_of(index) == whole
    with HippoGraph(index, indexer=FORBIDDEN) as hippograph:
        assert hippograph.index(documents()).added == 0


def test_an_altered_extraction_is_read_again_by_the_next_run(index, whole):
    alter(index, "UPDATE extractions SET entities = '[0]' WHERE row = 2")
    repaired = repair(index, indexer=FORBIDDEN)
    check(index, repaired)
    assert [finding.what for finding in repaired.left.findings] == ["holds 1 passage that no extractor has read"]
    assert manifest_of(index) == whole
    with HippoGraph(index, extractor=CapitalsExtractor(), embedder=ForbiddenEmbedder()) as hippograph:
        assert hippograph.index([]).published is False
    assert examine(index, indexer=FORBIDDEN).findings == ()


def test_pages_of_the_catalog(index, built, whole):
    content = (index / CATALOG).read_bytes()
    random = Random(3)
    for _ in range(10):
        at = random.randrange(1, len(content) // 4096) * 4096
        garbage = random.choice([bytes(4096), random.randbytes(4096)])
        shutil.rmtree(index)
        shutil.copytree(built, index)
        (index / CATALOG).write_bytes(content[:at] + garbage + content[at + 4096 :])
        repaired = repair(index, indexer=FORBIDDEN)
        check(index, repaired)
        assert manifest_of(index).graph_digest == whole.graph_digest
        assert not {document.id for document in repaired.lost} & {"fram", "long", "log", "line"}
        with HippoGraph(index, extractor=CapitalsExtractor(), embedder=ForbiddenEmbedder()) as hippograph:
            assert hippograph.index(documents()).added == 0
        assert manifest_of(index).graph_digest == whole.graph_digest


LOST: dict[str, Damage] = {
    "deleted": lambda index: (index / CATALOG).unlink(),
    "emptied": lambda index: (index / CATALOG).write_bytes(b""),
    "garbage": lambda index: (index / CATALOG).write_bytes(b"garbage" * 999),
    "cut in half": lambda index: (index / CATALOG).write_bytes((index / CATALOG).read_bytes()[:40_000]),
    "without its passages": lambda index: alter(index, "DROP TABLE passages"),
}


@pytest.mark.parametrize("damage", LOST.values(), ids=LOST.keys())
def test_a_lost_catalog_is_made_again_from_the_snapshot(index, whole, answers, damage):
    damage(index)
    left = (index / CATALOG).read_bytes() if (index / CATALOG).exists() else None
    repaired = repair(index, indexer=FORBIDDEN)
    check(index, repaired)
    aside = index / f"{CATALOG}-damaged-1"
    assert left is None or aside.read_bytes() == left or "DROP" in str(damage)
    assert repaired.lost == ()
    made = manifest_of(index)
    assert {name for name in whole.files if made.files[name] != whole.files[name]} == {"stamps.npy"}
    assert (made.graph_digest, made.generation) == (whole.graph_digest, 3)
    assert rankings(index) == answers
    with HippoGraph(index, indexer=FORBIDDEN) as hippograph:
        report = hippograph.index(documents())
        assert (report.added, report.skipped, report.failures) == (0, (), ())
        # What stood between the passages of the two is not in the snapshot.
        assert report.replaced == 2
        assert hippograph.delete(["fram"]).removed == ("fram",)
    assert examine(index, indexer=FORBIDDEN).sound


def test_what_the_extractor_failed_on_is_tried_again_after_the_catalog_was_lost(tmp_path, monkeypatch):
    from tests.index.test_indexer import CountingExtractor

    directory = tmp_path / "it.hippo"
    failing = CountingExtractor(fails=frozenset({"one"}))
    with HippoGraph(directory, extractor=failing, embedder=HashingEmbedder()) as index:
        index.index([Document(id="one", text="nothing"), Document(id="two", text="nothing at all")])
    (directory / CATALOG).unlink()
    repaired = repair(directory, indexer=FORBIDDEN)
    check(directory, repaired)
    again = CountingExtractor()
    with HippoGraph(directory, extractor=again, embedder=ForbiddenEmbedder()) as index:
        index.index([])
    assert again.read == ["one"]


def test_a_crash_while_the_catalog_is_made_again_loses_nothing(index, whole, monkeypatch):
    (index / CATALOG).write_bytes(b"garbage")
    snapshot = open_snapshot(index)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", lambda path, to: (_ for _ in ()).throw(OSError(errno.EIO, "killed")))
        with pytest.raises(OSError, match="killed"):
            recover_catalog(index, snapshot)
    assert (index / CATALOG).read_bytes() == b"garbage"
    # Killed after the old one was put aside.
    (index / CATALOG).rename(index / f"{CATALOG}-damaged-1")
    del snapshot
    check(index, repair(index, indexer=FORBIDDEN))
    assert manifest_of(index).graph_digest == whole.graph_digest


def test_when_both_halves_are_damaged_the_rest_is_kept_and_told(index):
    (current(index) / "words.utf8").unlink()
    alter(index, "UPDATE passages SET text = 'x' WHERE id = 'fram'")
    repaired = repair(index, indexer=FORBIDDEN)
    check(index, repaired)
    assert [document.id for document in repaired.lost] == ["fram"]
    with HippoGraph(index, extractor=ForbiddenExtractor(), embedder=HashingEmbedder()) as hippograph:
        assert "fram" not in set(hippograph.parts.snapshot.passages.documents)
        # What was read out of it is known still.
        assert hippograph.index(documents()).added == 1


def test_when_both_halves_are_lost_nothing_is_touched(index):
    (current(index) / "words.utf8").unlink()
    (index / CATALOG).write_bytes(b"garbage")
    before = {path: path.read_bytes() for path in index.rglob("*") if path.is_file()}
    repaired = repair(index, indexer=FORBIDDEN)
    assert (repaired.steps, repaired.left.sound) == ((), False)
    assert repaired.left.findings == repaired.found.findings
    assert "index again" in repaired.left.findings[0].remedy
    assert {path: path.read_bytes() for path in index.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("statement", ["PRAGMA application_id = 1", "PRAGMA user_version = 99"])
def test_what_others_made_is_not_touched(index, statement):
    alter(index, "DROP TABLE usage", statement)
    (current(index) / "words.utf8").unlink()
    before = (index / CATALOG).read_bytes()
    repaired = repair(index, indexer=FORBIDDEN)
    assert repaired.steps == ()
    assert {finding.kind for finding in repaired.left.findings} == {"mismatch", "damage"}
    assert (index / CATALOG).read_bytes() == before


@pytest.mark.parametrize("statement", ["PRAGMA application_id = 1", "PRAGMA user_version = 1"])
def test_an_altered_header_is_restored(index, whole, statement):
    alter(index, statement)
    repaired = repair(index, indexer=FORBIDDEN)
    check(index, repaired)
    assert repaired.steps == ("restored the header of the catalog",)
    assert manifest_of(index) == whole


def test_a_catalog_older_than_the_snapshot_gets_what_it_lacks(index):
    older = (index / CATALOG).read_bytes()
    changed = Document(id="fram", title="Fram (ship)", text="Fram was built by Colin Archer. It lies in Oslo.")
    with HippoGraph(index, extractor=CapitalsExtractor(), embedder=HashingEmbedder()) as hippograph:
        hippograph.index([Document(id="new", text="Maud sank in Cambridge Bay."), changed])
    newer = manifest_of(index)
    (index / CATALOG).write_bytes(older)
    repaired = repair(index, indexer=FORBIDDEN)
    check(index, repaired)
    assert repaired.left.findings == ()
    assert manifest_of(index).graph_digest == newer.graph_digest
    with HippoGraph(index, indexer=FORBIDDEN) as hippograph:
        assert hippograph.index([changed]).unchanged == 1


@pytest.mark.parametrize("way", ["repair", "index"])
@pytest.mark.parametrize("write", [write_format_1, write_format_2])
def test_an_index_of_an_older_format_is_brought_up_to_date(index, whole, write, way):
    write(index)
    if way == "repair":
        check(index, repair(index, indexer=FORBIDDEN))
    else:
        with HippoGraph(index, indexer=FORBIDDEN) as hippograph:
            assert hippograph.index([]).published
    made = manifest_of(index)
    assert (made.files, made.generation) == (whole.files, 3)


def test_an_older_format_of_other_models_is_not_made_anew_by_mistake(index):
    write_format_1(index)
    for other, what in ((ForbiddenExtractor(fingerprint="new"), "extractor"), (ForbiddenExtractor(), "embedder")):
        embedder = ForbiddenEmbedder(fingerprint="new" if what == "embedder" else ForbiddenEmbedder().fingerprint)
        with (
            HippoGraph(index, extractor=other, embedder=embedder) as hippograph,
            hippograph.parts.place.session() as session,
            pytest.raises(IndexMismatchError, match=f"by the {what}|with the {what}"),
        ):
            hippograph.indexer.index([], session=session, switch=False)


def test_other_rules_are_followed(index, whole, monkeypatch):
    changed = replace(FORBIDDEN, synonyms=SynonymLinker(threshold=0.5))
    repaired = repair(index, indexer=changed)
    assert repaired.left.findings == ()
    assert manifest_of(index).settings != whole.settings
    check(index, repair(index, indexer=FORBIDDEN))
    assert manifest_of(index).files == whole.files
    forge_manifest(index, lambda content: content.update(normalizer="0"))
    assert not examine(index, indexer=FORBIDDEN).sound
    with HippoGraph(index, indexer=FORBIDDEN) as hippograph:
        assert hippograph.index([]).published
    assert examine(index, indexer=FORBIDDEN).sound
    forge_manifest(index, lambda content: content.update(normalizer="0"))
    check(index, repair(index, indexer=FORBIDDEN))


def test_an_index_is_repaired_as_it_was_built_whatever_models_are_given(index, whole):
    other = replace(
        FORBIDDEN, embedder=ForbiddenEmbedder(fingerprint="another"), extractor=ForbiddenExtractor(fingerprint="new")
    )
    for damage in (SNAPSHOT_DAMAGE["a missing graph"], SNAPSHOT_DAMAGE["a missing manifest"]):
        damage(index)
        repaired = repair(index, indexer=other)
        assert [finding.kind for finding in repaired.left.findings] == ["mismatch", "note"]
        assert manifest_of(index).files == whole.files


def test_vectors_that_are_lost_need_their_embedder(index, whole):
    (current(index) / "words.utf8").unlink()
    alter(index, "DELETE FROM vectors WHERE row <= 3")
    other = replace(FORBIDDEN, embedder=ForbiddenEmbedder(fingerprint="another"))
    before = examine(index, indexer=FORBIDDEN)
    with pytest.raises(IndexMismatchError, match=r"have no vector by 'hashing:1:64' any more.*--embedder"):
        repair(index, indexer=other)
    assert examine(index, indexer=FORBIDDEN) == before
    check(index, repair(index, indexer=replace(FORBIDDEN, embedder=HashingEmbedder())))
    assert manifest_of(index).files == whole.files


def test_when_nothing_tells_which_embedder_it_was_that_is_asked(index, whole):
    with HippoGraph(index, extractor=CapitalsExtractor(), embedder=HashingEmbedder(dimension=32)) as hippograph:
        hippograph.index([], reembed=True)
    shutil.rmtree(index / SNAPSHOTS)
    other = replace(FORBIDDEN, embedder=ForbiddenEmbedder(fingerprint="another"))
    with pytest.raises(IndexMismatchError, match=r"2 embedders, 'hashing:1:32', 'hashing:1:64'.*--embedder"):
        repair(index, indexer=other)
    check(index, repair(index, indexer=FORBIDDEN))
    assert manifest_of(index).files == whole.files


def test_a_full_disk_leaves_things_as_they_were(index, whole, monkeypatch):
    (current(index) / "words.utf8").unlink()
    before = examine(index, indexer=FORBIDDEN)
    with monkeypatch.context() as patch:
        full = OSError(errno.ENOSPC, "No space left on device")
        patch.setattr("hippograph.index.indexer.publish", lambda *_: (_ for _ in ()).throw(full))
        with pytest.raises(IndexDirectoryError, match=r"disk of the index .* is full"):
            repair(index, indexer=FORBIDDEN)
    assert examine(index, indexer=FORBIDDEN) == before
    check(index, repair(index, indexer=FORBIDDEN))
    assert manifest_of(index).files == whole.files


def test_one_repairs_at_a_time(index):
    with writing(index):
        for work in (lambda: repair(index, indexer=FORBIDDEN), lambda: prune(index)):
            with pytest.raises(IndexDirectoryError, match="--wait"):
                work()


def test_there_must_be_an_index(tmp_path):
    for work in (lambda: repair(tmp_path, indexer=FORBIDDEN), lambda: prune(tmp_path)):
        with pytest.raises(NoIndexError, match="hippograph index SOURCE"):
            work()
    assert list(tmp_path.iterdir()) == []


def test_pruning_keeps_what_is_needed_and_nothing_else(index):
    with HippoGraph(index, extractor=CapitalsExtractor(), embedder=HashingEmbedder(dimension=32)) as hippograph:
        hippograph.index([], reembed=True)
        hippograph.delete(["long", "log"])
        held = [len(hippograph.parts.snapshot.passages), len(hippograph.parts.snapshot.entity_keys)]
        needed = sum(held) + len(hippograph.parts.snapshot.triples)
    before = manifest_of(index)
    pruned = prune(index)
    assert pruned.extractions >= 4
    assert pruned.vectors > needed
    assert pruned.bytes > 0
    assert prune(index) == replace(pruned, extractions=0, vectors=0, bytes=0)
    with closing(sqlite3.connect(index / CATALOG)) as catalog:
        assert catalog.execute("SELECT count(*) FROM vectors").fetchone() == (needed,)
    models = replace(FORBIDDEN, embedder=ForbiddenEmbedder(fingerprint="hashing:1:32", dimension=32))
    assert examine(index, indexer=models).findings == ()
    (current(index) / "words.utf8").unlink()
    assert repair(index, indexer=models).left.findings == ()
    assert manifest_of(index).files == before.files


def test_pruning_waits_for_what_is_not_published(index):
    with HippoGraph(index, extractor=CapitalsExtractor(), embedder=HashingEmbedder()) as hippograph:
        with hippograph.parts.place.session() as session:
            session.catalog.documents.delete(["fram"])
        with pytest.raises(IndexMismatchError, match="hippograph index SOURCE"):
            prune(index)
        hippograph.index([])
    assert prune(index).extractions == 1


def test_pruning_is_not_for_damaged_indexes(index):
    flip(current(index) / "entity_keys.utf8", 3)
    with pytest.raises(DamagedIndexError, match="doctor --repair"):
        prune(index)
