"""Sub-questions of published sets: what they refer to is put in, and what is wrong is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.evaluation.datasets import load_questions
from hippograph.evaluation.decompositions import load_decompositions, resolved


def test_as_musique_and_2wiki_write_them(tmp_path: Path) -> None:
    rows = [
        {
            "id": "4hop1__1",
            "question": "How many stores are in the state to the east?",
            "decomposition": [
                {"question": "Hello Love >> performer", "answer": "Hank Snow", "gold": 35},
                {"question": "What city did #1 live when he died?", "answer": "Tennessee", "gold": 34},
                {"question": "Which state borders #2 to the east?", "answer": "North Carolina"},
                {"question": "#3 >> stores of  #1's", "answer": "35"},
            ],
        },
        {"id": 7, "question": "Who is older?", "decomposition": [{"question": "When was A born?", "answer": "1 May"}]},
        {"id": 8, "question": "Who?", "decomposition": []},
        {"id": 9, "question": "Where?"},
    ]
    path = tmp_path / "questions.json"
    path.write_text(json.dumps(rows))
    assert load_decompositions(path) == {
        "4hop1__1": (
            "Hello Love performer",
            "What city did Hank Snow live when he died?",
            "Which state borders Tennessee to the east?",
            "North Carolina stores of Hank Snow's",
        ),
        "7": ("When was A born?",),
    }
    assert len(load_questions(path).questions) == 4


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        ([("Who sang the #1 hit?", "X")], "Who sang the #1 hit?"),
        ([("a", "A"), ("b of #2 and #1", "B")], "b of #2 and A"),
        ([("a", "#1 of them"), ("b of #1", "B")], "b of #1 of them"),
        ([(str(n), f"<{n}>") for n in range(1, 12)] + [("#1 #11 #10", "")], "<1> <11> <10>"),
        ([("a", r"\1 \g<0>"), ("#1", "B")], r"\1 \g<0>"),
    ],
)
def test_only_earlier_answers_are_put_in(parts: list[tuple[str, str]], wanted: str) -> None:
    assert resolved(parts)[-1] == wanted


@given(st.lists(st.tuples(st.text(alphabet="ab ?"), st.text()), max_size=5))
def test_plain_sub_questions_stay(parts: list[tuple[str, str]]) -> None:
    assert resolved(parts) == tuple(" ".join(question.split()) for question, _ in parts)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"id": 1}', "is not a list"),
        ('[{"id": 1, "decomposition": "What?"}]', "row 1: `decomposition` has 'What\\?'; give a list of"),
        (
            '[{"id": 1, "decomposition": [{"question": "What?"}]}]',
            "row 1: `decomposition` has {'question': 'What\\?'}; give a list of",
        ),
        ('[{"decomposition": []}]', "row 1: has no `id`"),
        ("[", "is not JSON"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "questions.json"
    path.write_text(text)
    with pytest.raises(InputError, match=complaint):
        load_decompositions(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_decompositions(tmp_path / "none.json")
