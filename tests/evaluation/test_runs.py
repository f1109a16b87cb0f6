"""TREC run files: the round trip, the order that other tools read, and what is refused."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.evaluation.measures import ranked
from hippograph.evaluation.runs import read_run, write_run
from tests.evaluation.strategies import scores

ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
any_runs = st.dictionaries(ids, st.dictionaries(ids, scores, max_size=6), max_size=3)


def written(run: dict[str, dict[str, float]]) -> tuple[str, dict[str, dict[str, float]]]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.run"
        write_run(path, run)
        return path.read_text(encoding="utf-8"), read_run(path)


@settings(deadline=None)
@given(any_runs)
def test_ids_and_order_survive_the_round_trip(run: dict[str, dict[str, float]]) -> None:
    _, again = written(run)
    assert {q: ranked(found) for q, found in again.items()} == {q: ranked(found) for q, found in run.items() if found}
    assert written(again)[1] == again


@settings(deadline=None)
@given(any_runs)
def test_scores_apart_in_single_precision_survive_exactly(run: dict[str, dict[str, float]]) -> None:
    _, again = written(run)
    for question, found in run.items():
        if len({np.float32(score) for score in found.values()}) == len(found) > 0:
            assert again[question] == found


@settings(deadline=None)
@given(any_runs)
def test_lines_have_six_fields_and_falling_single_precision_scores(run: dict[str, dict[str, float]]) -> None:
    text, _ = written(run)
    before: tuple[str, float, int] = ("", 0.0, 0)
    for line in text.split("\n")[:-1]:
        question, q0, _, rank, score, tag = line.split()
        assert (q0, tag) == ("Q0", "hippograph")
        single = float(np.float32(score))
        if question == before[0]:
            assert single < before[1]
            assert int(rank) == before[2] + 1
        else:
            assert rank == "1"
        before = (question, single, int(rank))


def test_what_a_line_looks_like() -> None:
    text, _ = written({"q 1": {"100% sure": 0.25, "b\n": 2.0}})
    assert text == "q%201 Q0 b%0A 1 2.0 hippograph\nq%201 Q0 100%25%20sure 2 0.25 hippograph\n"


def test_foreign_runs_are_read_by_score(tmp_path: Path) -> None:
    path = tmp_path / "a.run"
    path.write_bytes(b"\xef\xbb\xbfq1\tQ0\td2\t1\t0.5\tx\r\n\n q1 0  d1 7 1e1 x \n")
    assert read_run(path) == {"q1": {"d2": 0.5, "d1": 10.0}}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("q1 Q0 d1 1 0.5", "line 2: 5 fields, not 6"),
        ("q1 Q0 d 1 1 0.5 x", "line 2: 7 fields, not 6"),
        ("q1 Q0 d1 1 high x", "line 2: the score is 'high'"),
        ("q1 Q0 d1 1 nan x", "line 2: the score is 'nan'"),
        ("q1 Q0 d0 2 0.4 x", "line 2: document 'd0' is given twice for 'q1'"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "a.run"
    path.write_text(f"q1 Q0 d0 1 0.5 x\n{line}\n")
    with pytest.raises(InputError, match=words):
        read_run(path)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.run cannot be read"):
        read_run(tmp_path / "none.run")
    (tmp_path / "latin.run").write_bytes(b"q1 Q0 caf\xe9 1 1.0 x\n")
    with pytest.raises(InputError, match="byte 9"):
        read_run(tmp_path / "latin.run")
    with pytest.raises(InputError, match="cannot be written"):
        write_run(tmp_path / "no" / "folder.run", {})


@pytest.mark.parametrize(
    ("run", "tag", "words"),
    [
        ({"q": {"a": float("nan")}}, "t", "score of document 'a' is nan"),
        ({"q": {"a": float("inf")}}, "t", "score of document 'a' is inf"),
        ({"q": {"a": -1e39}}, "t", "at most 1e38"),
        ({"q": {"": 1.0}}, "t", "empty id"),
        ({"": {"a": 1.0}}, "t", "empty id"),
        ({"q": {"a": 1.0}}, "", "empty id"),
        ({"q": {"\ud800": 1.0}}, "t", "cannot be written as UTF-8"),
    ],
)
def test_what_a_run_file_cannot_hold_is_refused_and_nothing_written(
    tmp_path: Path, run: dict[str, dict[str, float]], tag: str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        write_run(tmp_path / "a.run", run, tag=tag)
    assert not (tmp_path / "a.run").exists()
