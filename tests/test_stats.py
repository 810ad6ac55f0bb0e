"""The interval of a mean over lives, against scipy's and against chance itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from bench.records import CONFIDENCE
from bench.stats import Estimate, grouped_mean

values = st.floats(-1e6, 1e6)
groups = st.lists(st.lists(values, min_size=1, max_size=6), min_size=2, max_size=6)


def interval_over_means(groups: list[list[float]], confidence: float) -> tuple[float, float]:
    means = [float(np.mean(group)) for group in groups]
    mean, error = float(np.mean(means)), float(scipy_stats.sem(means))
    if error == 0:  # scipy has no interval of width 0
        return mean, mean
    return scipy_stats.t.interval(confidence, len(means) - 1, mean, error)


def half_width_inside(groups: list[list[float]], confidence: float) -> float:
    """What the rounds alone would give, if lives had no luck of their own: pooled variance."""
    degrees = sum(len(group) - 1 for group in groups)
    pooled = sum(np.var(group) * len(group) for group in groups) / degrees
    error = math.sqrt(sum(pooled / len(group) for group in groups)) / len(groups)
    return float(scipy_stats.t.ppf((1 + confidence) / 2, degrees)) * error


def half_width(estimate: Estimate) -> float:
    assert estimate.low is not None
    assert estimate.high is not None
    return (estimate.high - estimate.low) / 2


@given(st.lists(values, min_size=2, max_size=8))
def test_single_rounds_have_scipy_s_interval(means: list[float]) -> None:
    estimate = grouped_mean([[mean] for mean in means])
    low, high = interval_over_means([[mean] for mean in means], CONFIDENCE)
    assert estimate == pytest.approx((np.mean(means), low, high), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_lives_that_differ_have_scipy_s_interval_over_their_means(confidence: float) -> None:
    lives = [[1.0, 1.1], [2.0, 2.1, 2.2], [4.0], [3.0, 3.1]]
    estimate = grouped_mean(lives, confidence)
    assert estimate[1:] == pytest.approx(interval_over_means(lives, confidence))


def test_lives_that_agree_by_chance_have_the_interval_of_their_rounds() -> None:
    lives = [[1.0, 3.0], [3.0, 1.0, 2.0], [2.0, 2.5, 1.5, 2.0]]
    assert half_width(grouped_mean(lives)) == pytest.approx(half_width_inside(lives, CONFIDENCE))


@given(groups)
def test_an_interval_is_never_narrower_than_either(lives: list[list[float]]) -> None:
    found = half_width(grouped_mean(lives))
    low, high = interval_over_means(lives, CONFIDENCE)
    slack = 1e-9 * (1 + max(abs(value) for life in lives for value in life))
    assert found >= (high - low) / 2 - slack
    if any(len(life) > 1 for life in lives):
        assert found >= half_width_inside(lives, CONFIDENCE) - slack


@given(groups)
def test_each_life_counts_the_same_however_many_rounds_it_had(lives: list[list[float]]) -> None:
    longer = [life * 3 if number == 0 else life for number, life in enumerate(lives)]
    assert grouped_mean(longer).mean == pytest.approx(grouped_mean(lives).mean, abs=1e-6)


@given(st.lists(values, min_size=1, max_size=6))
def test_one_life_has_a_mean_and_no_bounds(life: list[float]) -> None:
    estimate = grouped_mean([life])
    assert estimate.mean == pytest.approx(np.mean(life), rel=1e-9, abs=1e-6)
    assert (estimate.low, estimate.high) == (None, None)


@pytest.mark.parametrize("lives", [[[], [1.0, 2.0], []], [[1.0, 2.0]]])
def test_empty_lives_are_no_lives(lives: list[list[float]]) -> None:
    assert grouped_mean(lives) == Estimate(1.5, None, None)


@pytest.mark.parametrize("lives", [[], [[], []]])
def test_nothing_has_no_mean(lives: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="no values"):
        grouped_mean(lives)


@pytest.mark.parametrize("lives", [3, 6])
@pytest.mark.parametrize(("between", "within"), [(0.05, 0.02), (0.02, 0.05), (0.0, 0.05)])
def test_the_interval_contains_the_truth_as_often_as_it_says(
    lives: int, between: float, within: float
) -> None:
    chance = np.random.default_rng(7)
    runs, rounds, truth = 2000, 5, 0.3
    held = 0
    for _ in range(runs):
        luck = truth + between * chance.standard_normal((lives, 1))
        estimate = grouped_mean(list(luck + within * chance.standard_normal((lives, rounds))))
        held += estimate.low <= truth <= estimate.high
    assert held / runs >= 0.93


def test_the_interval_is_not_wider_than_it_need_be() -> None:
    # Where lives differ much, the rounds alone should hardly ever widen it.
    chance = np.random.default_rng(7)
    held = 0
    for _ in range(2000):
        luck = chance.standard_normal((4, 1))
        estimate = grouped_mean(list(luck + 0.01 * chance.standard_normal((4, 5))))
        held += estimate.low <= 0 <= estimate.high
    assert held / 2000 <= 0.97


ordered = st.lists(st.floats(-20, 20), min_size=3, max_size=3).map(sorted)


@given(ordered)
def test_a_ratio_keeps_the_order_of_its_logarithms(bounds: list[float]) -> None:
    low, mean, high = bounds
    ratio = Estimate(mean, low, high).exp()
    assert ratio.low <= ratio.mean <= ratio.high
    assert ratio == pytest.approx((math.exp(mean), math.exp(low), math.exp(high)))


def test_a_ratio_without_bounds_gets_none() -> None:
    assert Estimate(0.0, None, None).exp() == Estimate(1.0, None, None)


@pytest.mark.parametrize(
    ("estimate", "width"),
    [
        (Estimate(2.0, 1.5, 2.5), 0.25),
        (Estimate(-2.0, -2.5, -1.5), 0.25),
        (Estimate(2.0, None, None), math.inf),
        (Estimate(0.0, -1.0, 1.0), math.inf),
    ],
)
def test_the_width_is_relative_to_the_mean(estimate: Estimate, width: float) -> None:
    assert estimate.relative_half_width == width
