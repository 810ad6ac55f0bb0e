"""Gates over drawn lives: repeatable, and the gate's own code."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from study_stage import trace

from bench.gate.time import effects as from_turns
from bench.gate.time.decision import judge
from bench.gate.time.record import Terms
from bench.study.coverage import coverage
from bench.study.findings import reason_of
from bench.study.resample import Drawn, Known, resample


@pytest.mark.parametrize("kind", ["lives", "forkers"])
def test_the_same_seed_draws_the_same_gates_and_another_one_others(kind):
    lives = trace(noise=0.02, lives=10).lives
    once, again, other = (
        resample(lives, Terms(), 20, seed=seed, renewal=3.0, kind=kind) for seed in (1, 1, 2)
    )

    assert once == again
    assert once != other


def test_a_head_that_is_far_slower_fails_in_every_gate():
    slow = trace("total", 0.5)
    gates = resample(slow.lives, slow.terms, 30, seed=0, renewal=3.0)

    assert {gate.answer for gate in gates} == {"FAIL"}


def test_equal_quiet_sides_pass_in_every_gate():
    quiet = trace()
    gates = resample(quiet.lives, quiet.terms, 30, seed=0, renewal=3.0)

    assert {gate.answer for gate in gates} == {"PASS"}


def test_a_gate_that_passes_at_its_first_look_takes_as_long_as_its_lives():
    quiet = trace()
    gate = resample(quiet.lives, quiet.terms, 1, seed=0, renewal=3.0)[0]

    assert (gate.looks, gate.lives, gate.seconds) == (1, 5, 20.0)


def test_a_confirmation_costs_its_lives_and_fresh_processes():
    slow = trace("total", 0.5)
    gate = resample(slow.lives, slow.terms, 1, seed=0, renewal=3.0)[0]

    assert (gate.lives, gate.seconds) == (10, 43.0)


def test_every_reason_of_a_gate_that_cannot_tell_is_known():
    near = trace("total", 0.03, noise=0.01)
    blind = replace(near.terms, slow_down=0.0, margin=0.2, phase_margin=0.2)
    whys = [
        gate.why
        for terms in (near.terms, blind)
        for gate in resample(near.lives, terms, 20, seed=0, renewal=3.0)
        if gate.answer == "CAN'T TELL"
    ]

    assert whys
    assert "another reason" not in {reason_of(why) for why in whys}


@pytest.mark.parametrize("threads", [1, 2])
def test_known_lives_are_judged_as_unknown_ones(threads):
    noisy = trace("backward", 0.04, noise=0.02, drift=0.3)
    lives = noisy.lives[3:12]

    assert judge(lives, noisy.terms, threads, Known(noisy.lives)) == judge(
        lives, noisy.terms, threads, from_turns
    )


def test_the_lives_of_a_forker_stay_together_until_they_are_used_up():
    lives = trace(lives=20).lives
    drawn = Drawn(lives, "forkers", seed=0, renewal=0.0)
    numbers = [drawn.life(0, "trial", 4.0).number for _ in range(5)]

    assert len({(number - 1) // 5 for number in numbers}) == 1
    assert len(set(numbers)) == 5


def test_what_confirms_a_fail_is_not_counted_as_trial():
    drawn = Drawn(trace().lives, "lives", seed=0, renewal=0.0)

    assert drawn.life(1, "confirmation", 4.0).purpose == "confirmation"
    assert drawn.life(2, "trial", 4.0).purpose == "trial"


def test_intervals_of_normal_lives_hold_the_trace_s_mean_as_often_as_they_say():
    found = coverage(trace(noise=0.01, lives=200), draws=4000, seed=0)
    drawn = [case.found.value for case in found if case.truth == "mean"]

    assert min(drawn) > 0.92
    assert max(drawn) < 0.98


def test_a_ratio_of_1_is_looked_for_in_groups_that_share_no_life():
    found = coverage(trace(lives=20), draws=100, seed=0)
    groups = {case.lives: case.found.of for case in found if case.truth == "equal"}

    assert groups == {5: 4, 9: 2, 14: 1}


def test_a_slowed_trace_has_no_ratio_of_1_to_hold():
    assert {case.truth for case in coverage(trace("total", 0.05), 100, 0)} == {"mean"}
