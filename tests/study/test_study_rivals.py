"""Judging by two runs at different times, as people do."""

from __future__ import annotations

import pytest
from study_stage import trace

from bench.study.rivals import RIVALS, alarms, processes_of, pyperf_compare


@pytest.mark.parametrize("name", RIVALS)
def test_equal_times_without_noise_alarm_nobody(name):
    assert alarms(RIVALS[name], trace(noise=0.0).lives, draws=50, seed=0).value == 0


@pytest.mark.parametrize("name", RIVALS)
def test_a_head_that_takes_three_times_as_long_alarms_everybody(name):
    assert alarms(RIVALS[name], trace("total", 2.0).lives, draws=50, seed=0).value == 1


@pytest.mark.parametrize(
    "name", [name for name in RIVALS if not name.startswith("github-action-benchmark")]
)
def test_twice_as_long_alarms_whoever_does_not_wait_for_more(name):
    assert alarms(RIVALS[name], trace("total", 1.0).lives, draws=50, seed=0).value == 1


@pytest.mark.parametrize("name", RIVALS)
def test_a_faster_head_alarms_nobody(name):
    assert alarms(RIVALS[name], trace("total", -0.3).lives, draws=50, seed=0).value == 0


def test_a_machine_that_drifts_from_run_to_run_is_taken_for_a_slow_head():
    drifting = trace(drift=0.5, lives=30).lives

    assert alarms(RIVALS["pytest-benchmark mean:5%"], drifting, draws=500, seed=0).value > 0.2


def test_a_percentage_that_is_just_reached_is_no_failure():
    exactly = [[[1.05] * 3]]
    rule = RIVALS["pytest-benchmark median:10%"].rule

    assert not rule([[[1.0] * 3]], exactly)
    assert rule([[[1.0] * 3]], [[[1.2] * 3]])


def test_the_same_seed_draws_the_same_runs():
    lives = trace(drift=0.5, lives=12).lives
    rival = RIVALS["pytest-benchmark mean:5%"]

    assert alarms(rival, lives, 200, seed=3) == alarms(rival, lives, 200, seed=3)
    assert alarms(rival, lives, 200, seed=3) != alarms(rival, lives, 200, seed=4)


def test_a_run_of_many_processes_makes_do_with_half_of_a_short_trace():
    assert processes_of(RIVALS["pyperf compare_to"], 60) == 20
    assert processes_of(RIVALS["pyperf compare_to"], 15) == 7


def test_runs_need_lives_of_their_own():
    with pytest.raises(ValueError, match="two lives"):
        alarms(RIVALS["pytest-benchmark mean:5%"], trace(lives=1).lives, draws=1, seed=0)


def test_pyperf_warms_up_and_takes_three_values_of_a_process():
    cold = [[9.0]] * 4 + [[1.0]] * 12 + [[9.0]] * 8
    level = [[1.1]] * 24

    assert pyperf_compare([cold], [level])
    assert not pyperf_compare([level], [cold])
