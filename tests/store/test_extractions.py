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
from hippograph.store.extractions import Reading
from hippograph.store.schema import digest_of_texts
from hippograph.types import Extraction, ExtractionStatus, Passage, Triple, Usage
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
        read = [Reading(passage, extraction, "one") for passage, extraction in zip(passages, found, strict=False)]
        assert list(catalog.extractions.items(["one"])) == read
        assert list(catalog.extractions.items(["other"])) == []


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
    catalog.extractions.save("one", [(passage, DONE) for passage in passages[len(STATUSES) :]])
    for passage, status in zip(passages, STATUSES, strict=False):
        catalog.extractions.save("one", [(passage, Extraction(status=status, error="why"))])
    assert catalog.extractions.counts("one") == {"done": len(passages) - 3, "empty": 1, "invalid": 1, "failed": 1}
    assert ids(catalog.extractions.pending("one")) == [passages[STATUSES.index("failed")].id]
    assert ids(catalog.extractions.pending("one", retry=())) == []
    again = catalog.extractions.pending("one", retry=("invalid", "failed"))
    assert ids(again) == ids(passages[2:4])
    catalog.extractions.save("one", [(passages[3], DONE)])
    assert ids(catalog.extractions.pending("one")) == []
    assert list(catalog.extractions.items(["two"])) == []
    assert catalog.extractions.counts("two") == dict.fromkeys(STATUSES, 0)


def test_a_failure_does_not_take_the_place_of_an_answer(catalog: Catalog) -> None:
    failed = Extraction(status="failed", error="no answer")
    passages = list(catalog.documents.passages())[: len(STATUSES)]
    before = [Extraction(status=status, error=status) for status in STATUSES]
    catalog.extractions.save("one", zip(passages, before, strict=True))
    catalog.extractions.save("one", [(passage, failed) for passage in passages])
    after = [item.extraction for item in catalog.extractions.items(["one"])]
    assert after == [failed if one.status == "failed" else one for one in before]
    assert catalog.check() == []


SPENT = Usage(calls=2, items=7, input_tokens=300, output_tokens=40, reused=1, seconds=9.0, cost=0.25)


def test_work_and_what_it_cost_are_kept_together(catalog: Catalog) -> None:
    passages = list(catalog.documents.passages())
    catalog.extractions.save("one", [(passages[0], replace(DONE, usage=SPENT))])
    assert catalog.usage.totals() == {}
    pairs = [(passage, replace(DONE, usage=SPENT)) for passage in passages[:3]]
    catalog.extractions.save("one", pairs, stage="extract", seconds=1.5)
    expected = Usage(calls=6, items=3, input_tokens=900, output_tokens=120, reused=3, seconds=1.5, cost=0.75)
    assert catalog.usage.totals() == {("extract", "one"): expected}
    # Work that leaves the table as it is was paid for all the same.
    failed = Extraction(status="failed", error="no answer", usage=Usage(calls=1))
    catalog.extractions.save("one", [(passages[0], failed)], stage="extract")
    assert catalog.usage.totals() == {("extract", "one"): expected + Usage(calls=1, items=1)}


@pytest.mark.parametrize("broken", ["number_of", "add_usage"])
def test_neither_work_nor_cost_is_kept_alone(catalog: Catalog, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    passages = list(catalog.documents.passages())
    catalog.extractions.save("one", [(passages[0], replace(DONE, usage=SPENT))], stage="extract")
    before = catalog.usage.totals(), list(catalog.extractions.items(["one"]))

    def fail(*_: object, **__: object) -> None:
        raise OSError("the disk went away")

    monkeypatch.setattr(f"hippograph.store.extractions.{broken}", fail)
    with pytest.raises(OSError, match="went away"):
        catalog.extractions.save("one", [(passages[1], replace(DONE, usage=SPENT))], stage="extract")
    assert (catalog.usage.totals(), list(catalog.extractions.items(["one"]))) == before


names = st.sampled_from(["one", "two", "three"])
readings = st.dictionaries(st.tuples(names, st.integers(0, 3)), extractions, max_size=12)


@settings(max_examples=40, deadline=None)
@given(readings, st.lists(names, unique=True))
def test_of_several_extractions_the_most_preferred_usable_one_is_in_use(
    found: dict[tuple[str, int], Extraction], order: list[str]
) -> None:
    with fresh_catalog() as catalog:
        # Two passages say the same.
        catalog.documents.replace_all(document(f"d{number}", f"text {min(number, 3)}") for number in range(5))
        passages = list(catalog.documents.passages())
        for (extractor, row), extraction in found.items():
            catalog.extractions.save(extractor, [(passages[row], extraction)])
        expected = []
        for row, passage in enumerate(passages):
            read = [(found[name, min(row, 3)], name) for name in order if (name, min(row, 3)) in found]
            read.sort(key=lambda one: one[0].status not in ("done", "empty"))
            expected += [Reading(passage, *one) for one in read[:1]]
        assert list(catalog.extractions.items(order)) == expected
        ids_read = [item.passage.id for item in expected]
        assert list(catalog.extractions.items_of(order, ids_read[::-1])) == expected[::-1]
        alone = {name: dict(catalog.extractions.stamps([name])) for name in order}
        assert list(catalog.extractions.stamps(order)) == [
            (item.passage.id, alone[item.extractor][item.passage.id]) for item in expected
        ]


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
    assert [item.passage.id for item in catalog.extractions.items(["one"])] == ["y", "z"]
    assert catalog.extractions.counts("one")["done"] == 2


def test_a_document_that_comes_back_costs_nothing(catalog: Catalog) -> None:
    whole, passages = document("d0", "Changed.")
    catalog.extractions.save("one", [(passage, DONE) for passage in catalog.documents.passages()])
    former = document("d0", TEXTS[0])
    catalog.documents.replace(whole, passages)
    assert ids(catalog.extractions.pending("one")) == ["d0"]
    assert "d0" not in [item.passage.id for item in catalog.extractions.items(["one"])]
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
    [(_, found, _)] = catalog.extractions.items(["one"])
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
        items = list(catalog.extractions.items(["one"]))
        assert list(catalog.extractions.items_of(["one"], [f"d{row}" for row in rows])) == [items[row] for row in rows]


def test_items_that_are_not_there_are_told_of(catalog: Catalog) -> None:
    catalog.extractions.save("one", [(passage, DONE) for passage in catalog.documents.passages()])
    catalog.documents.replace(*document("new", "never read"))
    for extractor, name in (("one", "new"), ("one", "unknown"), ("two", "d0")):
        items = catalog.extractions.items_of([extractor], ["d1", name] if extractor == "one" else [name])
        if extractor == "one":
            assert next(items)[0].id == "d1"
        with pytest.raises(IndexDirectoryError, match=repr(name)):
            next(items)


def test_items_in_bulk(catalog: Catalog) -> None:
    catalog.documents.replace_all(document(f"n{number:05d}", f"number {number}") for number in range(2000))
    passages = list(catalog.documents.passages())
    catalog.extractions.save("one", [(passage, replace(DONE, error=passage.id)) for passage in passages])
    asked = ids(passages)[::-1] + ids(passages)[:5]
    items = list(catalog.extractions.items_of(["one"], asked))
    assert [item.passage.id for item in items] == [item.extraction.error for item in items] == asked


def stamps(catalog: Catalog, extractor: str = "one") -> dict[str, bytes]:
    found = list(catalog.extractions.stamps([extractor]))
    assert [name for name, _ in found] == ids(item.passage for item in catalog.extractions.items([extractor]))
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
        list(catalog.extractions.items(["one"]))
    with pytest.raises(DamagedIndexError, match="extraction of passage"):
        list(catalog.extractions.items_of(["one"], ids(catalog.documents.passages())))


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
    assert catalog.extractors.all() == []
    read, *others = list(catalog.documents.passages())
    for name in ("f", "e"):
        catalog.extractions.save(name, [(read, DONE)])
    assert catalog.extractors.all() == ["e", "f"]
    catalog.documents.delete([read.document])
    contents = [digest_of_texts(passage.title, passage.text) for passage in (read, *others)]
    assert catalog.extractions.known(["e"], contents) == set(contents[:1])
    assert catalog.extractions.known(["x"], contents) == set()
    assert catalog.extractions.known(["e"], []) == set()
