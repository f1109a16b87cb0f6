import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.readers.extracting.question_types import question_type


@pytest.mark.parametrize(
    ("question", "kind", "noun"),
    [
        ("Who wrote the play?", "person", ""),
        ("Which Norwegian explorer sailed first?", "phrase", "explorer"),
        ("In what coastal city was the ship built?", "place", "city"),
        ("The ship was built in what city?", "place", "city"),
        ("Where did the composer die?", "place", ""),
        ("What is the place of birth of the composer?", "place", "place"),
        ("When was the ship that sank launched?", "date", ""),
        ("What is the date of death of her captain?", "date", "date"),
        ("In which year was the ship launched?", "year", "year"),
        ("How many sailors were aboard?", "number", ""),
        ("What is the population of the town where he was born?", "number", "population"),
        ("What nationality is the director of the film?", "country", "nationality"),
        ("Which country is she from?", "country", "country"),
        ("What award did the ship's builder win?", "name", "award"),
        ("What is the cargo?", "phrase", "cargo"),
        ("Why did the crew leave?", "reason", ""),
        ("Is the Fram a ship?", "yes or no", ""),
        ("Wer baute die Fram?", "unknown", ""),
        ("フラム号を建造したのは誰ですか", "unknown", ""),
    ],
)
def test_the_kind_of_thing_is_told_from_the_question(question, kind, noun):
    told = question_type(question)
    assert (told.kind, told.noun) == (kind, noun)


@pytest.mark.parametrize(
    "question",
    [
        "Who was born later, Ada Berg or Bo Lund?",
        "Was Ada Berg or Bo Lund born first?",
        "Which explorer was older: Ada Berg or Bo Lund?",
    ],
)
def test_two_choices_are_found(question):
    told = question_type(question)
    assert (told.kind, told.choices) == ("choice", ("Ada Berg", "Bo Lund"))


def test_choices_keep_their_commas():
    told = question_type("Which film came out first, Love, Honour And Tea or The Long Way?")
    assert told.choices == ("Love, Honour And Tea", "The Long Way")


def test_an_alternative_in_a_question_for_something_else_is_no_choice():
    assert question_type("When was the first ship or boat named after her built?").kind != "choice"


def test_a_question_about_two_names_both():
    told = question_type("Are Ada Berg and Bo Lund from the same country?")
    assert (told.kind, told.choices) == ("yes or no", ("Ada Berg", "Bo Lund"))


@given(st.text(max_size=80))
def test_any_text_has_a_type(question):
    told = question_type(question)
    assert told == question_type(question)
    assert len(told.choices) in (0, 2)
