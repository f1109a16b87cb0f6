"""Measures of answers against a table made by the programs of SQuAD and MuSiQue, and what holds for all answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.evaluation.answers import citation_precision, citation_recall, exact_match, f1, normalized_answer

# Answer, acceptable answers, exact match, F1 by SQuAD's program (1.1), F1 by MuSiQue's; worked out by hand from both.
ORACLE = [
    ("G. Stanley Hall", ["G. Stanley Hall", "Stanley Hall"], 1, 1, 1),
    ("g stanley HALL!", ["G. Stanley Hall"], 1, 1, 1),
    ("Hall", ["G. Stanley Hall", "Stanley Hall"], 0, 2 / 3, 2 / 3),
    ("the Church of England", ["Church of England"], 1, 1, 1),
    ("the the Anglican communion", ["an Anglican Communion"], 1, 1, 1),
    ("Boeing B - 29 Superfortress bomber", ["Boeing B-29 Superfortress"], 0, 4 / 8, 4 / 8),
    ("October 5 1987", ["October 5, 1987"], 1, 1, 1),
    ("5 October 1987", ["October 5, 1987"], 0, 1, 1),
    ("Paris Paris", ["Paris"], 0, 2 / 3, 2 / 3),
    ("Paris Paris", ["Paris Paris Texas"], 0, 4 / 5, 4 / 5),
    ("yes, both are", ["yes"], 0, 1 / 2, 1 / 2),
    ("no", ["yes"], 0, 0, 0),
    ("land‑grant university", ["land-grant university"], 0, 1 / 2, 1 / 2),
    ("École", ["école"], 1, 1, 1),
    ("Theatre", ["atre"], 0, 0, 0),
    ("a-b the", ["ab"], 1, 1, 1),
    ("A", ["the"], 1, 0, 1),
    ("", [""], 1, 0, 1),
    ("...", ["an", "Rome"], 1, 0, 1),
    ("", ["Rome"], 0, 0, 0),
    ("Rome", ["The"], 0, 0, 0),
]


@pytest.mark.parametrize(("text", "answers", "match", "squad", "musique"), ORACLE)
def test_the_programs_values(text: str, answers: list[str], match: float, squad: float, musique: float) -> None:
    assert exact_match(text, answers) == match
    assert f1(text, answers) == pytest.approx(squad)
    assert f1(text, answers, convention="musique") == pytest.approx(musique)


TEXTS = st.text(alphabet="aAbthen .,-é1 ", max_size=20)


@given(text=TEXTS, answers=st.lists(TEXTS, min_size=1, max_size=4))
def test_an_alias_never_costs_and_what_matches_has_full_marks_with_musique(text: str, answers: list[str]) -> None:
    assert exact_match(text, answers) == max(exact_match(text, [answer]) for answer in answers)
    assert f1(text, answers) == max(f1(text, [answer]) for answer in answers)
    squad, musique = f1(text, answers), f1(text, answers, convention="musique")
    assert 0 <= squad <= musique <= 1
    assert musique >= exact_match(text, answers)
    assert squad in {musique, 0.0}


@given(text=TEXTS, other=TEXTS)
def test_normalising_is_done_once_and_f1_has_no_direction(text: str, other: str) -> None:
    once = normalized_answer(text)
    assert once == once.lower().strip()
    assert "  " not in once
    assert f1(text, [other]) == f1(other, [text])


@given(
    cited=st.lists(st.sampled_from("abcdef"), max_size=8),
    gold=st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True),
)
def test_citations_count_once(cited: list[str], gold: list[str]) -> None:
    precision, recall = citation_precision(cited, gold), citation_recall(cited, gold)
    assert precision == citation_precision(sorted(set(cited)), gold)
    assert recall == citation_recall(cited + cited, gold)
    assert round(precision * len(set(cited))) == round(recall * len(gold)) == len(set(cited) & set(gold))


def test_nothing_to_hold_it_against_is_refused() -> None:
    with pytest.raises(InputError, match="no acceptable answer"):
        exact_match("Rome", [])
    with pytest.raises(InputError, match="no convention 'bleu'"):
        f1("Rome", ["Rome"], convention="bleu")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no gold"):
        citation_recall(["a"], [])
    assert citation_precision([], ["a"]) == 0
