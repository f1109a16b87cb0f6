"""Questions: JSON files and BEIR folders, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hippograph.errors import InputError
from hippograph.evaluation.datasets import Question, load_questions


def write_json(folder: Path, value: Any) -> Path:
    path = folder / "questions.json"
    path.write_text(json.dumps(value))
    return path


def write_beir(folder: Path, **files: str) -> Path:
    """A BEIR folder of two judged questions, some of its files replaced."""
    queries = [{"_id": "q1", "text": "Who?", "metadata": {}}, {"_id": "q2", "text": "Why?"}, {"_id": 3, "text": "How?"}]
    (folder / "qrels").mkdir()
    contents = {
        "queries": "\n".join(json.dumps(query) for query in queries) + "\n",
        "test": "query-id\tcorpus-id\tscore\nq2\td 1\t2\r\nq2\td2\t0\nq1\td3\t1\nq1\td3\t1\n3\td1\t-1\n",
        "dev": "query-id\tcorpus-id\tscore\nq1\td9\t1\n",
        **files,
    }
    for name, text in contents.items():
        path = folder / "queries.jsonl" if name == "queries" else folder / "qrels" / f"{name}.tsv"
        path.write_text(text, encoding="utf-8", newline="")
    return folder


def test_json_questions_keep_what_is_needed_and_ignore_the_rest(tmp_path: Path) -> None:
    path = write_json(
        tmp_path,
        [
            {"id": "a", "question": "Who?", "answers": ["Me", "I"], "gold": [4, "x", 4], "hops": 2, "type": "bridge"},
            {"id": 7, "question": "Why?", "gold": []},
            {"id": "c", "question": "How?", "gold": None, "answers": None, "type": None},
        ],
    )
    questions = load_questions(path)
    assert questions.questions == (
        Question(id="a", text="Who?", gold={"4": 1, "x": 1}, answers=("Me", "I"), type="bridge"),
        Question(id="7", text="Why?"),
        Question(id="c", text="How?"),
    )
    assert questions.qrels == {"a": {"4": 1, "x": 1}}
    assert questions.n_without_gold == 2


def test_a_byte_order_mark_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    path.write_bytes(b'\xef\xbb\xbf[{"id": 1, "question": "Wer \xc3\xbcbt?"}]')
    assert load_questions(path).questions[0].text == "Wer übt?"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"question": None}, r"row 2: `question` has None; give a string"),
        ({"question": " "}, r"row 2: `question` is blank"),
        ({"id": True}, r"row 2: `id` has True; give a string or a whole number"),
        ({"id": ""}, r"row 2: the id is empty"),
        ({"id": "a"}, r"row 2: the id 'a' is given twice"),
        ({"gold": [True]}, r"row 2: `gold` has True; give a list of the ids"),
        ({"gold": [1.5]}, r"row 2: `gold` has 1.5; give a list"),
        ({"gold": "4"}, r"row 2: `gold` has '4'; give a list"),
        ({"answers": "Me"}, r"row 2: `answers` has 'Me'; give a list of strings"),
        ({"type": 2}, r"row 2: `type` has 2; give a string"),
        ({"question": "\ud800"}, r"row 2: has half of a surrogate pair"),
    ],
)
def test_a_bad_question_is_named_with_file_row_and_field(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path = write_json(tmp_path, [{"id": "a", "question": "Who?"}, {"id": "b", "question": "Why?", **change}])
    with pytest.raises(InputError, match=rf"questions\.json, {words}"):
        load_questions(path)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": 1}, "is not a list"),
        ([], "holds no questions"),
        ([[1]], "row 1: is not an object"),
        ([{"question": "Who?"}], "row 1: has no `id`; give a string or a whole number"),
        ([{"id": 1}], "row 1: has no `question`; give a string"),
    ],
)
def test_files_that_are_no_question_sets_are_named(tmp_path: Path, value: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_questions(write_json(tmp_path, value))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'[\n{"id": 1,}]', "is not JSON: .* line 2, column"),
        (b"", "is not JSON"),
        (b"[" * 100_000, "is not usable JSON"),
        (b'["caf\xe9"]', "not UTF-8 .byte 5.; convert"),
    ],
)
def test_unusable_json_is_named_with_its_place(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "q.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        load_questions(path)


@pytest.mark.parametrize("name", ["none.json", "x" * 5000])
def test_a_missing_file_is_a_usage_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="check the path"):
        load_questions(tmp_path / name)


def test_beir_questions_are_those_of_the_split_with_their_grades(tmp_path: Path) -> None:
    folder = write_beir(tmp_path)
    questions = load_questions(folder)
    assert [(q.id, q.text, q.gold) for q in questions.questions] == [
        ("q1", "Who?", {"d3": 1}),
        ("q2", "Why?", {"d 1": 2}),
        ("3", "How?", {}),
    ]
    assert questions.n_without_gold == 1
    assert [q.id for q in load_questions(folder, split="dev").questions] == ["q1"]


def test_qrels_without_a_header_lose_no_line(tmp_path: Path) -> None:
    folder = write_beir(tmp_path, test="q1\td3\t1\n")
    assert load_questions(folder).qrels == {"q1": {"d3": 1}}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"test": "query-id\tcorpus-id\tscore\nq1\td1\n"}, r"test\.tsv, line 2: 2 fields, not 3"),
        ({"test": "q1\td1\t0.5\n"}, r"test\.tsv, line 1: the grade is '0.5'"),
        ({"test": "q1\td1\t1\nq1\td1\t2\n"}, r"test\.tsv, line 2: document 'd1' has two grades for query 'q1'"),
        ({"test": "q8\td1\t1\n"}, r"judges query 'q8', which .*queries\.jsonl lacks"),
        ({"test": "query-id\tcorpus-id\tscore\n"}, "holds no questions"),
        ({"queries": '{"_id": "q1"}\n'}, r"queries\.jsonl, line 1: has no `text`"),
        ({"queries": '\n{"_id": [], "text": "x"}\n'}, r"queries\.jsonl, line 2: `_id` has \[\]"),
        ({"queries": "{\n"}, r"queries\.jsonl, line 1 is not JSON"),
    ],
)
def test_faults_of_beir_folders_are_named(tmp_path: Path, files: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_questions(write_beir(tmp_path, **files))


@pytest.mark.parametrize("split", ["train", "../qrels/test"])
def test_an_unknown_split_is_answered_with_those_there_are(tmp_path: Path, split: str) -> None:
    with pytest.raises(InputError, match="choose one of its splits: dev, test"):
        load_questions(write_beir(tmp_path), split=split)


def test_a_folder_without_queries_is_no_beir_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no queries\.jsonl"):
        load_questions(tmp_path)
