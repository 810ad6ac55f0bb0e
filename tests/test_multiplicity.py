"""Holm's method in its two forms."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.multiplicity import holm, holm_threshold

p_values = st.lists(st.floats(0, 1) | st.sampled_from((0.0, 0.01, 0.025, 0.05)), max_size=12)
plain_p_values = st.lists(st.floats(0, 1), max_size=12)


@given(p_values, st.sampled_from((0.01, 0.05, 0.5)))
def test_the_threshold_parts_what_the_adjusted_p_values_part(found, level):
    threshold = holm_threshold(found, level)
    assert [p <= threshold for p in found] == [adjusted <= level for adjusted in holm(found)]


def test_nothing_is_rejected_of_nothing():
    assert holm_threshold([], 0.05) < 0


def test_holm_s_adjustment_is_the_one_worked_out_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(plain_p_values)
def test_holm_rejects_what_the_step_down_procedure_rejects(values: list[float]) -> None:
    level, rejected = 0.05, set()
    order = sorted(range(len(values)), key=values.__getitem__)
    for rank, place in enumerate(order):
        if (len(values) - rank) * values[place] > level:
            break
        rejected.add(place)
    assert {place for place, p in enumerate(holm(values)) if p <= level} == rejected


@settings(max_examples=50)
@given(plain_p_values, st.randoms())
def test_holm_does_not_depend_on_the_order(values: list[float], random: Any) -> None:
    order = list(range(len(values)))
    random.shuffle(order)
    adjusted = holm(values)
    assert holm([values[place] for place in order]) == [adjusted[place] for place in order]
    assert all(value <= result <= 1 for value, result in zip(values, adjusted, strict=True))
