"""BM25: against its formula worked out by brute force, and against SQLite's FTS5."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from math import log

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hippograph.retrieve.bm25 import bm25
from hippograph.store.postings import Postings, invert
from hippograph.text.normalization import tokens
from hippograph.text.search_terms import query_phrases, word_terms

PARAMETERS: tuple[dict[str, float], ...] = (
    {},
    {"k1": 0.0},
    {"b": 0.0},
    {"k1": 2.0, "b": 1.0, "title_weight": 3.0},
    {"title_weight": 0.0},
    {"k1": 0.0, "title_weight": 0.0},
)
Text = tuple[str, str]

words = st.sampled_from(
    ["oslo", "Oslo,", "a", "the", "dvořák", "Dvorak", "北京", "京北京", "北", "京", "퀴리는", "퀴리", "."]
)
texts = st.lists(words, max_size=8).map(" ".join)
corpora = st.lists(st.tuples(texts, texts), max_size=8)


def posted(passages: Sequence[Text]) -> Postings:
    """Postings of passages, each a title and a text."""
    keys = [[[token.key for token in tokens(field)] for field in passage] for passage in passages]
    vocabulary = sorted({word for passage in keys for field in passage for word in field})
    numbers = {word: number for number, word in enumerate(vocabulary)}
    stream = [numbers[word] for passage in keys for field in passage for word in field]
    return invert(
        np.array(stream, dtype=np.int32),
        vocabulary,
        passage_indptr=np.cumsum([0, *(len(title) + len(text) for title, text in keys)], dtype=np.int64),
        title_tokens=np.array([len(title) for title, _ in keys], dtype=np.int64),
    )


def scored(passages: Sequence[Text], query: str, **parameters: float) -> dict[int, float]:
    rows, scores = bm25(posted(passages), query, **parameters)
    return dict(zip(rows.tolist(), scores.tolist(), strict=True))


def count(field: Sequence[str], phrase: tuple[str, ...]) -> int:
    """Count a phrase of one or two terms in a field, word by word."""
    terms = [word_terms(word) for word in field]
    if len(phrase) == 1:
        return sum(phrase[0] in several for several in terms)
    return sum(phrase[0] in one and phrase[1] in other for one, other in pairwise(terms))


def brute_force(
    passages: Sequence[Text], query: str, *, k1: float = 1.2, b: float = 0.75, title_weight: float = 1.0
) -> dict[int, float]:
    fields = [[[token.key for token in tokens(field)] for field in passage] for passage in passages]
    lengths = [len(title) + len(text) for title, text in fields]
    scores: dict[int, float] = {}
    for phrase in query_phrases(query):
        counts = [(count(title, phrase), count(text, phrase)) for title, text in fields]
        n = sum(any(pair) for pair in counts)
        idf = log((len(passages) - n + 0.5) / (n + 0.5))
        for row, (in_title, in_text) in enumerate(counts):
            tf = title_weight * in_title + in_text
            if tf > 0:
                norm = 1 - b + b * lengths[row] * len(passages) / sum(lengths)
                scores[row] = scores.get(row, 0.0) + (idf if idf > 0 else 1e-6) * tf * (k1 + 1) / (tf + k1 * norm)
    return scores


@given(corpora, texts, st.sampled_from(PARAMETERS))
@example([("北", "京"), ("北京", ""), ("", "北"), ("京", "")], "北京", {})
@settings(max_examples=300)
def test_the_scores_are_those_of_the_formula(passages: list[Text], query: str, parameters: dict[str, float]) -> None:
    assert scored(passages, query, **parameters) == pytest.approx(brute_force(passages, query, **parameters), rel=1e-12)


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=4), st.integers(0, 12), texts)
def test_frequent_and_rare_terms_are_counted_alike(passages: list[Text], empty: int, query: str) -> None:
    # Where there are more passages than a term has places, the places are gone through, else the passages.
    padded = [*passages, *[("", "")] * empty]
    assert scored(padded, query) == pytest.approx(brute_force(padded, query), rel=1e-12)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("CURIE", [0, 7]),
        ("curie marie", [0, 7]),
        ("居里夫人出生在哪里?", [1]),
        ("谁 发现", [1]),
        ("镭", [1]),
        ("里居", []),
        ("варшаве", [2]),
        ("ولدت", [3]),
        ("nguyen ANGSTRO\u0308M", [4]),
        ("हिन्दी", [5]),
        ("हिन", []),
        ("ราชการ", [6]),
        ("퀴리", [8]),
        ("바르샤바", [8]),
        ("c#", [9]),
        ("c", []),
        ("unknown", []),
        ("\u200b", []),
    ],
)
def test_scripts(query: str, found: list[int]) -> None:
    passages = [
        ("", "Marie Curie was born in Warsaw."),
        ("", "居里夫人出生于华沙。她发现了镭。"),
        ("", "Мария Кюри родилась в Варшаве."),
        ("", "وُلِدَت ماري كوري في وارسو."),
        ("", "Nguyễn Trãi, Ångström, café, cafe\u0301"),
        ("", "हिन्दी भाषा भारत में बोली जाती है।"),
        ("", "ภาษาไทยเป็นภาษาราชการ"),
        ("Marie Curie", "A physicist."),
        ("", "퀴리는 바르샤바에서 태어났다."),
        ("", "C++ is not C#"),
    ]
    assert list(scored(passages, query)) == found


def test_no_phrase_stands_across_fields_or_passages() -> None:
    assert scored([("北", "京北"), ("京", "")], "北京") == {}


def test_no_passages_give_no_hits() -> None:
    rows, scores = bm25(posted([]), "Oslo")
    assert rows.tolist() == scores.tolist() == []
    assert scored([("", ""), ("", "...")], "Oslo") == {}


def test_equal_passages_score_equal_to_the_last_bit() -> None:
    passages = [("a b", "c d e"), ("", "x"), ("a b", "c d e"), ("b a", "e d c")]
    scores = scored(passages, "a e b c d z")
    assert scores[0] == scores[2] == scores[3]


plain = st.sampled_from(["oslo", "a", "the", "king", "of", "norway", "Fram", "ship", "9", "x1"])
plain_texts = st.lists(plain, max_size=12).map(" ".join)


@pytest.fixture(scope="module")
def full_text() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE VIRTUAL TABLE full_text USING fts5(title, text, tokenize='unicode61')")
        yield connection


@given(
    st.lists(st.tuples(plain_texts, plain_texts), min_size=1, max_size=12),
    st.lists(plain, min_size=1, max_size=6, unique_by=str.lower),
    st.sampled_from([0.25, 1.0, 5.0]),
)
@settings(max_examples=200)
def test_plain_words_score_as_in_sqlite(
    full_text: sqlite3.Connection, passages: list[Text], query: list[str], title_weight: float
) -> None:
    full_text.execute("DELETE FROM full_text")
    full_text.executemany("INSERT INTO full_text (rowid, title, text) VALUES (?, ?, ?)", numbered(passages))
    statement = "SELECT rowid, -bm25(full_text, ?, 1.0) FROM full_text WHERE full_text MATCH ?"
    expected = dict(full_text.execute(statement, (title_weight, " OR ".join(f'"{word}"' for word in query))))
    assert scored(passages, " ".join(query), title_weight=title_weight) == pytest.approx(expected, rel=1e-12)


def numbered(passages: Sequence[Text]) -> list[tuple[int, str, str]]:
    return [(number, title, text) for number, (title, text) in enumerate(passages)]
