"""Turns, rounds and lives: how the cells of a group are timed against each other."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from bench.run.process import CellError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from bench.cells import CellPlan
    from bench.run.messages import TurnReading, WarmUpReading
    from bench.run.process import WorkerHandle

TURN_STEPS = 4
SLOW_TURN_STEPS = 2
SLOW_STEP_SECONDS = 0.1


@dataclass
class LifeReadings:
    """What one life of a group has given so far, by the cell's place in the group.

    `start_seconds` went by until every cell was built and warm.
    """

    start_seconds: float = 0.0
    warm_ups: dict[int, WarmUpReading] = field(default_factory=dict)
    rounds: list[dict[int, TurnReading]] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)


def live(
    cells: list[CellPlan],
    start_worker: Callable[[], WorkerHandle],
    readings: LifeReadings,
    *,
    seconds: float,
    timeout: float,
    shuffler: random.Random,
    now: Callable[[], float],
    on_round: Callable[[], None] = lambda: None,
) -> None:
    """One life: a fresh worker builds and warms up every cell, then rounds until time is up.

    What is measured is in `readings` at once, so that an interruption loses none of it.

    In a round every cell has one turn, in random order. There is at least one round, however
    short the time. A cell that raises leaves the life; when that is the first, `full`, or when the
    worker is lost, the life ends there. The cell that had the word is the one that failed.
    """
    worker = start_worker()
    begin = now()
    try:
        steps: dict[int, int] = {}
        for index, cell in enumerate(cells):
            try:
                worker.ask("ready", index, cell, timeout=timeout)
                readings.warm_ups[index] = worker.ask("warm_up", index, timeout=timeout)
            except CellError as error:
                readings.failures[index] = str(error)
                if error.worker_lost or index == 0:
                    return
                continue
            steps[index] = turn_steps(readings.warm_ups[index])
        readings.start_seconds = now() - begin
        while steps and (not readings.rounds or now() - begin < seconds):
            order = list(steps)
            shuffler.shuffle(order)
            turns: dict[int, TurnReading] = {}
            readings.rounds.append(turns)
            for index in order:
                try:
                    turns[index] = worker.ask("turn", index, steps[index], timeout=timeout)
                except CellError as error:
                    readings.failures[index] = str(error)
                    del steps[index]
                    if error.worker_lost or index == 0:
                        return
            on_round()
    finally:
        worker.end()


def turn_steps(warm_up: WarmUpReading) -> int:
    """How many steps a turn has: short turns find the machine in one mood."""
    typical = median(warm_up.times.total[-3:]) if warm_up.times.total else math.inf
    return SLOW_TURN_STEPS if typical > SLOW_STEP_SECONDS else TURN_STEPS
