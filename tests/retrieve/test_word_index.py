from hypothesis import given
from hypothesis import strategies as st

from hippograph.retrieve.word_index import WordIndex
from hippograph.text.spelling import edit_distance

words = st.text("abcж", min_size=3, max_size=9)


@given(st.lists(words, max_size=20), words, st.integers(1, 2))
def test_the_words_found_are_those_that_a_look_at_each_finds(known, word, most):
    if len(word) >= 3 * most:
        distances = [(number, edit_distance(other, word, most=most)) for number, other in enumerate(known)]
        expected = sorted((pair for pair in distances if pair[1] <= most), key=lambda pair: (pair[1], pair[0]))
        assert WordIndex.of(known).similar(word, most=most) == expected


def test_an_index_of_no_words_finds_none():
    assert WordIndex.of([]).similar("oslo", most=1) == []
