"""Commands whose language model answers in batches: leave them, come back, and ask without."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.cli.running import run
from tests.servers.running import FaultServer

PASSAGES = 6


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: FaultServer) -> Path:
    for name in list(os.environ):
        if name.startswith(("HIPPOGRAPH_", "OPENAI_")):
            monkeypatch.delenv(name)
    rows = [{"id": f"t{n}", "title": f"Town {n}", "text": f"Town{n} lies near Oslo{n}."} for n in range(PASSAGES)]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    (tmp_path / "hippograph.toml").write_text(
        f"""index = "it.hippo"
[llm]
model = "served"
base_url = "{server.base_url}"
backend = "openai-batch"
"""
    )
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to processes there")
def test_one_interrupt_leaves_the_batches_and_the_same_command_fetches_them(folder, server):
    server.change(polls=1_000_000)
    command = [
        sys.executable,
        "-c",
        "from hippograph.cli.app import main; main()",
        "index",
        "rows.json",
        "--extractor",
        "llm",
    ]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as one:
        until = monotonic() + 60
        while not any(entry["topic"].startswith("/v1/batches/") for entry in server.entries()):
            assert one.poll() is None
            assert monotonic() < until
            sleep(0.05)
        sleep(0.2)  # for it to have read what the server says
        one.send_signal(signal.SIGINT)
        _, told = one.communicate(timeout=30)
    assert one.returncode == 130
    assert "the same command fetches their answers later" in told
    assert f"with {PASSAGES} requests is under way" in told
    assert f"in_progress, 0 of {PASSAGES} requests answered" in told
    server.change(polls=0)
    done = run("index", "rows.json", "--extractor", "llm", "--json", cwd=folder)
    assert f"completed, {PASSAGES} of {PASSAGES} requests answered" in done.stderr
    report = json.loads(done.stdout)
    assert report["extraction"]["done"] == PASSAGES
    ledger = server.ledger()
    assert ledger["by_kind"]["line"] == PASSAGES
    total = json.loads(run("status", "--json", cwd=folder).stdout)["usage_total"]
    assert total["input_tokens"] == ledger["usage"]["prompt_tokens"]
    answer = json.loads(run("ask", "Where is Town 3?", "--json", cwd=folder).stdout)
    assert answer["usage"]["calls"] == 1
    assert server.ledger()["by_kind"]["chat"] == 1
