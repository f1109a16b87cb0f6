"""Holm's correction against its definition: the closed test of all intersections by Bonferroni."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.evaluation.holm import holm


def closed(p_values: list[float]) -> list[float]:
    """An hypothesis is rejected if every intersection it is part of is; Bonferroni tests each intersection."""
    places = range(len(p_values))
    families = [set(some) for size in places for some in combinations(places, size + 1)]
    return [
        max(min(1.0, len(some) * min(p_values[other] for other in some)) for some in families if place in some)
        for place in places
    ]


@given(st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.01, 0.02, 0.05])), max_size=6))
def test_it_is_the_closed_test(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(closed(p_values))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_it_only_raises_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(before <= after <= 1 for before, after in zip(p_values, adjusted, strict=True))
    ordered = sorted(range(len(p_values)), key=p_values.__getitem__)
    assert [adjusted[place] for place in ordered] == sorted(adjusted)
