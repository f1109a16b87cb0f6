"""Documents and passages: round trips, replacement, transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.errors import DamagedIndexError, InputError
from hippograph.store.catalog import Catalog
from hippograph.store.documents import DocumentFacts, DocumentRecord, document_digest
from hippograph.types import Document, Passage
from tests.store.samples import document, fresh_catalog, texts

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
        records = catalog.documents.records_of(catalog.documents.ids())
        assert list(records) == sorted(last)
        for name, (whole, passages) in last.items():
            parts = tuple((passage.id, *passage.span, passage.page) for passage in passages)
            assert records[name] == DocumentRecord(
                source=whole.source, origin="", digest=document_digest(whole), parts=parts
            )


def everything(catalog: Catalog) -> Sequence[object]:
    """All that the catalog says of documents and passages, and the stamps it keeps of them."""
    with closing(sqlite3.connect(catalog._database.path)) as connection:
        stamps = [
            connection.execute(f"SELECT id, stamp FROM {table} ORDER BY id").fetchall()
            for table in ("documents", "passages")
        ]
    documents = catalog.documents
    records = documents.records_of(documents.ids())
    return [documents.counts(), records, list(documents.facts()), list(documents.passages()), stamps]


def upper_case(pairs: Iterable[tuple[Document, list[Passage]]]) -> dict[str, str]:
    return {whole.id: whole.source.upper() for whole, _ in pairs}


changes = st.one_of(
    st.tuples(st.just("replace"), st.lists(documents, max_size=4), st.integers(1, 3)),
    st.tuples(st.just("delete"), st.lists(st.sampled_from(["a", "b", "ä", "文", "unknown", "\ud83d"]), max_size=3)),
    st.tuples(st.just("move"), st.lists(st.sampled_from(["a", "b", "ä"]), max_size=3), texts),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(changes, max_size=5))
def test_what_is_there_does_not_depend_on_how_it_got_there(steps: list[Any]) -> None:
    model: dict[str, tuple[Document, list[Passage]]] = {}
    with fresh_catalog() as grown, fresh_catalog() as fresh:
        for act, *given_values in steps:
            if act == "replace":
                pairs, batch = given_values
                grown.documents.replace_all(pairs, batch=batch, origins=upper_case(pairs))
                model.update({whole.id: (whole, passages) for whole, passages in pairs})
            elif act == "delete":
                assert grown.documents.delete(given_values[0]) == sorted(model.keys() & set(given_values[0]))
                model = {name: pair for name, pair in model.items() if name not in given_values[0]}
            else:
                names, source = given_values
                grown.documents.set_sources({name: (source, source.upper()) for name in names if name in model})
                for name in model.keys() & set(names):
                    whole, passages = model[name]
                    moved = [replace(passage, source=source) for passage in passages]
                    model[name] = replace(whole, source=source), moved
        fresh.documents.replace_all(reversed(model.values()), origins=upper_case(model.values()))
        assert everything(grown) == everything(fresh)
        assert grown.check() == []


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


def test_sources_can_change_alone(catalog: Catalog) -> None:
    whole, passages = document("a", "One.", "Two.", source="old.txt", metadata={"year": 1})
    catalog.documents.replace_all([(whole, passages), document("b", "Three.", source="old.txt")])
    catalog.documents.set_sources({"a": ("new.txt", "NEW.TXT")})
    assert catalog.documents.records_of(catalog.documents.ids())["a"] == DocumentRecord(
        source="new.txt",
        origin="NEW.TXT",
        digest=document_digest(whole),
        parts=(("a#0", 0, 4, None), ("a#1", 5, 9, None)),
    )
    assert [passage.source for passage in catalog.documents.passages()] == ["new.txt", "new.txt", "old.txt"]
    with pytest.raises(InputError, match="'c'"):
        catalog.documents.set_sources({"a": ("newer.txt", ""), "c": ("new.txt", "")})
    with pytest.raises(InputError, match="surrogate"):
        catalog.documents.set_sources({"a": ("\udcff", "")})
    assert catalog.documents.records_of(catalog.documents.ids())["a"].source == "new.txt"


@pytest.mark.parametrize("statement", ["UPDATE documents SET title = 'Z'", "UPDATE passages SET start = 4"])
def test_an_altered_row_gets_no_new_stamp(catalog: Catalog, statement: str) -> None:
    catalog.documents.replace(*document("a", "One.", "Two."))
    with closing(sqlite3.connect(catalog._database.path, isolation_level=None)) as other:
        other.execute(statement)
    with pytest.raises(DamagedIndexError, match=r"'a.*doctor --repair"):
        catalog.documents.set_sources({"a": ("new.txt", "")})
    catalog.documents.replace(*document("a", "One.", "Two."))
    assert catalog.check() == []


def test_altered_rows_are_not_read(catalog: Catalog) -> None:
    catalog.documents.replace(*document("a", "One.", title="T"))
    with closing(sqlite3.connect(catalog._database.path, isolation_level=None)) as other:
        other.execute("UPDATE documents SET origin = 'elsewhere'")
        with pytest.raises(DamagedIndexError, match="document 'a'"):
            list(catalog.documents.facts())
        other.execute("UPDATE passages SET text = 'One!'")
        with pytest.raises(DamagedIndexError, match="passage 'a'"):
            list(catalog.documents.passages())


def test_facts_are_enough_to_choose_documents_by(catalog: Catalog) -> None:
    catalog.documents.replace_all(
        (document(f"d{year}", "Text.", title=f"In {year}", source="a.txt", metadata={"year": year}))
        for year in (1999, 2020, 2021)
    )
    facts = list(catalog.documents.facts())
    assert facts[0] == DocumentFacts(id="d1999", source="a.txt", origin="", title="In 1999", metadata={"year": 1999})
    recent = [fact.id for fact in facts if int(fact.metadata["year"]) >= 2020]
    assert catalog.documents.delete(recent) == ["d2020", "d2021"]
    assert catalog.documents.delete(recent) == []
    assert catalog.documents.counts() == (1, 1)


def test_some_of_many(catalog: Catalog) -> None:
    catalog.documents.replace_all(document(f"d{number:04d}", "One.", "", "Three.") for number in range(2500))
    names = [f"d{number:04d}" for number in range(2499, 0, -2)]
    some = catalog.documents.records_of([*names, "unknown", "half \ud83d", *names])
    assert list(some) == sorted(names)
    everyone = catalog.documents.records_of(catalog.documents.ids())
    assert some == {name: record for name, record in everyone.items() if name in some}
    assert {tuple(part[1:3] for part in record.parts) for record in some.values()} == {((0, 4), (5, 5), (6, 12))}
    parts = [f"{name}#{number}" for name in names for number in (2, 3, 0)]
    owners = catalog.documents.owners([*parts, "\udcff"])
    assert list(owners) == sorted(part for part in parts if not part.endswith("#3"))
    assert all(part.startswith(f"{owner}#") for part, owner in owners.items())
    assert catalog.documents.delete([*names, "unknown"]) == sorted(names)
    assert catalog.documents.counts() == (1250, 3750)
    assert catalog.documents.records_of([]) == {}
    assert catalog.documents.owners([]) == {}


def test_a_document_without_passages_has_a_record(catalog: Catalog) -> None:
    catalog.documents.replace(*document("a"))
    assert catalog.documents.records_of(["a"])["a"].parts == ()


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
    before = everything(catalog)
    with pytest.raises(InputError, match=told):
        catalog.documents.replace_all([document("a", "Changed."), document("d", "one"), bad])
    assert everything(catalog) == before


def test_finished_batches_are_kept_when_a_later_one_fails(catalog: Catalog) -> None:
    def pairs() -> Iterator[tuple[Document, list[Passage]]]:
        for number in range(5):
            yield document(f"d{number}", "text")
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="went away"):
        catalog.documents.replace_all(pairs(), batch=2)
    assert list(catalog.documents.records_of(catalog.documents.ids())) == ["d0", "d1", "d2", "d3"]
    with pytest.raises(InputError, match="batch is 0"):
        catalog.documents.replace_all([], batch=0)


def test_a_generator_may_ask_the_catalog_while_it_feeds_it(catalog: Catalog) -> None:
    catalog.documents.replace_all(document(f"d{catalog.documents.counts()[0]}", "text") for _ in range(3))
    assert list(catalog.documents.records_of(catalog.documents.ids())) == ["d0"]
    catalog.documents.replace_all((document(f"d{catalog.documents.counts()[0]}", "text") for _ in range(3)), batch=1)
    assert list(catalog.documents.records_of(catalog.documents.ids())) == ["d0", "d1", "d2", "d3"]
