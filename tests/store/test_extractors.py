"""Which extractors have read, and which of them are preferred."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from hippograph.store.catalog import Catalog
from hippograph.types import Extraction
from tests.store.samples import document, fresh_catalog


def test_who_has_read_is_known_and_not_yet_preferred() -> None:
    with fresh_catalog() as catalog:
        assert (catalog.extractors.all(), catalog.extractors.order()) == ([], [])
        catalog.documents.replace(*document("oslo", "A capital."))
        [passage] = catalog.documents.passages()
        for name in ("two", "one"):
            catalog.extractions.save(name, [(passage, Extraction(status="empty"))])
        assert (catalog.extractors.all(), catalog.extractors.order()) == (["one", "two"], [])


@given(st.lists(st.sampled_from("abcd"), max_size=8))
def test_the_last_one_preferred_comes_first(preferred: list[str]) -> None:
    with fresh_catalog() as catalog:
        for name in preferred:
            catalog.extractors.prefer(name)
        assert catalog.extractors.order() == list(dict.fromkeys(reversed(preferred)))
        assert catalog.extractors.all() == sorted(set(preferred))
        assert catalog.check() == []
        with Catalog.open(catalog._database.path) as again:
            assert again.extractors.order() == catalog.extractors.order()


def test_to_prefer_what_is_preferred_writes_nothing() -> None:
    with fresh_catalog() as catalog:
        catalog.extractors.prefer("one")
        with closing(sqlite3.connect(catalog._database.path)) as watcher:
            before = watcher.execute("PRAGMA data_version").fetchone()
            catalog.extractors.prefer("one")
            assert watcher.execute("PRAGMA data_version").fetchone() == before
            catalog.extractors.prefer("two")
            assert watcher.execute("PRAGMA data_version").fetchone() != before


def test_an_altered_preference_is_found() -> None:
    with fresh_catalog() as catalog:
        catalog.extractors.prefer("one")
        with closing(sqlite3.connect(catalog._database.path, isolation_level=None)) as other:
            other.execute("UPDATE extractors SET preference = 2")
        assert [fault.part for fault in catalog.check()] == ["extractors"]
