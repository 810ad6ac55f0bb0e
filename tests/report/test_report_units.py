from __future__ import annotations

import pytest

from bench.records import Interval
from bench.report import units


@pytest.mark.parametrize(
    ("low", "high", "ratio", "within", "milliseconds"),
    [
        (0.32, 0.36, "0.34 [0.32, 0.36]", "0.34 ±0.02", "340 [320, 360]"),
        (None, None, "0.34 [?]", "0.34 ±?", "340 [?]"),
        (0.01, 9.0, "0.34 [?]", "0.34 ±?", "340 [?]"),
    ],
)
def test_a_figure_without_an_interval_that_says_something_has_a_question_mark(
    low: float | None, high: float | None, ratio: str, within: str, milliseconds: str
) -> None:
    value = Interval(0.34, low, high)
    assert units.ratio(value) == ratio
    assert units.ratio_within(value) == within
    assert units.milliseconds(value) == milliseconds
