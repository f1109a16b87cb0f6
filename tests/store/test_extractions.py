"""Extractions: what is pending, what is kept, what is counted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.errors import DamagedIndexError, IndexDirectoryError
from hippograph.store.catalog import Catalog
from hippograph.store.schema import digest_of_texts
from hippograph.types import Extraction, ExtractionStatus, Passage, Triple
from tests.store.samples import TEXTS, document, fresh_catalog, texts

STATUSES: tuple[ExtractionStatus, ...] = get_args(ExtractionStatus)
DONE = Extraction(status="done", entities=("Oslo", "Oslo"), triples=(Triple("Oslo", "is in", "Norway"),))


@pytest.fixture
def catalog() -> Iterator[Catalog]:
    with fresh_catalog() as catalog:
        catalog.documents.replace_all(document(f"d{number}", text) for number, text in enumerate(TEXTS))
        yield catalog


def ids(passages: object) -> list[str]:
    return [passage.id for passage in passages]  # type: ignore[attr-defined]


extractions = st.builds(
    Extraction,
    status=st.sampled_from(STATUSES),
    entities=st.lists(texts, max_size=3).map(tuple),
    triples=st.lists(st.builds(Triple, texts, texts, texts), max_size=3).map(tuple),
    error=texts,
)


@settings(max_examples=30, deadline=None)
@given(st.lists(extractions, max_size=4))
def test_extractions_come_back_as_they_were(found: list[Extraction]) -> None:
    with fresh_catalog() as catalog:
        catalog.documents.replace_all(document(f"d{number}", f"text {number}") for number in range(5))
        passages = list(catalog.documents.passages())
        catalog.extractions.save("one", zip(passages, found, strict=False))
        assert list(catalog.extractions.items("one")) == list(zip(passages, found, strict=False))
        assert list(catalog.extractions.items("other")) == []


def test_each_passage_is_pending_until_it_is_saved(catalog: Catalog) -> None:
    pending = catalog.extractions.pending("one")
    everything = list(catalog.documents.passages())
    assert list(pending) == everything
    assert pending[0] == everything[0]
    assert pending[-1] == everything[-1]
    assert pending[2:9:3] == everything[2:9:3]
    assert len(pending) == len(everything)
    catalog.extractions.save("one", [(everything[1], DONE), (everything[3], Extraction(status="empty"))])
    rest = [everything[0], everything[2], *everything[4:]]
    assert list(catalog.extractions.pending("one")) == rest
    assert list(pending) == everything
    assert list(catalog.extractions.pending("two")) == everything


def test_retry_chooses_which_endings_to_try_again(catalog: Catalog) -> None:
    passages = list(catalog.documents.passages())
    catalog.extractions.save("one", [(passage, DONE) for passage in passages])
    for passage, status in zip(passages, STATUSES, strict=False):
        catalog.extractions.save("one", [(passage, Extraction(status=status, error="why"))])
    assert catalog.extractions.counts("one") == {"done": len(passages) - 3, "empty": 1, "invalid": 1, "failed": 1}
    assert ids(catalog.extractions.pending("one")) == [passages[STATUSES.index("failed")].id]
    assert ids(catalog.extractions.pending("one", retry=())) == []
    again = catalog.extractions.pending("one", retry=("invalid", "failed"))
    assert ids(again) == ids(passages[2:4])
    catalog.extractions.save("one", [(passages[3], DONE)])
    assert ids(catalog.extractions.pending("one")) == []
    assert dict(catalog.extractions.items("two")) == {}
    assert catalog.extractions.counts("two") == dict.fromkeys(STATUSES, 0)


def test_the_same_content_is_read_once(catalog: Catalog) -> None:
    catalog.documents.replace_all(
        [
            document("z", "the same", title="A", source="z.txt"),
            document("y", "the same", title="A"),
            document("x", "the same", title="B"),
            document("w", "", title="Athe same"),
        ]
    )
    waiting = [passage for passage in catalog.extractions.pending("one") if passage.id in "wxyz"]
    assert ids(waiting) == ["w", "x", "y"]
    catalog.extractions.save("one", [(waiting[2], DONE)])
    assert [passage.id for passage, _ in catalog.extractions.items("one")] == ["y", "z"]
    assert catalog.extractions.counts("one")["done"] == 2


def test_a_document_that_comes_back_costs_nothing(catalog: Catalog) -> None:
    whole, passages = document("d0", "Changed.")
    catalog.extractions.save("one", [(passage, DONE) for passage in catalog.documents.passages()])
    former = document("d0", TEXTS[0])
    catalog.documents.replace(whole, passages)
    assert ids(catalog.extractions.pending("one")) == ["d0"]
    assert "d0" not in [passage.id for passage, _ in catalog.extractions.items("one")]
    catalog.documents.replace(*former)
    assert ids(catalog.extractions.pending("one")) == []


def test_a_failure_midway_saves_nothing(catalog: Catalog) -> None:
    passages = list(catalog.documents.passages())

    def pairs() -> Iterator[tuple[Passage, Extraction]]:
        yield passages[0], DONE
        raise OSError("the model went away")

    with pytest.raises(OSError, match="went away"):
        catalog.extractions.save("one", pairs())
    assert len(catalog.extractions.pending("one")) == len(passages)


def test_halves_of_characters_do_not_stop_a_run(catalog: Catalog) -> None:
    [passage, *_] = catalog.documents.passages()
    catalog.extractions.save("one", [(passage, replace(DONE, entities=("a \ud83d",), error="\udc80"))])
    [(_, found)] = catalog.extractions.items("one")
    assert found == replace(DONE, entities=("a ?",), error="?")


def test_pending_in_bulk_and_gone(catalog: Catalog) -> None:
    catalog.documents.replace_all(document(f"n{number:05d}", f"number {number}") for number in range(2000))
    pending = catalog.extractions.pending("one")
    assert ids(pending) == [passage.id for passage in catalog.documents.passages()]
    assert ids(pending[5:1995]) == ids(pending)[5:1995]
    catalog.documents.replace(*document("n00007"))
    with pytest.raises(IndexDirectoryError, match="'n00007'"):
        list(pending)


@settings(max_examples=30, deadline=None)
@given(st.lists(extractions, min_size=6, max_size=6), st.lists(st.integers(0, 5), max_size=12))
def test_some_items_come_in_the_order_asked_for(found: list[Extraction], rows: list[int]) -> None:
    with fresh_catalog() as catalog:
        catalog.documents.replace_all(document(f"d{number}", f"text {number // 2}") for number in range(6))
        passages = list(catalog.documents.passages())
        catalog.extractions.save("one", zip(passages, found, strict=True))
        items = list(catalog.extractions.items("one"))
        assert list(catalog.extractions.items_of("one", [f"d{row}" for row in rows])) == [items[row] for row in rows]


def test_items_that_are_not_there_are_told_of(catalog: Catalog) -> None:
    catalog.extractions.save("one", [(passage, DONE) for passage in catalog.documents.passages()])
    catalog.documents.replace(*document("new", "never read"))
    for extractor, name in (("one", "new"), ("one", "unknown"), ("two", "d0")):
        items = catalog.extractions.items_of(extractor, ["d1", name] if extractor == "one" else [name])
        if extractor == "one":
            assert next(items)[0].id == "d1"
        with pytest.raises(IndexDirectoryError, match=repr(name)):
            next(items)


def test_items_in_bulk(catalog: Catalog) -> None:
    catalog.documents.replace_all(document(f"n{number:05d}", f"number {number}") for number in range(2000))
    passages = list(catalog.documents.passages())
    catalog.extractions.save("one", [(passage, replace(DONE, error=passage.id)) for passage in passages])
    asked = ids(passages)[::-1] + ids(passages)[:5]
    items = list(catalog.extractions.items_of("one", asked))
    assert [passage.id for passage, _ in items] == [found.error for _, found in items] == asked


def stamps(catalog: Catalog, extractor: str = "one") -> dict[str, bytes]:
    found = list(catalog.extractions.stamps(extractor))
    assert [name for name, _ in found] == ids(passage for passage, _ in catalog.extractions.items(extractor))
    assert {len(stamp) for _, stamp in found} <= {32}
    return dict(found)


def test_stamps_change_with_all_that_matters_and_nothing_else(catalog: Catalog) -> None:
    catalog.documents.replace(*document("a", "One.", "Two.", title="T", source="a.txt", metadata={"year": 1}))
    passages = list(catalog.documents.passages())
    assert stamps(catalog) == {}
    catalog.extractions.save("one", [(passage, DONE) for passage in passages])
    before = stamps(catalog)
    assert len(set(before.values())) == len(passages)

    def changed() -> set[str]:
        return {name for name, stamp in stamps(catalog).items() if before[name] != stamp}

    catalog.extractions.save("two", [(passage, Extraction(status="empty")) for passage in passages])
    catalog.extractions.save("one", [(passage, DONE) for passage in passages])
    catalog.documents.set_sources({"a": ("a.txt", "A.TXT")})
    catalog.documents.replace(*document("d3", TEXTS[3]))
    assert changed() == set()
    catalog.extractions.save("one", [(passages[0], replace(DONE, entities=()))])
    assert changed() == {"a#0"}
    assert stamps(catalog)["a#0"][:16] == before["a#0"][:16]
    catalog.extractions.save("one", [(passages[0], DONE)])
    for source, year in (("b.txt", 1), ("a.txt", 2)):
        catalog.documents.replace(*document("a", "One.", "Two.", title="T", source=source, metadata={"year": year}))
        assert changed() == {"a#0", "a#1"}
        assert stamps(catalog)["a#0"][16:] == before["a#0"][16:]
    # The same texts, cut out of another place of the document.
    whole, parts = document("a", "One.", "Two.", title="T", source="a.txt", metadata={"year": 1})
    catalog.documents.replace(whole, [parts[0], replace(parts[1], span=(6, 10))])
    assert changed() == {"a#1"}
    catalog.documents.replace(whole, [parts[0], replace(parts[1], page=2)])
    assert changed() == {"a#1"}
    catalog.documents.replace(whole, parts)
    assert changed() == set()
    catalog.documents.set_sources({"a": ("c.txt", "c.txt")})
    assert changed() == {"a#0", "a#1"}


@pytest.mark.parametrize("column", ["entities", "triples", "error", "status"])
def test_altered_extractions_are_not_read(catalog: Catalog, column: str) -> None:
    catalog.extractions.save("one", [(passage, DONE) for passage in catalog.documents.passages()])
    with closing(sqlite3.connect(catalog._database.path, isolation_level=None)) as other:
        other.execute(f"UPDATE extractions SET {column} = iif('{column}' = 'status', 'empty', '[]') WHERE row = 2")
    with pytest.raises(DamagedIndexError, match=r"extraction of passage.*doctor --repair"):
        list(catalog.extractions.items("one"))
    with pytest.raises(DamagedIndexError, match="extraction of passage"):
        list(catalog.extractions.items_of("one", ids(catalog.documents.passages())))


def test_what_nobody_can_read_any_more_is_forgotten(catalog: Catalog) -> None:
    passages = list(catalog.documents.passages())
    for extractor in ("one", "two"):
        catalog.extractions.save(extractor, [(passage, DONE) for passage in passages])
    catalog.documents.replace(*document("again", passages[0].text))
    catalog.documents.delete(["d0", "d1", "d2"])
    assert catalog.extractions.forget_unread() == 4
    assert ids(catalog.extractions.pending("one")) == []
    assert catalog.extractions.counts("two")["done"] == len(passages) - 2


def test_who_has_read_what_is_known_also_of_texts_that_are_gone(catalog: Catalog) -> None:
    assert catalog.extractions.extractors() == []
    read, *others = list(catalog.documents.passages())
    for name in ("f", "e"):
        catalog.extractions.save(name, [(read, DONE)])
    assert catalog.extractions.extractors() == ["e", "f"]
    catalog.documents.delete([read.document])
    contents = [digest_of_texts(passage.title, passage.text) for passage in (read, *others)]
    assert catalog.extractions.known("e", contents) == set(contents[:1])
    assert catalog.extractions.known("x", contents) == set()
    assert catalog.extractions.known("e", []) == set()
