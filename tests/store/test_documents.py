"""Documents and passages: round trips, replacement, transactions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.store.catalog import Catalog
from hippograph.store.documents import DocumentRecord, document_digest
from hippograph.types import Document, Passage
from tests.store.samples import TEXTS, document, fresh_catalog, texts

scalars = st.one_of(texts, st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False))
documents = st.builds(
    lambda name, parts, title, source, metadata: document(name, *parts, title=title, source=source, metadata=metadata),
    st.sampled_from(["a", "b", "ä", "文", "a\0", "a#0x"]),
    st.lists(texts, max_size=3),
    texts,
    texts,
    st.dictionaries(texts, scalars, max_size=3),
)


@pytest.fixture
def catalog() -> Iterator[Catalog]:
    with fresh_catalog() as catalog:
        yield catalog


@settings(max_examples=40, deadline=None)
@given(st.lists(documents, max_size=6))
def test_the_last_document_of_each_id_is_kept_whole(pairs: list[tuple[Document, list[Passage]]]) -> None:
    last = {whole.id: (whole, passages) for whole, passages in pairs}
    with fresh_catalog() as catalog:
        catalog.documents.replace_all(pairs, batch=2)
        expected = [passage for _, passages in last.values() for passage in passages]
        assert list(catalog.documents.passages()) == sorted(expected, key=lambda passage: passage.id)
        assert catalog.documents.counts() == (len(last), len(expected))
        records = catalog.documents.records()
        assert list(records) == sorted(last)
        for name, (whole, _) in last.items():
            assert records[name] == DocumentRecord(
                source=whole.source, origin=whole.source, digest=document_digest(whole)
            )


@settings(max_examples=20, deadline=None)
@given(st.lists(documents, max_size=6), st.integers(1, 4))
def test_full_text_depends_on_what_is_there_not_on_how_it_got_there(
    pairs: list[tuple[Document, list[Passage]]], batch: int
) -> None:
    last = {whole.id: (whole, passages) for whole, passages in pairs}
    queries = [text.split() or [text] for text in TEXTS] + [passage.text.split() for _, ps in pairs for passage in ps]
    with fresh_catalog() as grown, fresh_catalog() as fresh:
        grown.documents.replace_all(pairs, batch=batch)
        fresh.documents.replace_all(reversed(last.values()))
        for terms in queries:
            assert grown.search(terms, k=50) == fresh.search(terms, k=50)


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"source": "elsewhere"}, True),
        ({"id": "other"}, True),
        ({"text": "other"}, False),
        ({"title": "other"}, False),
        ({"metadata": {"year": 1903}}, False),
        ({"metadata": {"year": True}}, False),
        ({"metadata": {}}, False),
    ],
)
def test_the_digest_sees_what_matters(changes: dict[str, Any], same: bool) -> None:
    one = Document(id="a", text="text", title="title", metadata={"year": 1})
    assert (document_digest(replace(one, **changes)) == document_digest(one)) is same


def test_the_order_of_metadata_does_not_matter() -> None:
    one = Document(id="a", text="", metadata={"a": 1, "b": 2})
    assert document_digest(one) == document_digest(replace(one, metadata={"b": 2, "a": 1}))


def test_the_source_can_change_alone(catalog: Catalog) -> None:
    whole, passages = document("a", "One.", "Two.", source="old.txt")
    catalog.documents.replace(whole, passages)
    catalog.documents.set_source("a", "new.txt")
    assert catalog.documents.records()["a"] == DocumentRecord(
        source="new.txt", origin="new.txt", digest=document_digest(whole)
    )
    assert [passage.source for passage in catalog.documents.passages()] == ["new.txt"] * 2
    with pytest.raises(InputError, match="'b'"):
        catalog.documents.set_source("b", "new.txt")


def state(catalog: Catalog) -> Sequence[object]:
    return [catalog.documents.records(), list(catalog.documents.passages()), catalog.search(["one", "two"], k=9)]


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ((document("c", "Three.")[0], [Passage(id="b#1", document="c", text="Three.")]), "'b#1'.*'b'"),
        ((document("c")[0], [Passage(id="c", document="c", text="x")] * 2), "'c' of document 'c'"),
        ((document("c")[0], [Passage(id="c", document="a", text="x")]), "'c' belongs to document 'a'"),
        ((document("c")[0], [Passage(id="c", document="c", text="x", source="y")]), "source"),
        (document("c", "half \ud83d of a face"), "surrogate at character 5"),
        (document("c", "x", title="\udcff"), "surrogate"),
        (document("c", "x", metadata={"a": [1]}), r"'a': \[1\]"),
        (document("c", "x", metadata={1: "a"}), "1: 'a'"),
        (document("c", "x", metadata={"a": None}), "None"),
        (document("c", "x", metadata={"a": float("nan")}), "finite"),
    ],
)
def test_a_failure_midway_leaves_what_was_there(catalog: Catalog, bad: Any, told: str) -> None:
    catalog.documents.replace_all([document("a", "One one.", "Two."), document("b", "Two two.", "One.")])
    before = state(catalog)
    with pytest.raises(InputError, match=told):
        catalog.documents.replace_all([document("a", "Changed."), document("d", "one"), bad])
    assert state(catalog) == before


def test_finished_batches_are_kept_when_a_later_one_fails(catalog: Catalog) -> None:
    def pairs() -> Iterator[tuple[Document, list[Passage]]]:
        for number in range(5):
            yield document(f"d{number}", "text")
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="went away"):
        catalog.documents.replace_all(pairs(), batch=2)
    assert list(catalog.documents.records()) == ["d0", "d1", "d2", "d3"]
    with pytest.raises(InputError, match="batch is 0"):
        catalog.documents.replace_all([], batch=0)


def test_a_generator_may_ask_the_catalog_while_it_feeds_it(catalog: Catalog) -> None:
    catalog.documents.replace_all(document(f"d{catalog.documents.counts()[0]}", "text") for _ in range(3))
    assert list(catalog.documents.records()) == ["d0"]
    catalog.documents.replace_all((document(f"d{catalog.documents.counts()[0]}", "text") for _ in range(3)), batch=1)
    assert list(catalog.documents.records()) == ["d0", "d1", "d2", "d3"]
