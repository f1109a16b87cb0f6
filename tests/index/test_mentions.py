import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span

from hippograph.index.mentions import entities
from hippograph.models.spacy_pipeline import find_pipeline, load_pipeline


@pytest.fixture(scope="module", name="parse")
def english():
    return load_pipeline(find_pipeline())


def test_the_title_is_an_entity_without_its_qualifier(parse):
    assert entities(parse("A thriller."), title="Jaws (film)") == ["Jaws"]
    assert entities(parse(""), title="") == []


def test_every_mention_counts_once(parse):
    found = entities(parse("Marie Curie met Albert Einstein. Albert Einstein liked Marie Curie."))
    assert found == ["Marie Curie", "Albert Einstein", "Albert Einstein", "Marie Curie"]


def test_articles_possessives_and_punctuation_are_not_part_of_a_name(parse):
    found = entities(parse('The University of Oslo\'s library bought "Hamlet" from (the) United Nations.'))
    assert found[0] == "University of Oslo"
    assert "United Nations" in found
    assert not any(name.startswith(("The ", "the ", '"')) or name.endswith(("'s", '"', ".")) for name in found)


def test_an_article_stays_where_the_title_has_one(parse):
    assert entities(parse("The Birds opened in Cannes."), title="The Birds")[:2] == ["The Birds", "The Birds"]


def test_numbers_are_no_names(parse):
    assert entities(parse("In 1950, the first three of 20 percent ran two miles.")) == []


def test_dates_on_request(parse):
    text = "She moved to Rome on 5 May 1950."
    assert entities(parse(text)) == ["Rome"]
    assert entities(parse(text), dates=True) == ["Rome", "5 May 1950"]


def test_proper_nouns_that_the_pipeline_left_unlabelled():
    vocab = spacy.blank("en").vocab
    words = ["the", "Duke", "of", "Burgundy", "met", "Jean", "-", "Luc", "and", "Bob"]
    spaces = [True, True, True, True, True, False, False, True, True, False]
    pos = ["DET", "PROPN", "ADP", "PROPN", "VERB", "PROPN", "PUNCT", "PROPN", "CCONJ", "PROPN"]
    assert entities(Doc(vocab, words=words, spaces=spaces, pos=pos)) == ["Duke of Burgundy", "Jean-Luc", "Bob"]


@pytest.mark.parametrize(
    ("title", "text", "expected"),
    [
        (
            "",
            "Мария Кюри родилась в Варшаве. Она жила в Париже. Фильм «Война и мир» снят в Москве. Париж — город.",
            ["Мария Кюри", "Варшаве", "Париже", "Война", "Война и мир", "Москве"],
        ),
        ("", "А. С. Пушкин жил в Москве. Москве он был рад.", ["А. С. Пушкин", "Москве", "Москве"]),
        ("居里夫人", "居里夫人著有《放射性》，曾在 Sorbonne 任教。", ["居里夫人", "放射性", "Sorbonne"]),
        ("ماري كوري", "ولدت ماري كوري في وارسو.", ["ماري كوري"]),
        ("", "Ο Σωκράτης γεννήθηκε στην Αθήνα.", ["Ο Σωκράτης", "Αθήνα"]),
    ],
)
def test_names_in_other_scripts(parse, title, text, expected):
    assert entities(parse(text), title=title) == expected


def test_accented_latin_is_read_by_the_pipeline(parse):
    assert "Antonín Dvořák" in entities(parse("Antonín Dvořák moved to New York."))


def test_labels_of_other_languages_count():
    doc = spacy.blank("ru")("Мария Кюри родилась в Варшаве")
    doc.ents = [Span(doc, 0, 2, label="PER"), Span(doc, 4, 5, label="LOC")]
    assert entities(doc) == ["Мария Кюри", "Варшаве"]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.text(max_size=20))
def test_any_text(parse, text, title):
    found = entities(parse(text), title=title)
    assert found == entities(parse(text), title=title)
    assert all(name == name.strip() and any(letter.isalnum() for letter in name) for name in found)
