"""Substrings against the reference's way: each name counted in each text."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hippograph.retrieve.substrings import Substrings

letters = st.text(st.sampled_from("aAbİIß\n \0ΣςÅ北🛶"), max_size=8)


def counted(texts, name):
    """Count as `LinearRAG.py` does."""
    counts = [text.lower().count(name.lower()) for text in texts]
    return [row for row, count in enumerate(counts) if count], [count for count in counts if count]


@given(st.lists(letters, max_size=6), letters.filter(len))
@example(["aab", "a", "", "baa"], "aa")
@example(["aaaaa"], "aa")
@example(["a", "b"], "a\nb")
def test_they_are_counted_as_each_text_counts_them(texts, name):
    said = Substrings(texts=lambda: texts)
    for _ in range(2):
        assert tuple(part.tolist() for part in said.of(name)) == counted(texts, name)


def test_texts_are_read_at_the_first_name_and_once():
    read = []

    def texts():
        read.append(1)
        return iter(["Oslo", "Cork"])

    said = Substrings(texts=texts)
    assert not read
    for name in ("o", "c", "rk", "o"):
        said.of(name)
    assert read == [1]
    with pytest.raises(ValueError, match="read-only"):
        said.of("o")[1][0] = 9


def test_threads_may_share_it():
    texts = [f"text {number} of {number % 7}" for number in range(200)]
    said = Substrings(texts=lambda: texts)
    names = [str(number) for number in range(50)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda name: tuple(part.tolist() for part in said.of(name)), names))
    assert found == [counted(texts, name) for name in names]
