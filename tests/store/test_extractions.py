"""Extractions: what is pending, what is kept, what is counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.errors import IndexDirectoryError
from hippograph.store.catalog import Catalog
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
