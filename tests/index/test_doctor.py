"""Whatever is wrong with an index is found, all of it, and nothing is changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from hippograph.errors import MissingExtraError, NoIndexError
from hippograph.hippograph import HippoGraph
from hippograph.index.doctor import examine
from hippograph.index.finding import Examination
from hippograph.index.synonyms import SynonymLinker
from hippograph.store.lock import writing
from hippograph.store.manifest import MANIFEST, POINTER
from hippograph.store.responses import BATCHES, RESPONSES, ResponseStore
from hippograph.store.snapshot import SNAPSHOTS
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
    flip,
    forge_array,
    forge_manifest,
    read_only,
    truncate,
    write_format_1,
    write_format_2,
)

FOLDER = f"{SNAPSHOTS}/00000001"

# What every snapshot consists of; a test below sees that nothing is missing here.
TABLES = """
    entity_keys entity_names passage_documents passage_ids passage_metadata passage_sources passage_texts passage_titles
    phrases posting_terms relations spellings words
"""
ARRAYS = """
    contents entity_passages entity_vectors fact_indptr fact_numbers facts graph_indices graph_indptr graph_weights
    mention_counts mention_entities mention_indptr name_indptr name_words near_cosines near_counts near_entities
    near_indptr passage_places passage_vectors phrase_entities posting_indptr posting_passage_indptr posting_positions
    posting_title_tokens readers spelling_entities stamps stated_counts stated_indptr stated_spellings title_entities
    title_spellings title_tokens token_indptr token_names token_words triple_objects triple_relations triple_subjects
    triple_vectors
"""
FILES = sorted(
    [
        MANIFEST,
        *(f"{name}.{ending}" for name in TABLES.split() for ending in ("utf8", "offsets.npy")),
        *(f"{name}.npy" for name in ARRAYS.split()),
    ]
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("built") / "it.hippo"
    build(directory)
    return directory


@pytest.fixture
def index(tmp_path: Path, built: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "it.hippo"))


def told(examination: Examination) -> list[tuple[str, str]]:
    return [(finding.kind, finding.part) for finding in examination.findings]


def contents(directory: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in sorted(directory.rglob("*"))}


def test_nothing_is_wrong_and_nothing_is_changed(index):
    before = contents(index)
    examination = examine(index, indexer=FORBIDDEN)
    assert (examination.findings, examination.sound, examination.generation) == ((), True, 1)
    assert contents(index) == before
    assert examination.to_json() == {"directory": str(index), "generation": 1, "sound": True, "findings": []}


def test_every_file_is_known_here(built):
    assert sorted(path.name for path in current(built).iterdir()) == FILES


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_not_what_was_written_is_named(built, name):
    path = current(built) / name
    content = path.read_bytes()
    ways: list[Callable[[], object]] = [
        path.unlink,
        lambda: truncate(path),
        lambda: path.write_bytes(content + b"\0"),
        lambda: flip(path, 0, 0),
        lambda: flip(path, len(content) - 1, 7),
        lambda: flip(path, len(content) // 2, len(name) % 8),
    ]
    try:
        for way in ways if content else ways[:1] + ways[2:3]:
            way()
            examination = examine(built, indexer=FORBIDDEN)
            assert examination.findings
            found = set(told(examination))
            assert ("damage", f"{FOLDER}/{name}") in found
            # What a manifest lists, and who vouches for it, may follow.
            assert len(found) == 1 or name == MANIFEST
            assert all("hippograph doctor --repair --index" in finding.remedy for finding in examination.findings)
            path.write_bytes(content)
    finally:
        path.write_bytes(content)


def test_it_does_not_stop_at_the_first(index):
    for path in current(index).iterdir():
        if path.name != MANIFEST:
            path.write_bytes(b"not much")
    alter(index, "UPDATE passages SET text = 'x' WHERE id = 'fram'", "UPDATE usage SET calls = 99")
    flip(index / SNAPSHOTS / POINTER, 20, 0)
    found = told(examine(index, indexer=FORBIDDEN))
    assert {part for _, part in found} == {CATALOG, *(f"{FOLDER}/{name}" for name in FILES)}
    assert len([part for _, part in found if part == CATALOG]) >= 3


@pytest.mark.parametrize("content", [None, b"", b"00000001", b"garbage\n", b"\xff" * 74, b"00000001 " + b"0" * 64])
def test_a_pointer_that_points_to_nothing(index, content):
    path = index / SNAPSHOTS / POINTER
    path.unlink() if content is None else path.write_bytes(content)
    found = told(examine(index, indexer=FORBIDDEN))
    assert found == [("damage", f"{SNAPSHOTS}/{POINTER}")]
    # The files are looked at all the same.
    (current_folder := index / FOLDER / "words.utf8").unlink()
    assert ("damage", f"{FOLDER}/{current_folder.name}") in told(examine(index, indexer=FORBIDDEN))


def test_a_missing_generation(index):
    shutil.rmtree(current(index))
    [finding] = examine(index, indexer=FORBIDDEN).findings
    assert (finding.kind, finding.part) == ("damage", f"{FOLDER}/{MANIFEST}")
    assert "whole folder" in finding.what


def test_nothing_published(index):
    shutil.rmtree(index / SNAPSHOTS)
    [finding] = examine(index, indexer=FORBIDDEN).findings
    assert (finding.kind, finding.part) == ("damage", SNAPSHOTS)
    (index / SNAPSHOTS).write_text("a file")
    assert told(examine(index, indexer=FORBIDDEN)) == [("damage", SNAPSHOTS)]


def test_nothing_indexed(tmp_path):
    with HippoGraph(tmp_path / "it.hippo", indexer=FORBIDDEN) as index, index.parts.place.session(create=True):
        pass
    assert told(examine(tmp_path / "it.hippo", indexer=FORBIDDEN)) == [("note", SNAPSHOTS)]
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(NoIndexError, match="hippograph index SOURCE"):
            examine(path, indexer=FORBIDDEN)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("change", "kind", "what"),
    [
        (lambda content: content.update(format_version=1), "mismatch", "has format 1"),
        (lambda content: content.update(format_version=99), "mismatch", "has format 99"),
        (lambda content: content.update(format_version="2"), "damage", "which format"),
        (lambda content: content.clear(), "damage", "which format"),
        (lambda content: content.pop("state"), "damage", "state"),
        (lambda content: content["extractors"].append("a"), "damage", "extractors that do not ascend"),
        (lambda content: content.update(generation=7), "damage", "snapshot 7"),
        (lambda content: content["counts"].update(passages=3), "damage", "do not fit"),
        (lambda content: content["counts"].update(documents=3), "damage", "3 documents"),
        (lambda content: content.update(graph_digest="0" * 32), "damage", "another graph"),
        (lambda content: content.update(state="0" * 32), "damage", "another state"),
        (lambda content: content["files"].update({"../lock": {"sha256": "", "bytes": 0}}), "damage", "no file of"),
        (lambda content: content["files"].pop("words.utf8"), "damage", "do not fit"),
    ],
)  # fmt: skip
def test_a_manifest_that_is_vouched_for_and_wrong(index, change, kind, what):
    forge_manifest(index, change)
    findings = [one for one in examine(index, indexer=FORBIDDEN).findings if one.kind != "note"]
    assert [(one.kind, one.part) for one in findings] == [(kind, f"{FOLDER}/{MANIFEST}")]
    assert what in findings[0].what


def set_to(value: float) -> Callable[[np.ndarray], None]:
    def change(values: np.ndarray) -> None:
        values.flat[len(values.flat) // 2] = value

    return change


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("graph_weights", -1.0), ("graph_weights", float("nan")), ("graph_indices", 0), ("graph_indices", 999),
        ("token_words", 99_999), ("token_words", -1), ("token_indptr", -7), ("title_tokens", 1_000),
        ("spelling_entities", 999), ("stated_indptr", 999), ("stated_spellings", 999), ("stated_counts", 0),
        ("title_spellings", 999), ("title_spellings", -2), ("phrase_entities", 999), ("facts", 99_999), ("facts", -1),
        ("fact_numbers", 99_999), ("fact_indptr", -1), ("mention_indptr", 0), ("mention_entities", 999),
        ("mention_counts", 0), ("name_indptr", 999), ("name_words", 99_999), ("near_counts", -1),
        ("entity_passages", -1), ("triple_relations", 99_999), ("triple_subjects", 999), ("posting_positions", 99_999),
        ("passage_places", -5), ("contents", 7), ("readers", 1), ("entity_vectors", 3.0),
        ("passage_vectors", float("nan")),
        ("triple_vectors", float("inf")), ("title_entities", 999), ("words.offsets", -1),
    ],
)  # fmt: skip
def test_arrays_that_are_vouched_for_and_cannot_be(index, name, value):
    forge_array(index, name, set_to(value))
    with np.errstate(over="ignore"):
        examination = examine(index, indexer=FORBIDDEN)
    assert not examination.sound
    assert {part.partition("/0")[0] for _, part in told(examination)} == {SNAPSHOTS}
    assert name.split(".")[0].split("_")[0] in " ".join(one.part + one.what for one in examination.findings)


def test_strangers_and_leftovers_are_notes(index):
    (current(index) / "notes.txt").write_text("mine")
    (index / SNAPSHOTS / ".unfinished-00000009").mkdir()
    (index / f"{CATALOG}-mended").write_text("")
    shutil.copytree(current(index), index / SNAPSHOTS / "00000009")
    held = index / SNAPSHOTS / "00000008"
    shutil.copytree(current(index), held)
    examination = examine(index, indexer=FORBIDDEN)
    assert examination.sound
    assert {part for _, part in told(examination)} == {
        f"{FOLDER}/notes.txt", f"{SNAPSHOTS}/.unfinished-00000009", f"{SNAPSHOTS}/00000008", f"{SNAPSHOTS}/00000009",
        f"{CATALOG}-mended",
    }  # fmt: skip
    from hippograph.store.holds import hold

    with hold(held):
        assert f"{SNAPSHOTS}/00000008" not in {part for _, part in told(examine(index, indexer=FORBIDDEN))}


def test_answers_that_cannot_be_read_are_a_note(index):
    with ResponseStore(index / RESPONSES)._writing():
        assert examine(index, indexer=FORBIDDEN).findings == ()
    (index / BATCHES).touch()
    assert examine(index, indexer=FORBIDDEN).findings == ()
    for name in (RESPONSES, BATCHES):
        (index / name).write_bytes(b"no database" * 1000)
    before = contents(index)
    examination = examine(index, indexer=FORBIDDEN)
    assert contents(index) == before
    assert examination.sound
    assert told(examination) == [("note", RESPONSES), ("note", BATCHES)]
    assert all("file is not a database" in finding.what for finding in examination.findings)
    assert ResponseStore(index / RESPONSES).load("key") is None
    assert told(examine(index, indexer=FORBIDDEN)) == [("note", BATCHES), ("note", f"{RESPONSES}-damaged-1")]


def test_an_index_that_is_being_changed_is_examined_and_that_is_told(index):
    (index / SNAPSHOTS / ".unfinished-00000002").mkdir()
    with writing(index):
        examination = examine(index, indexer=FORBIDDEN)
    assert told(examination) == [("note", "lock")]
    assert "being changed" in examination.findings[0].what


def test_readers_and_writers_are_not_in_each_others_way(index):
    with (
        ThreadPoolExecutor(1) as threads,
        HippoGraph(index, extractor=CapitalsExtractor(), embedder=HashingEmbedder()) as writer,
    ):
        done = threads.submit(
            lambda: [writer.index([Document(id=f"new {n}", text=f"Number {n}.")], wait=60) for n in range(6)]
        )
        while not done.done():
            examination = examine(index, indexer=FORBIDDEN)
            assert examination.sound, examination.findings
        assert [report.generation for report in done.result()] == list(range(2, 8))


@pytest.mark.skipif(not hasattr(os, "setresuid"), reason="needs permissions of POSIX")
def test_an_index_that_may_only_be_read(built):
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        index = Path(shutil.copytree(built, Path(folder) / "it.hippo"))
        flip(current(index) / "words.utf8", 3)
        before = contents(index)
        with read_only(index):
            examination = examine(index, indexer=FORBIDDEN)
        assert contents(index) == before
        assert told(examination) == [("damage", f"{FOLDER}/words.utf8"), ("note", "lock")]


def test_other_models(index):
    other = replace(
        FORBIDDEN, embedder=ForbiddenEmbedder(fingerprint="another"), extractor=ForbiddenExtractor(fingerprint="new")
    )
    found = examine(index, indexer=other).findings
    part = f"{FOLDER}/{MANIFEST}"
    assert [(one.kind, one.part) for one in found] == [("mismatch", part), ("note", part)]
    assert "'hashing:1:64', not 'another'" in found[0].what
    assert f"hippograph reembed --index {index}" in found[0].remedy
    assert "'capitals:1', not 'new'" in found[1].what


def test_a_model_that_is_not_installed_is_no_fault_of_the_index(index):
    class Absent(ForbiddenEmbedder):
        @property
        def fingerprint(self) -> str:
            raise MissingExtraError(package="onnxruntime", extra="local")

        def __init__(self) -> None:
            pass

    examination = examine(index, indexer=replace(FORBIDDEN, embedder=Absent()))
    assert told(examination) == [("note", f"{FOLDER}/{MANIFEST}")]


def test_other_rules(index, monkeypatch):
    changed = replace(FORBIDDEN, synonyms=SynonymLinker(threshold=0.95))
    assert told(examine(index, indexer=changed)) == [("mismatch", f"{FOLDER}/{MANIFEST}")]
    monkeypatch.setattr("hippograph.index.doctor.NORMALIZER_VERSION", "9")
    [finding] = examine(index, indexer=FORBIDDEN).findings
    assert (finding.kind, "version '1', not '9'" in finding.what) == ("mismatch", True)
    assert "hippograph index" in finding.remedy


@pytest.mark.parametrize(
    ("damage", "kind", "what", "remedy"),
    [
        (Path.unlink, "damage", "missing", "from the snapshot"),
        (lambda path: path.write_bytes(b""), "damage", "missing or empty", "from the snapshot"),
        (lambda path: path.write_bytes(b"garbage" * 999), "damage", "not a database", "from the snapshot"),
        (lambda path: path.write_bytes(path.read_bytes()[:30_000]), "damage", "malformed", "from the snapshot"),
        (lambda path: alter(path.parent, "PRAGMA user_version = 1"), "damage", "header", "doctor --repair"),
        (lambda path: alter(path.parent, "PRAGMA application_id = 1"), "damage", "header", "doctor --repair"),
        (
            lambda path: alter(path.parent, "PRAGMA user_version = 99", "DROP TABLE usage"),
            "mismatch", "format 99", "newer hippograph",
        ),
        (
            lambda path: alter(path.parent, "PRAGMA application_id = 1", "DROP TABLE usage"),
            "mismatch", "another program", "another index directory",
        ),
    ],
)  # fmt: skip
def test_a_catalog_that_cannot_be_opened(index, damage, kind, what, remedy):
    damage(index / CATALOG)
    [finding] = examine(index, indexer=FORBIDDEN).findings
    assert (finding.kind, finding.part) == (kind, CATALOG)
    assert what in finding.what
    assert remedy in finding.remedy


@pytest.mark.parametrize("write", [write_format_1, write_format_2])
def test_an_index_of_an_older_format(index, write):
    write(index)
    assert told(examine(index, indexer=FORBIDDEN)) == [("mismatch", CATALOG), ("mismatch", f"{FOLDER}/{MANIFEST}")]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE documents SET title = 'x' WHERE id = 'fram'",
        "UPDATE passages SET text = 'x' WHERE id = 'fram'",
        "UPDATE extractions SET entities = '[]' WHERE row = 2",
        "UPDATE vectors SET vector = zeroblob(128) WHERE row = 2",
        "UPDATE sources SET source = 'x'",
        "UPDATE usage SET calls = 99",
        "DROP INDEX passages_by_content",
    ],
)
def test_an_altered_catalog(index, statement):
    alter(index, "INSERT INTO sources (origin, source, stamp) VALUES ('a', 'a', x'00')", statement)
    examination = examine(index, indexer=FORBIDDEN)
    assert ("damage", CATALOG) in told(examination)
    assert {part for _, part in told(examination)} == {CATALOG}


def test_pages_of_the_catalog(index):
    content = (index / CATALOG).read_bytes()
    for at in range(4096, len(content), 4096 * 5):
        (index / CATALOG).write_bytes(content[:at] + b"\xa5" * 4096 + content[at + 4096 :])
        examination = examine(index, indexer=FORBIDDEN)
        assert not examination.sound, at
        assert {part for kind, part in told(examination) if kind != "note"} == {CATALOG}


def test_a_snapshot_that_is_behind_is_a_note(index):
    with HippoGraph(index, extractor=CapitalsExtractor(), embedder=HashingEmbedder()) as hippograph:
        with hippograph.parts.place.session() as session:
            session.catalog.documents.delete(["fram"])
            session.catalog.documents.replace(Document(id="new", text="Unread."), [])
        [finding] = examine(index, indexer=FORBIDDEN).findings
        assert (finding.kind, finding.part, finding.what) == ("note", FOLDER, "is behind the catalog by 1 passage")
        hippograph.index([])
    assert examine(index, indexer=FORBIDDEN).findings == ()


def test_passages_that_were_not_read_are_a_note(index):
    alter(index, "DELETE FROM extractions WHERE row = 1")
    [finding] = examine(index, indexer=FORBIDDEN).findings
    assert (finding.kind, finding.what) == ("note", "holds 1 passage that no extractor has read")


def test_a_catalog_that_is_older_than_the_snapshot(index, tmp_path):
    older = (index / CATALOG).read_bytes()
    with HippoGraph(index, extractor=CapitalsExtractor(), embedder=HashingEmbedder()) as hippograph:
        hippograph.index([Document(id="new", text="Maud sank."), Document(id="fram", text="Fram was built.")])
    (index / CATALOG).write_bytes(older)
    found = [one for one in examine(index, indexer=FORBIDDEN).findings if one.kind != "note"]
    assert [(one.kind, one.part) for one in found] == [("mismatch", CATALOG)]
    assert "2 passages" in found[0].what
    assert "put the right one back" in found[0].remedy


def test_vectors_that_only_the_snapshot_has_are_a_note(index):
    alter(index, "DELETE FROM vectors WHERE row <= 3")
    [finding] = examine(index, indexer=FORBIDDEN).findings
    assert (finding.kind, finding.part, finding.what) == ("note", CATALOG, "lacks 3 vectors that the snapshot has")
