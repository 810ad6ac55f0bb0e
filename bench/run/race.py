"""Turns, rounds and lives: how contestants are timed against each other.

The one mechanism of every timing: the strategies of a workload race in one worker, base and head
of a gate in one worker each. They move only when they are given a turn of a few steps; a round
gives everyone a turn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Protocol

from bench.run.process import CellError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from bench.cells import CellPlan
    from bench.run.messages import TurnReading, WarmUpReading
    from bench.run.process import WorkerHandle

    Order = Callable[[list[int]], list[int]]

TURN_STEPS = 4
TURN_SECONDS = 0.02
MOST_TURN_STEPS = 32
SLOW_TURN_STEPS = 2
SLOW_STEP_SECONDS = 0.1
MOST_REPEATS = 5
"""How often a turn is taken again because the device was throttled meanwhile."""


class Contestant(Protocol):
    """Whoever takes part in a race. Both requests raise `CellError` where they fail."""

    def get_ready(self) -> WarmUpReading:
        """Be built, and warm up."""

    def turn(self, steps: int) -> TurnReading:
        """Take a few consecutive steps."""


@dataclass(frozen=True)
class CellInWorker:
    """A cell that a worker holds as its `index`th; `timeout` seconds is the longest silence."""

    worker: WorkerHandle
    index: int
    cell: CellPlan
    timeout: float

    def get_ready(self) -> WarmUpReading:
        """See `Contestant.get_ready`."""
        self.worker.ask("ready", self.index, self.cell, timeout=self.timeout)
        reading: WarmUpReading = self.worker.ask("warm_up", self.index, timeout=self.timeout)
        return reading

    def turn(self, steps: int) -> TurnReading:
        """See `Contestant.turn`."""
        reading: TurnReading = self.worker.ask("turn", self.index, steps, timeout=self.timeout)
        return reading


@dataclass
class LifeReadings:
    """What one life of a group has given so far, by the contestant's place in the group.

    `start_seconds` went by until every contestant was built and warm. `repeated` counts the turns
    that were taken again because the device was throttled.
    """

    start_seconds: float = 0.0
    warm_ups: dict[int, WarmUpReading] = field(default_factory=dict)
    rounds: list[dict[int, TurnReading]] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)
    repeated: int = 0


def shuffled(shuffler: random.Random) -> Order:
    """A new random order each round."""

    def order(places: list[int]) -> list[int]:
        return shuffler.sample(places, len(places))

    return order


def get_ready(
    contestants: Sequence[Contestant],
    readings: LifeReadings,
    *,
    now: Callable[[], float],
    essential: frozenset[int],
    places: Sequence[int] | None = None,
) -> dict[int, int]:
    """Everyone builds and warms up; the steps of a turn of those who can race.

    Nobody can when an essential one, or a worker, fails. They get ready in the order of `places`,
    if that is given; the other arguments are those of `live`.
    """
    begin = now()
    steps: dict[int, int] = {}
    for place in range(len(contestants)) if places is None else places:
        try:
            readings.warm_ups[place] = contestants[place].get_ready()
        except CellError as error:
            readings.failures[place] = str(error)
            if error.worker_lost or place in essential:
                return {}
            continue
        steps[place] = turn_steps(typical_seconds(readings.warm_ups[place]))
    readings.start_seconds = now() - begin
    return steps


def take_turns(
    contestants: Sequence[Contestant],
    steps: dict[int, int],
    readings: LifeReadings,
    *,
    until: float,
    order: Order,
    now: Callable[[], float],
    essential: frozenset[int],
    least_rounds: int = 1,
    on_round: Callable[[], None] = lambda: None,
) -> None:
    """Rounds until that moment, but `least_rounds` at least. The arguments are those of `live`."""
    while steps and (len(readings.rounds) < least_rounds or now() < until):
        turns: dict[int, TurnReading] = {}
        readings.rounds.append(turns)
        for place in order(list(steps)):
            try:
                turns[place] = _unthrottled_turn(contestants[place], steps[place], readings)
            except CellError as error:
                readings.failures[place] = str(error)
                del steps[place]
                if error.worker_lost or place in essential:
                    return
        on_round()


def live(
    contestants: Sequence[Contestant],
    readings: LifeReadings,
    *,
    seconds: float,
    order: Order,
    now: Callable[[], float],
    essential: frozenset[int] = frozenset({0}),
    on_round: Callable[[], None] = lambda: None,
) -> None:
    """One life: every contestant gets ready, then rounds until time is up.

    What is measured is in `readings` at once, so that an interruption loses none of it.

    In a round everyone has one turn. There is at least one round, however short the time. A
    contestant that raises leaves the life; when it is an essential one, or when its worker is lost,
    the life ends there.

    Args:
        contestants: in fresh workers.
        readings: of this life, to be filled.
        seconds: of the life, getting ready included.
        order: whose turns a round has, in which order, given the places of those who can race.
        now: monotonic seconds.
        essential: the places without which the others need not go on.
        on_round: called after each round.
    """
    until = now() + seconds
    steps = get_ready(contestants, readings, now=now, essential=essential)
    take_turns(
        contestants,
        steps,
        readings,
        until=until,
        order=order,
        now=now,
        essential=essential,
        on_round=on_round,
    )


def _unthrottled_turn(contestant: Contestant, steps: int, readings: LifeReadings) -> TurnReading:
    """A turn, taken again while the device is throttled: so often and no more, then as it is."""
    reading = contestant.turn(steps)
    for _ in range(MOST_REPEATS):
        if not reading.throttled:
            break
        readings.repeated += 1
        reading = contestant.turn(steps)
    return reading


def turn_steps(seconds: float, *, least: int = TURN_STEPS, slow: int = SLOW_TURN_STEPS) -> int:
    """How many steps a turn has: short turns find the machine in one mood.

    Of quick steps so many that the turn is long beside what surrounds it.

    Args:
        seconds: that a step takes.
        least: steps, unless they are slow.
        slow: steps, of `SLOW_STEP_SECONDS` or more.
    """
    if seconds > SLOW_STEP_SECONDS:
        return slow
    fit = math.ceil(TURN_SECONDS / seconds) if seconds > 0 else MOST_TURN_STEPS
    return min(MOST_TURN_STEPS, max(least, fit))


def typical_seconds(warm_up: WarmUpReading) -> float:
    """What a step took at the end of a warm-up."""
    return median(warm_up.times.total[-3:]) if warm_up.times.total else math.inf
