"""The manifest of a result: the same for the same, another for anything else, and silent about the machine."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from hippograph.evaluation.datasets import Question, QuestionSet
from hippograph.evaluation.manifest import reading_manifest, result_manifest
from hippograph.index.indexer import Indexer
from hippograph.prompts.prompt import load_prompt
from hippograph.readers.single_pass import SinglePassReader
from hippograph.store.index_directory import IndexDirectory
from hippograph.store.snapshot import Snapshot
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder
from hippograph.testing.scripted import ScriptedModel
from hippograph.types import Passage, Ranking

DATE = datetime(2026, 11, 21, 19, 31, 5, 123, tzinfo=UTC)
QUESTIONS = (
    Question(id="1", text="who", gold={"a": 1, "b": 1}, type="bridge", answers=("Ada",)),
    Question(id="2", text="why"),
)


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """Finds nothing, with a parameter."""

    damping: float = 0.5

    def retrieve(self, queries: Sequence[str], *, k: int) -> list[Ranking]:
        return [Ranking(query=query, hits=()) for query in queries]


def indexed(folder: Path, *texts: str) -> Snapshot:
    indexer = Indexer(extractor=CapitalsExtractor(), embedder=HashingEmbedder())
    passages = [Passage(id=str(n), document=str(n), text=text) for n, text in enumerate(texts)]
    place = IndexDirectory(folder)
    with place.session(create=True) as session:
        indexer.index(passages, session=session)
    return place.snapshot()


def manifest(snapshot: Snapshot, **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "name": "default",
        "retriever": Nothing(),
        "questions": QuestionSet(questions=QUESTIONS),
        "snapshot": snapshot,
        "measured": {"ks": [2, 5], "resamples": 10_000, "filter": None},
        "date": DATE,
    }
    return result_manifest(**{**given, **changes})


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return indexed(tmp_path_factory.mktemp("manifest") / "it.hippo", "Ada met Charles.", "Charles lived in London.")


def test_it_tells_what_the_result_was_made_from(snapshot: Snapshot) -> None:
    value = manifest(snapshot)
    assert json.loads(json.dumps(value)) == value
    assert value["date"] == "2026-11-21T19:31:05+00:00"
    assert (value["questions"]["n"], value["questions"]["n_without_gold"]) == (2, 1)
    assert value["index"]["graph_digest"] == snapshot.manifest.graph_digest
    assert value["index"]["embedder"] == HashingEmbedder().fingerprint
    assert value["index"]["extractors"] == [CapitalsExtractor().fingerprint]
    assert value["index"]["counts"]["passages"] == 2
    assert value["retriever"] == {"name": "default", "parameters": {"type": "Nothing", "damping": 0.5}}
    assert value["measured"] == {"filter": None, "ks": [2, 5], "resamples": 10_000}
    assert value["software"]["hippograph"] == version("hippograph")
    assert value["software"]["python"] == platform.python_version()
    assert value["software"]["packages"]["numpy"] == version("numpy")
    assert list(value["software"]["packages"]) == sorted(value["software"]["packages"])
    assert value["machine"]["cores"] >= 1


def test_it_is_the_same_but_for_the_date(snapshot: Snapshot) -> None:
    later = manifest(snapshot, date=datetime(2027, 1, 1, tzinfo=UTC))
    assert later.pop("date") == "2027-01-01T00:00:00+00:00"
    now = manifest(snapshot)
    del now["date"]
    assert later == now


def test_the_same_content_elsewhere_and_in_another_order_is_the_same(snapshot: Snapshot, tmp_path: Path) -> None:
    again = indexed(tmp_path / "elsewhere" / "that.hippo", "Ada met Charles.", "Charles lived in London.")
    turned = QuestionSet(questions=QUESTIONS[::-1])
    assert manifest(again, questions=turned) == manifest(snapshot)


def test_other_content_is_not(snapshot: Snapshot, tmp_path: Path) -> None:
    other = indexed(tmp_path / "other.hippo", "Ada met Charles.", "Charles lived in London!")
    assert manifest(other)["index"]["passages_sha256"] != manifest(snapshot)["index"]["passages_sha256"]
    cut = indexed(tmp_path / "cut.hippo", "Ada met Charles.Charles lived in London.", "")
    assert manifest(cut)["index"]["passages_sha256"] != manifest(snapshot)["index"]["passages_sha256"]
    graded = QuestionSet(questions=(Question(id="1", text="who", gold={"a": 2, "b": 1}), QUESTIONS[1]))
    assert manifest(snapshot, questions=graded)["questions"] != manifest(snapshot)["questions"]
    assert manifest(snapshot, retriever=Nothing(damping=0.6))["retriever"] != manifest(snapshot)["retriever"]
    assert manifest(snapshot, measured={"ks": [2]})["measured"] == {"ks": [2]}


def test_it_names_no_place_of_the_machine(snapshot: Snapshot) -> None:
    told = json.dumps(manifest(snapshot))
    places = [Path.home(), Path.cwd(), Path(__file__).parents[2]]
    assert not any(str(place) in told for place in places if len(place.parts) > 1)


def test_of_readers_it_tells_the_model_the_prompts_and_what_is_read_with(tmp_path: Path) -> None:
    snapshot = indexed(tmp_path / "index", "Ada met Byron.")
    model = ScriptedModel(answers=[], name="a")
    given: dict[str, Any] = {
        "name": "single",
        "reader": SinglePassReader(retriever=Nothing(damping=0.25), model=model, k=3),
        "retriever": "default",
        "model": model,
        "questions": QuestionSet(questions=QUESTIONS),
        "snapshot": snapshot,
        "measured": {"threads": 4},
        "date": DATE,
    }
    told = json.loads(json.dumps(reading_manifest(**given)))
    assert told["reader"]["name"] == "single"
    assert told["reader"]["parameters"]["k"] == 3
    assert told["reader"]["parameters"]["retriever"] == {"type": "Nothing", "damping": 0.25}
    assert told["retriever"] == {"name": "default"}
    assert told["model"] == "scripted:a"
    assert told["prompts"]["answer"] == load_prompt("answer").digest
    alike = manifest(snapshot)
    for part in ("questions", "index", "software", "machine"):
        assert told[part] == json.loads(json.dumps(alike[part]))
    assert reading_manifest(**given) == reading_manifest(**given)
    assert reading_manifest(**{**given, "model": None})["model"] is None
