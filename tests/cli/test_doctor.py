"""A damaged index as a user meets it: one line that says what to do, and a command that does it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from hippograph.store.lock import LOCK, writing
from hippograph.store.manifest import MANIFEST, POINTER
from hippograph.store.snapshot import SNAPSHOTS, open_snapshot
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder
from tests.cli.running import run
from tests.index.damaged import CATALOG, alter, current, flip, forge_manifest, truncate, write_format_1

ROWS = [
    {"id": "fram", "title": "Fram", "text": "The Fram was built by Colin Archer.", "metadata": {"year": 1892}},
    {"id": "archer", "title": "Colin Archer", "text": "Colin Archer came from Newburgh.", "metadata": {"year": 1832}},
    {"id": "maud", "title": "Maud", "text": "The Maud was built for Roald Amundsen.", "metadata": {"year": 1916}},
]
AT = ["--index", "it.hippo"]
FOLDER = f"{SNAPSHOTS}/00000001"


@pytest.fixture(autouse=True, scope="module")
def doubles() -> Iterator[None]:
    """Models that need no second to load; everything else is what a user runs."""
    with (
        patch("os.fsync"),
        patch("hippograph.cli.models.OnnxEmbedder", lambda path: HashingEmbedder(dimension=32 if path else 64)),
        patch("hippograph.composition.SpacyExtractor", CapitalsExtractor),
    ):
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, doubles: None) -> Path:
    folder = tmp_path_factory.mktemp("made")
    (folder / "ships.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    questions = [{"id": "q", "question": "Who built the Fram?", "gold": ["fram"]}]
    (folder / "questions.json").write_text(json.dumps(questions))
    run("index", "ships.jsonl", *AT, cwd=folder)
    return folder


@pytest.fixture
def ships(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "ships"))


def hurt(path: Callable[[Path], Path], how: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda index: how(path(index))


def pointer(index: Path) -> Path:
    return index / SNAPSHOTS / POINTER


def manifest(index: Path) -> Path:
    return current(index) / MANIFEST


def catalog(index: Path) -> Path:
    return index / CATALOG


def write(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 // 4096 * 4096])


def lock_is_a_folder(index: Path) -> None:
    (index / LOCK).unlink()
    (index / LOCK).mkdir()


READING = ("retrieve", "filter", "evaluate", "export")
CHANGING = ("index", "update", "delete")
COMMANDS: dict[str, list[str]] = {
    "retrieve": ["retrieve", "Who built the Fram?"],
    "filter": ["retrieve", "Who built the Fram?", "--filter", "year > 1850"],
    "evaluate": ["evaluate", "questions.json"],
    "export": ["export", "out.graphml", "--format", "graphml"],
    "status": ["status"],
    "index": ["index", "ships.jsonl"],
    "update": ["update"],
    "delete": ["delete", "maud"],
}

# What is done to an index, and which commands can do without what is lost.
DAMAGE: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "no pointer": (hurt(pointer, Path.unlink), CHANGING),
    "an empty pointer": (hurt(pointer, write(b"")), ()),
    "a garbled pointer": (hurt(pointer, write(b"garbage\n")), ()),
    "no manifest": (hurt(manifest, Path.unlink), ()),
    "a truncated manifest": (hurt(manifest, truncate), ()),
    "a garbled manifest": (hurt(manifest, write(b"\xff{")), ()),
    "an older snapshot": (lambda index: forge_manifest(index, lambda told: told.update(format_version=1)), CHANGING),
    "a newer snapshot": (lambda index: forge_manifest(index, lambda told: told.update(format_version=99)), ()),
    "no generation": (lambda index: shutil.rmtree(current(index)), ()),
    # As after a first run that was stopped: `status` tells what it has read.
    "no snapshots": (lambda index: shutil.rmtree(index / SNAPSHOTS), (*CHANGING, "status")),
    "no catalog": (hurt(catalog, Path.unlink), READING),
    "an empty catalog": (hurt(catalog, write(b"")), READING),
    "a garbled catalog": (hurt(catalog, write(b"garbage" * 999)), READING),
    "half a catalog": (hurt(catalog, half), READING),
    "an altered header": (lambda index: alter(index, "PRAGMA application_id = 7"), READING),
    "a newer catalog": (lambda index: alter(index, "DROP TABLE usage", "PRAGMA user_version = 99"), READING),
    "another database": (lambda index: alter(index, "DROP TABLE usage", "PRAGMA application_id = 7"), READING),
    "an index of the first format": (write_format_1, ("index", "delete")),
    "a lock that is none": (lock_is_a_folder, (*READING, "status")),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_every_command_says_what_to_do(made, tmp_path, name):
    damage, spared = DAMAGE[name]
    for command, arguments in COMMANDS.items():
        folder = tmp_path / command
        shutil.copytree(made, folder)
        damage(folder / "it.hippo")
        # The first format did not remember its sources.
        nameless = (command, damage) == ("update", write_format_1)
        code = 0 if command in spared else 2 if nameless else 3
        done = run(*arguments, *AT, cwd=folder, code=code)
        assert done.stderr.count("\n") == (1 if code else 0), (command, done.stderr)
        if code == 3:
            assert done.stdout == ""
            remedies = ("hippograph doctor --repair --index it.hippo", "hippograph index SOURCE", "newer hippograph",
                        "another index directory", "check that")  # fmt: skip
            assert any(remedy in done.stderr for remedy in remedies), (command, done.stderr)


def test_every_file_of_a_snapshot_is_missed(made):
    for number, path in enumerate(sorted(current(made / "it.hippo").iterdir())):
        content = path.read_bytes()
        if number % 2 and content:
            truncate(path)
        else:
            path.unlink()
        try:
            for command in ("retrieve", "index"):
                done = run(*COMMANDS[command], *AT, cwd=made, code=3)
                assert f"{path.name} " in done.stderr
                assert "; run: hippograph doctor --repair --index it.hippo, " in done.stderr
                assert (done.stdout, done.stderr.count("\n")) == ("", 1)
        finally:
            path.write_bytes(content)


def test_a_flipped_bit_is_never_a_traceback(made):
    random = np.random.default_rng(5)
    codes = set()
    for path in sorted(current(made / "it.hippo").iterdir()):
        content = path.read_bytes()
        at = int(random.integers(max(1, len(content))))
        try:
            if content:
                flip(path, at, at % 8)
                done = run_any(*COMMANDS["filter"], *AT, cwd=made)
                codes.add(done.returncode)
                assert done.returncode == 0 or ("doctor --repair" in done.stderr and done.stderr.count("\n") == 1)
        finally:
            path.write_bytes(content)
    assert codes == {0, 3}


def run_any(*arguments: str, cwd: Path) -> Any:
    try:
        return run(*arguments, cwd=cwd)
    except AssertionError as error:
        return error.args[0]


def doctor(*options: str, cwd: Path, code: int = 0) -> dict[str, Any]:
    done = run("doctor", *options, *AT, "--json", cwd=cwd, code=code)
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_sound_index(ships):
    assert run("doctor", *AT, cwd=ships).stdout == "it.hippo is sound; generation 1\n"
    assert doctor(cwd=ships) == {
        "directory": "it.hippo", "generation": 1, "sound": True, "findings": [], "repair": None, "pruned": None,
    }  # fmt: skip


def test_a_finding_is_two_lines(ships):
    flip(current(ships / "it.hippo") / "entity_vectors.npy", -3)
    lines = run("doctor", *AT, cwd=ships, code=3).stdout.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"damage: {FOLDER}/entity_vectors.npy: has been altered: its SHA-256 is ")
    assert lines[1] == "  hippograph doctor --repair --index it.hippo makes it again from the catalog"
    assert lines[2] == "it.hippo has one thing wrong; generation 1"
    [finding] = doctor(cwd=ships, code=3)["findings"]
    assert set(finding) == {"part", "kind", "what", "remedy"}


def test_repairing(ships):
    before = open_snapshot(ships / "it.hippo").manifest
    flip(current(ships / "it.hippo") / "entity_vectors.npy", -3)
    lines = run("doctor", "--repair", *AT, cwd=ships).stdout.splitlines()
    assert lines[2:] == [
        "done: made the snapshot again from the catalog: generation 2",
        "it.hippo is sound; generation 2",
    ]
    assert open_snapshot(ships / "it.hippo", verify=True).manifest.files == before.files
    assert run("doctor", "--repair", *AT, cwd=ships).stdout.startswith("nothing to repair\n")
    assert doctor("--repair", cwd=ships)["repair"] == {"found": [], "steps": [], "lost": []}


@pytest.mark.parametrize(
    "name", [name for name in DAMAGE if name not in {"a newer catalog", "another database", "a lock that is none"}]
)
def test_everything_works_again_after_a_repair(ships, name):
    DAMAGE[name][0](ships / "it.hippo")
    told = doctor("--repair", cwd=ships)
    assert (told["sound"], told["repair"]["lost"]) == (True, [])
    for command in ("filter", "status", "index", "delete"):
        assert run(*COMMANDS[command], *AT, cwd=ships).stderr == ""


@pytest.mark.parametrize("name", ["a newer catalog", "another database"])
def test_what_is_not_ours_is_left_alone(ships, name):
    DAMAGE[name][0](ships / "it.hippo")
    told = doctor("--repair", cwd=ships, code=3)
    assert (told["repair"]["steps"], [one["kind"] for one in told["findings"]]) == ([], ["mismatch"])
    shown = run("doctor", "--repair", *AT, cwd=ships, code=3).stdout.splitlines()
    assert shown[2:] == ["nothing that is wrong here can be repaired", "it.hippo has one thing wrong; generation 1"]


def test_lost_documents_are_listed_and_make_the_exit_code_1(ships):
    index = ships / "it.hippo"
    (current(index) / "words.utf8").unlink()
    alter(index, "UPDATE passages SET text = 'x' WHERE id = 'fram'")
    told = doctor("--repair", cwd=ships, code=1)
    assert told["repair"]["lost"] == [{"id": "fram", "source": "ships.jsonl"}]
    assert (told["sound"], len(told["repair"]["found"])) == (True, 2)
    alter(index, "UPDATE passages SET text = 'x' WHERE id = 'maud'")
    (current(index) / "words.utf8").unlink()
    shown = run("doctor", "--repair", *AT, cwd=ships, code=1).stdout
    assert "lost: document 'maud', from ships.jsonl; index it again\n" in shown
    run("index", "ships.jsonl", *AT, cwd=ships)
    assert len(open_snapshot(index).passages) == 3


def test_another_embedder(ships):
    lines = run("doctor", "--embedder", ".", *AT, cwd=ships, code=3).stdout.splitlines()
    assert lines[0].startswith(f"mismatch: {FOLDER}/{MANIFEST}: was built with the embedder 'hashing:1:64', not")
    assert lines[1].endswith("or replace its vectors with: hippograph reembed --index it.hippo")
    run("reembed", "--embedder", ".", *AT, cwd=ships)
    assert run("doctor", "--embedder", ".", *AT, cwd=ships).stdout == "it.hippo is sound; generation 2\n"


def test_pruning(ships):
    run("reembed", "--embedder", ".", *AT, cwd=ships)
    run("delete", "maud", *AT, cwd=ships)
    told = doctor("--prune", "--embedder", ".", cwd=ships)["pruned"]
    assert (told["extractions"], set(told)) == (1, {"extractions", "vectors", "bytes"})
    assert told["vectors"] > 5
    shown = run("doctor", "--prune", "--embedder", ".", *AT, cwd=ships).stdout
    assert "pruned: 0 extractions and 0 vectors, 0 bytes smaller" in shown


def test_pruning_is_refused_while_something_is_not_published_and_what_was_found_is_told(ships):
    alter(ships / "it.hippo", "DELETE FROM passages WHERE id = 'maud'", "DELETE FROM documents WHERE id = 'maud'")
    done = run("doctor", "--prune", *AT, cwd=ships, code=3)
    assert "it.hippo is sound" in done.stdout
    assert "is behind the catalog by 1 passage" in done.stdout
    assert (done.stderr.count("\n"), "and then prune" in done.stderr) == (1, True)


def test_one_repairs_at_a_time(ships):
    with writing(ships / "it.hippo"):
        done = run("doctor", "--repair", *AT, cwd=ships, code=3)
        assert "--wait SECONDS" in done.stderr
        assert [one["part"] for one in doctor(cwd=ships)["findings"]] == [LOCK]


def test_there_must_be_an_index(ships):
    for options in ([], ["--repair"], ["--prune"]):
        done = run("doctor", *options, "--index", "nowhere", cwd=ships, code=3)
        assert (done.stdout, done.stderr.count("\n")) == ("", 1)
        assert "hippograph index SOURCE --index nowhere" in done.stderr
    assert not (ships / "nowhere").exists()


def test_many_findings_are_counted(ships):
    for path in current(ships / "it.hippo").iterdir():
        if path.name != MANIFEST:
            path.write_bytes(b"x")
    shown = run("doctor", *AT, cwd=ships, code=3).stdout
    assert "more; --json lists them all" in shown
    assert shown.count("damage: ") == 40
