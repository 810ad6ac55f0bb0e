"""Rates with exact intervals, and how they compare with aims."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from study_stage import trace

from bench.gate.time.effects import life_effects
from bench.study.aims import at_least, at_most
from bench.study.designs import DESIGNS, alike, effects, spread
from bench.study.rates import percent, rate


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        (0, 10, 0.0, 0.30850),  # 1 - 0.025^(1/10)
        (10, 10, 0.69150, 1.0),
        (5, 10, 0.18709, 0.81291),
        (1, 20, 0.00127, 0.24873),
        (0, 3000, 0.0, 0.00122885),
    ],
)
def test_intervals_are_those_of_clopper_and_pearson(count, of, low, high):
    found = rate(count, of)

    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-5)


@given(st.integers(1, 500).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_a_rate_lies_within_its_interval_and_that_within_0_and_1(counts):
    found = rate(*counts)

    assert 0 <= found.low <= found.value <= found.high <= 1


def test_nothing_counted_has_no_rate():
    with pytest.raises(ValueError, match="n"):
        rate(0, 0)


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0, "0%"), (1, "100%"), (0.5, "50%"), (0.05, "5.0%"), (0.001, "0.10%"), (0.998, "99.80%")],
)
def test_a_small_rate_keeps_its_digits(fraction, text):
    assert percent(fraction) == text


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (rate(0, 5000), "reached"),
        (rate(0, 20), "reached, but up to 17% is possible"),
        (rate(1, 40), "missed by 2.4 points, which chance may explain"),
        (rate(10, 20), "missed by 50 points"),
    ],
)
def test_false_alarms_are_held_against_their_aim_with_what_chance_allows(found, said):
    assert at_most(found, 0.001) == said


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (rate(5000, 5000), "reached"),
        (rate(20, 20), "reached, but as little as 83% is possible"),
        (rate(17, 20), "missed by 5.0 points, which chance may explain"),
        (rate(5, 20), "missed by 65 points"),
    ],
)
def test_power_is_held_against_its_aim_with_what_chance_allows(found, said):
    assert at_least(found, 0.90) == said


@pytest.mark.parametrize(("name", "clock"), [("as the gate does", "cpu"), ("wall clock", "wall")])
def test_the_gate_s_own_design_makes_the_gate_s_own_effects(name, clock):
    lives = trace("update", 0.05, noise=0.02, drift=0.2).lives

    assert effects(lives, DESIGNS[name]) == life_effects(lives, 0, "total", clock)["head"]


def test_one_process_of_the_base_gives_another_effect_than_both():
    lives = trace(noise=0.02).lives

    assert effects(lives, DESIGNS["one process of the base"]) != effects(
        lives, DESIGNS["as the gate does"]
    )


def test_a_spread_is_the_standard_deviation_with_an_interval_around_it():
    found = spread([1.0, 2.0, 3.0, 4.0])

    assert found is not None
    assert found.deviation == pytest.approx(1.29099, abs=1e-5)
    assert found.low < found.deviation < found.high
    assert found.error(4) == pytest.approx(found.deviation / 2)


def test_a_single_life_has_no_spread():
    assert spread([1.0]) is None


def test_lives_that_differ_only_from_forker_to_forker_are_alike():
    assert alike([1.0, 1.0, 2.0, 2.0, 4.0, 4.0], 2) == pytest.approx(1.0)


def test_lives_that_differ_only_within_a_forker_are_not():
    assert alike([1.0, 2.0, 1.0, 2.0], 2) == pytest.approx(-1.0)
