"""Derived vectors: embedded once, the same ever after, pruned, and never in the way."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.store import derived
from hippograph.store.arrays import SNAPSHOTS
from hippograph.store.derived import DERIVED, derived_vectors
from hippograph.store.manifest import POINTER
from hippograph.testing.doubles import HashingEmbedder
from hippograph.types import FloatArray, TextRole
from tests.store.samples import point, texts


@dataclass(frozen=True)
class CountingEmbedder:
    """Notes what it is asked for; fails when it is told to."""

    inner: HashingEmbedder = field(default_factory=HashingEmbedder)
    asked: list[str] = field(default_factory=list)
    name: str = ""
    fails_at: str | None = None

    @property
    def fingerprint(self) -> str:
        return self.inner.fingerprint + self.name

    @property
    def dimension(self) -> int:
        return self.inner.dimension

    def embed(self, texts: Sequence[str], *, role: TextRole) -> FloatArray:
        if self.fails_at in texts:
            raise KeyboardInterrupt
        self.asked.extend(texts)
        return self.inner.embed(texts, role=role)


def vectors(
    folder: Path | None,
    wanted: Sequence[str],
    embedder: CountingEmbedder,
    *,
    generation: int = 1,
    kind: str = "facts",
) -> FloatArray:
    return derived_vectors(folder, kind, wanted, embedder=embedder, role="triple", generation=generation)


def the_file(folder: Path) -> Path:
    return folder / DERIVED / "facts.vectors"


def test_a_text_is_embedded_once_and_gives_the_same_bits_ever_after(tmp_path: Path) -> None:
    embedder = CountingEmbedder()
    first = vectors(tmp_path, ["oslo", "rome", "oslo"], embedder)
    assert embedder.asked == ["oslo", "rome"]
    assert np.array_equal(first[0], first[2])
    again = vectors(tmp_path, ["paris", "rome", "oslo"], embedder)
    assert embedder.asked == ["oslo", "rome", "paris"]
    assert np.array_equal(again[[2, 1]], first[:2])
    assert np.array_equal(vectors(None, ["oslo", "rome", "oslo"], embedder), first)
    np.testing.assert_allclose(np.linalg.norm(first.astype(float), axis=1), 1.0, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(texts, max_size=5), min_size=1, max_size=4))
def test_whatever_was_asked_before_the_vectors_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, requests: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("index")
    for wanted in requests:
        assert np.array_equal(vectors(folder, wanted, CountingEmbedder()), vectors(None, wanted, CountingEmbedder()))


def test_texts_that_are_gone_are_forgotten_and_parts_forget_nothing(tmp_path: Path) -> None:
    embedder = CountingEmbedder()
    point(tmp_path, 1)
    vectors(tmp_path, ["oslo", "rome"], embedder)
    vectors(tmp_path, ["rome"], embedder, generation=0)
    vectors(tmp_path, ["oslo", "rome"], embedder)
    assert embedder.asked == ["oslo", "rome"]
    size = the_file(tmp_path).stat().st_size
    vectors(tmp_path, ["rome"], embedder)
    assert the_file(tmp_path).stat().st_size < size
    vectors(tmp_path, ["oslo", "rome"], embedder)
    assert embedder.asked == ["oslo", "rome", "oslo"]
    assert vectors(tmp_path, [], embedder).shape == (0, 64)


def test_readers_of_a_former_snapshot_forget_nothing_that_the_current_one_needs(tmp_path: Path) -> None:
    point(tmp_path, 1)
    vectors(tmp_path, ["oslo", "rome"], CountingEmbedder())
    point(tmp_path, 2)
    former, current = CountingEmbedder(), CountingEmbedder()
    for _ in range(3):
        vectors(tmp_path, ["oslo", "rome"], former)
        vectors(tmp_path, ["lima", "oslo"], current, generation=2)
    # What only the former one needs it embeds again when the current one has deleted it, never the other way round.
    assert current.asked == ["lima"]
    assert former.asked == ["rome"] * 2


@pytest.mark.parametrize("pointer", [None, b"", b"00000001"])
def test_where_nobody_knows_which_snapshot_is_current_nothing_is_forgotten(
    tmp_path: Path, pointer: bytes | None
) -> None:
    if pointer is not None:
        point(tmp_path, 1)
        (tmp_path / SNAPSHOTS / POINTER).write_bytes(pointer)
    embedder = CountingEmbedder()
    for wanted in (["oslo", "rome"], ["rome"], ["oslo"]):
        vectors(tmp_path, wanted, embedder)
    assert embedder.asked == ["oslo", "rome"]


def test_a_snapshot_that_is_published_meanwhile_keeps_what_it_has_embedded(tmp_path: Path) -> None:
    point(tmp_path, 1)
    vectors(tmp_path, ["oslo"], CountingEmbedder())

    class Slow(CountingEmbedder):
        def embed(self, texts: Sequence[str], *, role: TextRole) -> FloatArray:
            point(tmp_path, 2)
            vectors(tmp_path, ["lima"], other, generation=2)
            return super().embed(texts, role=role)

    other = CountingEmbedder()
    vectors(tmp_path, ["oslo", "rome"], Slow())
    vectors(tmp_path, ["lima"], other, generation=2)
    assert other.asked == ["lima"]


def test_no_text_is_stored(tmp_path: Path) -> None:
    vectors(tmp_path, ["a very secret name"], CountingEmbedder())
    assert not any(b"secret" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize("place", [0, 30, 60, 80, 100, -1])
def test_damage_is_noticed_and_mended(tmp_path: Path, caplog: pytest.LogCaptureFixture, place: int) -> None:
    embedder = CountingEmbedder()
    first = vectors(tmp_path, ["oslo", "rome"], embedder)
    data = bytearray(the_file(tmp_path).read_bytes())
    data[place] ^= 1
    the_file(tmp_path).write_bytes(data)
    assert np.array_equal(vectors(tmp_path, ["oslo", "rome"], embedder), first)
    assert "damaged" in caplog.text
    assert embedder.asked == ["oslo", "rome"] * 2
    vectors(tmp_path, ["oslo", "rome"], embedder)
    assert embedder.asked == ["oslo", "rome"] * 2


@pytest.mark.parametrize("content", [b"", b"hippo", b"hippograph vectors 1\n", b"\x93NUMPY"])
def test_what_is_cut_off_or_no_such_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    vectors(tmp_path, ["oslo"], CountingEmbedder())
    the_file(tmp_path).write_bytes(content)
    embedder = CountingEmbedder()
    vectors(tmp_path, ["oslo"], embedder)
    vectors(tmp_path, ["oslo"], embedder)
    assert embedder.asked == ["oslo"]


def test_another_embedder_replaces_the_vectors_of_the_former(tmp_path: Path) -> None:
    one, other = CountingEmbedder(), CountingEmbedder(inner=HashingEmbedder(dimension=8), name="other")
    vectors(tmp_path, ["oslo", "rome"], one)
    assert vectors(tmp_path, ["oslo"], other).shape == (1, 8)
    vectors(tmp_path, ["oslo"], other)
    assert other.asked == ["oslo"]


def test_where_nothing_can_be_written_there_is_a_warning_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # A file in the place of the folder, for root may write anywhere.
    (tmp_path / DERIVED).write_text("")
    with caplog.at_level(logging.WARNING, logger="hippograph.store"):
        found = vectors(tmp_path, ["oslo"], CountingEmbedder())
    assert np.array_equal(found, vectors(None, ["oslo"], CountingEmbedder()))
    assert "facts.vectors is not kept" in caplog.text


def test_what_was_embedded_before_an_interruption_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derived, "_BLOCK", 2)
    with pytest.raises(KeyboardInterrupt):
        vectors(tmp_path, ["a", "b", "c", "d"], CountingEmbedder(fails_at="d"))
    embedder = CountingEmbedder()
    vectors(tmp_path, ["a", "b", "c", "d"], embedder)
    assert embedder.asked == ["c", "d"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / DERIVED).mkdir()
    (tmp_path / DERIVED / ".unfinished-1").write_bytes(b"half")
    vectors(tmp_path, ["oslo"], CountingEmbedder())
    assert sorted(path.name for path in (tmp_path / DERIVED).iterdir()) == ["facts.vectors", "lock"]


def test_threads_may_do_it_at_once_and_lose_nothing(tmp_path: Path) -> None:
    embedder = CountingEmbedder()
    several = [[f"text {thread} {number}" for number in range(20)] for thread in range(6)]
    threads = [
        threading.Thread(target=vectors, args=(tmp_path, wanted, embedder), kwargs={"generation": 0})
        for wanted in several
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked = len(embedder.asked)
    vectors(tmp_path, [text for wanted in several for text in wanted], embedder)
    assert len(embedder.asked) == asked == 120


@pytest.mark.parametrize("kind", ["", "../facts", "Facts", "a b", "é"])
def test_a_kind_names_a_file(tmp_path: Path, kind: str) -> None:
    with pytest.raises(InputError, match="lower-case"):
        vectors(tmp_path, [], CountingEmbedder(), kind=kind)


def test_vectors_of_another_length_than_one_are_refused(tmp_path: Path) -> None:
    class Wrong(CountingEmbedder):
        def embed(self, texts: Sequence[str], *, role: TextRole) -> FloatArray:
            return 2 * super().embed(texts, role=role)

    with pytest.raises(InputError, match="length"):
        vectors(tmp_path, ["oslo"], Wrong())
