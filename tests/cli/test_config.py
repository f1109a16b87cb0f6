"""Settings as the commands use them: options, variables and the file."""

import json

import pytest

from tests.cli.running import run

SECRET = "sk-very-secret-0123456789"
FILE = f"""
index = "it.hippo"
extractor = "none"
[llm]
model = "qwen3:8b"
base_url = "http://me:{SECRET}@localhost:11434/v1"
api_key = "{SECRET}"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a passage and a file of settings, and an environment that says nothing."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HIPPOGRAPH_INDEX", "HIPPOGRAPH_EMBEDDER", "HIPPOGRAPH_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "passages.json").write_text(json.dumps([{"id": "oslo", "title": "Oslo", "text": "Oslo is a city."}]))
    (tmp_path / "hippograph.toml").write_text(FILE)
    return tmp_path


def shown(folder, *options):
    return json.loads(run("config", "show", "--json", *options, cwd=folder).stdout)


def test_show_tells_every_value_and_where_it_is_from(folder, monkeypatch):
    monkeypatch.setenv("HIPPOGRAPH_LLM_MODEL", "llama3.1")
    told = shown(folder)
    assert told["llm.model"] == {"value": "llama3.1", "origin": "environment HIPPOGRAPH_LLM_MODEL"}
    assert told["index"] == {"value": "it.hippo", "origin": "file hippograph.toml"}
    assert told["llm.timeout"] == {"value": 180.0, "origin": "default"}
    (folder / "other.toml").write_text("llm.concurrency = 3\n")
    assert shown(folder, "--config", "other.toml")["llm.concurrency"] == {"value": 3, "origin": "file other.toml"}


def test_show_tells_no_secret(folder):
    for options in ([], ["--json"]):
        done = run("config", "show", *options, cwd=folder)
        assert SECRET not in done.stdout + done.stderr
        assert "********" in done.stdout
    assert "HIPPOGRAPH_LLM_TIMEOUT" in run("config", "show", cwd=folder).stdout


def test_the_file_names_index_and_extractor(folder, monkeypatch):
    run("index", "passages.json", cwd=folder)
    assert json.loads(run("status", "--json", cwd=folder).stdout)["extractor"] == "none"
    for command in (["retrieve", "Oslo?"], ["doctor"], ["update"], ["export", "tables"], ["delete", "oslo"]):
        run(*command, cwd=folder)
    monkeypatch.setenv("HIPPOGRAPH_INDEX", "other.hippo")
    run("index", "passages.json", "--extractor", "none", cwd=folder)
    assert (folder / "other.hippo").is_dir()
    run("index", "passages.json", "--index", "third.hippo", cwd=folder)
    assert (folder / "third.hippo").is_dir()


def test_without_an_extractor_it_is_the_one_of_the_index(folder):
    run("index", "passages.json", "--index", "it.hippo", cwd=folder)
    (folder / "hippograph.toml").unlink()
    report = json.loads(run("index", "passages.json", "--index", "it.hippo", "--json", cwd=folder).stdout)
    assert report["unchanged"] == 1
    run("reembed", "--index", "it.hippo", cwd=folder)


@pytest.mark.parametrize(
    ("variables", "arguments", "complaint"),
    [
        ({"HIPPOGRAPH_LLM_MODLE": "x"}, ["status"], "HIPPOGRAPH_LLM_MODEL?"),
        ({"HIPPOGRAPH_CONFIG": "gone.toml"}, ["status"], "gone.toml"),
        ({}, ["config", "show", "--config", "gone.toml"], "gone.toml"),
        ({"HIPPOGRAPH_LLM_TIMEOUT": "soon"}, ["retrieve", "Who?"], "HIPPOGRAPH_LLM_TIMEOUT is 'soon'"),
        ({}, ["index", "passages.json", "--llm-base-url", "localhost"], "--llm-base-url is 'localhost'"),
        ({}, ["index", "passages.json", "--llm-backend", "magic"], "magic"),
    ],
)
def test_mistakes_are_lines_and_an_exit_code(folder, monkeypatch, variables, arguments, complaint):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = run(*arguments, cwd=folder, code=2)
    assert complaint in done.stderr
    assert done.stdout == ""


def test_an_llm_must_be_named(folder):
    (folder / "hippograph.toml").write_text("extractor = 'llm'\n")
    done = run("index", "passages.json", "--index", "it.hippo", cwd=folder, code=2)
    assert "--llm-model" in done.stderr
    done = run("index", "passages.json", "--index", "it.hippo", "--llm-model", "gpt-4o", cwd=folder, code=2)
    assert "OPENAI_API_KEY" in done.stderr


def test_no_index_is_named(folder):
    (folder / "hippograph.toml").unlink()
    done = run("status", cwd=folder, code=2)
    assert "--index" in done.stderr
    assert "HIPPOGRAPH_INDEX" in done.stderr
