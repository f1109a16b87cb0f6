import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.testing.contracts import check_embedder
from hippograph.testing.doubles import HashingEmbedder


@pytest.mark.parametrize("dimension", [8, 64, 384])
def test_hashing_embedder_keeps_the_contract(dimension):
    check_embedder(HashingEmbedder(dimension=dimension))


@given(st.text())
def test_every_text_has_a_unit_vector(text):
    vector = HashingEmbedder().embed([text], role="entity")[0]
    assert np.isclose(np.linalg.norm(vector), 1.0, atol=1e-6)


def test_vectors_are_the_same_in_every_process():
    vector = HashingEmbedder(dimension=8).embed(["Oslo"], role="entity")[0]
    assert (vector * np.sqrt(3)).round(4).tolist() == [0, 0, 0, 1, 1, 0, 0, -1]


def test_dimension_below_one():
    with pytest.raises(InputError, match="dimension is 0"):
        HashingEmbedder(dimension=0)


class _DependsOnCompany(HashingEmbedder):
    def embed(self, texts, *, role):
        vectors = super().embed(texts, role=role) + 0.01 * len(texts)
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


class _NotUnit(HashingEmbedder):
    def embed(self, texts, *, role):
        return super().embed(texts, role=role) * np.float32(2)


@pytest.mark.parametrize(
    ("broken", "clause"), [(_DependsOnCompany, "depends on the texts beside it"), (_NotUnit, "lengths")]
)
def test_the_contract_finds_what_breaks_it(broken, clause):
    with pytest.raises(AssertionError, match=clause):
        check_embedder(broken())
