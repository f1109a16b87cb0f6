"""How strongly nodes draw a walk, worked out by hand."""

from math import exp, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.retrieve.focus import check_focus, strengths

focuses = st.floats(0, 5)


def drawn(cosines, focus, n_entities=0):
    return strengths(np.array(cosines, dtype=np.float32), focus=focus, n_entities=n_entities)


def test_by_hand():
    # The mean is 0.5 and the variance (0.0625 + 0 + 0.0625) / 3, so 0.25 lies sqrt(1.5) deviations from the mean.
    nearer = exp(0.5 * sqrt(1.5))
    assert drawn([0.25, 0.75, 0.5], 0.5, n_entities=2).tolist() == pytest.approx([1, 1, 1 / nearer, nearer, 1])


def test_a_passage_counts_as_no_more_than_six_deviations_above_and_three_below_the_mean():
    # One among n that are equal lies sqrt(n - 1) deviations from the mean, and the others 1 / sqrt(n - 1).
    for one, bound in ((1.0, 6), (-1.0, -3)):
        for n in (5, 50):
            away = min(sqrt(n - 1), abs(bound)) * np.sign(bound)
            strong = drawn([one] + [0.0] * (n - 1), 0.25)
            assert strong[0] == pytest.approx(exp(0.25 * away))
            assert strong[1:] == pytest.approx(exp(-0.25 * np.sign(bound) / sqrt(n - 1)))


@pytest.mark.parametrize(
    ("cosines", "focus"), [([], 0.5), ([0.75], 5.0), ([0.5] * 4, 5.0), ([0.25, 0.75], 0.0)],
    ids=["no passages", "one passage", "equal cosines", "no focus"],
)  # fmt: skip
def test_all_nodes_draw_alike(cosines, focus):
    assert drawn(cosines, focus, n_entities=3).tolist() == [1.0] * (3 + len(cosines))


@given(st.lists(st.integers(-16, 16), min_size=1, max_size=30), focuses, st.integers(0, 3))
def test_the_nearer_draws_the_more_and_entities_as_the_average(sixteenths, focus, n_entities):
    cosines = [number / 16 for number in sixteenths]
    strong = drawn(cosines, focus, n_entities)
    assert strong[:n_entities].tolist() == [1.0] * n_entities
    passages = strong[n_entities:].tolist()
    assert all(0 < strength < np.inf for strength in passages)
    for one, its in zip(cosines, passages, strict=True):
        for other, others in zip(cosines, passages, strict=True):
            assert its == others if one == other else (its <= others) == (one < other) or its == others


@given(
    st.lists(st.integers(-8, 8), min_size=2, max_size=20),
    st.sampled_from([0.25, 0.5, 2.0]),
    st.integers(-2, 2),
    focuses,
)
def test_it_does_not_depend_on_the_scale_of_an_embedder(sixteenths, scale, shift, focus):
    cosines = np.array(sixteenths) / 32
    assert drawn(cosines * scale + shift / 8, focus) == pytest.approx(drawn(cosines, focus), rel=1e-6)


@pytest.mark.parametrize("focus", [-0.1, 5.1, float("nan"), float("inf")])
def test_a_focus_out_of_range_is_refused(focus):
    with pytest.raises(InputError, match=f"focus is {focus}; give a number from 0 to 5"):
        check_focus(focus)


@pytest.mark.parametrize("focus", [0, 0.0, 5.0])
def test_the_ends_of_the_range_are_not(focus):
    check_focus(focus)
