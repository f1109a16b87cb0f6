"""`explain` from the command line, and how it reads."""

import json
from pathlib import Path

import pytest
from rich.cells import cell_len

from hippograph.cli.explanations import explanation_lines, explanation_values
from hippograph.composition import Composition
from hippograph.hippograph import HippoGraph
from hippograph.index.assemble import EdgeWeights
from hippograph.index.indexer import Indexer
from hippograph.retrieve.explain import explain
from hippograph.store.snapshot import Snapshot
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder
from hippograph.testing.toy_corpus import toy_passages
from hippograph.types import ExplainedHit, Explanation, LinkedTriple, Passage, Recognition, Triple
from tests.cli.running import run
from tests.retrieve.test_explain import walker

GOLDEN = Path(__file__).parent / "golden" / "explain.txt"
ARGUMENTS = ["explain", "Who built the Fram?", "--index", "it.hippo"]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    # Weights of its own: the text is not to change when the defaults are tuned.
    weights = EdgeWeights(title=4.0, mention=1.0, popularity=0.5, relation=0.5, synonym=0.5)
    indexer = Indexer(extractor=CapitalsExtractor(), embedder=HashingEmbedder(), weights=weights)
    with HippoGraph(tmp_path_factory.mktemp("explain") / "toy.hippo", indexer=indexer) as hippograph:
        hippograph.index(toy_passages())
        return hippograph.parts.snapshot


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory, doubles: None) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    said = [
        ("fram", "Fram (ship)", "Fram was built by Colin Archer in Larvik.", 1),
        ("archer", "Colin Archer", "Colin Archer was born in Larvik.", 1),
        ("newburgh", "Newburgh", "Newburgh is a royal burgh in Fife.", 2),
    ]
    passages = [Passage(id=id, document=id, title=title, text=text, metadata={"y": y}) for id, title, text, y in said]
    with HippoGraph(folder / "it.hippo", extractor=CapitalsExtractor(), embedder=HashingEmbedder()) as hippograph:
        hippograph.index(passages)
    return folder


@pytest.fixture
def walking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every retriever walk from the ship."""
    monkeypatch.setattr(
        Composition, "retriever", lambda self, name, filter, variant=None: walker(self.part(filter), "Fram")
    )


def test_the_text_on_the_toy_corpus(toy: Snapshot) -> None:
    retriever = walker(toy, "Jorund Hale", "Aldermere")
    explanation = explain(retriever, "What did Jorund Hale command?", snapshot=toy, k=3, passage="tolvaux")
    lines = list(explanation_lines(explanation))
    assert [line for line in lines if "ms" not in line.split()] == GOLDEN.read_text(encoding="utf-8").splitlines()
    assert max(map(cell_len, lines)) <= 100


@pytest.mark.usefixtures("walking")
def test_json_is_the_contract(indexed: Path) -> None:
    done = run(*ARGUMENTS, "-k", 2, "--passage", "newburgh", "--json", cwd=indexed)
    told = json.loads(done.stdout)
    assert set(told) >= {"query", "seeds", "triples", "paths", "hits", "passage", "timings_ms"}
    assert [hit["id"] for hit in told["hits"]] == ["fram", "archer"]
    assert told["passage"]["id"] == "newburgh"
    assert told["walked"]
    assert set(told["seeds"][0]) >= {"node", "kind", "weight", "mass"}
    for hit in told["hits"]:
        given = sum(seed["mass"] for seed in hit["from_seeds"]) + hit["from_others"]
        assert given == pytest.approx(hit["mass"], abs=1e-9)
    assert {path["passage"] for path in told["paths"]} >= {"fram", "archer"}
    assert done.stderr == ""


@pytest.mark.usefixtures("walking")
def test_a_page_is_written_and_the_text_says_where(indexed: Path) -> None:
    done = run(*ARGUMENTS, "--html", "why.html", cwd=indexed)
    assert "written: why.html" in done.stdout
    assert "[Fram (ship)]  fram" in done.stdout
    assert "<svg" in (indexed / "why.html").read_text(encoding="utf-8")


def test_retrievers_and_filters_are_chosen_as_in_retrieve(indexed: Path) -> None:
    done = run(*ARGUMENTS, "--retriever", "dense", "--filter", "y = 2", "--json", cwd=indexed)
    told = json.loads(done.stdout)
    assert ([hit["id"] for hit in told["hits"]], told["walked"], told["seeds"]) == (["newburgh"], False, [])
    assert "did not walk" in run(*ARGUMENTS, "--retriever", "bm25", cwd=indexed).stdout


@pytest.mark.parametrize("wrong", [("--passage", "maud"), ("-k", 0), ("--retriever", "sparse")])
def test_what_is_not_there_is_wrong_usage(indexed: Path, wrong: tuple[object, ...]) -> None:
    assert run(*ARGUMENTS, *wrong, cwd=indexed, code=2).stderr.startswith("hippograph: ")


def test_a_verdict_on_the_facts_is_told() -> None:
    fact = LinkedTriple(triple=Triple("Fram", "built by", "Colin Archer"), similarity=0.75, kept=False)
    verdict = Recognition(status="failed", error="the server did not answer")
    explanation = Explanation(query="q", hits=(), walked=False, triples=(fact,), recognition=verdict)
    text = "\n".join(explanation_lines(explanation))
    assert "NOTHING FOUND for: q" in text
    assert "FACTS NEAR THE QUERY (recognition: failed)\n  the server did not answer\n" in text
    assert "  dropped  0.750  Fram - built by - Colin Archer" in text
    assert explanation_values(explanation)["recognition"] == {
        "status": "failed",
        "kept": (),
        "error": "the server did not answer",
        "usage": {
            "calls": 0,
            "items": 0,
            "input_tokens": 0,
            "output_tokens": 0,
            "reused": 0,
            "seconds": 0.0,
            "cost": 0.0,
        },
    }


def test_a_terminal_is_not_obeyed() -> None:
    passage = Passage(id="p\x1b[31m", document="p", title="\x1b]0;title\x07", text="")
    explanation = Explanation(query="\x1b[2Jq", hits=(ExplainedHit(passage=passage, place=1, score=1.0),), walked=False)
    assert "\x1b" not in "".join(explanation_lines(explanation))
