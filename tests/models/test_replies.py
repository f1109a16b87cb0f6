"""What answers have cost."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.models.replies import estimate_read, estimate_written, usage_of
from hippograph.text.token_estimate import estimate_tokens

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["message", "content", "text", "prompt_tokens"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("reported", "counted"),
    [
        (0, 0),
        (28_500, 28_500),
        (7.0, 7),
        (2**31 - 1, 2**31 - 1),
        (2**31, 0),
        (10**30, 0),
        (-1, 0),
        (-28_500, 0),
        (0.5, 0),
        (1e300, 0),
        (float("inf"), 0),
        (float("nan"), 0),
        (True, 0),
        ("7", 0),
        (None, 0),
        ([7], 0),
    ],
)
def test_only_what_can_be_is_counted(reported, counted):
    read, written = usage_of({"usage": {"prompt_tokens": reported, "completion_tokens": reported}})
    assert (read, written) == (counted, counted)
    assert type(read) is type(written) is int


@given(anything)
def test_whatever_is_reported_fits_into_an_index(usage: Any):
    assert all(0 <= tokens < 2**31 for tokens in usage_of({"usage": usage}))


@given(anything)
def test_whatever_is_said_can_be_estimated(said: Any):
    assert estimate_read({"messages": said, "input": said}) >= 0
    assert estimate_written({"choices": said}) >= 0


@given(st.lists(st.text(max_size=20), max_size=4))
def test_all_texts_are_estimated(texts: list[str]):
    expected = sum(map(estimate_tokens, texts))
    assert estimate_read({"model": "m", "input": texts}) == expected
    assert estimate_read({"messages": [{"role": "user", "content": text} for text in texts]}) == expected
    parts = [{"type": "text", "text": text} for text in texts]
    assert estimate_read({"messages": [{"role": "user", "content": parts}]}) == expected
    assert (
        estimate_written({"choices": [{"message": {"content": text, "refusal": None}} for text in texts]}) == expected
    )


def test_embeddings_are_not_written():
    assert estimate_written({"data": [{"embedding": "AAAA"}]}) == 0
