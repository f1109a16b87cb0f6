"""The command line as a user meets it: through its entry point; where a process of its own matters, in one."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from hippograph.evaluation.runs import read_run
from tests.cli.running import run

COMMAND = Path(sys.executable).parent / "hippograph"

PASSAGES: list[dict[str, Any]] = [
    {"idx": 0, "title": "Fram (ship)", "text": "The Fram was built by Colin Archer in Larvik."},
    {"idx": 1, "title": "Colin Archer", "text": "Colin Archer was born in Larvik to parents from Newburgh."},
    {"idx": 2, "title": "Newburgh", "text": "Newburgh is a royal burgh in Fife, Scotland."},
]
QUESTIONS = [
    {
        "id": "q1",
        "question": "Where did the parents of the builder of the Fram come from?",
        "gold": [0, 1],
        "type": "bridge",
    },
    {"id": "q2", "question": "In which country is Newburgh?", "gold": [2], "type": "single"},
    {"id": "q3", "question": "Why?", "gold": []},
]

EVALUATE = ["evaluate", "questions.json", "--index", "it.hippo"]


def run_process(*arguments, cwd, code=0):
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
    done = subprocess.run(
        [COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == code, (done.stdout, done.stderr)
    return done


@pytest.fixture(scope="module")
def indexed(tmp_path_factory):
    """A folder with passages, questions and an index, made by the command itself."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "passages.json").write_text(json.dumps(PASSAGES))
    (folder / "questions.json").write_text(json.dumps(QUESTIONS))
    done = run_process("index", "passages.json", "--index", "it.hippo", cwd=folder)
    assert "3 documents added" in done.stdout
    assert done.stderr == ""
    return folder


def test_indexing_again_does_nothing(indexed):
    before = run("status", "--index", "it.hippo", "--json", cwd=indexed).stdout
    report = json.loads(run("index", "passages.json", "--index", "it.hippo", "--json", cwd=indexed).stdout)
    assert (report["added"], report["unchanged"], report["published"]) == (0, 3, False)
    assert report["seconds"]["models"] == {}
    assert run("status", "--index", "it.hippo", "--json", cwd=indexed).stdout == before


def test_status(indexed):
    status = json.loads(run("status", "--index", "it.hippo", "--json", cwd=indexed).stdout)
    assert (status["documents"], status["passages"], status["generation"]) == (3, 3, 1)
    assert status["extraction"] == {"done": 3, "empty": 0, "invalid": 0, "failed": 0}
    assert min(status["entities"], status["triples"], status["edges"]) > 0
    assert len(status["graph_digest"]) == 32
    assert {entry["stage"] for entry in status["usage"]} >= {"extract", "embed passages"}
    assert "graph_digest" in run("status", "--index", "it.hippo", cwd=indexed).stdout


def test_retrieve_json_is_the_contract(indexed):
    done = run("retrieve", "Who built the Fram?", "--index", "it.hippo", "-k", 2, "--json", cwd=indexed)
    found = json.loads(done.stdout)
    assert set(found) == {"query", "hits", "timings_ms", "recognition"}
    assert len(found["hits"]) == 2
    assert found["hits"][0]["id"] == "0"
    assert set(found["hits"][0]) >= {"id", "document", "source", "span", "title", "text", "score"}
    assert found["hits"][0]["source"] == "passages.json"
    assert found["hits"][0]["span"] == [0, len(PASSAGES[0]["text"])]
    assert done.stderr == ""


@pytest.mark.parametrize("retriever", ["default", "dense", "bm25", "hybrid"])
def test_retrieve_for_people(indexed, retriever):
    done = run("retrieve", "Who built the Fram?", "--index", "it.hippo", "--retriever", retriever, cwd=indexed)
    assert "1. Fram (ship)" in done.stdout


def test_a_question_with_no_known_entity_is_answered(indexed):
    found = json.loads(run("retrieve", "qwertz uiop?", "--index", "it.hippo", "--json", cwd=indexed).stdout)
    assert len(found["hits"]) == 3


def test_evaluate_json_is_the_contract(indexed):
    result = json.loads(run("evaluate", "questions.json", "--index", "it.hippo", "--json", cwd=indexed).stdout)
    assert set(result) >= {"n", "recall", "all_recall", "by_type", "latency_ms"}
    assert result["n"] == 2
    assert set(result["recall"]) == {"2", "5", "10"}
    assert result["recall"]["5"] == 1.0
    assert set(result["latency_ms"]) == {"p50", "p95"}
    assert result["by_type"]["bridge"]["n"] == 1


def test_evaluate_several_retrievers_and_a_run(indexed):
    several = run(
        "evaluate",
        "questions.json",
        "--index",
        "it.hippo",
        "--retriever",
        "dense",
        "--retriever",
        "bm25",
        "--json",
        cwd=indexed,
    )
    assert list(json.loads(several.stdout)) == ["dense", "bm25"]
    run("evaluate", "questions.json", "--index", "it.hippo", "--run", "it.run", cwd=indexed)
    assert set(read_run(indexed / "it.run")) == {"q1", "q2"}


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["retrieve", "Who?", "--index", "nowhere"], 3, "nowhere"),
        (["retrieve", " ", "--index", "it.hippo"], 2, "blank"),
        (["retrieve", "Who?", "--index", "it.hippo", "-k", "0"], 2, "k is 0"),
        (["retrieve", "Who?", "--index", "it.hippo", "--retriever", "magic"], 2, "magic"),
        (["retrieve", "Who?"], 2, "--index"),
        (["index", "nothing.json", "--index", "other.hippo"], 2, "nothing.json"),
        (["index", "passages.json", "--index", "other.hippo", "--extractor", "magic"], 2, "magic"),
        (["index", "passages.json", "--index", "."], 3, "other things"),
        (["index", "passages.json", "--index", "passages.json"], 3, "is a file"),
        (["status", "--index", "passages.json"], 3, "passages.json"),
        (["evaluate", "passages.json", "--index", "it.hippo"], 2, "row 1"),
        ([*EVALUATE, "--run", "x", "--retriever", "dense", "--retriever", "bm25"], 2, "one retriever"),
    ],
)  # fmt: skip
def test_wrong_use_is_a_line_and_an_exit_code(indexed, arguments, code, complaint):
    done = run(*arguments, cwd=indexed, code=code)
    assert complaint in done.stderr
    assert done.stdout == ""


def test_gold_from_another_corpus_is_refused(indexed, tmp_path):
    (tmp_path / "other.json").write_text(json.dumps([{"id": "q", "question": "Who?", "gold": [999]}]))
    done = run("evaluate", tmp_path / "other.json", "--index", "it.hippo", cwd=indexed, code=2)
    assert "999" in done.stderr


def test_bad_input_is_listed_and_the_rest_is_indexed(tmp_path):
    rows = [
        '{"id": "good", "title": "Oslo", "text": "Oslo is the capital of Norway."}',
        '{"id": "no text", "title": "Bergen"}',
        "{broken",
        '{"id": "good", "title": "Oslo", "text": "Another text under the same id."}',
        '{"id": "blank", "text": "  "}',
    ]
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "rows.jsonl").write_text("\n".join(rows))
    (corpus / "latin1.txt").write_bytes("Gjøa lå i Nome.".encode("latin-1"))
    (corpus / "empty.md").write_text("")
    (corpus / "picture.png").write_bytes(b"\x89PNG")
    (corpus / "notes.md").write_text("# Bergen\n\nBergen lies in Vestland.\n")
    done = run("index", "corpus", "--index", "it.hippo", "--json", cwd=tmp_path, code=1)
    report = json.loads(done.stdout)
    assert report["added"] == 2
    assert {Path(item["where"].split(":")[0].split(",")[0]).name for item in report["skipped"]} >= {
        "latin1.txt",
        "empty.md",
    }
    assert len(report["skipped"]) == 7
    assert [item["where"] for item in report["skipped"] if item["harmless"]] == ["corpus/picture.png"]
    status = json.loads(run("status", "--index", "it.hippo", "--json", cwd=tmp_path).stdout)
    assert (status["documents"], status["passages"]) == (2, 2)


def test_pictures_among_the_texts_are_no_failure(tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "picture.png").write_bytes(b"\x89PNG")
    (corpus / "notes.txt").write_text("Bergen lies in Vestland.")
    assert "picture.png" in run("index", "corpus", "--index", "it.hippo", cwd=tmp_path).stdout


def test_help_names_every_command(tmp_path):
    assert all(name in run("--help", cwd=tmp_path).stdout for name in ("index", "retrieve", "evaluate", "status"))


def test_the_version_is_that_of_the_package(tmp_path):
    assert run("--version", cwd=tmp_path).stdout == f"hippograph {version('hippograph')}\n"


def test_interrupting_says_how_to_go_on(indexed, tmp_path):
    rows = [
        {"id": str(n), "title": f"Town {n}", "text": f"Town {n} lies by the river {n} in Norway."} for n in range(400)
    ]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    command = [str(COMMAND), "index", "rows.json", "--index", "it.hippo"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        # A job in the background of a shell ignores the interrupt, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "it.hippo" / "catalog.sqlite-wal").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "goes on where it stopped" in complaint
    assert "Traceback" not in complaint


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_a_line(indexed):
    with Path("/dev/full").open("w") as full:
        command = [str(COMMAND), "status", "--index", "it.hippo", "--json"]
        done = subprocess.run(command, cwd=indexed, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminal_that_cannot_write_a_name_ends_nothing(tmp_path):
    (tmp_path / "passages.json").write_text(json.dumps([{"id": "ž", "title": "Žižkov", "text": "Žižkov, 北京"}]))
    run("index", "passages.json", "--index", "it.hippo", "--extractor", "none", cwd=tmp_path)
    for options in ([], ["--json"]):
        environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
        command = [str(COMMAND), "retrieve", "Žižkov", "--index", "it.hippo", *options]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["hits"][0]["title"] == "Žižkov"


def test_another_extractor_reads_if_the_command_names_it_and_not_if_a_file_does(indexed):
    (indexed / "hippograph.toml").write_text('extractor = "none"\n')
    done = run("index", "passages.json", "--index", "it.hippo", cwd=indexed, code=3)
    assert "was read by the extractor 'spacy:" in done.stderr
    assert "--extractor" in done.stderr
    run("index", "passages.json", "--index", "it.hippo", "--extractor", "none", cwd=indexed)
    readers = json.loads(run("status", "--index", "it.hippo", "--json", cwd=indexed).stdout)["extractors"]
    assert [(one["extractor"].split(":")[0], one["preferred"]) for one in readers] == [("none", True), ("spacy", False)]


def test_a_text_cannot_give_orders_to_a_terminal(tmp_path):
    title, text = (
        "a:smile:b \x1b]0;title\x07",
        "Town \x1b[31mred\x1b\\ \x9b1m lies by the sea, at 10:m:30. [bold]Bold[/bold]",
    )
    (tmp_path / "one.json").write_text(json.dumps([{"id": "1", "title": title, "text": text}]))
    run("index", "one.json", "--index", "it.hippo", "--extractor", "none", cwd=tmp_path)
    shown = run("retrieve", "Which town?", "--index", "it.hippo", cwd=tmp_path).stdout
    assert not {code for code in range(32) if chr(code) in shown} - {10}
    assert "\x9b" not in shown
    assert "a:smile:b" in shown
    assert "10:m:30" in shown
    assert "[bold]Bold[/bold]" in shown
