import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.index.dependency_rules import triples
from hippograph.index.noun_phrases import clean
from hippograph.models.spacy_pipeline import find_pipeline, load_pipeline


@pytest.fixture(scope="module", name="parse")
def english():
    return load_pipeline(find_pipeline())


FOUND = [
    # verbs, objects and prepositions
    ("", "Marie Curie discovered radium in Paris.", [("Marie Curie", "discovered", "radium")]),
    ("", "Marie Curie was born in Warsaw.", [("Marie Curie", "born in", "Warsaw")]),
    ("", "Alice gave Bob a book.", [("Alice", "gave", "Bob"), ("Alice", "gave", "book")]),
    ("", "The army took off from Dover.", [("army", "took off from", "Dover")]),
    ("", "Alice wanted to study in Berlin.", [("Alice", "wanted to study in", "Berlin")]),
    ("", "Alice joined the faculty of the University of Oslo.",
     [("Alice", "joined faculty of", "University of Oslo")]),
    ("", "Curie won the Nobel Prize in 1903.", [("Curie", "won Nobel Prize in", "1903")]),
    # passives
    ("", "The film was directed by Steven Spielberg.", [("film", "directed by", "Steven Spielberg")]),
    ("", "The film was written and directed by Ann Lee.",
     [("film", "written by", "Ann Lee"), ("film", "directed by", "Ann Lee")]),
    # copulas
    ("Teutberga", "She was a daughter of Boso.", [("Teutberga", "daughter of", "Boso")]),
    ("", "Jaws is a 1975 thriller film.", [("Jaws", "is", "1975 thriller film")]),
    ("", "The capital of Norway is Oslo.", [("Oslo", "capital of", "Norway")]),
    ("Ann Lee", "Her father was John Smith.", [("Ann Lee", "father", "John Smith")]),
    ("Ann Lee", "John Smith was her father.", [("Ann Lee", "father", "John Smith")]),
    ("", "Marie Curie was known for radium.", [("Marie Curie", "known for", "radium")]),
    # appositions, titles and owners
    ("", "Teutberga, queen of Lotharingia, died in Metz.",
     [("Teutberga", "queen of", "Lotharingia"), ("Teutberga", "died in", "Metz")]),
    ("", "Lothair's mother Ermengarde died in 851.",
     [("Lothair", "mother", "Ermengarde"), ("Ermengarde", "died in", "851")]),
    ("", "American director Steven Spielberg made Jaws.",
     [("Steven Spielberg", "is", "American director"), ("Steven Spielberg", "made", "Jaws")]),
    ("Bob Smith", "He worked with his brother John Smith.",
     [("Bob Smith", "worked with", "John Smith"), ("Bob Smith", "brother", "John Smith")]),
    ("", "She lived in Paris, France.", [("Paris", "in", "France")]),
    ("", "Spielberg's Jaws won an Oscar.", [("Spielberg", "has", "Jaws"), ("Jaws", "won", "Oscar")]),
    # conjunctions
    ("", "Alice and Bob founded Acme and Apex.",
     [("Alice", "founded", "Acme"), ("Alice", "founded", "Apex"), ("Bob", "founded", "Acme"),
      ("Bob", "founded", "Apex")]),
    ("", "He visited Rome, and Alice left Paris.", [("Alice", "left", "Paris")]),
    ("Ann Lee", "She moved to Rome and married John Smith.",
     [("Ann Lee", "moved to", "Rome"), ("Ann Lee", "married", "John Smith")]),
    # relative and participial clauses
    ("", "John Smith, who wrote Titanic, lives in Rome.", [("John Smith", "wrote", "Titanic")]),
    ("", "Jean Ray is a sailor from Belgium, who competed at the Olympics.", [("Jean Ray", "competed at", "Olympics")]),
    ("", "The book that Alice wrote was banned by Germany.", [("Alice", "wrote", "book")]),
    ("", "She left Paris, where Marie met Pierre.", [("Marie", "met in", "Paris")]),
    ("", "Jaws is a film directed by Steven Spielberg, starring Roy Scheider.",
     [("Jaws", "directed by", "Steven Spielberg"), ("Jaws", "starring", "Roy Scheider")]),
    ("Ann Lee", "Born in Rome, she moved to Paris.",
     [("Ann Lee", "born in", "Rome"), ("Ann Lee", "moved to", "Paris")]),
    # parentheses
    ("", "Marie Curie (born 5 May 1950 in Paris) is a physicist.",
     [("Marie Curie", "born on", "5 May 1950"), ("Marie Curie", "born in", "Paris")]),
    ("Ann Lee", "Ann Mary Lee ( 11 March 1923 – 2001) was a writer.",
     [("Ann Lee", "born on", "11 March 1923"), ("Ann Lee", "died in", "2001")]),
    ("Hans Weber", "Hans Weber (October 27, 1954, Leiden – May 20, 2008, Basel) was a sailor.",
     [("Hans Weber", "born in", "Leiden"), ("Hans Weber", "died on", "May 20, 2008"),
      ("Hans Weber", "died in", "Basel")]),
    # negation
    ("Ann Lee", "She did not leave Paris.", [("Ann Lee", "did not leave", "Paris")]),
    ("Ann Lee", "She is not a daughter of Boso.", [("Ann Lee", "is not daughter of", "Boso")]),
    # the topic
    ("Jaws (film)", "The film was released in 1975.", [("Jaws", "released in", "1975")]),
    ("Jaws", "Jaws is a thriller film. The film was released in 1975.", [("Jaws", "released in", "1975")]),
    ("Ann Lee", "Ann Lee was a writer. Lee lived in Rome.", [("Ann Lee", "lived in", "Rome")]),
    ("Theobald of Arles", "Theobald was count of Arles.", [("Theobald of Arles", "count of", "Arles")]),
    ("The Birds", "The Birds stars Rod Taylor.", [("The Birds", "stars", "Rod Taylor")]),
]  # fmt: skip


@pytest.mark.parametrize(("title", "text", "expected"), FOUND, ids=[text for _, text, _ in FOUND])
def test_each_construction(parse, title, text, expected):
    found = [tuple(triple) for triple in triples(parse(text), title=title)]
    assert [triple for triple in expected if triple not in found] == []


NOT_FOUND = [
    ("", "She was born in Warsaw."),
    ("", "It rained."),
    ("", "World War I (1914–1918) ended."),
    ("", "Who won?"),
    ("Ann Lee", "I like you."),
]


@pytest.mark.parametrize(("title", "text"), NOT_FOUND)
def test_nothing_is_made_up(parse, title, text):
    assert triples(parse(text), title=title) == []


def test_denials_are_not_facts(parse):
    relations = [
        triple.relation for triple in triples(parse("Bob was not her father. Rome is not Oslo."), title="Ann Lee")
    ]
    assert relations
    assert all("not" in relation for relation in relations)


def test_order_of_appearance_without_repetition(parse):
    text = "Alice left Paris. Bob left Rome. Alice left Paris."
    assert [tuple(t) for t in triples(parse(text))] == [("Alice", "left", "Paris"), ("Bob", "left", "Rome")]


def test_phrases_are_short(parse):
    text = "Alice saw the very very old and big green wooden house of the mother of the king of the old city of York."
    assert all(1 <= len(phrase.split()) <= 12 for triple in triples(parse(text)) for phrase in (triple[0], triple[2]))


def test_other_languages_give_none(parse):
    import spacy

    assert triples(spacy.blank("de")("Marie wohnt in Paris.")) == []
    assert triples(spacy.blank("en")("Marie lives in Paris.")) == []


WORDS = st.sampled_from(
    ["Alice", "Bob", "Paris", "film", "the", "a", "of", "in", "by", "was", "is", "not", "born", "who", "and", "5",
     "May", "1950", "directed", "father", "his", "her", "she", "it", "which", "whose", "to", "'s", "é", "北京",
     "\n", ",", ".", "(", ")", "-", '"', "'"]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(WORDS, max_size=25).map(" ".join), st.sampled_from(["", "Alice", "The Film (1950 film)", "Bob of Paris"])
)
def test_any_text_gives_whole_distinct_triples(parse, text, title):
    found = triples(parse(text), title=title)
    assert len(set(found)) == len(found)
    for triple in found:
        assert all(part == part.strip() and part for part in triple)
        assert any(letter.isalnum() for letter in triple.subject)
        assert any(letter.isalnum() for letter in triple.object)
        assert triple.subject.casefold() != triple.object.casefold()
    assert found == triples(parse(text), title=title)


@given(st.text())
def test_clean_is_idempotent(text):
    assert clean(clean(text)) == clean(text)
