"""`hippograph ask` as a user meets it: readers by name, budgets, the stream of steps; a server that answers."""

import json
import os

import pytest

from hippograph.hippograph import HippoGraph
from hippograph.models.openai_chat import OpenAIChat
from hippograph.testing.doubles import HashingEmbedder
from tests.cli.running import run
from tests.servers.running import FaultServer

ROWS = [
    {"id": "fram", "title": "Fram", "text": "The Fram was built by Colin Archer. It lies in Oslo."},
    {"id": "archer", "title": "Colin Archer", "text": "Colin Archer was born in Larvik in 1832."},
    {"id": "larvik", "title": "Larvik", "text": "Larvik is a town in Norway."},
    {"id": "pear", "title": "Pear", "text": "Pears grow on trees."},
]
QUESTION = "Where was the builder of the Fram born?"


@pytest.fixture(scope="module")
def server():
    with FaultServer() as running:
        yield running


@pytest.fixture
def folder(tmp_path, monkeypatch, server):
    for name in list(os.environ):
        if name.startswith(("HIPPOGRAPH_", "OPENAI_")):
            monkeypatch.delenv(name)
    (tmp_path / "rows.json").write_text(json.dumps(ROWS))
    (tmp_path / "hippograph.toml").write_text(
        f'index = "it.hippo"\n[llm]\nmodel = "served"\nbase_url = "{server.base_url}"\nattempts = 2\ntimeout = 5\n'
    )
    monkeypatch.setattr("hippograph.cli.models.OnnxEmbedder", lambda path: HashingEmbedder())
    server.change(reset=True, script=[], shares={}, latency=0.0)
    run("index", "rows.json", "--extractor", "none", cwd=tmp_path)
    return tmp_path


def asked(folder, *options, code=0):
    return json.loads(run("ask", QUESTION, *options, "--json", cwd=folder, code=code).stdout)


@pytest.mark.parametrize("reader", ["single", "single:clue,ends", "ircot", "notes", "memory", "amber"])
def test_every_reader_answers_within_its_budget(folder, server, reader):
    before = server.ledger()["requests"]
    answer = asked(folder, "--reader", reader, "--max-calls", "4", "--max-steps", "9", "-k", "2")
    assert answer["text"]
    assert answer["reader"] == reader.partition(":")[0]
    assert answer["outcome"] in {"answered", "not enough evidence", "budget"}
    assert answer["complete"] == (answer["outcome"] == "answered")
    assert 1 <= answer["usage"]["calls"] <= 4
    assert server.ledger()["requests"] - before == answer["usage"]["calls"]
    assert len(answer["steps"]) <= 9
    shown = {hit["id"] for step in answer["steps"] for hit in step["hits"]}
    assert {passage["id"] for passage in answer["citations"]} <= shown
    again = asked(folder, "--reader", reader, "--max-calls", "4", "--max-steps", "9", "-k", "2")
    assert again["usage"]["calls"] == 0
    assert (again["text"], again["outcome"], len(again["steps"])) == (
        answer["text"],
        answer["outcome"],
        len(answer["steps"]),
    )


def test_steps_are_shown_as_they_are_done(folder):
    told = run("ask", QUESTION, "--reader", "single:clue", "--stream", cwd=folder).stdout
    answer = asked(folder, "--reader", "single:clue")
    places = [told.index(f"{number} {step['kind']}") for number, step in enumerate(answer["steps"], start=1)]
    assert places == sorted(places)
    assert answer["text"] in told[places[-1] :]
    assert "look up" in told


def test_what_cannot_be_asked_for_is_refused(folder):
    for options, message in (
        (("--stream", "--json"), "exclude each other"),
        (("--reader", "none"), "there is no reader 'none'"),
        (("--reader", "single:parity"), "has no option 'parity'"),
        (("--max-calls", "0"), "a budget of 0 calls is too small"),
        (("--max-steps", "1"), "give 2 or more"),
        (("-k", "0"), "k is 0"),
    ):
        assert message in run("ask", QUESTION, *options, cwd=folder, code=2).stderr


@pytest.mark.parametrize("reader", ["single", "notes", "memory"])
def test_the_command_asks_as_python_does_unless_something_is_set(folder, server, reader):
    model = OpenAIChat(model="served", base_url=server.base_url)
    with HippoGraph(
        folder / "it.hippo", extractor="none", embedder=HashingEmbedder(), language_model=model
    ) as hippograph:
        answer = hippograph.ask(QUESTION, reader=reader)
    assert answer.usage.calls > 0
    told = asked(folder, "--reader", reader)
    assert (told["usage"]["calls"], told["usage"]["reused"]) == (0, answer.usage.calls)
    with (folder / "hippograph.toml").open("a") as settings:
        settings.write("temperature = 0.25\n")
    assert asked(folder, "--reader", reader)["usage"]["calls"] > 0


def test_a_blank_name_is_no_reader(folder):
    assert "there is no reader ''" in run("ask", QUESTION, "--reader", "", cwd=folder, code=2).stderr


def test_without_a_model_sentences_are_picked(folder):
    (folder / "hippograph.toml").write_text('index = "it.hippo"\n')
    answer = asked(folder)
    assert answer["reader"] == "extractive"
    assert answer["usage"]["calls"] == 0
    assert answer["text"]
    assert "needs a language model" in run("ask", QUESTION, "--reader", "notes", cwd=folder, code=2).stderr
