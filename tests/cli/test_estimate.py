"""`hippograph estimate` as a user meets it; no model is asked, so no key is needed."""

import json

import pytest

from tests.cli.running import run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a corpus, and an environment that says nothing."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HIPPOGRAPH_INDEX", "HIPPOGRAPH_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    rows = [{"id": str(n), "title": f"Town {n}", "text": f"Town {n} lies by the sea in Norway."} for n in range(10)]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    return tmp_path


def told(folder, *options):
    return json.loads(run("estimate", "rows.json", *options, "--json", cwd=folder).stdout)


def test_tokens_and_price(folder):
    found = told(folder, "--llm-model", "gpt-4o-mini-2024-07-18")
    work = found["extraction"]
    assert (found["documents"], found["passages"], found["unread"], work["calls"]) == (10, 10, 10, 10)
    assert work["cost"] == pytest.approx((0.15 * work["input_tokens"] + 0.6 * work["output_tokens"]) / 1e6)
    assert work["batch_cost"] == pytest.approx(work["cost"] / 2)
    assert work["minutes"] is None
    assert found["embedding"] is None
    assert sorted(path.name for path in folder.iterdir()) == ["rows.json"]


def test_for_people(folder):
    done = run("estimate", "rows.json", "--llm-model", "gpt-4o-mini", cwd=folder)
    assert "10 calls" in done.stdout
    assert "dollars" in done.stdout
    assert done.stderr == ""
    assert "--llm-model" in run("estimate", "rows.json", cwd=folder).stdout
    assert "asks no language model" in run("estimate", "rows.json", "--extractor", "spacy", cwd=folder).stdout


def test_a_model_without_a_price_is_told_how_to_get_one(folder):
    assert told(folder, "--llm-model", "my-llama")["extraction"]["cost"] is None
    said = run("estimate", "rows.json", "--llm-model", "my-llama", cwd=folder).stdout
    assert '"my-llama" = { input' in said
    (folder / "prices.toml").write_text('"my-llama" = { input = 1.0, output = 2.0 }\n')
    (folder / "hippograph.toml").write_text(
        "prices = 'prices.toml'\n[llm]\nmodel = 'my-llama'\nrequests_per_minute = 5\n"
        "[embedding]\nbackend = 'openai'\nmodel = 'text-embedding-3-small'\n"
    )
    found = told(folder)
    work = found["extraction"]
    assert work["cost"] == pytest.approx((work["input_tokens"] + 2 * work["output_tokens"]) / 1e6)
    assert work["minutes"] == 2
    assert found["embedding"]["passages"] == 10
    assert found["embedding"]["cost"] == pytest.approx(0.02 * found["embedding"]["input_tokens"] / 1e6)


def test_what_the_index_holds_is_only_paid_for_by_another_extractor(folder):
    run("index", "rows.json", "--index", "it.hippo", "--extractor", "none", cwd=folder)
    for options in (["rows.json"], []):
        done = run("estimate", *options, "--index", "it.hippo", "--llm-model", "gpt-4o", "--json", cwd=folder)
        assert json.loads(done.stdout)["unread"] == 10
    before = (folder / "it.hippo" / "catalog.sqlite").read_bytes()
    assert told(folder, "--index", "it.hippo", "--llm-model", "gpt-4o")["documents"] == 10
    assert (folder / "it.hippo" / "catalog.sqlite").read_bytes() == before


def test_two_calls_cost_more(folder):
    one = told(folder, "--llm-model", "gpt-4o")
    (folder / "hippograph.toml").write_text("extraction.calls = 2\n")
    two = told(folder, "--llm-model", "gpt-4o")
    assert two["extraction"]["calls"] == 2 * one["extraction"]["calls"]
    assert two["extraction"]["cost"] > one["extraction"]["cost"]


@pytest.mark.parametrize("backend", ["openai", "openai-batch", "vllm"])
def test_every_backend_can_be_estimated(folder, backend):
    (folder / "hippograph.toml").write_text("budget.max_cost = 1.0\n")
    assert told(folder, "--llm-model", "my-llama", "--llm-backend", backend)["extraction"]["calls"] == 10


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        ([], 2, "nothing to estimate"),
        (["--index", "nowhere.hippo"], 2, "nothing to estimate"),
        (["gone.json"], 2, "gone.json"),
        (["rows.json", "--extractor", "magic"], 2, "magic"),
    ],
)
def test_wrong_use_is_a_line_and_an_exit_code(folder, arguments, code, complaint):
    assert complaint in run("estimate", *arguments, cwd=folder, code=code).stderr
