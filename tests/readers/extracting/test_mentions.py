import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.readers.extracting.countries import countries_in, country_of
from hippograph.readers.extracting.mentions import dates_in, life_role, numbers_in, written_mentions
from hippograph.readers.extracting.spacy_mentions import SpacyMentions, installed_mentions
from hippograph.readers.extracting.word_families import family
from hippograph.text.function_words import FUNCTION_WORDS


def told(text, found):
    return [text[start:end] for start, end, _ in found]


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("born 3 May 1893 in Oslo", ["3 May 1893"]),
        ("on October 10, 1861, and in 1930", ["October 10, 1861", "1930"]),
        ("She (835 – 869) and he (d. 20 March 851)", ["835", "869", "20 March 851"]),
        ("since June 1893", ["June 1893"]),
        ("logged 1893-06-24", ["1893-06-24"]),
        ("in the 19th century", ["19th century"]),
        ("12,345 men, room 101, 1,893 tons", []),
    ],
)
def test_dates_are_found(text, dates):
    assert told(text, dates_in(text)) == dates


def test_numbers_are_found_apart_from_dates():
    text = "In 1893 a crew of 13, 2.5 million readers, 40% of 1,000 tons."
    assert told(text, numbers_in(text)) == ["13", "2.5 million", "40%", "1,000"]


@pytest.mark.parametrize(
    ("text", "what", "role"),
    [
        ("Ada (3 May 1893 – 9 June 1930) sailed.", "3 May", "birth"),
        ("Ada (3 May 1893 – 9 June 1930) sailed.", "9 June", "death"),
        ("Ada (29 November 1690, in Dorn – 16 March 1747, in Zerb) ruled.", "Dorn", "birth"),
        ("Ada (29 November 1690, in Dorn – 16 March 1747, in Zerb) ruled.", "Zerb", "death"),
        ("Ada (died 1765) was rich.", "1765", "death"),
        ("Ada was born on the coast in Larvik.", "Larvik", "birth"),
        ("Ada, born in Larvik, died in Oslo.", "Oslo", "death"),
        ("Ada moved to Oslo (the capital).", "Oslo", ""),
        ("Ada went (by train) to Oslo.", "Oslo", ""),
    ],
)
def test_births_and_deaths_are_told_apart(text, what, role):
    start = text.index(what)
    assert life_role(text, start, start + len(what)) == role


def test_countries_go_by_their_names_and_peoples():
    assert country_of("the Netherlands") == country_of("Dutch") == "Netherlands"
    assert country_of("Larvik") == ""
    assert [name for _, _, name in countries_in("A South Korean and a Nigerien, near Nigeria")] == [
        "South Korea",
        "Niger",
        "Nigeria",
    ]


def test_words_of_a_family_meet():
    assert family("composer") == family("composed")
    assert family("wife") == family("married")
    assert family("ship") != family("shore")


@given(st.text(max_size=60))
def test_what_is_found_lies_in_the_text(text):
    for found in (dates_in(text), numbers_in(text), written_mentions([text])[0]):
        assert all(0 <= start < end <= len(text) for start, end, _ in found)
        assert list(found) == sorted(found)
    assert all(text[start:end] for start, end, _ in countries_in(text))
    assert family(text) or not text


@pytest.mark.local
def test_spacy_finds_names_and_phrases():
    text = "Colin Archer of Larvik built a strong wooden ship."
    [found] = SpacyMentions()([text])
    kinds = {text[start:end]: kind for start, end, kind in found}
    assert kinds["Colin Archer"] == "person"
    assert kinds["strong wooden ship"] == "phrase"
    assert installed_mentions() == SpacyMentions()


@pytest.mark.local
def test_names_neither_begin_nor_end_with_grammar():
    texts = ["The crew of the Fram sailed to the North Pole's edge with King Haakon of Norway's blessing."]
    texts.append("Prime Minister Gro Harlem Brundtland's house, Glen Cove, and the United States.")
    for text, found in zip(texts, SpacyMentions()(texts), strict=True):
        assert found
        for start, end, _ in found:
            words = text[start:end].split()
            assert words[0].lower() not in FUNCTION_WORDS
            assert words[-1].lower() not in FUNCTION_WORDS
            assert text[start:end].endswith(tuple("abcdefghijklmnopqrstuvwxyz"))


def test_without_spacy_capitals_are_names(monkeypatch):
    installed_mentions.cache_clear()
    monkeypatch.setattr("hippograph.readers.extracting.spacy_mentions.packaged_folder", lambda package: None)
    assert installed_mentions() is written_mentions
    installed_mentions.cache_clear()
