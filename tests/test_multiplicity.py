"""Holm's method in its two forms."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench.multiplicity import holm, holm_threshold

p_values = st.lists(st.floats(0, 1) | st.sampled_from((0.0, 0.01, 0.025, 0.05)), max_size=12)


@given(p_values, st.sampled_from((0.01, 0.05, 0.5)))
def test_the_threshold_parts_what_the_adjusted_p_values_part(found, level):
    threshold = holm_threshold(found, level)
    assert [p <= threshold for p in found] == [adjusted <= level for adjusted in holm(found)]


def test_nothing_is_rejected_of_nothing():
    assert holm_threshold([], 0.05) < 0
