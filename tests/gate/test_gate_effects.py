"""How much longer an arm takes than the base, from turns that are written down beforehand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from gate_stage import SECOND, make_cell_turns, make_life, turns
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bench.gate.time.effects import block_effects, clock_of, life_effects, share_of
from bench.gate.time.record import ARMS, PHASES, ArmTurns, CellTurns

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING_BUT_ROUNDING = 1e-8
levels = st.floats(-1.0, 1.0)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("clock", ["cpu", "wall"])
def test_equal_arms_differ_by_exactly_nothing(phase: str, clock: str) -> None:
    cell = make_cell_turns({}, blocks=3)
    nothing = [0.0] * 3
    assert block_effects(cell, phase, clock) == {
        "head": nothing,
        "again": nothing,
        "slowed": nothing,
    }


@pytest.mark.parametrize("phase", PHASES)
@settings(max_examples=25)
@given(head=levels, slowed=levels)
def test_a_factor_is_found_as_its_logarithm(phase: str, head: float, slowed: float) -> None:
    found = block_effects(make_cell_turns({"head": head, "slowed": slowed}), phase, "wall")
    assert found["head"] == pytest.approx([head], abs=NOTHING_BUT_ROUNDING)
    assert found["slowed"] == pytest.approx([slowed], abs=NOTHING_BUT_ROUNDING)
    assert found["again"] == [0.0]


@given(head=levels, again=levels)
def test_head_is_compared_with_both_bases_and_the_second_base_with_the_first(
    head: float, again: float
) -> None:
    found = block_effects(make_cell_turns({"head": head, "again": again}), "total", "wall")
    assert found["head"] == pytest.approx([head - again / 2], abs=NOTHING_BUT_ROUNDING)
    assert found["again"] == pytest.approx([again], abs=NOTHING_BUT_ROUNDING)


def test_a_factor_of_one_phase_is_found_there_and_in_its_part_of_the_total() -> None:
    cell = make_cell_turns({})
    head = replace(cell.arms["head"], wall=turns([0.0] * 2, (SECOND, 4 * SECOND, SECOND)))
    slower = replace(cell, arms={**cell.arms, "head": head})
    found = {phase: block_effects(slower, phase, "wall")["head"][0] for phase in PHASES}
    assert found == {
        "forward": 0.0,
        "backward": pytest.approx(math.log(2)),
        "update": 0.0,
        "total": pytest.approx(math.log(6 / 4)),
    }


def test_a_turn_counts_by_the_mean_of_its_steps() -> None:
    cell = make_cell_turns({})
    uneven = [[(SECOND, SECOND, SECOND), (3 * SECOND, 3 * SECOND, 3 * SECOND)]] * 2
    arms = {**cell.arms, "head": replace(cell.arms["head"], wall=uneven)}
    found = block_effects(replace(cell, arms=arms), "forward", "wall")
    assert found["head"] == [pytest.approx(math.log(2))]


@given(
    first=st.permutations(ARMS),
    slope=st.floats(-0.2, 0.2),
    level=st.floats(-1.0, 1.0),
    head=st.floats(-0.5, 0.5),
)
def test_a_drift_that_is_even_within_a_block_cancels(
    first: Sequence[str], slope: float, level: float, head: float
) -> None:
    order = [*first, *reversed(first)]
    own = {"head": head}
    logs = {
        arm: [
            level + own.get(arm, 0.0) + slope * position
            for position, who in enumerate(order)
            if who == arm
        ]
        for arm in ARMS
    }
    found = block_effects(make_cell_turns(logs), "total", "wall")
    assert found["head"] == pytest.approx([head], abs=NOTHING_BUT_ROUNDING)
    assert found["again"] == pytest.approx([0.0], abs=NOTHING_BUT_ROUNDING)


def test_half_a_block_at_the_end_is_left_out() -> None:
    logs = {"base": [0.0] * 3, "head": [0.0, 0.0, 9.0], "again": [0.0] * 3, "slowed": [0.0] * 3}
    assert block_effects(make_cell_turns(logs), "total", "wall")["head"] == [0.0]


def test_each_clock_has_its_own_effects() -> None:
    cell = make_cell_turns({})
    arms = {**cell.arms, "head": replace(cell.arms["head"], cpu=turns([0.5, 0.5]))}
    both = replace(cell, arms=arms)
    assert block_effects(both, "total", "wall")["head"] == [0.0]
    assert block_effects(both, "total", "cpu")["head"] == pytest.approx([0.5])


def waiting(**waits: list[int | None]) -> CellTurns:
    return make_cell_turns({}, blocks=2, waits=waits)


def test_processor_time_is_judged_where_one_thread_does_the_work_and_nobody_waits() -> None:
    assert clock_of([waiting()], threads=1) == "cpu"


def test_several_threads_are_judged_by_the_wall_clock() -> None:
    assert clock_of([waiting()], threads=2) == "wall"


def test_without_processor_times_the_wall_clock_is_judged() -> None:
    assert clock_of([waiting(), make_cell_turns({}, cpu=False)], threads=1) == "wall"


@pytest.mark.parametrize("arm", ["base", "head"])
def test_a_side_that_waits_in_half_of_its_turns_is_judged_by_the_wall_clock(arm: str) -> None:
    assert clock_of([waiting(**{arm: [1, 0, 7, 0]})], threads=1) == "wall"
    assert clock_of([waiting(**{arm: [1, 0, 0, 0]})], threads=1) == "cpu"


def test_a_life_in_which_a_side_waits_is_enough() -> None:
    assert clock_of([waiting(), waiting(head=[1] * 4)], threads=1) == "wall"


def test_where_the_system_does_not_count_waits_nobody_waits() -> None:
    assert clock_of([waiting(base=[None] * 4, head=[None] * 4)], threads=1) == "cpu"


def test_a_life_without_a_whole_block_has_no_effect() -> None:
    empty = {arm: ArmTurns() for arm in ARMS}
    life = replace(make_life(), cells=[CellTurns(workload="w", strategy="s", arms=empty)])
    assert life_effects([life, make_life(0.25)], 0, "total", "wall")["head"] == pytest.approx(
        [0.25]
    )


def test_a_wild_block_has_no_say_in_its_life() -> None:
    logs = {arm: [0.0] * 20 for arm in ARMS}
    logs["head"][6:8] = [3.0, 3.0]
    life = replace(make_life(), cells=[make_cell_turns(logs)])
    assert life_effects([life], 0, "total", "wall")["head"] == [0.0]


def test_effects_are_of_the_cell_at_that_place() -> None:
    cells = [make_cell_turns({}), make_cell_turns({"head": 0.5}, workload="v")]
    life = replace(make_life(), cells=cells)
    assert life_effects([life], 0, "total", "wall")["head"] == [0.0]
    assert life_effects([life], 1, "total", "wall")["head"] == pytest.approx([0.5])


def test_the_share_of_a_phase_is_its_part_of_the_bases_wall_time() -> None:
    lives = [make_life(head=2.0), make_life(head=-2.0)]
    shares = {phase: share_of(lives, 0, phase) for phase in PHASES}
    assert shares == {"forward": 0.25, "backward": 0.5, "update": 0.25, "total": 1.0}


def test_without_a_step_no_phase_has_a_share() -> None:
    assert share_of([], 0, "forward") == 0.0
