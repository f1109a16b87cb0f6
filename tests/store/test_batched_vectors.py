"""Vectors of batches: of the batches of one list in its order, kept for that list alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.store import derived
from hippograph.store.derived import DERIVED, batched_vectors, derived_vectors
from hippograph.store.vectors import unit_rows
from hippograph.types import FloatArray
from tests.store.neighbourly import NeighbourlyEmbedder
from tests.store.samples import point, texts


def vectors(
    folder: Path | None,
    wanted: Sequence[str],
    embedder: NeighbourlyEmbedder,
    *,
    batch: int = 2,
    kind: str = "facts",
    generation: int = 1,
) -> FloatArray:
    return batched_vectors(folder, kind, wanted, embedder=embedder, role="triple", batch=batch, generation=generation)


def rounded(*batches: FloatArray) -> FloatArray:
    return unit_rows(np.concatenate(batches).astype(np.float16))


def test_consecutive_texts_are_embedded_together_in_the_order_given() -> None:
    embedder = NeighbourlyEmbedder()
    found = vectors(None, ["oslo", "bergen", "oslo", "rome", "paris", "bergen", "lima"], embedder)
    assert embedder.asked == [("triple", ("oslo", "bergen")), ("triple", ("rome", "paris")), ("triple", ("lima",))]
    distinct = rounded(
        embedder.together("oslo", "bergen"), embedder.together("rome", "paris"), embedder.together("lima")
    )
    assert np.array_equal(found, distinct[[0, 1, 0, 2, 3, 1, 4]])
    assert not np.array_equal(vectors(None, ["rome", "oslo"], embedder)[1], found[0])


def test_they_are_embedded_once_and_anew_where_anything_changes(tmp_path: Path) -> None:
    embedder = NeighbourlyEmbedder()
    first = vectors(tmp_path, ["oslo", "bergen", "rome"], embedder)
    assert np.array_equal(vectors(tmp_path, ["oslo", "bergen", "rome"], embedder), first)
    assert len(embedder.asked) == 2
    for changed in (["oslo", "bergen", "lima"], ["bergen", "oslo", "rome"], ["oslo", "bergen"]):
        embedder.asked.clear()
        found = vectors(tmp_path, changed, embedder)
        assert [text for _, beside in embedder.asked for text in beside] == changed
        assert np.array_equal(found, vectors(None, changed, NeighbourlyEmbedder()))
    embedder.asked.clear()
    vectors(tmp_path, ["oslo", "bergen"], embedder, batch=1)
    assert embedder.asked == [("triple", ("oslo",)), ("triple", ("bergen",))]


def test_only_those_of_the_last_list_are_kept(tmp_path: Path) -> None:
    embedder = NeighbourlyEmbedder()
    point(tmp_path, 1)
    sizes = []
    for wanted in (["oslo", "rome"], ["rome", "oslo"], ["lima", "rome"]):
        vectors(tmp_path, wanted, embedder)
        sizes.append((tmp_path / DERIVED / "facts.vectors").stat().st_size)
    assert len(set(sizes)) == 1
    assert vectors(tmp_path, [], embedder).shape == (0, 64)
    assert (tmp_path / DERIVED / "facts.vectors").stat().st_size < sizes[0]


def test_readers_of_a_former_snapshot_leave_the_list_of_the_current_one_alone(tmp_path: Path) -> None:
    point(tmp_path, 2)
    current = NeighbourlyEmbedder()
    for _ in range(2):
        vectors(tmp_path, ["lima", "rome"], current, generation=2)
        vectors(tmp_path, ["oslo", "rome"], NeighbourlyEmbedder(), generation=1)
    assert current.asked == [("triple", ("lima", "rome"))]


def test_what_is_embedded_alone_has_a_vector_of_its_own(tmp_path: Path) -> None:
    embedder = NeighbourlyEmbedder()
    together = vectors(tmp_path, ["oslo", "rome"], embedder)
    alone = derived_vectors(tmp_path, "facts", ["oslo", "rome"], embedder=embedder, role="triple", generation=1)
    assert np.array_equal(alone, rounded(embedder.embed(["oslo", "rome"], role="triple")))
    assert not np.array_equal(alone, together)


@pytest.mark.parametrize("block", [1, 5])
def test_an_interrupted_run_goes_on_with_whole_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(derived, "_BLOCK", block)
    wanted = list("abcdefghij")
    with pytest.raises(KeyboardInterrupt):
        vectors(tmp_path, wanted, NeighbourlyEmbedder(fails_at="i"))
    embedder = NeighbourlyEmbedder()
    found = vectors(tmp_path, wanted, embedder)
    assert embedder.asked == [("triple", ("i", "j"))]
    assert np.array_equal(found, vectors(None, wanted, NeighbourlyEmbedder()))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.lists(texts, max_size=5), st.integers(1, 4)), min_size=1, max_size=4))
def test_whatever_was_asked_before_the_vectors_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, requests: list[tuple[list[str], int]]
) -> None:
    folder = tmp_path_factory.mktemp("index")
    for wanted, batch in requests:
        kept = vectors(folder, wanted, NeighbourlyEmbedder(), batch=batch)
        assert np.array_equal(kept, vectors(None, wanted, NeighbourlyEmbedder(), batch=batch))


def test_a_batch_has_a_text_and_a_kind_names_a_file() -> None:
    with pytest.raises(InputError, match="at least 1"):
        vectors(None, ["oslo"], NeighbourlyEmbedder(), batch=0)
    with pytest.raises(InputError, match="lower-case"):
        vectors(None, ["oslo"], NeighbourlyEmbedder(), kind="Facts")
