import gc
import weakref

import numpy as np

from hippograph.hippograph import HippoGraph
from hippograph.retrieve.name_table import NameTable, SpanHash, name_table
from hippograph.store.snapshot import Snapshot
from hippograph.text.spelling import ARTICLES, singular, word_form
from hippograph.types import Passage


def hashed(key: str) -> int:
    words = key.split(" ")
    whole = SpanHash()
    for word in words[1:] if len(words) > 1 and words[0] in ARTICLES else words:
        whole = whole.then(SpanHash.of(singular(word_form(word))))
    return whole.value


def with_titles(small: HippoGraph, *titles: str) -> NameTable:
    small.index([Passage(id=title, document=title, title=title, text="A text.") for title in titles])
    return name_table(small.parts.snapshot)


def test_each_name_is_found_by_the_hash_that_a_query_makes_of_it(small):
    table = with_titles(small, "The Ends of the Earth", "Łódź", "北京市", "C++", "Who and What", "Ann ann Ann")
    for number, key in enumerate(table.keys):
        (found,) = table.spelt_like([hashed(key)])
        assert number in found.tolist(), key


def test_spellings_of_one_form_are_found_together(small):
    table = with_titles(small, "Spider-Man", "Spiderman", "The Spider Man")
    (found,) = table.spelt_like([hashed("spider man")])
    assert [table.keys[number] for number in found.tolist()] == ["spider man", "spiderman", "the spider man"]


def test_the_names_that_hold_a_word_are_each_listed_once(small):
    table = with_titles(small, "Ann ann Ann", "Ann Archer")
    assert [table.keys[number] for number in table.names_with("ann").tolist()] == ["ann ann ann", "ann archer"]
    assert len(table.names_with("text")) == len(table.names_with("zyxwvut")) == 0


def test_making_the_table_leaves_the_snapshot_as_it_is(small):
    evidence = small.parts.snapshot.evidence
    before = evidence.name_words.copy(), evidence.name_indptr.copy()
    NameTable.of(small.parts.snapshot)
    assert all(np.array_equal(*pair) for pair in zip(before, (evidence.name_words, evidence.name_indptr), strict=True))


def test_a_table_is_made_once_and_goes_with_its_snapshot():
    snapshot = Snapshot.empty()
    table = weakref.ref(name_table(snapshot))
    assert name_table(snapshot) is table()
    del snapshot
    gc.collect()
    assert table() is None


def test_the_table_of_no_names_finds_none():
    table = NameTable.of(Snapshot.empty())
    assert [found.tolist() for found in table.spelt_like([hashed("oslo")])] == [[]]
    assert table.similar_words("khrushchov", most=2) == []
    assert not table.is_word("oslo")
