"""Commands that ask a server for everything, named by the file, by variables and by options."""

import json

import pytest

from tests.cli.running import run
from tests.servers.running import FaultServer

KEY = "sk-own-0123456789"


@pytest.fixture(scope="module")
def server():
    with FaultServer(key=KEY) as running:
        yield running


@pytest.fixture
def folder(tmp_path, monkeypatch, server):
    """A folder with a corpus and a file of settings; nothing tells the key yet."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HIPPOGRAPH_INDEX", "HIPPOGRAPH_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    rows = [{"id": str(n), "title": f"Town {n}", "text": f"Town {n} lies by the sea in Norway."} for n in range(5)]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    (tmp_path / "hippograph.toml").write_text(
        f"""index = "it.hippo"
extractor = "llm"
prices = "prices.toml"
[llm]
model = "served"
base_url = "{server.base_url}"
[embedding]
backend = "openai"
model = "embedding"
base_url = "{server.base_url}"
"""
    )
    (tmp_path / "prices.toml").write_text('"served" = { input = 1.0, output = 2.0 }\n"embedding" = { input = 0.1 }\n')
    server.change(reset=True)
    return tmp_path


def test_a_server_reads_and_embeds(folder, monkeypatch, server):
    monkeypatch.setenv("HIPPOGRAPH_LLM_API_KEY", KEY)
    monkeypatch.setenv("HIPPOGRAPH_EMBEDDING_API_KEY", KEY)
    expected = json.loads(run("estimate", "rows.json", "--json", cwd=folder).stdout)
    report = json.loads(run("index", "rows.json", "--json", cwd=folder).stdout)
    assert (report["added"], report["failed"]) == (5, [])
    asked = [entry["kind"] for entry in server.entries()]
    assert asked.count("chat") == expected["extraction"]["calls"] == 5
    assert asked.count("embeddings") > 0
    assert json.loads(run("retrieve", "Which town?", "--json", cwd=folder).stdout)["hits"]
    again = json.loads(run("estimate", "rows.json", "--json", cwd=folder).stdout)
    assert (again["unread"], again["extraction"]["cost"], again["embedding"]["passages"]) == (0, 0, 0)
    before = len(server.entries())
    assert json.loads(run("index", "rows.json", "--json", cwd=folder).stdout)["unchanged"] == 5
    assert len(server.entries()) == before
    assert KEY not in "".join(path.read_text("latin-1") for path in folder.rglob("*") if path.is_file())


def test_the_key_of_openai_is_not_sent_to_another_server(folder, monkeypatch, server):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    done = run("index", "rows.json", cwd=folder, code=1)
    assert "key" in done.stderr
    assert KEY not in done.stdout + done.stderr
    assert all(entry["status"] == 401 for entry in server.entries())


def test_the_variables_of_openai_are_enough(folder, monkeypatch, server):
    (folder / "hippograph.toml").write_text("")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    done = run("index", "rows.json", "--index", "it", "--extractor", "llm", "--llm-model", "served", cwd=folder)
    assert "5 documents added" in done.stdout


def test_a_budget_in_dollars_takes_an_embedder_whose_price_is_known(folder, server):
    (folder / "prices.toml").write_text('"served" = { input = 1.0, output = 2.0 }\n')
    done = run("index", "rows.json", "--max-cost", "1", cwd=folder, code=2)
    assert "no price is known for 'embedding'" in done.stderr
    assert server.entries() == []
