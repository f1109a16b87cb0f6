from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.index import synonyms
from hippograph.index.synonyms import SynonymLinker
from hippograph.types import FloatArray


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
