from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError, ModelError
from hippograph.models.onnx_cross_encoder import OnnxCrossEncoder
from hippograph.retrieve.recognition import CrossEncoderRecognition, NoRecognition, sentence
from hippograph.testing.contracts import check_recognition_memory
from hippograph.testing.doubles import OverlapCrossEncoder
from hippograph.types import Recognition, Triple

QUERY = "Where was the Fram launched?"
TRIPLES = [
    Triple("Titanic", "was launched in", "Belfast"),
    Triple("Nansen", "was awarded", "Nobel Peace Prize"),
    Triple("the Fram", "was launched at", "Larvik"),
]
WORDS = st.sampled_from(["fram", "launched", "oslo", "where", "was", "ski"])
CANDIDATES = st.lists(st.builds(Triple, WORDS, WORDS, WORDS), max_size=5)


class Fixed:
    """Gives the scores it was given, pair by pair."""

    fingerprint = "fixed"

    def __init__(self, *scores):
        self.scores = scores

    def score(self, pairs):
        assert len(pairs) == len(self.scores)
        return np.array(self.scores, dtype=np.float32)


class Broken:
    fingerprint = "broken"

    def score(self, pairs):
        raise ModelError("the weights are gone")


def recognise(memory, triples=TRIPLES):
    [found] = memory.recognise([QUERY], [triples])
    return found


@pytest.mark.parametrize(
    "memory",
    [
        NoRecognition(),
        CrossEncoderRecognition(encoder=OverlapCrossEncoder(), threshold=-0.5),
        CrossEncoderRecognition(encoder=OverlapCrossEncoder(), threshold=-inf, most=1),
    ],
)
def test_keeps_the_contract(memory):
    check_recognition_memory(memory)


def test_without_recognition_everything_is_kept_in_order():
    assert recognise(NoRecognition()) == Recognition(status="done", kept=(0, 1, 2))
    assert recognise(NoRecognition(), []) == Recognition(status="empty")


@pytest.mark.parametrize(
    ("threshold", "most", "kept"),
    [
        (-inf, None, (1, 0, 2, 3)),
        (1.0, None, (1, 0, 2)),
        (1.0, 2, (1, 0)),
        (2.0, 2, (1,)),
        (2.5, None, ()),
        (inf, None, ()),
    ],
)
def test_the_highest_scores_first_and_equal_ones_in_order(threshold, most, kept):
    memory = CrossEncoderRecognition(encoder=Fixed(1.0, 2.0, 1.0, -3.0), threshold=threshold, most=most)
    found = recognise(memory, [*TRIPLES, TRIPLES[0]])
    assert found.kept == kept
    assert found.status == ("done" if kept else "empty")
    assert found.usage.items == 4


def test_all_pairs_of_a_call_are_scored_at_once():
    encoder = Fixed(1.0, -1.0, -1.0, -1.0, 1.0, -1.0)
    found = CrossEncoderRecognition(encoder=encoder, threshold=0.0).recognise(
        [QUERY] * 4, [TRIPLES[:1], [], TRIPLES, TRIPLES[:2]]
    )
    assert [one.kept for one in found] == [(0,), (), (), (0,)]
    assert [one.usage.items for one in found] == [1, 0, 3, 2]


@given(st.lists(st.tuples(st.text(max_size=20), CANDIDATES), max_size=4), st.floats(-1, 1))
def test_many_at_a_time_are_as_one_at_a_time(asked, threshold):
    memory = CrossEncoderRecognition(encoder=OverlapCrossEncoder(), threshold=threshold)
    found = memory.recognise([query for query, _ in asked], [triples for _, triples in asked])
    assert found == [memory.recognise([query], [triples])[0] for query, triples in asked]


def test_an_encoder_that_does_not_work_is_not_an_empty_recognition():
    with pytest.raises(ModelError, match="gone"):
        recognise(CrossEncoderRecognition(encoder=Broken()))


def test_a_real_encoder_finds_the_fact_that_answers():
    found = recognise(CrossEncoderRecognition(encoder=OnnxCrossEncoder(max_length=64), most=1))
    assert found.kept == (2,)


@pytest.mark.parametrize("wrong", [{"threshold": nan}, {"most": 0}])
def test_unusable_settings(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        CrossEncoderRecognition(encoder=OverlapCrossEncoder(), **wrong)


def test_a_triple_is_read_as_a_sentence():
    assert sentence(TRIPLES[2]) == "the Fram was launched at Larvik."
