import pytest

from hippograph.types import Extraction, Passage, Triple
from tests.index.builds import built, mentions


def passage(id: str, title: str, text: str) -> Passage:
    return Passage(id=id, document=id, title=title, text=text)


def done(*entities: str, triples: tuple[Triple, ...] = ()) -> Extraction:
    return Extraction(status="done", entities=entities, triples=triples)


def test_a_name_found_in_one_passage_is_looked_up_in_all():
    named = built(
        [
            (passage("1", "", "Fridtjof Nansen sailed."), done("Fridtjof Nansen")),
            (passage("2", "", "The letter of fridtjof NANSEN."), done()),
        ]
    )
    assert named.entity_keys.to_list() == ["fridtjof nansen"]
    assert mentions(named, 0) == {"fridtjof nansen": 1}
    assert mentions(named, 1) == {"fridtjof nansen": 1}


def test_the_longest_name_wins_and_does_not_overlap():
    named = built(
        [
            (passage("1", "", "New York City Hall, York"), done()),
            (passage("2", "", "x"), done("New York", "York", "New York City", "City Hall")),
        ]
    )
    assert mentions(named, 0) == {"new york city": 1, "york": 1}


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("C++", "Written in C++, not in C#.", True),
        ("C#", "Written in C++.", False),
        ("Дмитрий Менделеев", "Таблицу составил Дмитрий Менделеев.", True),
        ("北京", "他住在北京的北边。", True),
        ("القاهرة", "ولد في القاهرة عام 1911.", True),
        ("Antonín Dvořák", "Music by Antonín Dvořák’s pupil.", True),
        ("Zoë", "Zoe came too.", False),
    ],
)
def test_names_of_any_script_are_found_in_running_text(name, text, found):
    named = built([(passage("1", name, "x"), done()), (passage("2", "", text), done())])
    assert bool(mentions(named, 1)) is found


def test_the_title_is_an_entity_without_its_qualifier_even_where_the_text_does_not_say_it():
    named = built([(passage("1", "Fram (ship)", "She lies in Oslo."), done())])
    assert named.entity_names.to_list() == ["Fram"]
    assert named.title_entities.tolist() == [0]
    assert mentions(named, 0) == {"fram": 1}


def test_a_blank_title_titles_nothing():
    named = built([(passage("1", " ", "Nothing here."), done())])
    assert named.title_entities.tolist() == [-1]
    assert len(named.entity_keys) == 0


def test_the_usual_spelling_is_displayed():
    named = built(
        [
            (passage("1", "", "IBM and ibm"), done("IBM", "ibm")),
            (passage("2", "", "ibm"), done("ibm")),
        ]
    )
    assert named.entity_names.to_list() == ["ibm"]


def test_triples_join_entities_only_and_each_is_kept_once():
    fact = Triple("Nansen", "was born in", "Oslo")
    evidence = [
        (passage("1", "Nansen", "Nansen was born in Oslo."), done("Nansen", "Oslo", triples=(fact,))),
        (
            passage("2", "Oslo", "Oslo"),
            done("Oslo", triples=(fact, Triple("Nansen", "was", "a tall man"), Triple("Oslo", "is", "oslo"))),
        ),
    ]
    named = built(evidence)
    assert list(named.triples) == [fact]
    # Stated twice; and what two passages mention weighs less.
    once = built(evidence[:1])
    assert named.graph.adjacency[0, 1] == pytest.approx(2 * once.graph.adjacency[0, 1] / 2**0.25)


def test_function_words_are_mentioned_only_where_they_are_written_as_names():
    named = built(
        [
            (passage("1", "It (novel)", "It is a novel."), done("It", "the", "The")),
            (passage("2", "", "He read It twice, and liked it."), done()),
            (passage("3", "", "It rained. The rain stopped."), done()),
        ]
    )
    assert named.entity_keys.to_list() == ["it", "the"]
    assert mentions(named, 1) == {"it": 1}
    assert mentions(named, 2) == {}


def test_long_names_are_found():
    title = "The Strange Case of the Dog That Did Nothing in the Night"
    named = built([(passage("1", title, "x"), done()), (passage("2", "", f"I read {title} again."), done())])
    assert list(mentions(named, 1).values()) == [1]
