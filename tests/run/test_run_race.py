from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from stage import make_cell

from bench.run.race import (
    MOST_REPEATS,
    CellInWorker,
    LifeReadings,
    live,
    shuffled,
    turn_steps,
)

if TYPE_CHECKING:
    from stage import Stage

    from bench.run.process import CellError, WorkerLostError

STRATEGIES = ("full", "requires_grad", "lr_zero")


def one_life(stage: Stage, seconds: float = 0.5, seed: int = 0, **more: Any) -> LifeReadings:
    readings = LifeReadings()
    worker = stage.start_worker()
    live(
        [CellInWorker(worker, i, make_cell(name), 1.0) for i, name in enumerate(STRATEGIES)],
        readings,
        seconds=seconds,
        order=shuffled(random.Random(seed)),
        now=stage.clock,
        **more,
    )
    return readings


def test_every_cell_is_built_and_warm_before_the_first_turn(stage: Stage) -> None:
    one_life(stage)
    first_turn = stage.heard.index(stage.story("turn")[0])
    assert stage.heard[:first_turn] == [
        "start",
        *(line for name in STRATEGIES for line in (f"ready {name}", f"warm_up {name}")),
    ]


def test_in_a_round_every_cell_has_one_turn(stage: Stage) -> None:
    one_life(stage)
    turns = stage.story("turn")
    rounds = [turns[i : i + 3] for i in range(0, len(turns), 3)]
    assert len(rounds) > 1
    assert all(sorted(r) == sorted(f"turn {name}" for name in STRATEGIES) for r in rounds)


def test_the_order_of_a_round_is_random_and_follows_the_seed(stage: Stage) -> None:
    one_life(stage, seconds=5.0)
    turns = stage.story("turn")
    orders = {tuple(turns[i : i + 3]) for i in range(0, len(turns), 3)}
    assert len(orders) > 3
    heard = stage.heard.copy()
    stage.heard.clear()
    stage.now = 0.0
    one_life(stage, seconds=5.0)
    assert stage.heard == heard


def test_there_is_one_round_however_short_the_time(stage: Stage) -> None:
    assert len(one_life(stage, seconds=0.0).rounds) == 1


def test_rounds_go_on_until_the_time_is_up(stage: Stage) -> None:
    readings = one_life(stage, seconds=1.0)
    assert stage.now >= 1.0
    a_round = 4 * sum(stage.seconds.values())
    assert stage.now < 1.0 + a_round
    assert readings.start_seconds == pytest.approx(sum(stage.seconds.values()))


def test_slow_steps_get_short_turns(stage: Stage) -> None:
    stage.seconds["full"] = 0.4
    readings = one_life(stage, seconds=0.0)
    assert [len(readings.rounds[0][i].times.total) for i in range(3)] == [2, 4, 4]


@pytest.mark.parametrize("when", ["ready", "warm_up", "turn"])
def test_a_cell_that_raises_leaves_and_the_others_go_on(
    stage: Stage, when: str, raises: CellError
) -> None:
    stage.on[f"{when} requires_grad"] = raises
    readings = one_life(stage)
    assert readings.failures == {1: "RuntimeError: no"}
    assert len(readings.rounds) > 1
    assert all(set(turns) == {0, 2} for turns in readings.rounds)
    assert len(stage.story("start")) == 1


@pytest.mark.parametrize("when", ["ready", "warm_up", "turn"])
def test_a_lost_worker_ends_the_life_and_fails_the_cell_that_had_the_word(
    stage: Stage, when: str, dies: WorkerLostError
) -> None:
    stage.on[f"{when} lr_zero"] = dies
    readings = one_life(stage)
    assert readings.failures == {2: "the worker was killed by SIGKILL"}
    assert stage.heard[-1] == f"{when} lr_zero"


@pytest.mark.parametrize("when", ["ready", "warm_up", "turn"])
def test_without_full_the_life_ends(stage: Stage, when: str, raises: CellError) -> None:
    stage.on[f"{when} full"] = raises
    assert one_life(stage).failures == {0: "RuntimeError: no"}
    assert stage.heard[-1] == f"{when} full"


def test_without_an_essential_contestant_the_life_ends(stage: Stage, raises: CellError) -> None:
    stage.on["turn lr_zero"] = raises
    assert one_life(stage, essential=frozenset({0, 1, 2})).failures == {2: "RuntimeError: no"}
    assert stage.heard[-1] == "turn lr_zero"


def test_a_throttled_turn_is_taken_again(stage: Stage) -> None:
    stage.throttled = {"requires_grad": 2}
    readings = one_life(stage, seconds=0.0)
    assert stage.story("turn").count("turn requires_grad") == 3
    assert readings.repeated == 2
    assert not any(turn.throttled for turn in readings.rounds[0].values())


def test_a_device_that_stays_throttled_loses_no_turn(stage: Stage) -> None:
    stage.throttled = {"requires_grad": 1000}
    readings = one_life(stage, seconds=0.0)
    assert stage.story("turn").count("turn requires_grad") == 1 + MOST_REPEATS
    assert readings.rounds[0][1].throttled


@pytest.mark.parametrize(
    ("seconds", "steps"), [(0.5, 2), (0.05, 4), (0.005, 4), (0.0019, 11), (1e-5, 32), (0.0, 32)]
)
def test_quick_steps_are_taken_in_turns_that_are_long_beside_what_surrounds_them(
    seconds: float, steps: int
) -> None:
    assert turn_steps(seconds) == steps
