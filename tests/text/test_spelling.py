from functools import cache

from hypothesis import example, given
from hypothesis import strategies as st

from hippograph.text.normalization import normalize, tokens
from hippograph.text.spelling import edit_distance, singular, word_form

words = st.text("abcdé", max_size=7)


def restricted_damerau(first: str, second: str) -> int:
    """The definition, recursively."""

    @cache
    def distance(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        cost = min(
            distance(i - 1, j) + 1, distance(i, j - 1) + 1, distance(i - 1, j - 1) + (first[i - 1] != second[j - 1])
        )
        if i > 1 and j > 1 and first[i - 1] == second[j - 2] and first[i - 2] == second[j - 1]:
            cost = min(cost, distance(i - 2, j - 2) + 1)
        return cost

    return distance(len(first), len(second))


@given(words, words, st.integers(0, 4))
@example("ab", "ba", 0)
def test_distances_are_those_of_the_definition_up_to_the_greatest_asked_for(first, second, most):
    assert edit_distance(first, second, most=most) == min(restricted_damerau(first, second), most + 1)


@given(st.text())
def test_a_form_is_its_own_form_and_writes_no_spaces(text):
    for token in tokens(text):
        form = word_form(token.key)
        assert word_form(form) == form
        assert " " not in form


@given(st.text("abs", max_size=6))
def test_the_singular_leaves_out_one_letter_at_most(word):
    assert word in {singular(word), singular(word) + "s"}


def test_what_writers_differ_in_has_one_form():
    for one, other in [
        ("Beyoncé", "Beyonce"), ("Łódź", "LODZ"), ("O’Neill", "ONeill"), ("XXIV", "24"), ("J.R.R.", "JRR"),
        ("Хрущёв", "Хрущев"),
    ]:  # fmt: skip
        assert word_form(normalize(one)) == word_form(normalize(other))


def test_what_tells_names_apart_stays():
    assert len({word_form(normalize(name)) for name in ("C", "C++", "C#", "F#", ".NET", "1", "II", "北", "京")}) == 9
