"""Names that queries write otherwise than the index: what is linked, and what had better not be."""

from collections.abc import Iterator

import pytest

from hippograph.hippograph import HippoGraph
from hippograph.index.no_extractor import NoExtractor
from hippograph.retrieve.linking import EntityLink, EntityLinker
from hippograph.testing.doubles import HashingEmbedder
from hippograph.types import Passage

TITLES = """
Nikita Khrushchev|Khrushchev|Michael Jordan|Jordan|J. K. Rowling|John Ronald Reuel Tolkien|Lothair II|The Beatles
William James|God's Gift to Women|Beyoncé|Łódź|Thomas Müller|Spider-Man|Interview with a Hitman|The Terminal|Terminal
Kennedy|Harris W. Fawell|World War II|World War I|Heart and Soul|Mount Everest|The Island|Raghnall mac Ruaidhri|Хрущёв
هَمَذان|東京都|C++|Philbrook Museum of Tulsa|Tulsa|European Trade Union Confederation|United States|Maria|Harlem
Colin Archer|Stone|Angola|Girl|The Power|Prussian|Joan|John Adams|Good Heart|Dark River (1990 film)
Dark River (2017 film)|White Cargo|White Cargo (1973 film)|MacLean|Maclean
"""
TEXT = "The director of a film was born after the war; girls and hearts, the water of Harlem and some power of a woman."
UNION = "The European Trade Union Confederation (ETUC) is older than the United States of Europe, not than the U.S."


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HippoGraph]:
    folder = tmp_path_factory.mktemp("spellings") / "titles.hippo"
    passages = [
        Passage(id=title, document=title, title=title, text=TEXT)
        for title in TITLES.strip().replace("\n", "|").split("|")
    ]
    passages.append(Passage(id="union", document="union", text=UNION))
    with HippoGraph(folder, extractor=NoExtractor(), embedder=HashingEmbedder()) as hippograph:
        hippograph.index(passages)
        yield hippograph


class NoVectors(HashingEmbedder):
    def embed(self, texts, *, role):
        raise AssertionError(f"{texts} is embedded, though its letters say who it is")


def links(query: str, index: HippoGraph, embedder: HashingEmbedder | None = None) -> list[EntityLink]:
    return EntityLinker().link(query, index.parts.snapshot, embedder or HashingEmbedder())


def named(query: str, index: HippoGraph, embedder: HashingEmbedder | None = None) -> list[tuple[str, str, str]]:
    """What is linked, why, and which words of the query say so."""
    names = index.parts.snapshot.entity_names
    return [(names[link.entity], link.reason, query[link.start : link.end]) for link in links(query, index, embedder)]


@pytest.mark.parametrize(
    ("query", "name", "reason", "words"),
    [
        ("When did Khrushchov die?", "Khrushchev", "misspelling", "Khrushchov"),
        ("when did khrushchov die?", "Khrushchev", "misspelling", "khrushchov"),
        ("Is Micheal Jordan tall?", "Michael Jordan", "misspelling", "Micheal Jordan"),
        ("is micheal jordan tall?", "Michael Jordan", "misspelling", "micheal jordan"),
        ("Is Michael Jordn tall?", "Michael Jordan", "misspelling", "Michael Jordn"),
        ("Who is J.K. Rowling?", "J. K. Rowling", "mention", "J.K. Rowling"),
        ("Who is JK Rowling?", "J. K. Rowling", "mention", "JK Rowling"),
        ("Who is J.R.R. Tolkien?", "John Ronald Reuel Tolkien", "short form", "J.R.R. Tolkien"),
        ("Who is John Tolkien?", "John Ronald Reuel Tolkien", "short form", "John Tolkien"),
        ("Who is Harris Fawell?", "Harris W. Fawell", "short form", "Harris Fawell"),
        ("Who is Nikita Sergeyevich Khrushchev?", "Nikita Khrushchev", "short form", "Nikita Sergeyevich Khrushchev"),
        ("When did Lothair II's mother die?", "Lothair II", "mention", "Lothair II"),
        ("When did lothair Ii’s mother die?", "Lothair II", "mention", "lothair Ii"),
        ("WHEN DID LOTHAIR II'S MOTHER DIE?", "Lothair II", "mention", "LOTHAIR II"),
        ("What was the Beatles' last song?", "The Beatles", "mention", "the Beatles"),
        ("Who saw William James’s house?", "William James", "mention", "William James"),
        ("Who directed God'S Gift To Women?", "God's Gift to Women", "mention", "God'S Gift To Women"),
        ("Who directed Gods Gift To Women?", "God's Gift to Women", "spelling", "Gods Gift To Women"),
        ("Where was Beyonce born?", "Beyoncé", "spelling", "Beyonce"),
        ("where was beyonce born?", "Beyoncé", "spelling", "beyonce"),
        ("Is Lodz a town?", "Łódź", "spelling", "Lodz"),
        ("Is Thomas Muller tall?", "Thomas Müller", "spelling", "Thomas Muller"),
        ("Is Colin Árcher a man?", "Colin Archer", "spelling", "Colin Árcher"),
        ("Who plays Spiderman?", "Spider-Man", "spelling", "Spiderman"),
        ("Who plays Spider man?", "Spider-Man", "mention", "Spider man"),
        ("Who directed InterviewWith A Hitman?", "Interview with a Hitman", "spelling", "InterviewWith A Hitman"),
        ("Who directed The Termínal?", "The Terminal", "spelling", "The Termínal"),
        ("Who directed The Terminl?", "The Terminal", "misspelling", "The Terminl"),
        ("Are the Kennedys rich?", "Kennedy", "spelling", "Kennedys"),
        ("Who won World War 2?", "World War II", "spelling", "World War 2"),
        ("who won world war 1?", "World War I", "spelling", "world war 1"),
        ("Who sang Heart & Soul?", "Heart and Soul", "spelling", "Heart & Soul"),
        ("How high is Mt. Everest?", "Mount Everest", "spelling", "Mt. Everest"),
        ("Who is Raghnal Mac Ruaidhrí's son?", "Raghnall mac Ruaidhri", "misspelling", "Raghnal Mac Ruaidhrí"),
        ("Где родился Хрущев?", "Хрущёв", "spelling", "Хрущев"),
        ("أين همذان", "هَمَذان", "spelling", "همذان"),
        ("東京都はどこですか", "東京都", "mention", "東京都"),
        ("Is C++ hard?", "C++", "mention", "C++"),
        ("Who led the ETUC?", "European Trade Union Confederation", "abbreviation", "ETUC"),
        ("Where is the Philbrook Museum?", "Philbrook Museum of Tulsa", "part of a name", "Philbrook Museum"),
    ],
)
def test_a_name_is_linked_however_it_is_written(index, query, name, reason, words):
    assert named(query, index, NoVectors()) == [(name, reason, words)]


@pytest.mark.parametrize(
    "query",
    [
        # A letter makes another name of a short one, and another part of speech of a long one.
        "Who was Mario?",
        "Where is Haarlem?",
        "Who were Angela and Marian?",
        "Is Prussia large?",
        "Who is Maria Archers or Colina Archer?",
        # A word alone, without a capital where others have them.
        "Where in Oslo was a khrushchov?",
        # Words that the texts know are no plurals of names.
        "Which Hearts and Girls?",
        "What gives Power?",
        "Who won World War 3?",
        "what is land?",
        "Is C hard?",
        # No passage says what these letters stand for.
        "Who led the U.S. before?",
        "Who led the EU?",
        # Another person, of whom the index knows the first name.
        "Did Joan Adams know?",
        "A film) and director",
        "Who was Faversham Zyxwvut?",
    ],
)
def test_what_is_another_name_or_none_is_not_linked_by_its_letters(index, query):
    assert [reason for _, reason, _ in named(query, index) if reason not in {"mention", "similar name"}] == []


def test_names_that_are_equally_near_are_all_linked_and_share_the_confidence(small):
    small.index([Passage(id=name, document=name, title=f"Ann {name}", text="A.") for name in ("Barkker", "Barkser")])
    found = links("Where is Ann Barkter?", small)
    assert {small.parts.snapshot.entity_names[link.entity] for link in found} == {"Ann Barkker", "Ann Barkser"}
    assert [link.confidence for link in found] == [0.45, 0.45]
    assert len({(link.start, link.end) for link in found}) == 1


def test_an_entity_that_is_named_twice_is_linked_once_by_what_is_surest(index):
    assert named("Is Khrushchov the Khrushchev?", index) == [("Khrushchev", "mention", "Khrushchev")]


def test_spellings_may_be_left_out(index):
    linker = EntityLinker(spelling=False)
    assert linker.link("who was khrushchov?", index.parts.snapshot, HashingEmbedder()) == []


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("Who directed Dark River (2017 Film)?", {"Dark River (2017 film)"}),
        ("Who directed the 1990 film Dark River?", {"Dark River (1990 film)"}),
        ("Who directed the film Dark River?", set()),
        ("Who directed the film White Cargo?", {"White Cargo"}),
        ("Who directed White Cargo (film)?", {"White Cargo (1973 film)"}),
        ("Who was Maclean?", {"Maclean"}),
        ("Who was maclean?", set()),
        ("Who was Colin Archer?", set()),
    ],
)
def test_passages_of_one_name_are_told_apart_by_what_the_query_says_beside_it(index, query, titles):
    snapshot = index.parts.snapshot
    assert {snapshot.passages.titles[row] for link in links(query, index) for row in link.passages} == titles
