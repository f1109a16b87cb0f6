"""`hippograph evaluate --reader` as a user meets it: answers measured, readers side by side, failures, saved runs."""

import json
import re
from collections.abc import Callable

import pytest

from hippograph.completions import Completion, ModelRequest
from hippograph.errors import ModelError
from hippograph.hippograph import HippoGraph
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder
from hippograph.testing.scripted import ScriptedModel
from hippograph.testing.toy_corpus import toy_passages, toy_questions_path
from hippograph.types import Usage
from tests.cli.running import run

ROWS = json.loads(toy_questions_path().read_text(encoding="utf-8"))


def knowing(request):
    """Answer a third of the questions rightly, cite the first passage, and fail at one."""
    told = request.messages[-1].text
    place, row = next((n, row) for n, row in enumerate(ROWS) if json.dumps(row["question"], ensure_ascii=False) in told)
    if place == 2:
        return Completion(status="failed", error="the server is down", usage=Usage(calls=1), attempts=1)
    text = row["answers"][-1] if row.get("answers") and place % 3 == 0 else "nobody"
    return json.dumps({"answer": text, "support": [1], "sufficient": place % 2 == 0})


@pytest.fixture(scope="module")
def toy(tmp_path_factory, doubles):
    """A folder with an index of the toy corpus."""
    folder = tmp_path_factory.mktemp("readers")
    with HippoGraph(folder / "toy.hippo", extractor=CapitalsExtractor(), embedder=HashingEmbedder()) as hippograph:
        hippograph.index(toy_passages())
    return folder


@pytest.fixture
def model(toy, monkeypatch):
    """A model that says it answers three requests at a time; nothing is remembered of the test before."""
    (toy / "toy.hippo" / "responses.sqlite").unlink(missing_ok=True)
    made = ScriptedModel(answers=knowing, concurrency=3)
    monkeypatch.setattr("hippograph.cli.variants.language_model_of", lambda settings, *, answering: made)
    return made


def evaluated(toy, *arguments, questions=None, code=1):
    asked = questions or toy_questions_path()
    return run("evaluate", asked, "--index", "toy.hippo", *arguments, cwd=toy, code=code)


def measured(toy, *arguments, **more):
    return json.loads(evaluated(toy, "--json", *arguments, **more).stdout)


def test_answers_citations_evidence_and_costs_are_measured(toy, model):
    value = measured(toy, "--reader", "single", "-k", "4", "--retriever", "dense")
    assert value["n"] == len(ROWS)
    assert value["n_left_out"] == 0
    answered = [row for row in ROWS if row.get("answers")]
    assert value["n_without_answers"] == len(ROWS) - len(answered)
    right = sum(n % 3 == 0 and n != 2 for n, row in enumerate(ROWS) if row.get("answers"))
    assert value["exact_match"] == {
        "squad": pytest.approx(right / len(answered)),
        "musique": pytest.approx(right / len(answered)),
    }
    assert value["f1"]["squad"] >= value["exact_match"]["squad"]
    assert 0 < value["citations"]["precision"] <= 1
    assert value["evidence"]["by_look_up"] == {"1": value["evidence"]["recall"]}
    assert value["found"]["max"] == value["shown"]["max"] == 4
    assert value["calls"] == {"mean": 1, "p50": 1, "p95": 1, "max": 1, "interval": [1, 1]}
    assert value["outcomes"]["failed"] == 1
    assert [failure["id"] for failure in value["failures"]] == [ROWS[2]["id"]]
    assert "the server is down" in value["failures"][0]["error"]
    assert value["threads"] == 3
    for measure in ("exact_match", "f1"):
        low, high = value["intervals"][measure]["squad"]
        assert low <= value[measure]["squad"] <= high
    manifest = value["manifest"]
    assert manifest["reader"]["name"] == "single"
    assert manifest["reader"]["parameters"]["k"] == 4
    assert manifest["reader"]["parameters"]["retriever"]["type"] == "DenseRetriever"
    assert manifest["retriever"] == {"name": "dense"}
    assert manifest["model"] == model.fingerprint
    assert re.fullmatch("[0-9a-f]{12}", manifest["prompts"]["answer"])
    assert manifest["measured"] == {"filter": None, "resamples": 10000, "threads": 3}
    assert str(toy) not in json.dumps(value)
    assert model.calls == len(ROWS)


def test_readers_are_compared_and_saved_with_their_steps(toy, model, tmp_path):
    options = ("--reader", "single", "--reader", "single:ends", "--threads", "1", "--retriever", "dense")
    value = measured(toy, *options, "--save", tmp_path / "runs", "--resamples", "1000")
    assert list(value) == ["single", "single:ends"]
    assert "difference" not in value["single"]
    assert value["single:ends"]["difference"]["baseline"] == "single"
    assert value["single:ends"]["difference"]["primary"] == "f1.squad"
    assert set(value["single:ends"]["difference"]["f1"]["squad"]) == {"mean", "interval", "p", "p_holm"}
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["single.ends.json", "single.json"]
    saved = json.loads((tmp_path / "runs" / "single.json").read_text(encoding="utf-8"))
    questions = saved.pop("questions")
    assert saved == value["single"]
    assert list(questions) == [row["id"] for row in ROWS]
    one = questions[ROWS[0]["id"]]
    assert one["exact_match"]["squad"] == 1
    assert one["answer"]["text"] == ROWS[0]["answers"][-1]
    assert [step["kind"] for step in one["answer"]["steps"]] == ["retrieve", "answer"]
    assert one["seconds"] >= 0
    mean = sum(each["evidence"]["recall"] for each in questions.values()) / len(questions)
    assert mean == pytest.approx(saved["evidence"]["recall"])


def test_tables_fit_and_list_what_failed(toy, model):
    done = evaluated(toy, "--reader", "single", "--reader", "single:ends", "--retriever", "dense")
    assert f"failed: {ROWS[2]['id']}: " in done.stdout
    assert "against single, in points" in done.stdout
    assert "F1 decides" in done.stdout
    assert "per question: mean" in done.stdout
    assert "single, by type of question" in done.stdout
    assert max(len(line) for line in done.stdout.split("\n")) <= 140
    alone = evaluated(toy, "--reader", "single", "--resamples", "0", "--retriever", "dense").stdout
    assert "interval" not in alone
    assert "against" not in alone


def test_without_failures_all_is_well(toy, model, tmp_path):
    path = tmp_path / "questions.json"
    path.write_text(json.dumps([{**ROWS[0], "gold": None}, {"id": "x", "question": ROWS[3]["question"]}]))
    value = measured(toy, "--reader", "single", questions=path, code=0)
    assert (value["n"], value["n_without_gold"], value["n_left_out"]) == (1, 1, 1)
    assert "evidence" not in value
    assert value["exact_match"]["squad"] == 1
    assert value["intervals"] is None
    told = evaluated(toy, "--reader", "single", questions=path, code=0).stdout
    assert "1 questions, 0 of them without answers, 1 without gold; 1 with neither were left out" in told


def test_an_error_of_the_model_loses_nothing_that_was_read(toy, model, monkeypatch, tmp_path):
    script: list[Callable[[ModelRequest], str | Completion]] = []
    told = ScriptedModel(answers=lambda request: script[-1](request))
    monkeypatch.setattr("hippograph.cli.variants.language_model_of", lambda settings, *, answering: told)

    def failing(request):
        if json.dumps(ROWS[4]["question"], ensure_ascii=False) in request.messages[-1].text:
            raise ModelError("the key was revoked")
        return knowing(request)

    script.append(failing)
    options = ("--reader", "single", "--reader", "single:ends", "--threads", "1", "--retriever", "dense")
    done = evaluated(toy, *options, "--save", tmp_path / "runs", "--json")
    value = json.loads(done.stdout)["single"]
    assert (value["n"], value["n_not_read"], value["error"]) == (5, len(ROWS) - 5, "the key was revoked")
    assert [failure["id"] for failure in value["failures"]] == [ROWS[2]["id"], ROWS[4]["id"]]
    assert "hippograph: the key was revoked; not measured: single:ends" in done.stderr
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["single.json"]
    saved = json.loads((tmp_path / "runs" / "single.json").read_text(encoding="utf-8"))["questions"]
    assert list(saved) == [row["id"] for row in ROWS[:5]]
    assert [step["kind"] for step in saved[ROWS[4]["id"]]["answer"]["steps"]] == ["retrieve"]
    assert told.calls == 5
    shown = evaluated(toy, *options)
    assert f"not read: {len(ROWS) - 5}" in shown.stdout
    assert "the key was revoked" in shown.stdout
    # Of those who come after, nothing is read at all: what was measured before them stands.
    script.append(knowing)
    evaluated(toy, "--reader", "single", "--retriever", "dense")

    asked = []

    def gone(request):
        asked.append(request)
        # A question that failed before is asked again.
        if len(asked) == 1:
            return knowing(request)
        raise ModelError("the server is gone")

    script.append(gone)
    done = evaluated(toy, *options, "--json")
    assert json.loads(done.stdout)["single"]["n"] == len(ROWS)
    assert "the server is gone" in done.stderr
    assert not evaluated(toy, "--reader", "single:ends", "--retriever", "dense", "--json").stdout


def test_a_budget_holds_for_each_question(toy, model):
    value = measured(toy, "--reader", "single:clue", "--max-calls", "2", "--retriever", "dense")
    assert value["calls"]["max"] == 2
    assert value["manifest"]["reader"]["parameters"]["budget"]["calls"] == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--reader", "none"], "there is no reader 'none'"),
        (["--reader", ""], "there is no reader ''"),
        (["--reader", "single", "--retriever", "dense", "--retriever", "bm25"], "readers read with one retriever"),
        (["--reader", "single", "-k", "2", "-k", "5"], "give readers one number"),
        (["--reader", "single", "--run", "a.run"], "takes the run of a retriever"),
        (["--reader", "single", "--baseline", "notes"], "add --reader notes"),
        (["--reader", "single", "--threads", "0"], "--threads is 0"),
        (["--reader", "single", "--max-calls", "0"], "a budget of 0 calls is too small"),
        (["--max-calls", "3"], "need a --reader NAME"),
        (["--threads", "3"], "need a --reader NAME"),
    ],
)
def test_what_cannot_be_is_refused(toy, model, arguments, complaint):
    assert complaint in evaluated(toy, *arguments, code=2).stderr
    assert model.calls == 0
