import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.testing.contracts import check_cross_encoder, check_embedder
from hippograph.testing.doubles import HashingEmbedder, OverlapCrossEncoder


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


def test_overlap_cross_encoder_keeps_the_contract():
    check_cross_encoder(OverlapCrossEncoder())


@pytest.mark.parametrize(("text", "score"), [("Nansen sailed the Fram", 1), ("Nansen skied", -1 / 3), ("Oslo", -1)])
def test_overlap_is_the_share_of_the_query_that_is_said(text, score):
    assert np.isclose(OverlapCrossEncoder().score([("nansen sailed fram!", text)])[0], score)


class _ComparesWithin(OverlapCrossEncoder):
    def score(self, pairs):
        scores = super().score(pairs)
        return scores - scores.mean(dtype=np.float32) if len(pairs) else scores


class _Deaf(OverlapCrossEncoder):
    def score(self, pairs):
        return np.zeros(len(pairs), dtype=np.float32)


class _Doubles(OverlapCrossEncoder):
    def score(self, pairs):
        return super().score(pairs).astype(np.float64)


@pytest.mark.parametrize(
    ("broken", "clause"),
    [(_ComparesWithin, "depends on the pairs beside it"), (_Deaf, "no higher"), (_Doubles, "not float32")],
)
def test_the_contract_finds_cross_encoders_that_break_it(broken, clause):
    with pytest.raises(AssertionError, match=clause):
        check_cross_encoder(broken())
