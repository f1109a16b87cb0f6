import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.index.entities import Lexicon, name_entities, name_triples, triple_texts
from hippograph.types import Extraction, Passage, Triple


def passage(id: str, title: str, text: str) -> Passage:
    return Passage(id=id, document=id, title=title, text=text)


def done(*entities: str, triples: tuple[Triple, ...] = ()) -> Extraction:
    return Extraction(status="done", entities=entities, triples=triples)


def mentions(named, row):
    return {
        named.keys[entity]: count
        for at, entity, count in zip(named.mention_passages, named.mention_entities, named.mention_counts, strict=True)
        if at == row
    }


def test_a_name_found_in_one_passage_is_looked_up_in_all():
    named = name_entities(
        [
            (passage("1", "", "Fridtjof Nansen sailed."), done("Fridtjof Nansen")),
            (passage("2", "", "The letter of fridtjof NANSEN."), done()),
        ]
    )
    assert named.keys == ["fridtjof nansen"]
    assert mentions(named, 0) == {"fridtjof nansen": 1}
    assert mentions(named, 1) == {"fridtjof nansen": 1}


def test_the_longest_name_wins_and_does_not_overlap():
    lexicon = Lexicon(["new york", "york", "new york city", "city hall"])
    assert lexicon.find("New York City Hall, York") == ["new york city", "york"]


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
    named = name_entities([(passage("1", name, "x"), done()), (passage("2", "", text), done())])
    assert bool(mentions(named, 1)) is found


def test_the_title_is_an_entity_without_its_qualifier_even_where_the_text_does_not_say_it():
    named = name_entities([(passage("1", "Fram (ship)", "She lies in Oslo."), done())])
    assert named.names == ["Fram"]
    assert named.title_entities.tolist() == [0]
    assert mentions(named, 0) == {"fram": 1}


def test_a_blank_title_titles_nothing():
    named = name_entities([(passage("1", " ", "Nothing here."), done())])
    assert named.title_entities.tolist() == [-1]
    assert len(named.keys) == 0


def test_the_usual_spelling_is_displayed():
    named = name_entities(
        [
            (passage("1", "", "IBM and ibm"), done("IBM", "ibm")),
            (passage("2", "", "ibm"), done("ibm")),
        ]
    )
    assert named.names == ["ibm"]


def test_triples_join_entities_only_and_each_is_kept_once():
    fact = Triple("Nansen", "was born in", "Oslo")
    evidence = [
        (passage("1", "Nansen", "Nansen was born in Oslo."), done("Nansen", "Oslo", triples=(fact,))),
        (
            passage("2", "Oslo", "Oslo"),
            done("Oslo", triples=(fact, Triple("Nansen", "was", "a tall man"), Triple("Oslo", "is", "oslo"))),
        ),
    ]
    named = name_entities(evidence)
    triples = name_triples(evidence, named)
    assert triple_texts(triples, named.names) == ["Nansen was born in Oslo"]
    assert triples.evidence_triples.tolist() == [0, 0]
    assert triples.evidence_passages.tolist() == [0, 1]


names = st.sampled_from(["Oslo", "Nansen", "New York", "York", "北京", "C++", "Дмитрий", "the Fram", "Zoë"])


@given(st.lists(st.tuples(st.lists(names, max_size=3), st.lists(names, max_size=4)), max_size=6), st.randoms())
def test_entities_do_not_depend_on_the_order_of_the_passages(contents, random):
    evidence = [
        (passage(str(row), found[0] if found else "", " and ".join(text)), done(*found))
        for row, (found, text) in enumerate(contents)
    ]
    shuffled = list(evidence)
    random.shuffle(shuffled)
    one, other = name_entities(evidence), name_entities(shuffled)
    assert (one.keys, one.names) == (other.keys, other.names)
    places = {p.id: row for row, (p, _) in enumerate(shuffled)}
    for row, (p, _) in enumerate(evidence):
        assert mentions(one, row) == mentions(other, places[p.id])


def test_function_words_are_mentioned_only_where_they_are_written_as_names():
    named = name_entities(
        [
            (passage("1", "It (novel)", "It is a novel."), done("It", "the", "The")),
            (passage("2", "", "He read It twice, and liked it."), done()),
            (passage("3", "", "It rained. The rain stopped."), done()),
        ]
    )
    assert named.keys == ["it", "the"]
    assert mentions(named, 1) == {"it": 1}
    assert mentions(named, 2) == {}


def test_long_names_are_found():
    title = "The Strange Case of the Dog That Did Nothing in the Night"
    named = name_entities([(passage("1", title, "x"), done()), (passage("2", "", f"I read {title} again."), done())])
    assert list(mentions(named, 1).values()) == [1]
