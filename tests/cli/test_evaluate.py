"""`hippograph evaluate` as a user meets it: retrievers side by side, manifests, saved results."""

import json
import re
from datetime import UTC, datetime

import pytest

from hippograph.evaluation.runs import read_run
from hippograph.hippograph import HippoGraph
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder
from hippograph.testing.toy_corpus import toy_passages, toy_questions_path
from tests.cli.running import run

ALL = ("dense", "bm25", "hybrid", "default")


@pytest.fixture(scope="module")
def toy(tmp_path_factory, doubles):
    """A folder with an index of the toy corpus."""
    folder = tmp_path_factory.mktemp("evaluate")
    with HippoGraph(folder / "toy.hippo", extractor=CapitalsExtractor(), embedder=HashingEmbedder()) as hippograph:
        hippograph.index(toy_passages())
    return folder


def evaluated(toy, *arguments, retrievers=(), code=0):
    named = [word for name in retrievers for word in ("--retriever", name)]
    return run("evaluate", toy_questions_path(), "--index", "toy.hippo", *named, *arguments, cwd=toy, code=code)


def measured(toy, *arguments, retrievers=()):
    return json.loads(evaluated(toy, "--json", *arguments, retrievers=retrievers).stdout)


@pytest.fixture(scope="module")
def all_measured(toy):
    """What is printed for all retrievers."""
    return measured(toy, retrievers=ALL)


def without_times(value):
    """Leave out what differs from run to run."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in {"latency_ms", "date"}}
    return value


def test_one_retriever_has_intervals_and_a_manifest(toy):
    before = datetime.now(UTC).replace(microsecond=0)
    value = measured(toy)
    assert {"n", "recall", "all_recall", "by_type", "latency_ms", "intervals", "manifest"} <= set(value)
    assert "difference" not in value
    for k, (low, high) in value["intervals"]["recall"].items():
        assert 0 <= low <= value["recall"][k] + 1e-6
        assert value["recall"][k] - 1e-6 <= high <= 1
    manifest = value["manifest"]
    assert before <= datetime.fromisoformat(manifest["date"]) <= datetime.now(UTC)
    assert manifest["retriever"]["name"] == "default"
    assert manifest["retriever"]["parameters"]["damping"] > 0
    assert manifest["index"]["counts"]["passages"] == len(toy_passages())
    assert str(toy) not in json.dumps(value)


def test_the_same_command_prints_the_same_but_for_times(toy, all_measured):
    assert without_times(measured(toy, retrievers=ALL)) == without_times(all_measured)


def test_several_are_compared_with_the_first_or_the_named_one(toy, all_measured):
    value = all_measured
    assert tuple(value) == ALL
    assert "difference" not in value["dense"]
    assert all(value[name]["difference"]["baseline"] == "dense" for name in ALL[1:])
    apart = value["default"]["difference"]["recall"]["5"]
    assert apart["mean"] == pytest.approx(value["default"]["recall"]["5"] - value["dense"]["recall"]["5"])
    assert apart["interval"][0] <= apart["mean"] <= apart["interval"][1]
    assert 0 < apart["p"] <= apart["p_holm"] <= 1
    turned = measured(toy, "--baseline", "default", retrievers=("dense", "default"))
    assert "difference" not in turned["default"]
    back = turned["dense"]["difference"]
    assert back["baseline"] == "default"
    assert back["recall"]["5"]["mean"] == -apart["mean"]
    assert back["recall"]["5"]["p"] == apart["p"]


def test_without_resamples_there_are_no_intervals_and_no_tests(toy):
    value = measured(toy, "--resamples", 0, retrievers=("dense", "bm25"))
    assert value["bm25"]["intervals"] is None
    assert "difference" not in value["bm25"]
    assert value["bm25"]["manifest"]["measured"] == {"filter": None, "ks": [2, 5, 10], "resamples": 0, "variant": {}}
    shown = evaluated(toy, "--resamples", 0, retrievers=("dense", "bm25")).stdout
    assert "interval" not in shown
    assert "against" not in shown


def test_the_tables_fit_and_say_what_they_show(toy):
    done = evaluated(toy, retrievers=ALL)
    assert "against dense, in points" in done.stdout
    assert "Holm's correction is per measure: R@5 decides, and * marks p < 0.05 there" in done.stdout
    assert "100.0-100.0" not in done.stdout
    assert re.search(r"^ default +[*]?[+-]\d+\.\d", done.stdout, re.MULTILINE)
    assert re.search(r"p(<\.001|=\d\.\d{3})", done.stdout)
    assert max(len(line) for line in done.stdout.split("\n")) <= 120
    alone = evaluated(toy, retrievers=["bm25"]).stdout
    assert "95 % intervals" in alone
    assert "against" not in alone


def test_saved_results_hold_everything(toy, tmp_path):
    folder = tmp_path / "deep" / "results"
    printed = measured(toy, "--save", folder, retrievers=("dense", "bm25"))
    assert sorted(path.name for path in folder.iterdir()) == ["bm25.json", "bm25.run", "dense.json", "dense.run"]
    saved = json.loads((folder / "bm25.json").read_text(encoding="utf-8"))
    questions = saved.pop("questions")
    assert saved == printed["bm25"]
    assert len(questions) == saved["n"]
    assert sum(one["recall"]["5"] for one in questions.values()) / len(questions) == pytest.approx(saved["recall"]["5"])
    assert sum(one["mrr"] for one in questions.values()) / len(questions) == pytest.approx(saved["mrr"])
    assert set(read_run(folder / "dense.run")) == set(questions)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--baseline", "bm25"], "add --retriever bm25"),
        (["--resamples", "-1"], "--resamples is -1"),
        (["--resamples", "50"], "--resamples is 50"),
        (["--retriever", "dense", "--retriever", "bm25", "--run", "a.run"], "use --save FOLDER"),
        (["--save", "file/results"], "cannot be made"),
    ],
)
def test_what_cannot_be_is_refused(toy, arguments, complaint):
    (toy / "file").write_text("")
    assert complaint in evaluated(toy, *arguments, code=2).stderr
