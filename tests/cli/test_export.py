"""`hippograph export` as a user meets it: no model, one line for every mistake, nothing half-done."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import networkx
import pyarrow.parquet as pq
import pytest

from hippograph.hippograph import HippoGraph
from hippograph.store.interchange import TABLES
from tests.cli.running import run
from tests.cli.test_commands import COMMAND


@pytest.fixture
def folder(small: HippoGraph) -> Path:
    """The folder of an index that was made with other models than those of the command."""
    return small.directory.parent


def test_parquet(folder: Path, small: HippoGraph) -> None:
    done = run("export", "out/tables", "--index", "small.hippo", "--vectors", "--json", cwd=folder)
    told = json.loads(done.stdout)
    assert (told["format"], told["generation"]) == ("parquet", 1)
    assert told["graph_digest"] == small.status()["graph_digest"]
    assert [entry["path"] for entry in told["files"]] == [str(Path("out/tables", f"{name}.parquet")) for name in TABLES]
    for entry in told["files"]:
        assert (folder / entry["path"]).stat().st_size == entry["bytes"]
    passages = pq.read_table(folder / "out" / "tables" / "passages.parquet")
    assert passages["passage_id"].to_pylist() == small.parts.snapshot.passages.ids.to_list()
    assert len(passages["vector"][0]) == small.parts.snapshot.manifest.dimension
    assert done.stderr == ""


def test_graphml(folder: Path, small: HippoGraph) -> None:
    done = run("export", "graph.graphml", "--index", "small.hippo", "--format", "graphml", cwd=folder)
    assert done.stdout.startswith("graph.graphml")
    assert "generation 1" in done.stdout
    graph = networkx.read_graphml(folder / "graph.graphml")
    assert graph.number_of_edges() == small.status()["edges"]


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["small.hippo"], 2, "small.hippo is not an empty folder"),
        (["file"], 2, "file is not an empty folder"),
        (["file", "--format", "graphml"], 2, "file exists already"),
        (["new", "--format", "magic"], 2, "magic"),
        (["new", "--format", "graphml", "--vectors"], 2, "leave it out"),
        ([], 2, "out"),
        (["new", "--index", "nowhere"], 3, "nowhere"),
        (["file/new"], 1, "file"),
    ],
)
def test_wrong_use_is_a_line_and_an_exit_code(folder: Path, arguments: list[str], code: int, complaint: str) -> None:
    (folder / "file").write_text("mine")
    done = run(
        "export", *arguments, *([] if "--index" in arguments else ["--index", "small.hippo"]), cwd=folder, code=code
    )
    assert complaint in done.stderr
    assert done.stdout == ""
    assert sorted(path.name for path in folder.iterdir()) == ["file", "small.hippo"]


def test_a_flipped_bit_is_not_exported(folder: Path, small: HippoGraph) -> None:
    small.close()
    path = folder / "small.hippo" / "snapshots" / "00000001" / "passage_texts.utf8"
    path.write_bytes(path.read_bytes().replace(b"Larvik", b"larvik"))
    done = run("export", "out", "--index", "small.hippo", cwd=folder, code=3)
    assert "passage_texts.utf8 has been altered" in done.stderr
    assert not (folder / "out").exists()


def limited(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("format", ["parquet", "graphml"])
def test_a_disk_that_takes_no_more_leaves_nothing(folder: Path, format: str) -> None:
    command = [str(COMMAND), "export", "out", "--index", "small.hippo", "--format", format]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=limited(1500),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in folder.iterdir()] == ["small.hippo"]
