"""The toy corpora end to end, with the real default models."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hippograph.evaluation.datasets import load_questions
from hippograph.evaluation.experiment import evaluate
from hippograph.evaluation.results import Evaluation
from hippograph.hippograph import HippoGraph
from hippograph.testing.contracts import check_retriever
from hippograph.testing.toy_corpus import (
    toy_corpus_path,
    toy_questions_path,
    unicode_corpus_path,
    unicode_questions_path,
)

pytestmark = pytest.mark.local

MULTI_HOP = ("bridge", "compositional", "bridge_comparison")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HippoGraph]:
    with HippoGraph(tmp_path_factory.mktemp("golden") / "toy.hippo") as hippograph:
        report = hippograph.index([toy_corpus_path()])
        assert (report.added, report.skipped, report.failures) == (72, (), ())
        yield hippograph


@pytest.fixture(scope="module")
def measured(toy: HippoGraph) -> dict[str, Evaluation]:
    questions = load_questions(toy_questions_path())
    return {name: evaluate(toy.parts.retriever(name), questions) for name in ("default", "dense", "bm25", "hybrid")}


def test_the_graph_finds_what_vectors_and_words_do_not(measured):
    for name in ("dense", "bm25", "hybrid"):
        for kind in MULTI_HOP:
            assert measured["default"].by_type[kind].recall[5] > measured[name].by_type[kind].recall[5] + 0.1, (
                name,
                kind,
            )


def test_the_graph_loses_nothing_on_what_vectors_find(measured):
    for kind in ("single", "comparison"):
        assert measured["default"].by_type[kind].recall[5] == 1.0


def test_the_golden_ranking(toy):
    ranking = toy.retrieve("In which town did the composer of Snow on the Orrow die?", k=2)
    assert [hit.passage.title for hit in ranking.hits] == ["Snow on the Orrow", "Ilja Krčmář"]
    first = ranking.evidence.seeds[0]
    assert (first.node, first.kind, first.reason) == ("snow-on-the-orrow", "passage", "title, dense, first walk")


@pytest.mark.parametrize("name", ["default", "dense", "bm25", "hybrid"])
def test_the_contract_with_the_real_models(toy, name):
    queries = [question.text for question in load_questions(toy_questions_path()).questions[:3]]
    check_retriever(toy.parts.retriever(name), queries=queries)


def test_facts_are_in_the_graph(toy):
    snapshot = toy.parts.snapshot
    assert snapshot.manifest.counts.triples > 100
    snapshot.graph.validate()
    assert snapshot.graph.degrees[snapshot.graph.n_entities :].min() > 0


@pytest.fixture(scope="module")
def many_scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HippoGraph]:
    with HippoGraph(tmp_path_factory.mktemp("golden") / "unicode.hippo") as hippograph:
        hippograph.index([unicode_corpus_path()])
        yield hippograph


def test_questions_in_every_script_find_their_passages(many_scripts):
    result = evaluate(many_scripts.parts.retriever(), load_questions(unicode_questions_path()))
    assert result.recall[5] > 0.9
    assert (
        result.recall[2]
        >= evaluate(many_scripts.parts.retriever("dense"), load_questions(unicode_questions_path())).recall[2]
    )


@pytest.mark.parametrize(("asked", "title"), [("C++", "C++"), ("C#", "C#"), ("F#", "F#"), (".NET", ".NET")])
def test_languages_with_signs_in_their_names_are_kept_apart(many_scripts, asked, title):
    assert many_scripts.retrieve(f"Who designed {asked}?", k=1).hits[0].passage.title.startswith(title)


def test_a_text_file_is_cut_and_cited_by_its_characters(tmp_path: Path):
    text = "\n\n".join(
        passage for passage in ["Oslo is the capital of Norway. " * 30, "The Fram lies at Bygdøy. " * 40]
    )
    (tmp_path / "norway.txt").write_text(text, encoding="utf-8")
    with HippoGraph(tmp_path / "it.hippo") as hippograph:
        hippograph.index([tmp_path / "norway.txt"])
        [best] = hippograph.retrieve("Where does the Fram lie?", k=1).hits
    start, end = best.passage.span
    assert text[start:end] == best.passage.text
    assert "Bygdøy" in best.passage.text
    assert (best.passage.document, best.passage.id) == ("norway.txt", f"norway.txt#{best.passage.id[-1]}")
