"""A snapshot that was built has no contradictions; one that was tampered with is told of, whatever vouches for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hippograph.store.arrays import StringTable
from hippograph.store.coherence import contradictions
from hippograph.store.snapshot import Snapshot
from hippograph.testing.doubles import CapitalsExtractor
from hippograph.testing.toy_corpus import toy_passages
from hippograph.types import Passage
from tests.conftest import small_passages
from tests.index.builds import built


def snapshot_of(passages: list[Passage]) -> Snapshot:
    return built(list(CapitalsExtractor().extract(passages)))


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return snapshot_of(small_passages())


def test_what_was_built_has_none(snapshot: Snapshot) -> None:
    for one in (snapshot, snapshot_of(toy_passages()), snapshot_of([]), Snapshot.empty()):
        assert list(contradictions(one)) == []


def swapped(table: StringTable) -> StringTable:
    strings = table.to_list()
    return StringTable.of([strings[1], strings[0], *strings[2:]])


@pytest.mark.parametrize("name", ["words", "spellings", "phrases", "relations"])
def test_tables_that_do_not_ascend(snapshot: Snapshot, name: str) -> None:
    changes: dict[str, Any] = {name: swapped(getattr(snapshot.evidence, name))}
    evidence = replace(snapshot.evidence, **changes)
    files = [found.file for found in contradictions(replace(snapshot, evidence=evidence))]
    assert files == [f"{name}.utf8"]


@pytest.mark.parametrize("name", ["ids", "documents", "sources", "titles", "texts", "metadata"])
def test_texts_that_are_not_utf8(snapshot: Snapshot, name: str) -> None:
    table = getattr(snapshot.passages, name)
    blob = np.full(len(table.blob) or 1, 0xFF, dtype=np.uint8)
    offsets = table.offsets if len(table.blob) else np.array([*np.zeros(len(table), np.int64), 1])
    changes: dict[str, Any] = {name: StringTable(blob, offsets)}
    passages = replace(snapshot.passages, **changes)
    [found, *_] = contradictions(replace(snapshot, passages=passages))
    assert "is not UTF-8" in found.what


@pytest.mark.parametrize("written", ["[]", "{", '{"a": []}', '{"a": null}', "1"])
def test_metadata_that_are_none(snapshot: Snapshot, written: str) -> None:
    metadata = StringTable.of([*["{}"] * (len(snapshot.passages) - 1), written])
    found = list(contradictions(replace(snapshot, passages=replace(snapshot.passages, metadata=metadata))))
    assert [one.file for one in found] == ["passage_metadata.utf8"]
    assert f"passage {len(snapshot.passages) - 1}" in found[0].what


@pytest.mark.parametrize(
    ("name", "values", "what"),
    [
        ("token_names", np.zeros(3, np.bool_), "does not fit"),
        ("stated_counts", np.ones(99, np.int64), "does not fit"),
        ("near_cosines", np.full(0, np.nan), None),
        ("spelling_entities", np.zeros(1, np.int64), "1 rows instead of"),
        ("phrase_entities", np.full(1, -1, np.int64), "1 rows instead of"),
        ("title_tokens", np.zeros(6, np.int64), "posting_title_tokens"),
    ],
)
def test_arrays_of_another_length(snapshot: Snapshot, name: str, values: Any, what: str | None) -> None:
    former = getattr(snapshot.evidence, name)
    found = list(contradictions(replace(snapshot, evidence=replace(snapshot.evidence, **{name: values}))))
    if len(former) == len(values) and np.array_equal(former, values):
        assert (found, what) == ([], None)
    else:
        assert any(str(what) in one.file + one.what for one in found)


def test_triples_and_facts_that_disagree(snapshot: Snapshot) -> None:
    triples = snapshot.triples
    for changed in (
        replace(snapshot, triples=replace(triples, subjects=triples.objects, objects=triples.subjects)),
        replace(snapshot, evidence=replace(snapshot.evidence, facts=snapshot.evidence.facts[::-1])),
    ):
        assert {found.file for found in contradictions(changed)} & {"facts.npy", "triple_subjects.npy"}
