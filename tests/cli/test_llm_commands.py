"""Commands that a language model works for: read, ask, stop for money, go up to it and back."""

import json
import os
import signal
import subprocess
import sys
from time import monotonic, sleep

import pytest

from hippograph.testing.doubles import HashingEmbedder
from tests.cli.running import run
from tests.servers.running import FaultServer

PASSAGES = 12


@pytest.fixture(scope="module")
def server():
    with FaultServer() as running:
        yield running


@pytest.fixture
def folder(tmp_path, monkeypatch, server):
    for name in list(os.environ):
        if name.startswith(("HIPPOGRAPH_", "OPENAI_")):
            monkeypatch.delenv(name)
    rows = [{"id": f"t{n:02}", "title": f"Town {n}", "text": f"Town{n} lies near Oslo{n}."} for n in range(PASSAGES)]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    (tmp_path / "prices.toml").write_text('"served" = { input = 1.0, output = 2.0 }\n')
    (tmp_path / "hippograph.toml").write_text(
        f"""index = "it.hippo"
prices = "prices.toml"
[llm]
model = "served"
base_url = "{server.base_url}"
concurrency = 2
attempts = 2
timeout = 5
"""
    )
    # What is embedded is another matter, and the real model takes its time to load.
    monkeypatch.setattr("hippograph.cli.models.OnnxEmbedder", lambda path: HashingEmbedder())
    server.change(reset=True, script=[], shares={}, latency=0.0)
    return tmp_path


def status(folder):
    return json.loads(run("status", "--json", cwd=folder).stdout)


def used(folder):
    return {entry["extractor"].partition(":")[0]: entry["used"] for entry in status(folder)["extractors"]}


def test_a_question_is_answered_with_citations_and_its_price(folder, server):
    run("index", "rows.json", "--extractor", "none", cwd=folder)
    answer = json.loads(run("ask", "Where is Town 3?", "-k", "3", "--json", cwd=folder).stdout)
    assert answer["question"] == "Where is Town 3?"
    assert answer["text"]
    shown = {hit["id"] for hit in answer["steps"][0]["hits"]}
    assert len(shown) == 3
    assert {passage["id"] for passage in answer["citations"]} <= shown
    assert answer["usage"]["calls"] == 1
    delivered = server.ledger()["usage"]
    assert answer["usage"]["input_tokens"] == delivered["prompt_tokens"]
    assert answer["usage"]["output_tokens"] == delivered["completion_tokens"]
    dollars = (delivered["prompt_tokens"] + 2 * delivered["completion_tokens"]) / 1e6
    assert answer["usage"]["cost"] == pytest.approx(dollars)
    again = json.loads(run("ask", "Where is Town 3?", "-k", "3", "--json", cwd=folder).stdout)
    assert (again["text"], again["usage"]["calls"], again["usage"]["reused"]) == (answer["text"], 0, 1)
    told = run("ask", "Where is Town 3?", "-k", "3", cwd=folder).stdout
    assert answer["text"] in told
    assert "1 answers known before" in told


def test_a_question_without_a_model_or_with_one_that_fails(folder, server):
    run("index", "rows.json", "--extractor", "none", cwd=folder)
    server.change(script=["prose", "prose"])
    done = run("ask", "Where is Town 4?", cwd=folder, code=1)
    assert "the model's answer is invalid" in done.stdout
    (folder / "hippograph.toml").write_text('index = "it.hippo"\n')
    assert "needs a language model" in run("ask", "Where?", "--reader", "single", cwd=folder, code=2).stderr
    assert "there is no reader 'none'" in run("ask", "Where?", "--reader", "none", cwd=folder, code=2).stderr


def test_a_run_stops_before_it_spends_more_and_goes_on(folder, server):
    stopped = json.loads(
        run("index", "rows.json", "--extractor", "llm", "--max-tokens", "4000", "--json", cwd=folder).stdout
    )
    assert stopped["stopped"] == "max-tokens"
    assert 0 < stopped["usage"]["tokens"] <= 4000
    assert stopped["pending"] == PASSAGES - stopped["extraction"]["done"] > 0
    assert status(folder)["usage_total"]["tokens"] == stopped["usage"]["tokens"]
    shown = run("index", "rows.json", "--max-cost", "0.002", cwd=folder).stdout
    assert "stopped: max-cost" in shown
    done = json.loads(run("index", "rows.json", "--json", cwd=folder).stdout)
    assert (done["stopped"], done["pending"], done["extraction"]["done"]) == ("", 0, PASSAGES)
    ledger = server.ledger()
    assert ledger["by_kind"]["chat"] == PASSAGES
    total = status(folder)["usage_total"]
    assert total["input_tokens"] == ledger["usage"]["prompt_tokens"]
    assert total["output_tokens"] == ledger["usage"]["completion_tokens"]
    assert total["cost"] == pytest.approx((total["input_tokens"] + 2 * total["output_tokens"]) / 1e6)


def test_up_to_a_model_and_back(folder, server):
    run("index", "rows.json", "--extractor", "none", cwd=folder)
    before = status(folder)
    run("index", "--extractor", "llm", "--max-tokens", "4000", cwd=folder)
    mixed = used(folder)
    assert set(mixed) == {"none", "llm"}
    assert sum(mixed.values()) == PASSAGES
    assert 0 < mixed["llm"] < PASSAGES
    run("index", cwd=folder)
    assert used(folder) == {"llm": PASSAGES, "none": 0}
    assert status(folder)["graph_digest"] != before["graph_digest"]
    asked = server.ledger()["requests"]
    run("index", "--extractor", "none", cwd=folder)
    assert used(folder) == {"llm": 0, "none": PASSAGES}
    assert status(folder)["graph_digest"] == before["graph_digest"]
    assert server.ledger()["requests"] == asked == PASSAGES


def test_what_failed_is_tried_again_and_what_is_invalid_on_request(folder, server):
    server.change(shares={"prose": 0.4, "500": 0.4})
    first = json.loads(run("index", "rows.json", "--extractor", "llm", "--json", cwd=folder, code=1).stdout)
    extraction = first["extraction"]
    assert extraction["failed"] > 0
    assert extraction["invalid"] > 0
    assert sum(extraction.values()) == PASSAGES
    server.change(reset=True, shares={})
    second = json.loads(run("index", "rows.json", "--json", cwd=folder).stdout)
    assert server.ledger()["requests"] == extraction["failed"]
    assert second["extraction"]["invalid"] == extraction["invalid"]
    third = json.loads(run("index", "rows.json", "--retry-invalid", "--json", cwd=folder).stdout)
    assert server.ledger()["requests"] == extraction["failed"] + extraction["invalid"]
    assert third["extraction"]["done"] == PASSAGES


def test_nothing_was_left_undone_where_nothing_was_begun(folder):
    assert "there is no index in it.hippo yet" in run("index", cwd=folder, code=2).stderr
    assert not (folder / "it.hippo").exists()


def test_a_wrong_address_ends_it_with_one_line(folder):
    (folder / "hippograph.toml").write_text(
        'index = "it.hippo"\n[llm]\nmodel = "m"\nbase_url = "http://127.0.0.1:9/v1"\nattempts = 2\n'
    )
    done = run("index", "rows.json", "--extractor", "llm", cwd=folder, code=1)
    assert "the server http://127.0.0.1:9/v1 does not answer" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to processes there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_finishes_what_is_under_way(folder, server, number):
    server.change(latency=0.2)
    command = [sys.executable, "-c", "from hippograph.cli.app import main; main()"]
    with subprocess.Popen(
        [*command, "index", "rows.json", "--extractor", "llm"], cwd=folder, stderr=subprocess.PIPE, text=True
    ) as process:
        until = monotonic() + 30
        while server.ledger()["requests"] < 4 and monotonic() < until:
            sleep(0.02)
        process.send_signal(number)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 130, told
    assert "finishing and saving what is under way" in told
    asked = server.ledger()
    assert asked["sent"] == asked["requests"] < PASSAGES
    server.change(latency=0.0)
    done = json.loads(run("index", "rows.json", "--extractor", "llm", "--json", cwd=folder).stdout)
    assert done["extraction"]["done"] == PASSAGES
    assert server.ledger()["requests"] == PASSAGES
    assert status(folder)["usage_total"]["input_tokens"] == server.ledger()["usage"]["prompt_tokens"]
    assert status(folder)["generation"] == done["generation"]


def test_another_setting_reads_nothing_again_unless_told_to(folder, server):
    run("index", "rows.json", "--extractor", "llm", cwd=folder)
    settings = (folder / "hippograph.toml").read_text()
    (folder / "hippograph.toml").write_text(settings + "max_tokens = 1000\n")
    assert json.loads(run("estimate", "rows.json", "--index", "it.hippo", "--json", cwd=folder).stdout)["unread"] == 0
    told = run("index", "rows.json", "--extractor", "llm", cwd=folder).stdout
    assert f"{PASSAGES} passages keep what llm:" in told
    assert "--reread reads them again" in told
    rows = json.loads((folder / "rows.json").read_text())
    rows.append({"id": "new", "title": "Newtown", "text": "Newtown lies near Oslo."})
    (folder / "rows.json").write_text(json.dumps(rows))
    (folder / "hippograph.toml").write_text(settings + "max_tokens = 1001\n")
    report = json.loads(run("update", "--json", cwd=folder).stdout)
    assert (report["added"], report["kept"], report["pending"]) == (1, PASSAGES, 0)
    assert [one.startswith("llm:") for one in report["kept_by"]] == [True]
    assert server.ledger()["requests"] == PASSAGES + 1
    expected = json.loads(run("estimate", "--index", "it.hippo", "--reread", "--json", cwd=folder).stdout)
    again = json.loads(run("update", "--reread", "--json", cwd=folder).stdout)
    assert (again["kept"], again["extraction"]["done"]) == (0, PASSAGES + 1)
    assert expected["unread"] == PASSAGES
    assert server.ledger()["requests"] == 2 * PASSAGES + 1


def test_without_the_model_the_rest_is_done(folder, server):
    server.change(shares={"500": 0.4})
    first = json.loads(run("index", "rows.json", "--extractor", "llm", "--json", cwd=folder, code=1).stdout)
    assert first["extraction"]["failed"] > 0
    asked = server.ledger()["requests"]
    (folder / "hippograph.toml").write_text('index = "it.hippo"\n')
    vectors = json.loads(run("reembed", "--json", cwd=folder).stdout)
    assert (vectors["published"], vectors["extraction"]) == (False, first["extraction"])
    rows = json.loads((folder / "rows.json").read_text())[1:]
    rows.append({"id": "new", "title": "Newtown", "text": "Newtown lies near Oslo."})
    (folder / "rows.json").write_text(json.dumps(rows))
    report = json.loads(run("update", "--json", cwd=folder, code=1).stdout)
    assert (report["added"], report["removed"], report["published"]) == (1, 1, True)
    assert report["awaits"] == status(folder)["extractor"]
    assert report["pending"] == report["extraction"]["failed"] + 1
    assert "passages wait for llm:" in run("update", cwd=folder, code=1).stdout
    assert server.ledger()["requests"] == asked


def test_what_an_interrupted_first_run_has_spent_is_told(folder, server):
    server.change(latency=0.2)
    command = [sys.executable, "-c", "from hippograph.cli.app import main; main()", "index", "rows.json"]
    with subprocess.Popen([*command, "--extractor", "llm"], cwd=folder, stderr=subprocess.PIPE) as process:
        until = monotonic() + 30
        while server.ledger()["requests"] < 8 and monotonic() < until:
            sleep(0.02)
        process.kill()
    server.change(latency=0.0)
    found = status(folder)
    assert (found["generation"], found["passages"], found["entities"]) == (0, PASSAGES, 0)
    assert 0 < found["extraction"]["done"] < PASSAGES
    assert found["usage_total"]["tokens"] > 0
    assert "usage in all" in run("status", cwd=folder).stdout


def test_a_few_cents_are_not_spent_blindly(folder, server):
    settings = (folder / "hippograph.toml").read_text().replace("concurrency = 2", "concurrency = 32")
    (folder / "hippograph.toml").write_text(settings)
    report = json.loads(
        run("index", "rows.json", "--extractor", "llm", "--max-cost", "0.004", "--json", cwd=folder).stdout
    )
    assert report["stopped"] == "max-cost"
    assert 0 < report["usage"]["cost"] <= 0.004
