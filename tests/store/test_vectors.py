"""Vectors: what is missing, rounding, determinism."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.errors import DamagedIndexError, IndexDirectoryError, IndexMismatchError, InputError
from hippograph.store.catalog import Catalog
from hippograph.store.vectors import Vectors, as_saved, vector_key
from tests.store.samples import TEXTS, fresh_catalog, texts, unit_rows


@pytest.fixture
def vectors() -> Iterator[Vectors]:
    with fresh_catalog() as catalog:
        yield catalog.vectors


@settings(max_examples=30, deadline=None)
@given(st.lists(texts, max_size=8), st.lists(texts, max_size=8))
def test_missing_is_what_was_not_saved_in_order_and_once(saved: list[str], wanted: list[str]) -> None:
    with fresh_catalog() as catalog:
        assert catalog.vectors.missing("e", "entity", wanted) == list(dict.fromkeys(wanted))
        catalog.vectors.save("e", "entity", saved, unit_rows(len(saved)))
        expected = [text for text in dict.fromkeys(wanted) if text not in saved]
        assert catalog.vectors.missing("e", "entity", wanted) == expected
        assert catalog.vectors.missing("e", "triple", wanted) == list(dict.fromkeys(wanted))
        assert catalog.vectors.missing("f", "entity", wanted) == list(dict.fromkeys(wanted))


def test_vectors_come_back_in_order_rounded_and_of_length_one(vectors: Vectors) -> None:
    given_rows = unit_rows(len(TEXTS), 384)
    vectors.save("e", "passage", TEXTS, given_rows)
    order = [3, 0, 3, 10, 1]
    loaded = vectors.load("e", "passage", [TEXTS[row] for row in order])
    assert loaded.dtype == np.float32
    np.testing.assert_allclose(loaded, given_rows[order], atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(loaded.astype(float), axis=1), 1.0, atol=1e-6)
    cosines = np.sum(loaded.astype(float) * given_rows[order], axis=1)
    assert cosines.min() > 1 - 1e-6


def test_a_vector_does_not_depend_on_those_loaded_with_it(vectors: Vectors) -> None:
    names = [f"name {number}" for number in range(3000)]
    vectors.save("e", "entity", names[:1000], unit_rows(1000, 5, seed=1))
    vectors.save("e", "entity", names[1000:], unit_rows(2000, 5, seed=2))
    whole = vectors.load("e", "entity", names)
    assert vectors.missing("e", "entity", names) == []
    for row in (0, 1, 999, 1000, 2999):
        assert np.array_equal(vectors.load("e", "entity", [names[row]])[0], whole[row])
    assert np.array_equal(vectors.load("e", "entity", names[::-1])[::-1], whole)


def test_the_first_vector_of_a_text_stays(vectors: Vectors) -> None:
    vectors.save("e", "entity", ["Oslo"], unit_rows(1, seed=1))
    first = vectors.load("e", "entity", ["Oslo"])
    vectors.save("e", "entity", ["Oslo"], unit_rows(1, seed=2))
    assert np.array_equal(vectors.load("e", "entity", ["Oslo"]), first)


def test_roles_and_texts_do_not_run_together(vectors: Vectors) -> None:
    vectors.save("e", "entity", ["a", "a\0", "\0a"], np.eye(3, dtype=np.float32))
    assert np.array_equal(vectors.load("e", "entity", ["\0a", "a"]), np.eye(3)[[2, 0]])
    with pytest.raises(IndexDirectoryError, match=r"2 texts.*'a'"):
        vectors.load("e", "query", ["a", "b"])


def test_no_texts(vectors: Vectors) -> None:
    assert vectors.load("e", "entity", []).shape == (0, 0)
    vectors.save("e", "entity", [], np.zeros((0, 8), dtype=np.float32))
    assert vectors.load("e", "triple", []).shape == (0, 8)
    with pytest.raises(IndexDirectoryError, match="'Oslo'"):
        vectors.load("e", "entity", ["Oslo"])
    with pytest.raises(IndexDirectoryError, match="'Oslo'"):
        vectors.load("unknown", "entity", ["Oslo"])


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (np.zeros((2, 4), dtype=np.float32), "length 0"),
        (np.full((2, 4), np.nan, dtype=np.float32), "length nan"),
        (np.full((2, 4), np.inf, dtype=np.float32), "length inf"),
        (np.ones((2, 4), dtype=np.float32), "length 2"),
        (unit_rows(3), "2 texts"),
        (np.ones(2, dtype=np.float32), r"shape \(2,\)"),
    ],
)
def test_what_cannot_be_a_vector_is_refused_whole(vectors: Vectors, rows: np.ndarray, told: str) -> None:
    with pytest.raises(InputError, match=told):
        vectors.save("e", "entity", ["a", "b"], rows)
    assert vectors.missing("e", "entity", ["a", "b"]) == ["a", "b"]


def test_an_embedder_keeps_its_dimension(vectors: Vectors) -> None:
    vectors.save("e", "entity", ["a"], unit_rows(1, 8))
    with pytest.raises(IndexMismatchError, match="8 components"):
        vectors.save("e", "entity", ["b"], unit_rows(1, 9))
    assert vectors.missing("e", "entity", ["b"]) == ["b"]


def test_an_altered_vector_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    with Catalog.open(path, create=True) as catalog:
        catalog.vectors.save("e", "entity", ["a", "b", "c"], unit_rows(3))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("UPDATE vectors SET vector = x'00' WHERE row = 1")
            other.execute("UPDATE vectors SET vector = CAST(substr(vector, 2) || x'00' AS BLOB) WHERE row = 2")
        with pytest.raises(DamagedIndexError, match=r"vector of 'e'.*doctor --repair"):
            catalog.vectors.load("e", "entity", ["a"])
        with pytest.raises(DamagedIndexError, match="vector of 'e'"):
            catalog.vectors.load("e", "entity", ["b"])
        assert catalog.vectors.load("e", "entity", ["c"]).shape == (1, 8)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("UPDATE embedders SET dimension = 9")
        with pytest.raises(DamagedIndexError, match="embedder 'e'"):
            catalog.vectors.load("e", "entity", ["c"])


@settings(max_examples=30, deadline=None)
@given(st.lists(texts, max_size=8), st.lists(texts, max_size=8))
def test_only_the_vectors_that_are_named_are_kept(saved: list[str], wanted: list[str]) -> None:
    with fresh_catalog() as catalog:
        for embedder in ("e", "f"):
            catalog.vectors.save(embedder, "entity", saved, unit_rows(len(saved)))
            catalog.vectors.save(embedder, "triple", saved, unit_rows(len(saved)))
        deleted = catalog.vectors.keep_only("e", (vector_key("entity", text) for text in wanted))
        distinct, kept = set(saved), set(saved) & set(wanted)
        assert deleted == 4 * len(distinct) - len(kept)
        assert set(catalog.vectors.missing("e", "entity", saved)) == distinct - kept
        assert set(catalog.vectors.missing("e", "triple", saved)) == distinct
        assert set(catalog.vectors.missing("f", "entity", saved)) == distinct
        assert catalog.check() == []
        # Another embedder may come with another dimension afterwards.
        catalog.vectors.save("f", "entity", ["a"], unit_rows(1, 5))
        assert catalog.vectors.keep_only("g", [vector_key("entity", "a")]) == len(kept) + 1


def test_keys_that_fail_midway_leave_all_vectors(vectors: Vectors) -> None:
    vectors.save("e", "entity", ["a", "b"], unit_rows(2))

    def keys() -> Iterator[bytes]:
        yield vector_key("entity", "a")
        raise OSError("the list went away")

    with pytest.raises(OSError, match="went away"):
        vectors.keep_only("e", keys())
    assert vectors.missing("e", "entity", ["a", "b"]) == []
    assert vectors.keep_only("e", [vector_key("entity", "a")]) == 1


@pytest.mark.parametrize("dimension", [1, 2, 3, 8, 64, 384])
def test_what_was_loaded_can_be_saved_again_and_is_the_same(dimension: int) -> None:
    names = [f"text {number}" for number in range(400)]
    with fresh_catalog() as catalog, fresh_catalog() as other:
        catalog.vectors.save("e", "entity", names, unit_rows(len(names), dimension))
        loaded = catalog.vectors.load("e", "entity", names)
        other.vectors.save("e", "entity", names, as_saved(loaded))
        assert np.array_equal(other.vectors.load("e", "entity", names), loaded)
    assert as_saved(loaded[:0]).shape == (0, dimension)


def test_who_has_saved_anything_is_known() -> None:
    with fresh_catalog() as catalog:
        assert catalog.vectors.embedders() == []
        for name in ("f", "e", "f"):
            catalog.vectors.save(name, "entity", ["Oslo"], unit_rows(1))
        assert catalog.vectors.embedders() == ["e", "f"]
