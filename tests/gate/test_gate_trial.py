"""One life of a gate: who has a turn when, and what becomes of a life that goes wrong."""

from __future__ import annotations

import random
from typing import Any

import pytest
from gate_stage import GateStage, planned, side

from bench.gate.time import trial as trial_module
from bench.gate.time.record import ARMS, Life, Terms
from bench.gate.time.trial import (
    SideFailedError,
    Trial,
    mirrored_blocks,
)
from bench.gate.time.turns import UntrustworthyError
from bench.run.process import CellError, WorkerLostError
from bench.run.race import MOST_TURN_STEPS, TURN_SECONDS

TURN = ("turn", "slowed_turn")


@pytest.fixture(autouse=True)
def _two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks around for 0.3 s to find the idlest."""
    monkeypatch.setattr(trial_module, "idlest_processors", lambda count: list(range(2, 2 + count)))


@pytest.fixture
def stage() -> GateStage:
    return GateStage(seconds=dict.fromkeys(ARMS, 0.01))


class StartsInOrder(random.Random):
    """Shuffles turns, and has the arms get ready in their own order, as the stage expects it."""

    def sample(self, population: Any, k: int, **more: Any) -> list[Any]:
        return list(ARMS) if population == ARMS else super().sample(population, k, **more)


def make_trial(stage: GateStage, *workloads: str, seed: int = 0, **changes: Any) -> Trial:
    asked: dict[str, Any] = {
        "base": side("base"),
        "head": side("head"),
        "cells": [(planned(w), planned(w, of="head")) for w in workloads or ("w",)],
        "harnesses": {"base": "/harness", "head": "/harness"},
        "stable": stage,
        "terms": Terms(),
        "timeout": 60.0,
        "shuffler": StartsInOrder(seed),
        "now": stage.clock,
    }
    return Trial(**{**asked, **changes})


def one_life(stage: GateStage, *workloads: str, seconds: float = 1.0, **changes: Any) -> Life:
    return make_trial(stage, *workloads, **changes).life(1, "trial", seconds)


def rounds_of(stage: GateStage) -> list[tuple[str, ...]]:
    """The arms that had a turn, and the cell of each round, round by round."""
    said = [line.split() for line in stage.story(*TURN)]
    return [
        tuple(f"{arm} {cell}" for _, arm, cell in said[first : first + len(ARMS)])
        for first in range(0, len(said), len(ARMS))
    ]


def test_within_a_block_every_arm_has_two_turns_and_they_are_mirrored(stage: GateStage) -> None:
    one_life(stage)
    rounds = rounds_of(stage)
    whole = rounds[: len(rounds) // 2 * 2]
    assert len(whole) > 6
    for first, second in zip(whole[::2], whole[1::2], strict=True):
        assert sorted(first) == sorted(f"{arm} w" for arm in ARMS)
        assert second == first[::-1]


def test_the_arms_get_ready_in_a_new_order_each_life(stage: GateStage) -> None:
    trial = make_trial(stage, shuffler=random.Random(0))
    for number in range(12):
        trial.life(number, "trial", 0.1)
    places = [labels.index("head") for labels in zip(*[iter(stage.forked_from)] * 4, strict=True)]
    assert set(places) == {0, 1, 2, 3}


def test_the_order_is_random_from_block_to_block_and_follows_the_seed(stage: GateStage) -> None:
    one_life(stage, seconds=5.0)
    orders = rounds_of(stage)
    assert len(set(orders[::2])) > 5
    for seed, same in ((0, True), (1, False)):
        other = GateStage(seconds=dict.fromkeys(ARMS, 0.01))
        one_life(other, seconds=5.0, seed=seed)
        assert (rounds_of(other) == orders) is same


def test_each_block_is_of_one_cell_and_the_cells_have_theirs_in_turn(stage: GateStage) -> None:
    life = one_life(stage, "v", "w", "x", seconds=3.0)
    cells = ["".join({turn.split()[1] for turn in r}) for r in rounds_of(stage)]
    blocks = cells[: len(cells) // 2 * 2 : 2]
    assert blocks == cells[1::2][: len(blocks)]
    assert "".join(blocks).startswith("vwxvwx")
    assert [(cell.workload, cell.strategy) for cell in life.cells] == [
        (workload, "s") for workload in "vwx"
    ]


@pytest.mark.parametrize("workloads", ["w", "vw", "vwx"])
def test_every_cell_has_a_block_however_short_the_time(stage: GateStage, workloads: str) -> None:
    life = one_life(stage, *workloads, seconds=0.0)
    assert len(rounds_of(stage)) == 2 * len(workloads)
    for cell in life.cells:
        assert {len(cell.arms[arm].wall) for arm in ARMS} == {2}


def test_a_block_that_the_end_of_time_has_cut_short_is_left_out(stage: GateStage) -> None:
    turn_round = len(ARMS) * Terms().turn_steps * 0.01
    life = one_life(stage, seconds=2.5 * turn_round)
    assert len(rounds_of(stage)) == 3
    assert {len(life.cells[0].arms[arm].wall) for arm in ARMS} == {2}


def test_only_the_head_comes_from_the_head(stage: GateStage) -> None:
    one_life(stage)
    assert dict(zip(ARMS, stage.forked_from, strict=True)) == {
        "base": "base",
        "head": "head",
        "again": "base",
        "slowed": "base",
    }
    assert sorted(stage.story("plan")) == [
        "plan of base for again",
        "plan of base for base",
        "plan of base for slowed",
        "plan of head for head",
    ]


def test_only_the_control_is_slowed_down_and_in_every_phase(stage: GateStage) -> None:
    one_life(stage)
    slow_down = {"forward": 0.1, "backward": 0.1, "update": 0.1}
    assert stage.story("slow_down") == [f"slow_down slowed w {slow_down}"]
    assert {line.split()[1] for line in stage.story("slowed_turn")} == {"slowed"}
    assert {line.split()[1] for line in stage.story("turn")} == {"base", "head", "again"}


def test_the_head_can_be_slowed_down_to_study_the_gate(stage: GateStage) -> None:
    one_life(stage, head_slow_down={"backward": 0.04})
    assert "slow_down head w {'backward': 0.04}" in stage.heard
    assert {line.split()[1] for line in stage.story("slowed_turn")} == {"head", "slowed"}


def test_all_workers_stay_on_the_same_processors_from_before_they_are_ready(
    stage: GateStage,
) -> None:
    one_life(stage)
    assert stage.heard[:4] == [f"pin {arm} [2]" for arm in ARMS]


def test_everyone_is_warm_before_the_first_turn(stage: GateStage) -> None:
    one_life(stage, "v", "w")
    first_turn = stage.heard.index(stage.story(*TURN)[0])
    assert len(stage.story("warm_up")) == 2 * len(ARMS)
    assert not set(stage.story("warm_up", "ready", "slow_down")) & set(stage.heard[first_turn:])


def test_a_turn_is_of_three_steps_and_a_slow_one_of_one_for_all_arms(stage: GateStage) -> None:
    life = one_life(stage, seconds=0.0)
    assert {len(turn) for arm in ARMS for turn in life.cells[0].arms[arm].wall} == {3}
    stage.seconds["head"] = 0.3
    life = one_life(stage, seconds=0.0)
    assert {len(turn) for arm in ARMS for turn in life.cells[0].arms[arm].wall} == {1}


@pytest.mark.parametrize(("fit", "taken"), [(10, 10), (10 * MOST_TURN_STEPS, MOST_TURN_STEPS)])
def test_a_turn_of_quick_steps_has_more_of_them_the_same_for_all_arms(
    stage: GateStage, fit: int, taken: int
) -> None:
    slowest = 1.0001 * TURN_SECONDS / fit  # so that rounding does not add one
    stage.seconds = {**dict.fromkeys(ARMS, slowest / 2), "head": slowest}
    life = one_life(stage, seconds=0.0)
    steps = {len(turn) for arm in ARMS for turn in life.cells[0].arms[arm].wall}
    assert steps == {taken}


def test_a_life_records_its_steps_in_nanoseconds_and_its_own_length(stage: GateStage) -> None:
    stage.seconds["head"] = 0.02
    life = make_trial(stage).life(7, "confirmation", 0.0)
    head = life.cells[0].arms["head"]
    assert head.wall == head.cpu == [[(5_000_000, 10_000_000, 5_000_000)] * 3] * 2
    assert head.waits == [0, 0]
    assert (life.number, life.purpose) == (7, "confirmation")
    assert life.start_seconds == pytest.approx(0.05)
    assert life.seconds == pytest.approx(stage.now)


@pytest.mark.parametrize(
    "line",
    [
        "pin slowed [2]",
        "ready again w",
        "warm_up base w",
        "slow_down slowed w {'forward': 0.1, 'backward': 0.1, 'update': 0.1}",
        "turn head w",
        "slowed_turn slowed w",
        "modules_below base",
    ],
)
@pytest.mark.parametrize(
    "error", [CellError("ValueError: no"), WorkerLostError("killed"), KeyboardInterrupt()]
)
def test_workers_are_ended_however_the_life_ends(
    stage: GateStage, line: str, error: BaseException
) -> None:
    stage.on[line] = error
    wanted = SideFailedError if isinstance(error, CellError) else KeyboardInterrupt
    with pytest.raises(wanted):
        one_life(stage)
    assert len(stage.forked_from) == 4
    assert stage.alive == 0


def test_workers_are_ended_after_a_good_life(stage: GateStage) -> None:
    one_life(stage)
    assert stage.alive == 0


def test_a_worker_that_cannot_be_forked_leaves_no_other_alive(
    stage: GateStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork = stage.fork

    def sometimes(side: Any) -> Any:
        if len(stage.forked_from) == 2:
            raise OSError("too many processes")
        return fork(side)

    monkeypatch.setattr(stage, "fork", sometimes)
    with pytest.raises(OSError, match="too many"):
        one_life(stage)
    assert stage.alive == 0


@pytest.mark.parametrize(
    ("line", "label", "cell"),
    [
        ("turn head w", "head", "w × s"),
        ("turn again w", "base", "w × s"),
        ("slowed_turn slowed w", "base", "w × s"),
        ("warm_up head v", "head", "v × s"),
        ("ready base v", "base", "v × s"),
        ("pin head [2]", "head", "every cell"),
        ("modules_below head", "head", "every cell"),
    ],
)
def test_what_raises_names_its_side_and_its_cell(
    stage: GateStage, line: str, label: str, cell: str
) -> None:
    stage.on[line] = CellError("ValueError: not today")
    with pytest.raises(SideFailedError) as failed:
        one_life(stage, "v", "w")
    assert str(failed.value) == f"{cell} failed in the {label}: ValueError: not today"
    assert failed.value.label == label


def test_a_side_that_changes_its_threads_in_the_middle_is_told_what_to_do(
    stage: GateStage,
) -> None:
    stage.threads["head"] = 8
    with pytest.raises(SideFailedError) as failed:
        one_life(stage)
    assert failed.value.label == "head"
    assert "set torch to 8 threads in the middle, and 1 were agreed" in str(failed.value)
    assert "take torch.set_num_threads out of it" in str(failed.value)


@pytest.mark.parametrize("arm", ARMS)
def test_a_clock_that_goes_backwards_or_stands_still_cannot_be_trusted(
    stage: GateStage, arm: str
) -> None:
    for seconds in (-0.01, 0.0):
        stage.seconds[arm] = seconds
        with pytest.raises(UntrustworthyError, match="went backwards or stood still"):
            one_life(stage, seconds=0.0)
        assert stage.alive == 0


def test_a_processor_clock_too_coarse_for_a_phase_is_left_out(stage: GateStage) -> None:
    stage.cpu_seconds["again"] = 0.0
    life = one_life(stage, seconds=0.0)
    assert life.cells[0].arms["again"].cpu is None
    assert life.cells[0].arms["base"].cpu is not None


def test_throttled_turns_are_taken_again_and_counted(stage: GateStage) -> None:
    stage.throttled = {"head": 2, "base": 1}
    life = one_life(stage, seconds=0.0)
    assert life.repeated == 3
    assert stage.story("turn").count("turn head w") == 2 + 2
    assert len(life.cells[0].arms["head"].wall) == 2


def test_growth_is_from_the_first_turn_to_the_last(stage: GateStage) -> None:
    stage.resident = {"head": [100, 900, 300, 500], "base": [700, 200, 300, 400]}
    life = one_life(stage, "v", "w", seconds=0.0)
    # What the base gives back is no growth.
    assert life.grown_bytes == {"base": 0, "head": 400, "again": 0, "slowed": 0}


def test_a_side_that_has_imported_the_others_files_is_refused(stage: GateStage) -> None:
    stage.modules["base"] = ["/sides/head/lib/inner.py"]
    with pytest.raises(SideFailedError) as failed:
        one_life(stage)
    assert failed.value.label == "base"
    assert "imported lib/inner.py from the head's folder" in str(failed.value)
    assert "--base-python" in str(failed.value)


def test_the_harness_and_a_sides_own_files_may_lie_in_the_others_folder(stage: GateStage) -> None:
    stage.modules["base"] = ["/sides/head/harness/bench/cells.py"]
    stage.modules["head"] = ["/sides/head/model.py"]
    one_life(stage, harnesses={"base": "/sides/head/harness", "head": "/harness"})


def test_a_renewal_is_the_stables(stage: GateStage) -> None:
    make_trial(stage).renew()
    assert stage.heard == ["renew"]


@pytest.mark.parametrize("cells", [1, 2, 5])
def test_blocks_go_round_the_cells_for_ever(cells: int) -> None:
    order = mirrored_blocks(cells, random.Random(0))
    rounds = [order([]) for _ in range(4 * cells)]
    assert [r[0] // len(ARMS) for r in rounds[::2]] == [*range(cells), *range(cells)]
    assert all(a == b[::-1] for a, b in zip(rounds[::2], rounds[1::2], strict=True))
