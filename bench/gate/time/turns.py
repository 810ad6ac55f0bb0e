"""From what the workers of a life said to what is recorded of it: whole blocks, in nanoseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.gate.time.record import ARMS, ArmTurns, CellTurns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.gate.time.record import Step
    from bench.gate.time.wire import PlannedCell
    from bench.measure.clock import StepTimes
    from bench.run.messages import TurnReading
    from bench.run.race import LifeReadings


class UntrustworthyError(Exception):
    """What was measured cannot be used; the message says why."""


def recorded_turns(cells: Sequence[PlannedCell], readings: LifeReadings) -> list[CellTurns]:
    """The turns of a life; a block that the end of its time has cut short is left out.

    Args:
        cells: in the order of the race, each with all arms.
        readings: of the life.

    Raises:
        UntrustworthyError: a step took no time, or less.
    """
    found = []
    for number, cell in enumerate(cells):
        arms = {}
        for place, arm in enumerate(ARMS, start=number * len(ARMS)):
            turns = [r[place] for r in readings.rounds if place in r]
            whole = turns[: len(turns) // 2 * 2]
            arms[arm] = ArmTurns(
                wall=[_steps(turn.times) for turn in whole],
                cpu=_cpu_steps(whole),
                waits=[turn.voluntary_switches for turn in whole],
            )
        found.append(CellTurns(workload=cell.workload, strategy=cell.strategy, arms=arms))
    return found


def _cpu_steps(turns: list[TurnReading]) -> list[list[Step]] | None:
    """Processor time; nothing where its clock is so coarse that a phase falls between two ticks."""
    steps = [_whole(turn.cpu_times) for turn in turns if turn.cpu_times is not None]
    if not turns or len(steps) < len(turns):
        return None
    if any(min(step) <= 0 for turn in steps for step in turn):
        return None
    return steps


def _steps(times: StepTimes) -> list[Step]:
    """Steps in whole nanoseconds.

    Raises:
        UntrustworthyError: one took no time, or less.
    """
    steps = _whole(times)
    if any(min(step) < 0 or sum(step) == 0 for step in steps):
        raise UntrustworthyError(
            "the clock of this machine went backwards or stood still within a step, so no time of "
            "it can be trusted; look at the system's clock source"
        )
    return steps


def _whole(times: StepTimes) -> list[Step]:
    return [
        (round(forward * 1e9), round(backward * 1e9), round(update * 1e9))
        for forward, backward, update in zip(
            times.forward, times.backward, times.update, strict=True
        )
    ]
