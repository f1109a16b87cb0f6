"""`update`, `delete`, `reembed` and `--filter`, as a user meets them."""

import json
import shutil

import pytest

from hippograph.store.lock import writing
from tests.cli.running import run

ROWS = [
    {"id": "fram", "title": "Fram", "text": "The Fram was built by Colin Archer.", "metadata": {"year": 1892}},
    {"id": "gjoa", "title": "Gjøa", "text": "The Gjøa was bought by Roald Amundsen.", "metadata": {"year": 1872}},
    {"id": "maud", "title": "Maud", "text": "The Maud was built for Roald Amundsen.", "metadata": {"year": 1916}},
]
AT = ["--index", "ships.hippo"]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory, doubles):
    folder = tmp_path_factory.mktemp("living")
    write(folder / "ships.jsonl", ROWS)
    run("index", "ships.jsonl", *AT, cwd=folder)
    return folder


@pytest.fixture
def ships(made, tmp_path):
    folder = tmp_path / "ships"
    shutil.copytree(made, folder)
    return folder


def answered(*arguments, cwd, code=0):
    return json.loads(run(*arguments, *AT, "--json", cwd=cwd, code=code).stdout)


def test_a_filter_hides_documents(ships):
    found = answered("retrieve", "Which ship had Amundsen?", "--filter", "year > 1880", cwd=ships)
    assert {hit["id"] for hit in found["hits"]} == {"fram", "maud"}
    done = run("retrieve", "Which ship?", "--filter", "year >", *AT, cwd=ships, code=2)
    assert done.stderr.startswith("hippograph: the filter 'year >'")
    assert done.stderr.count("\n") == 1
    write(ships / "questions.json", [])
    (ships / "questions.json").write_text(json.dumps([{"id": "q", "question": "Which ship?", "gold": ["maud"]}]))
    measured = answered("evaluate", "questions.json", "--filter", "year=1916", "-k", "1", cwd=ships)
    assert measured["recall"]["1"] == 1.0


def test_deleting(ships):
    done = run("delete", "gjoa", "belgica", *AT, cwd=ships, code=1)
    assert "1 documents removed; generation 2" in done.stdout
    assert done.stderr == "hippograph: there is no document 'belgica' in ships.hippo\n"
    assert answered("delete", "--filter", "year<1900", cwd=ships) == {
        "removed": ["fram"], "missing": [], "generation": 3,
    }  # fmt: skip
    assert answered("delete", "--source", "ships.jsonl", cwd=ships)["removed"] == ["maud"]
    assert answered("status", cwd=ships)["passages"] == 0
    assert answered("retrieve", "Which ship?", cwd=ships)["hits"] == []
    assert "give ids, a filter or a source" in run("delete", *AT, cwd=ships, code=2).stderr


def test_updating(ships):
    write(ships / "ships.jsonl", ROWS[1:])
    report = answered("update", cwd=ships)
    assert (report["added"], report["unchanged"], report["removed"], report["generation"]) == (0, 2, 1, 2)
    assert "0 replaced, 2 unchanged" in run("update", "ships.jsonl", *AT, cwd=ships).stdout
    (ships / "ships.jsonl").unlink()
    assert "hippograph delete --source" in run("update", *AT, cwd=ships, code=2).stderr
    status = answered("status", cwd=ships)
    assert (status["documents"], status["sources"]) == (2, ["ships.jsonl"])


def test_reembedding_with_the_same_model_changes_nothing(ships):
    before = answered("status", cwd=ships)
    assert answered("reembed", cwd=ships)["published"] is False
    assert answered("status", cwd=ships) == before
    assert "there is no index" in run("reembed", "--index", "none.hippo", cwd=ships, code=3).stderr
    assert not (ships / "none.hippo").exists()


def test_a_second_writer_is_told_to_wait_or_waits(ships):
    with writing(ships / "ships.hippo"):
        for command in (["index", "ships.jsonl"], ["update"], ["delete", "fram"], ["reembed"]):
            done = run(*command, *AT, cwd=ships, code=3)
            assert "--wait SECONDS" in done.stderr
            assert done.stderr.count("\n") == 1
    assert answered("delete", "fram", "--wait", "5", cwd=ships)["removed"] == ["fram"]
