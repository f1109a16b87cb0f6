"""`index --layers`: built, brought up to date, told of, and removed, by hand or by a language model that was named."""

import json
import os

import pytest

from hippograph.store.layers import open_layers
from hippograph.testing.doubles import HashingEmbedder
from tests.cli.running import run
from tests.servers.running import FaultServer

PASSAGES = 12
AT = ["--index", "it.hippo"]


@pytest.fixture(scope="module")
def server():
    with FaultServer() as running:
        yield running


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("HIPPOGRAPH_", "OPENAI_")):
            monkeypatch.delenv(name)
    rows = [{"id": f"t{n:02}", "title": f"Town {n}", "text": f"Town{n} lies near Oslo{n}."} for n in range(PASSAGES)]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    monkeypatch.setattr("hippograph.cli.models.OnnxEmbedder", lambda path: HashingEmbedder())
    run("index", "rows.json", "--extractor", "none", *AT, cwd=tmp_path)
    return tmp_path


def told(*arguments, cwd, code=0):
    return json.loads(run(*arguments, *AT, "--json", cwd=cwd, code=code).stdout)


def test_layers_are_built_kept_and_removed(folder):
    assert "layers" not in told("index", cwd=folder)
    built = told("index", "--layers", cwd=folder)["layers"]
    assert (built["semantic"], built["episodic"], built["levels"], built["lacking"]) == (2, 5, 1, 0)
    assert (built["made"], built["kept"], built["failed"], built["published"]) == (7, 0, [], True)
    assert built["summariser"].startswith("extractive:")
    standing = told("status", cwd=folder)["layers"]
    assert standing == {
        "semantic": 2, "episodic": 5, "levels": 1, "behind": False, "summariser": built["summariser"],
    }  # fmt: skip
    again = run("index", "--layers", *AT, cwd=folder)
    assert "summaries: 2 semantic on 1 levels, 5 episodic; 0 made, 7 kept" in again.stdout
    shown = run("status", *AT, cwd=folder).stdout
    assert "layers semantic" in shown
    run("index", "--no-layers", *AT, cwd=folder)
    assert open_layers(folder / "it.hippo") is None


def test_without_a_word_only_what_is_false_goes(folder):
    built = told("index", "--layers", cwd=folder)["layers"]
    run("delete", "t03", *AT, cwd=folder)
    rest = told("status", cwd=folder)["layers"]
    assert (rest["semantic"], rest["episodic"], rest["behind"]) == (1, 4, True)
    (folder / "more.json").write_text(json.dumps([{"id": "t05", "title": "Town 5", "text": "Town5 has burnt down."}]))
    told("update", "rows.json", cwd=folder)
    whole = told("index", "--layers", cwd=folder)["layers"]
    assert (whole["semantic"], whole["episodic"], whole["made"]) == (2, 5, built["made"] - 5)
    assert not told("status", cwd=folder)["layers"]["behind"]


def test_a_language_model_summarises_only_if_it_was_named(folder, server):
    server.change(reset=True, script=[], shares={}, latency=0.0)
    model = ["--llm-model", "served", "--llm-base-url", server.base_url]
    assert told("index", "--layers", *model, cwd=folder)["layers"]["usage"]["calls"] == 0
    built = told("index", "--layers", "--summariser", "llm", *model, cwd=folder, code=0)["layers"]
    assert built["usage"]["calls"] == built["made"] == 7
    assert built["summariser"].startswith("llm:")
    # Who summarised before does so again, and is needed for it.
    assert told("index", "--layers", *model, cwd=folder)["layers"]["made"] == 0
    missing = run("index", "--layers", *AT, cwd=folder, code=2)
    assert "the summariser 'llm' needs a language model" in missing.stderr
    assert told("index", "--layers", "--summariser", "extractive", cwd=folder)["layers"]["made"] == 7


def test_what_fails_is_told_by_the_exit_code(folder, server):
    server.change(reset=True, script=[], shares={"500": 1.0}, latency=0.0)
    (folder / "hippograph.toml").write_text(f'[llm]\nmodel = "served"\nbase_url = "{server.base_url}"\nattempts = 1\n')
    failed = told("index", "--layers", "--summariser", "llm", cwd=folder, code=1)["layers"]
    assert (failed["made"], failed["lacking"], len(failed["failed"])) == (0, 7, 7)
    shown = run("index", "--layers", *AT, cwd=folder, code=1).stdout
    assert "7 summaries are lacking; the same command tries again" in shown
    server.change(reset=True, script=[], shares={}, latency=0.0)
    assert told("index", "--layers", cwd=folder)["layers"]["lacking"] == 0


def test_reembedding_takes_summaries_along_without_the_model_that_made_them(folder, server, monkeypatch):
    server.change(reset=True, script=[], shares={}, latency=0.0)
    model = ["--llm-model", "served", "--llm-base-url", server.base_url]
    run("index", "--layers", "--summariser", "llm", *model, *AT, cwd=folder)
    before = server.ledger()["requests"]
    monkeypatch.setattr("hippograph.cli.models.OnnxEmbedder", lambda path: HashingEmbedder(dimension=32))
    built = told("reembed", cwd=folder)["layers"]
    assert (built["made"], built["kept"], built["lacking"], built["published"]) == (0, 7, 0, True)
    assert server.ledger()["requests"] == before
    done = run("ask", "Where does Town1 lie?", "--reader", "memory", "--stream", *model, *AT, cwd=folder)
    assert "because: semantic layer: 2 taken in of 2 found" in done.stdout


def test_wrong_words_are_refused(folder):
    done = run("index", "--summariser", "llm", *AT, cwd=folder, code=2)
    assert "give --layers too" in done.stderr
    done = run("index", "--layers", "--summariser", "poet", *AT, cwd=folder, code=2)
    assert "there is no summariser 'poet'; choose one of extractive, llm" in done.stderr
