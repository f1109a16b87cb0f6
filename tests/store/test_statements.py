"""Statements: the triples of extractions, by the digests of what was read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hippograph.errors import DamagedIndexError, IndexDirectoryError
from hippograph.store.catalog import Catalog
from hippograph.store.schema import digest_of_texts
from hippograph.types import Extraction, Passage, Triple

OSLO = Passage(id="oslo", document="oslo", title="Oslo", text="A capital.")
ROME = Passage(id="rome", document="rome", title="", text="Another.")
CONTENTS = [digest_of_texts(passage.title, passage.text) for passage in (OSLO, ROME)]
FOUND = Extraction(status="done", triples=(Triple(" Oslo", "IS", "capital"), Triple("a", "b", "c")))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.sqlite"
    with Catalog.open(path, create=True) as catalog:
        catalog.extractions.save("one", [(OSLO, FOUND), (ROME, Extraction(status="empty"))])
        catalog.extractions.save("two", [(OSLO, Extraction(status="failed", error="no answer"))])
    return path


def test_they_are_word_for_word_and_of_the_extractor_asked_for(path: Path) -> None:
    with Catalog.open(path) as catalog:
        assert catalog.statements.of("one", [*CONTENTS, CONTENTS[0]]) == {CONTENTS[0]: FOUND.triples, CONTENTS[1]: ()}
        assert catalog.statements.of("two", CONTENTS[:1]) == {CONTENTS[0]: ()}
        assert catalog.statements.of("three", []) == {}


def test_they_are_found_though_no_passage_says_that(path: Path) -> None:
    with Catalog.open(path) as catalog:
        assert catalog.documents.counts() == (0, 0)
        assert len(catalog.statements.of("one", CONTENTS)) == 2


def test_those_that_are_gone_are_told_of(path: Path) -> None:
    with Catalog.open(path) as catalog, pytest.raises(IndexDirectoryError, match="no longer holds 1 of"):
        catalog.statements.of("two", CONTENTS)


def test_those_that_were_altered_are_told_of(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE extractions SET triples = '[]' WHERE status = 'done'")
    with Catalog.open(path) as catalog, pytest.raises(DamagedIndexError, match="an extraction"):
        catalog.statements.of("one", CONTENTS)
