"""Full text: scripts, phrases, syntax that is none, order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.store.catalog import Catalog
from tests.store.samples import TEXTS, document, fresh_catalog, texts


@pytest.fixture(scope="module")
def catalog() -> Iterator[Catalog]:
    with fresh_catalog() as catalog:
        catalog.documents.replace_all(document(f"d{number:02d}", text) for number, text in enumerate(TEXTS))
        catalog.documents.replace(*document("t", "A physicist.", title="Marie Curie"))
        catalog.documents.replace(*document("north", "Near the north pole AND not OR column:title"))
        yield catalog


def found(catalog: Catalog, *terms: str) -> list[str]:
    return [name for name, _ in catalog.search(terms, k=50)]


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        (["curie"], ["d00", "t"]),
        (["MARIE CURIE"], ["d00", "t"]),
        (["Curie Marie"], []),
        (["physicist"], ["t"]),
        (["居里夫人出生在哪里?"], ["d01"]),
        (["谁", "发现"], ["d01"]),
        (["镭"], ["d01"]),
        (["里居"], []),
        (["варшаве"], ["d02"]),
        (["ВАРШАВЕ"], ["d02"]),
        (["ولدت"], ["d03"]),
        (["وُلِدَت"], ["d03"]),
        (["nguyen"], ["d04"]),
        (["CAFÉ"], ["d04"]),
        (["angstro\u0308m"], ["d04"]),
        (["हिन्दी"], ["d05"]),
        (["हिन"], []),
        (["ราชการ"], ["d06"]),
        (["퀴리"], ["d07"]),
        (["바르샤바"], ["d07"]),
        (["nul"], ["d09"]),
        (["withaNUL"], []),
        (["unknown"], []),
        ([], []),
    ],
)
def test_scripts(catalog: Catalog, terms: list[str], expected: list[str]) -> None:
    assert sorted(found(catalog, *terms)) == expected


@pytest.mark.parametrize(
    "term",
    ['"', '""', "*", "NEAR(", "NEAR(a b, 5)", ":", "title:", "^", "-", "+", "(", ")", "{title}", "'", ";--", "\0", "",
     " ", "\ud83d", "🙂", "?", "\\", 'a" OR "b'],
)  # fmt: skip
def test_nothing_is_syntax(catalog: Catalog, term: str) -> None:
    assert found(catalog, term, "physicist")[0] == "t"
    found(catalog, term)


@pytest.mark.parametrize(
    ("term", "expected"),
    [("AND", ["north"]), ("NOT", ["d08", "north"]), ("NEAR", ["north"]), ("north*", ["north"]), ("nort*", []),
     ("title:curie", []), ("column:title", ["north"]), ("^physicist", ["t"]), ("north NOT pole", [])],
)  # fmt: skip
def test_operators_are_words(catalog: Catalog, term: str, expected: list[str]) -> None:
    assert sorted(found(catalog, term)) == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(texts, max_size=5))
def test_any_terms_can_be_searched(catalog: Catalog, terms: list[str]) -> None:
    ranked = catalog.search(terms, k=50)
    assert all(score > 0 for _, score in ranked)
    assert ranked == sorted(ranked, key=lambda hit: (-hit[1], hit[0]))
    assert catalog.search([*terms, *terms], k=50) == ranked
    assert catalog.search(terms, k=2) == ranked[:2]


def test_any_text_is_found_by_its_words_whatever_stands_around_them(catalog: Catalog) -> None:
    for number, text in enumerate(TEXTS[:8]):
        assert f"d{number:02d}" in found(catalog, text)


def test_many_terms(catalog: Catalog) -> None:
    assert found(catalog, *(f"word{number}" for number in range(5000)), "physicist") == ["t"]


def test_equal_scores_are_in_the_order_of_the_ids() -> None:
    with fresh_catalog() as catalog:
        catalog.documents.replace_all(document(name, "the same words") for name in ["c", "ä", "a", "B", "文", "a#1"])
        names, scores = zip(*catalog.search(["words"], k=4), strict=True)
        assert names == ("B", "a", "a#1", "c")
        assert len(set(scores)) == 1


def test_the_title_weighs_what_it_is_told_to() -> None:
    with fresh_catalog() as catalog:
        catalog.documents.replace(*document("about", "Radium is a metal, and this goes on.", title="Curie"))
        catalog.documents.replace(*document("mention", "Curie, Curie found this metal there.", title="Radium"))
        catalog.documents.replace_all(document(f"other{number}", "Something else.") for number in range(5))
        assert [name for name, _ in catalog.search(["curie"], k=2, title_weight=9.0)] == ["about", "mention"]
        assert [name for name, _ in catalog.search(["curie"], k=2, title_weight=0.1)] == ["mention", "about"]
