import dataclasses
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.index import likeness, synonyms
from hippograph.index.synonyms import NearNames, SynonymLinker
from hippograph.types import FloatArray
from tests.index.naive import naive_synonyms


def unit(rows: Any) -> FloatArray:
    vectors = np.asarray(rows, dtype=np.float64)
    unit_vectors: FloatArray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit_vectors


def pairs(found):
    return list(zip(found.left.tolist(), found.right.tolist(), strict=True))


def test_names_that_differ_in_a_number_are_not_synonyms():
    vectors = unit([[1, 0], [1, 0.01], [1, 0.02]])
    assert pairs(SynonymLinker().link(["apollo 11", "apollo 12", "the apollo 11"], vectors)) == [(0, 2)]


def test_a_pair_stays_if_either_name_keeps_it():
    # Name 0 keeps only its nearest, name 1; name 2 has no nearer one than name 0.
    vectors = unit([[1, 0], [1, 0.01], [1, -0.2]])
    assert pairs(SynonymLinker(most=1, threshold=0.9).link(["a", "b", "c"], vectors)) == [(0, 1), (0, 2)]


def test_no_names_have_no_synonyms():
    found = SynonymLinker().link([], np.zeros((0, 4), np.float32))
    assert pairs(found) == []


@pytest.mark.parametrize("arguments", [{"threshold": 0.0}, {"threshold": 1.5}, {"most": 0}])
def test_unusable_settings_are_refused(arguments):
    with pytest.raises(InputError, match=str(next(iter(arguments.values())))):
        SynonymLinker(**arguments)


@given(st.integers(0, 40), st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_blocks_do_not_matter_and_all_pairs_are_found(n, seed, most):
    vectors = unit(np.random.default_rng(seed).normal(size=(n, 3)))
    keys = [f"name {chr(97 + i % 26)}{'x' * (i // 26)}" for i in range(n)]
    linker = SynonymLinker(threshold=0.7, most=most)
    whole = linker.link(keys, vectors)
    block, synonyms._BLOCK = synonyms._BLOCK, 7
    try:
        cut = linker.link(keys, vectors)
    finally:
        synonyms._BLOCK = block
    assert pairs(whole) == pairs(cut)
    assert np.array_equal(whole.similarities, cut.similarities)
    cosines = (vectors[:, None, :].astype(np.float64) * vectors[None, :, :]).sum(axis=2)
    near = {
        a: sorted((-cosines[a, b], b) for b in range(n) if b != a and cosines[a, b] >= 0.7)[:most] for a in range(n)
    }
    wanted = sorted({(min(a, b), max(a, b)) for a, found in near.items() for _, b in found})
    assert pairs(whole) == wanted


N = 300
RANDOM = np.random.default_rng(5)
ROOM = RANDOM.normal(size=(1, 24))
# Names that are nearly the same are alike in their thousands, and a list holds a few of them.
CROWDS = {
    "some distance apart": unit(ROOM + 0.35 * RANDOM.normal(size=(N, 24))),
    "close together": unit(ROOM + 1e-3 * RANDOM.normal(size=(N, 24))),
    "nearer than single precision tells": unit(ROOM + 3e-7 * RANDOM.normal(size=(N, 24))),
    "one vector": np.repeat(unit(ROOM), N, axis=0),
    "a few vectors": unit(ROOM + 0.3 * RANDOM.normal(size=(7, 24)))[RANDOM.integers(0, 7, N)],
    "at the threshold": unit([[1, 0], [0.9, np.sqrt(1 - 0.81)]])[np.arange(N) % 2],
}


NAMES = [f"room {chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(N)]


def crowd_of(crowd: str, *, numbered: bool) -> tuple[list[str], FloatArray]:
    return [f"{name} {n % 3}" for n, name in enumerate(NAMES)] if numbered else NAMES, CROWDS[crowd]


crowds = pytest.mark.parametrize(
    ("crowd", "numbered"), [*((crowd, False) for crowd in CROWDS), ("some distance apart", True), ("one vector", True)]
)


@cache
def naive(crowd: str, *, numbered: bool) -> tuple[dict[tuple[int, int], float], list[int]]:
    """Tell the synonyms, and how many names are alike to each."""
    names, vectors = crowd_of(crowd, numbered=numbered)
    cosines = (vectors[:, None, :].astype(np.float64) * vectors[None, :, :]).sum(axis=2)
    numbers = np.arange(N) % 3 if numbered else np.zeros(N)
    alike = (cosines >= 0.9) & ~np.eye(N, dtype=bool) & (numbers[:, None] == numbers)
    return naive_synonyms(names, vectors, threshold=0.9, most=4), alike.sum(axis=1).tolist()


@pytest.fixture(params=[(32, 0), (32, 2), (512, 0), (100, 16)])
def blocks(request, monkeypatch):
    """Compare in small blocks, of which the first and the third kind are never taken for sparse."""
    monkeypatch.setattr(synonyms, "_BLOCK", request.param[0])
    monkeypatch.setattr(likeness, "_FEW", request.param[1])


def assert_same(one: NearNames, other: NearNames) -> None:
    for field in dataclasses.fields(NearNames):
        left, right = getattr(one, field.name), getattr(other, field.name)
        assert (left.dtype, left.tobytes()) == (right.dtype, right.tobytes()), field.name


@crowds
def test_a_crowd_of_alike_names_has_the_synonyms_of_the_naive_model(crowd, numbered, blocks):
    names, vectors = crowd_of(crowd, numbered=numbered)
    linker = SynonymLinker(most=4)
    near = linker.near(names, vectors)
    found = linker.pairs(near)
    wanted, counts = naive(crowd, numbered=numbered)
    assert dict(zip(pairs(found), found.similarities.tolist(), strict=True)) == wanted
    assert near.counts.tolist() == counts
    assert near.counts.max() > 4


@crowds
def test_a_crowd_that_loses_and_gains_names_is_as_if_it_had_always_been_so(crowd, numbered, blocks):
    names, vectors = crowd_of(crowd, numbered=numbered)
    linker = SynonymLinker(most=4)
    random = np.random.default_rng(11)
    kept = np.sort(random.choice(N, 200, replace=False))
    near = linker.near([names[n] for n in kept], vectors[kept])
    for size in (200, 290, 40, 41, 0, 150):
        wanted = np.sort(random.choice(N, size, replace=False))
        place = np.searchsorted(kept, wanted)
        origins = np.where(np.isin(wanted, kept), place, -1)
        now = linker.near(
            [names[n] for n in wanted], vectors[wanted],
            former=near, former_keys=[names[n] for n in kept], former_vectors=vectors[kept], origins=origins,
        )  # fmt: skip
        assert_same(now, linker.near([names[n] for n in wanted], vectors[wanted]))
        near, kept = now, wanted
