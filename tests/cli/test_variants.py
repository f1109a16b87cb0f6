"""The options that only some retrievers have: on `retrieve`, `explain` and `evaluate`."""

import json
import os

import pytest

from hippograph.hippograph import HippoGraph
from hippograph.retrievers import RETRIEVERS, Variant
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder
from tests.cli.running import run
from tests.conftest import small_passages
from tests.servers.running import FaultServer

QUESTION = "Fram was built by Colin Archer, and where?"
QUESTIONS = [
    {"id": "q1", "question": QUESTION, "gold": ["fram"], "type": "single"},
    {"id": "q2", "question": "Colin Archer was a naval architect from which town?", "gold": ["archer", "newburgh"]},
]
VARIANTS = [
    *((name, (), Variant()) for name in RETRIEVERS),
    ("default", ("--second-look",), Variant(second_look=True)),
    ("default", ("--no-second-look",), Variant(second_look=False)),
    ("default", ("--judge",), Variant(judge=True)),
    ("default", ("--no-judge",), Variant(judge=False)),
    ("default", ("--recognition", "none"), Variant(recognition="none")),
    (
        "default",
        ("--recognition", "cross-encoder", "--no-second-look"),
        Variant(recognition="cross-encoder", second_look=False),
    ),
    ("hipporag", ("--parity",), Variant(parity=True)),
    ("hipporag2", ("--parity", "--recognition", "cross-encoder"), Variant(parity=True, recognition="cross-encoder")),
    ("linearrag", ("--parity",), Variant(parity=True)),
]
HIT = {"id", "document", "source", "span", "page", "title", "text", "metadata", "score"}
EXPLANATION = {
    "query", "walked", "damping", "walk", "seeds", "other_seeds", "triples", "recognition", "paths", "hits", "passage",
    "hubs", "hub_mass", "through_hubs", "moves", "depths", "map", "timings_ms",
}  # fmt: skip
EXPLAINED_HIT = {*HIT, "place", "ranks", "mass", "from_seeds", "from_others", "through_hubs", "remarks"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, doubles):
    """A folder with an index and questions, where all models are doubles and the environment says nothing."""
    made = tmp_path_factory.mktemp("variants")
    (made / "questions.json").write_text(json.dumps(QUESTIONS))
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("HIPPOGRAPH_", "OPENAI_")):
                patch.delenv(name)
        with HippoGraph(made / "it.hippo", extractor=CapitalsExtractor(), embedder=HashingEmbedder()) as hippograph:
            hippograph.index(small_passages())
        yield made


def told(command, *options, cwd, asked=QUESTION):
    asked = "questions.json" if command == "evaluate" else asked
    return json.loads(run(command, asked, "--index", "it.hippo", *options, "--json", cwd=cwd).stdout)


@pytest.mark.parametrize(
    ("name", "options", "variant"), VARIANTS, ids=[" ".join([one, *two]) for one, two, _ in VARIANTS]
)
def test_hits_are_those_of_the_retriever(folder, name, options, variant):
    found = told("retrieve", "--retriever", name, *options, "-k", 3, cwd=folder)
    explained = told("explain", "--retriever", name, *options, "-k", 3, "--passage", "beijing", cwd=folder)
    with HippoGraph(folder / "it.hippo", embedder=HashingEmbedder()) as hippograph:
        [ranking] = hippograph.parts.retriever(name, variant=variant).retrieve([QUESTION], k=3)
    expected = [(hit.passage.id, hit.score) for hit in ranking.hits]
    assert "fram" in dict(expected)
    for value in (found, explained):
        assert [(hit["id"], hit["score"]) for hit in value["hits"]] == expected
        assert (value["query"], set(value["timings_ms"]) >= set(ranking.timings)) == (QUESTION, True)
    assert set(found) == {"query", "hits", "timings_ms", "recognition"}
    assert all(set(hit) == HIT for hit in found["hits"])
    assert set(explained) >= EXPLANATION
    assert all(set(hit) >= EXPLAINED_HIT for hit in [*explained["hits"], explained["passage"]])
    assert explained["passage"]["id"] == "beijing"
    assert explained["walked"] == (ranking.evidence.walk is not None)
    verdict, recognition = explained["recognition"], ranking.evidence.recognition
    assert (verdict and verdict["status"]) == (recognition and recognition.status)
    assert list(explained["depths"]) == [stage.name for stage in ranking.evidence.stages]


def test_people_are_told_of_the_steps(folder):
    shown = run("explain", QUESTION, "--index", "it.hippo", "--recognition", "cross-encoder", cwd=folder).stdout
    assert "FACTS NEAR THE QUERY (recognition: " in shown
    assert "second look #1" in shown
    plain = run("explain", QUESTION, "--index", "it.hippo", "--no-second-look", cwd=folder).stdout
    assert "second look" not in plain
    assert "first walk" not in plain
    assert "1. Fram" in run("retrieve", QUESTION, "--index", "it.hippo", "--no-second-look", cwd=folder).stdout


def test_each_retriever_is_measured_with_the_options_that_it_has(folder):
    names = ["--retriever", "default", "--retriever", "dense", "--retriever", "hipporag2", "--retriever", "linearrag"]
    value = told("evaluate", *names, "--parity", "--recognition", "none", "--no-second-look", cwd=folder)
    assert list(value) == [
        "default:recognition=none,no-second-look",
        "dense",
        "hipporag2:parity,recognition=none",
        "linearrag:parity",
    ]
    manifests = {name.split(":")[0]: one["manifest"]["retriever"]["parameters"] for name, one in value.items()}
    assert list(manifests) == ["default", "dense", "hipporag2", "linearrag"]
    assert manifests["default"]["second_look"] is None
    assert manifests["default"]["recognition"] == manifests["hipporag2"]["recognition"] == {"type": "NoRecognition"}
    assert manifests["linearrag"]["parity"] is True
    plain = told("evaluate", "--retriever", "hipporag2", cwd=folder)["manifest"]["retriever"]["parameters"]
    assert plain["recognition"] is None
    assert plain["phrases"] != manifests["hipporag2"]["phrases"]
    assert str(folder) not in json.dumps(value)


def test_every_retriever_is_measured(folder):
    value = told("evaluate", *(word for name in RETRIEVERS for word in ("--retriever", name)), cwd=folder)
    assert tuple(value) == tuple(RETRIEVERS)
    assert all(one["n"] == 2 and set(one["recall"]) == {"2", "5", "10"} for one in value.values())


@pytest.mark.parametrize("command", ["retrieve", "explain", "evaluate"])
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--parity"], "the retriever 'default' has no option 'parity'; these have: hipporag, hipporag2, linearrag"),
        (["--retriever", "dense", "--parity"], "the retriever 'dense' has no option 'parity'"),
        (["--retriever", "bm25", "--recognition", "none"], "no option 'recognition'; these have: default, hipporag2"),
        (["--retriever", "linearrag", "--second-look"], "no option 'second_look'; these have: default"),
        (["--retriever", "hipporag2", "--no-judge"], "no option 'judge'; these have: default"),
        (["--retriever", "hipporag", "--parity", "--no-second-look"], "'hipporag' has no option 'second_look'"),
        (["--retriever", "hipporag3"], "there is no retriever 'hipporag3'; choose one of default, dense, "),
        (["--recognition", "magic"], "there is no recognition 'magic'; choose one of none, cross-encoder, llm"),
        (["--recognition", "llm"], "the recognition 'llm' needs a language model; name one with --llm-model and"),
        (["--recognition", "llm", "--llm-model", "gpt-4o"], "set OPENAI_API_KEY"),
        (["--llm-base-url", "localhost"], "--llm-base-url is 'localhost'"),
    ],
)
def test_what_a_retriever_lacks_is_wrong_usage(folder, command, options, complaint):
    asked = "questions.json" if command == "evaluate" else QUESTION
    done = run(command, asked, "--index", "it.hippo", *options, cwd=folder, code=2)
    assert complaint in done.stderr
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)


def test_a_retriever_is_compared_with_its_own_variant_and_saved_beside_it(folder, tmp_path):
    names = ["--retriever", "hipporag2", "--retriever", "hipporag2:parity,recognition=cross-encoder"]
    value = told("evaluate", *names, "--save", tmp_path, "--baseline", "hipporag2", cwd=folder)
    plain, other = "hipporag2", "hipporag2:parity,recognition=cross-encoder"
    assert list(value) == [plain, other]
    assert value[other]["difference"]["baseline"] == plain
    assert value[plain]["manifest"]["measured"]["variant"] == {}
    assert value[other]["manifest"]["measured"]["variant"] == {"parity": True, "recognition": "cross-encoder"}
    assert value[other]["manifest"]["retriever"]["name"] == other
    saved = "hipporag2.parity.recognition-cross-encoder"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{stem}.{kind}" for stem in (plain, saved) for kind in ("json", "run")
    )


def test_options_for_all_leave_what_a_name_settles(folder):
    names = ["--retriever", "hipporag:no-parity", "--retriever", "hipporag", "--retriever", "dense"]
    value = told("evaluate", *names, "--parity", "--baseline", "hipporag:parity", cwd=folder)
    assert list(value) == ["hipporag:no-parity", "hipporag:parity", "dense"]
    assert value["dense"]["difference"]["baseline"] == "hipporag:parity"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--retriever", "hipporag2:parity", "--retriever", "hipporag2", "--parity"], "are 'hipporag2:parity' with"),
        (["--retriever", "hipporag2:partiy"], "'hipporag2:partiy': the retriever 'hipporag2' has no option 'partiy'"),
        (["--retriever", "default:recognition=llm"], "language model"),
        (
            ["--retriever", "dense", "--retriever", "linearrag:parity", "--baseline", "hipporag"],
            "--baseline hipporag is not measured; add --retriever hipporag",
        ),
        (
            ["--retriever", "hipporag:parity", "--retriever", "hipporag:no-parity", "--baseline", "hipporag"],
            "--baseline hipporag could be any of hipporag:parity and hipporag:no-parity; name one of these",
        ),
    ],
)
def test_names_that_cannot_be_told_apart_are_wrong_usage(folder, options, complaint):
    done = run("evaluate", "questions.json", "--index", "it.hippo", *options, cwd=folder, code=2)
    assert complaint in done.stderr


@pytest.mark.parametrize(("fault", "status"), [("500", "failed"), ("prose", "invalid")])
def test_a_measure_tells_of_a_judge_that_failed(folder, server, asking, fault, status):
    server.change(script=[fault] * 20)
    value = told("evaluate", *asking, cwd=folder)
    assert value["recognition"] == {status: 2}
    server.change(reset=True, script=[fault] * 20)
    shown = run("evaluate", "questions.json", "--index", "it.hippo", *asking, cwd=folder).stdout
    assert f"warning: default:recognition=llm: the judge of the facts {status} at 2 of 2 questions" in shown


def test_of_several_retrievers_one_must_have_an_option(folder):
    names = ["--retriever", "dense", "--retriever", "linearrag"]
    arguments = ["evaluate", "questions.json", "--index", "it.hippo", *names, "--parity", "--no-second-look"]
    done = run(*arguments, cwd=folder, code=2)
    # Parity is something that one of the two has.
    assert "the retriever 'dense' has no option 'second_look'; these have: default" in done.stderr


def test_a_cross_encoder_that_is_not_installed_is_told(folder, monkeypatch):
    monkeypatch.setattr("hippograph.hippograph.default_cross_encoder", lambda: None)
    arguments = ["retrieve", QUESTION, "--index", "it.hippo"]
    done = run(*arguments, "--recognition", "cross-encoder", cwd=folder, code=2)
    assert "pip install 'hippograph[local]'" in done.stderr
    assert "1. Fram" in run(*arguments, "--second-look", cwd=folder).stdout


@pytest.fixture(scope="module")
def running():
    with FaultServer() as server:
        yield server


@pytest.fixture
def server(running):
    running.change(reset=True, script=[], shares={}, key="")
    return running


@pytest.fixture
def asking(folder, server, tmp_path):
    """Options with which a language model judges the facts; another one for each test, so that no answer is known."""
    settings = tmp_path / "llm.toml"
    settings.write_text("[llm]\nattempts = 2\ntimeout = 5\n")
    address = ["--llm-model", tmp_path.name, "--llm-base-url", server.base_url]
    return ["--recognition", "llm", "--config", settings, *address]


@pytest.mark.parametrize("retriever", ["default", "hipporag2"])
def test_a_language_model_judges_the_facts_and_is_paid_once(folder, server, asking, retriever):
    options = ["--retriever", retriever, *asking]
    first = told("explain", *options, cwd=folder)
    verdict, delivered = first["recognition"], server.ledger()["usage"]
    assert (verdict["status"], verdict["error"]) == ("done", "")
    assert verdict["kept"]
    assert (verdict["usage"]["calls"], server.ledger()["requests"]) == (1, 1)
    assert verdict["usage"]["input_tokens"] == delivered["prompt_tokens"]
    assert verdict["usage"]["output_tokens"] == delivered["completion_tokens"]
    assert sum(fact["kept"] for fact in first["triples"]) == len(verdict["kept"])
    second = told("explain", *options, cwd=folder)
    assert (second["recognition"]["usage"]["calls"], second["recognition"]["usage"]["reused"]) == (0, 1)
    assert second["hits"] == first["hits"]
    assert [hit["id"] for hit in told("retrieve", *options, cwd=folder)["hits"]] == [hit["id"] for hit in first["hits"]]
    assert server.ledger()["requests"] == 1


@pytest.mark.parametrize("command", ["retrieve", "evaluate"])
def test_what_a_command_has_spent_is_not_counted_by_the_next(folder, server, asking, command):
    told(command, *asking, cwd=folder)
    asked = server.ledger()["requests"]
    assert asked == {"retrieve": 1, "evaluate": 2}[command]
    usage = told("explain", *asking, cwd=folder)["recognition"]["usage"]
    assert (usage["calls"], usage["reused"], server.ledger()["requests"]) == (0, 1, asked)


def test_a_measure_asks_each_question_once_and_names_the_model_without_its_address(folder, server, asking):
    value = told("evaluate", "--retriever", "default", "--retriever", "dense", *asking, cwd=folder)
    assert server.ledger()["requests"] == 2
    manifest = json.dumps(value["default:recognition=llm"]["manifest"])
    assert asking[asking.index("--llm-model") + 1] in manifest
    assert "127.0.0.1" not in manifest
    told("evaluate", *asking, cwd=folder)
    assert server.ledger()["requests"] == 2


@pytest.mark.parametrize(("fault", "status", "requests"), [("500", "failed", 2), ("prose", "invalid", 2)])
def test_a_model_that_fails_at_a_question_drops_no_fact(folder, server, asking, fault, status, requests):
    plain = told("explain", "--recognition", "none", cwd=folder)
    server.change(script=[fault] * 6)
    value = told("explain", *asking, cwd=folder)
    assert (value["recognition"]["status"], value["recognition"]["kept"]) == (status, [])
    assert value["recognition"]["error"]
    assert value["triples"] == plain["triples"]
    assert any(fact["kept"] for fact in value["triples"])
    assert [(hit["id"], hit["score"]) for hit in value["hits"]] == [(hit["id"], hit["score"]) for hit in plain["hits"]]
    assert server.ledger()["requests"] == requests
    shown = run("explain", QUESTION, "--index", "it.hippo", *asking, cwd=folder).stdout
    assert f"FACTS NEAR THE QUERY (recognition: {status})" in shown
    server.change(reset=True, script=[fault] * 6)
    done = run("retrieve", QUESTION, "--index", "it.hippo", *asking, "--json", cwd=folder)
    assert [hit["id"] for hit in json.loads(done.stdout)["hits"]] == [hit["id"] for hit in plain["hits"]]
    assert f"hippograph: the facts near the question were not judged ({status}): " in done.stderr
    server.change(reset=True, script=[])
    assert told("explain", *asking, cwd=folder)["recognition"]["status"] == "done"
    assert run("retrieve", QUESTION, "--index", "it.hippo", *asking, cwd=folder).stderr == ""


@pytest.mark.parametrize("command", ["retrieve", "explain", "evaluate"])
def test_a_model_that_cannot_work_is_a_line(folder, server, asking, command):
    server.change(key="another")
    asked = "questions.json" if command == "evaluate" else QUESTION
    done = run(command, asked, "--index", "it.hippo", *asking, cwd=folder, code=1)
    assert "401" in done.stderr or "key" in done.stderr
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)


def test_a_model_that_is_not_to_judge_is_not_asked(folder, server, asking):
    told("retrieve", *asking[asking.index("--config") :], cwd=folder)
    told("explain", "--recognition", "none", *asking[asking.index("--config") :], cwd=folder)
    assert server.ledger()["requests"] == 0
