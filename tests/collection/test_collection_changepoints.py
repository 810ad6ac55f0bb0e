"""Noise is seldom taken for a change, and a change that stands out is found where it is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.collection.changepoints import (
    ChangePointError,
    candidates,
    noise,
    penalty,
    shifts,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

SERIES = 1000


def levels(*stretches: tuple[int, float], seed: int = 0, spread: float = 0.01) -> list[float]:
    """Gaussian noise around each level, so many values long."""
    draw = np.random.default_rng(seed)
    parts = [draw.normal(level, spread, count) for count, level in stretches]
    return [float(value) for value in np.concatenate(parts)]


def drawn(length: int) -> NDArray[np.float64]:
    return np.random.default_rng(length).standard_normal((SERIES, length))


@pytest.mark.parametrize("length", [6, 10, 15, 20, 30, 50, 100, 200])
def test_few_series_of_noise_get_a_candidate(length: int) -> None:
    found = sum(bool(candidates(list(values))) for values in drawn(length))
    # 1% is the aim; a chance of 1% gives more than 20 of 1000 once in a thousand times.
    assert found <= 0.02 * SERIES


@pytest.mark.parametrize("length", [10, 50])
def test_few_series_of_noise_keep_a_change(length: int) -> None:
    assert sum(bool(shifts([list(values)])[0]) for values in drawn(length)) <= 0.02 * SERIES


@pytest.mark.parametrize(("series", "length", "collections"), [(14, 20, 400), (100, 20, 150)])
def test_few_collections_of_noise_keep_a_change(series: int, length: int, collections: int) -> None:
    draw = np.random.default_rng([series, length])
    kept = sum(
        any(shifts(draw.standard_normal((series, length)).tolist())) for _ in range(collections)
    )
    assert kept <= 0.02 * collections


@given(st.lists(st.floats(-1, 1), min_size=6, max_size=40), st.integers(1, 1000))
def test_the_price_of_a_change_grows_with_the_number_of_series(
    values: list[float], among: int
) -> None:
    assert penalty(values, among) < penalty(values, among + 1)


def test_a_change_that_stands_out_is_found_where_it_is() -> None:
    (found,) = shifts([levels((12, 0.0), (9, 0.1))])
    assert [shift.at for shift in found] == [12]


def test_its_size_is_within_its_bounds() -> None:
    (((_, difference, low, high, p),),) = shifts([levels((12, 0.0), (9, 0.1))])
    assert low < 0.1 < high
    assert low < difference < high
    assert p < 0.01


def test_two_changes_are_told_apart() -> None:
    (found,) = shifts([levels((10, 0.0), (10, 0.1), (10, 0.0))])
    assert [shift.at for shift in found] == [10, 20]


def test_one_run_that_stands_out_is_no_change() -> None:
    values = levels((20, 0.0))
    values[9] += 1.0
    assert shifts([values]) == [[]]


def test_fewer_than_six_runs_have_no_change() -> None:
    assert shifts([[0.0, 0.0, 0.0, 9.0, 9.0]]) == [[]]


def test_equal_figures_have_no_change() -> None:
    assert shifts([[0.5] * 20]) == [[]]


def test_a_clean_step_of_equal_figures_is_a_change() -> None:
    (found,) = shifts([[0.5] * 10 + [0.6] * 10])
    assert [shift.at for shift in found] == [10]


def test_what_passes_alone_may_fail_among_many() -> None:
    series = [levels((5, 0.0), (5, 0.04), seed=seed) for seed in range(500)]
    doubtful = next(one for one in series if any(shift.p > 1e-4 for shift in shifts([one])[0]))
    quiet = [levels((10, 0.0), seed=seed) for seed in range(1000)]
    assert len(shifts([doubtful])[0]) == 1
    assert shifts([doubtful, *quiet])[0] == []


@given(st.lists(st.floats(-1, 1), min_size=6, max_size=40), st.floats(-5, 5))
def test_noise_and_penalty_do_not_know_the_level(values: list[float], level: float) -> None:
    moved = [value + level for value in values]
    assert noise(moved) == pytest.approx(noise(values), abs=1e-9)
    assert penalty(moved) == pytest.approx(penalty(values), abs=1e-9)


@given(st.lists(st.floats(-3, 3), max_size=40))
def test_changes_are_in_order_and_leave_three_runs_on_each_side(values: list[float]) -> None:
    (found,) = shifts([values])
    ends = [0, *(shift.at for shift in found), len(values)]
    assert not found or min(np.diff(ends)) >= 3


def test_without_ruptures_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ruptures", None)
    with pytest.raises(ChangePointError, match=r"pip install 'freezebench\[history\]'"):
        candidates([0.0] * 6)
