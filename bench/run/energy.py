"""The energy pass: one cell alone in its worker, warm, without a pause between steps."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from bench.measure.clock import StepTimes
from bench.measure.device import choose
from bench.measure.energy import EnergyError, read_energy
from bench.measure.telemetry.energy_meters import energy_meter
from bench.run import survey
from bench.run.warmth import warm

if TYPE_CHECKING:
    from bench.cells import CellPlan
    from bench.records import Energy


def measure_energy(cell: CellPlan) -> Energy:
    """Joules a step of a cell.

    Raises:
        EnergyError: nothing here tells them.
    """
    device = choose(cell.device)
    training = survey.start(cell)
    clock = device.clock()
    times = StepTimes()
    while not warm(times.total, training):
        training.step(clock.mark)
        times.extend(clock.read().device)

    def steps(count: int) -> None:
        for _ in range(count):
            training.step(lambda *_: None)
        device.synchronize()

    meter = energy_meter(device)
    if meter is None:
        raise EnergyError("this machine tells no energy")
    try:
        return read_energy(steps, median(times.total[-3:]), meter)
    finally:
        meter.end()
