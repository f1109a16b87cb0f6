"""The benchmark of all retrievers on all sets, on a set small enough for a test."""

import json
import re
import sys

import pytest

from benchmarks import multihop_quality
from benchmarks.multihop_quality import VARIANTS, flagged
from hippograph.composition import RETRIEVERS
from hippograph.store.snapshot import open_snapshot

PASSAGES = [
    {"idx": 0, "title": "Fram (ship)", "text": "The Fram was built by Colin Archer in Larvik."},
    {"idx": 1, "title": "Colin Archer", "text": "Colin Archer was born in Larvik to parents from Newburgh."},
    {"idx": 2, "title": "Newburgh", "text": "Newburgh is a royal burgh in Fife, Scotland."},
]
QUESTIONS = [
    {
        "id": "1",
        "question": "Where do the parents of the builder of the Fram come from?",
        "gold": [0, 1],
        "type": "two",
    },
    {"id": "2", "question": "In which country is Newburgh?", "gold": [2], "type": "one"},
    {"id": "3", "question": "Who built the Fram?", "gold": [0], "type": "one"},
]
OPENIE = [{"idx": idx, "entities": ["Newburgh"], "triples": [["Newburgh", "is in", "Fife"]]} for idx in range(3)]


def ran(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["multihop_quality.py", *map(str, arguments)])
    assert multihop_quality.main() == 0
    return capsys.readouterr()


@pytest.fixture
def folder(tmp_path):
    """A set of the form that the benchmark takes."""
    folder = tmp_path / "ships"
    folder.mkdir()
    for name, value in (("corpus", PASSAGES), ("questions", QUESTIONS), ("openie", OPENIE)):
        (folder / f"{name}.json").write_text(json.dumps(value))
    return folder


def test_every_retriever_that_has_a_name_is_measured():
    assert set(RETRIEVERS) <= set(VARIANTS)


def test_all_conditions_are_measured_and_indexes_used_again(folder, tmp_path, monkeypatch, capsys):
    work, out = tmp_path / "work", tmp_path / "out.json"
    chosen = ("--retriever", "dense", "--retriever", "bm25")
    printed = ran(monkeypatch, capsys, folder, "--work", work, "--out", out, *chosen)
    told = json.loads(out.read_text())
    assert [(one["set"], one["condition"]) for one in told] == [
        ("ships", "titled"),
        ("ships", "withheld"),
        ("ships", "replay"),
    ]
    for one in told:
        assert list(one["results"]) == ["dense", "bm25"]
        assert one["results"]["bm25"]["difference"]["baseline"] == "dense"
        assert one["results"]["bm25"]["manifest"]["measured"]["condition"] == one["condition"]
        assert str(tmp_path) not in json.dumps(one)
    assert set(open_snapshot(work / "ships.hippo").passages.titles) == {row["title"] for row in PASSAGES}
    assert set(open_snapshot(work / "ships.nt.hippo").passages.titles) == {""}
    assert open_snapshot(work / "ships.replay.hippo").manifest.extractor.startswith("replay:")
    for pattern in (
        r"^ ships +dense +\d",
        r"^ titled +bm25",
        r"^ships, withheld: R@5 by type",
        r"one \(2\) +two \(1\)",
    ):
        assert re.search(pattern, printed.out, re.MULTILINE), pattern
    assert max(len(line) for line in printed.out.split("\n")) <= 120
    again = ran(monkeypatch, capsys, folder, "--work", work, "--condition", "titled", *chosen)
    assert "0 documents added, 3 unchanged" in again.err
    assert "withheld" not in again.out


def test_sets_without_triples_are_not_replayed(folder, tmp_path, monkeypatch, capsys):
    (folder / "openie.json").unlink()
    printed = ran(monkeypatch, capsys, folder, "--retriever", "bm25", "--condition", "replay", "--condition", "titled")
    assert "titled" in printed.out
    assert "replay" not in printed.out


def test_only_what_is_more_than_a_point_below_is_flagged():
    assert flagged(0.50, 0.52) == "! 50.0"
    assert flagged(0.515, 0.52) == "51.5"
    assert flagged(0.60, 0.52) == "60.0"
