"""The terms that words are found by, and the phrases of queries."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from hippograph.text.normalization import fold_diacritics, tokens
from hippograph.text.search_terms import query_phrases, word_terms
from tests.text.strategies import rich_text


@pytest.mark.parametrize(
    ("word", "terms"),
    [
        ("c++", ("c++",)),
        ("łódź", ("lodz",)),
        ("ёлка", ("елка",)),
        ("وُلِدَت", ("ولدت",)),
        ("हिन्दी", ("हिन्दी",)),
        ("京", ("京",)),
        ("\u0301", ("\u0301",)),
        ("e\u00a8 \u0301f", ("e\u00a8 f",)),
        ("퀴", ("퀴",)),
        ("퀴리", ("퀴리",)),
        ("퀴리는", ("퀴리", "리는")),
        ("하하하", ("하하",)),
        ("c언어는", ("c", "언어", "어는")),
        ("가b가", ("가", "b")),
    ],
)
def test_terms_of_words(word: str, terms: tuple[str, ...]) -> None:
    assert word_terms(word) == terms


@pytest.mark.parametrize(
    ("query", "phrases"),
    [
        ("Curie curie CURIÉ", [("curie",)]),
        ("镭", [("镭",)]),
        ("镭 北京, 北京", [("镭",), ("北", "京")]),
        ("北。京", [("北",), ("京",)]),
        ("in北京2020年", [("in",), ("北", "京"), ("2020",), ("年",)]),
        ("㍿", [("株", "式"), ("式", "会"), ("会", "社")]),
        ("กี่", [("กี่",)]),
        ("哈哈哈", [("哈", "哈")]),
        ("퀴리는 누구", [("퀴리",), ("리는",), ("누구",)]),
        ('"*) OR NEAR(', [("or",), ("near",)]),
        ("🎉", [("🎉",)]),
        ("\u200b", []),
        ("\ud83d", []),
    ],
)
def test_phrases_of_queries(query: str, phrases: list[tuple[str, ...]]) -> None:
    assert query_phrases(query) == phrases


@given(rich_text)
@settings(max_examples=300)
def test_a_text_asks_for_what_it_is_found_by(text: str) -> None:
    words = [token.key for token in tokens(text)]
    terms = {term for word in words for term in word_terms(word)}
    phrases = query_phrases(text)
    assert len(set(phrases)) == len(phrases)
    assert {term for phrase in phrases for term in phrase} == terms
    assert bool(phrases) == bool(words)


@given(rich_text)
def test_terms_are_folded_and_found_by_themselves(text: str) -> None:
    for token in tokens(text):
        for term in word_terms(token.key):
            assert term
            assert word_terms(term) == (term,)
            assert fold_diacritics(term) == term
