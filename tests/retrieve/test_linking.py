from hypothesis import given
from hypothesis import strategies as st

from hippograph.retrieve.linking import EntityLinker, find_names
from hippograph.retrieve.triple_linking import TripleLinker
from hippograph.types import Passage


def longest_matches(words, keys):
    """The same by brute force."""
    known, found, at = set(keys), [], 0
    while at < len(words):
        ends = [end for end in range(len(words), at, -1) if " ".join(words[at:end]) in known]
        if ends:
            found.append((at, ends[0], sorted(keys).index(" ".join(words[at : ends[0]]))))
        at = ends[0] if ends else at + 1
    return found


word = st.sampled_from(["a", "b", "a!", "ab", "c++", "北", "é"])
phrase = st.lists(word, min_size=1, max_size=3).map(" ".join)


@given(st.lists(word, max_size=10), st.sets(phrase, max_size=12))
def test_walking_down_the_sorted_names_finds_what_brute_force_finds(words, keys):
    assert find_names(words, sorted(keys)) == longest_matches(words, sorted(keys))


def names_of(links, hippograph):
    return [(hippograph.parts.snapshot.entity_names[link.entity], link.reason) for link in links]


def link(query, hippograph, **settings):
    links = EntityLinker(**settings).link(query, hippograph.parts.snapshot, hippograph.indexer.embedder)
    return names_of(links, hippograph)


def test_a_query_is_linked_by_the_longest_names_whatever_their_case(small):
    assert link("where did COLIN ARCHER's parents come from?", small) == [("Colin Archer", "mention")]


def test_a_chinese_query_is_linked(small):
    assert ("北京", "mention") in link("北京在哪个国家？", small)


def test_an_unknown_spelling_is_linked_by_its_vector(small):
    assert link("Who built ships like Archerson Colin?", small, threshold=0.4) == [("Colin Archer", "similar name")]


def test_a_name_unlike_any_other_is_not_linked(small):
    assert link("What did Zyxwvut do?", small) == []


def test_a_capital_at_the_beginning_of_a_query_is_grammar(small):
    assert link("Archers build ships?", small, threshold=0.1) == []


def test_a_question_word_is_not_the_name_it_may_be(small):
    small.index([Passage(id="who", document="who", title="Who", text="A band named Who.")])
    assert link("Who built it?", small) == []
    assert link("What is Who?", small) == [("Who", "mention")]


def test_triples_near_the_query_are_linked_and_the_far_ones_shown_but_dropped(small):
    snapshot, embedder = small.parts.snapshot, small.indexer.embedder
    (vector,) = embedder.embed(["Fram was built by Colin Archer"], role="query")
    near = TripleLinker(most=len(snapshot.triples), threshold=0.8).near(
        vector, snapshot.passage_vectors @ vector, snapshot
    )
    facts, links = near.told(snapshot), near.links(snapshot)
    assert facts[0].triple.relation == "was built by"
    assert facts[0].kept
    assert not facts[-1].kept
    assert [fact.similarity for fact in facts] == sorted((fact.similarity for fact in facts), reverse=True)
    assert {"Fram", "Colin Archer"} <= {name for name, _ in names_of(links, small)}
    assert {reason for _, reason in names_of(links, small)} == {"triple"}
