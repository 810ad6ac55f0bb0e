"""What telemetry costs: a turn's measured steps with it over those without, and one reading."""

from __future__ import annotations

import gc
from statistics import median
from typing import TYPE_CHECKING

from perf_harness import DEVICE, STEPS, in_turns, say, seconds_of, told, training

from bench.measure.telemetry import of_device
from bench.run.worker import take_turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

    from bench.measure.telemetry.meter import Meter


def test_a_turn_s_steps_with_telemetry_over_those_without(benchmark: BenchmarkFixture) -> None:
    # One training for both, as in one process even two of a kind have luck of their own.
    trained, clock = training("requires_grad"), DEVICE.clock()
    meter = of_device.meter(DEVICE)
    gc.collect()
    gc.freeze()  # as workers do: a turn ends with a collection

    def turn(meter: Meter | None) -> Callable[[], float]:
        """Seconds of a turn's steps as they are recorded."""
        return lambda: sum(take_turn(trained, clock, STEPS, meter).times.total)

    try:
        pairs = in_turns(turn(meter), turn(None))
    finally:
        gc.unfreeze()
    told(benchmark, "steps of a turn with telemetry ÷ without", pairs)
    benchmark(turn(meter))


def test_one_reading_before_and_after_a_turn(benchmark: BenchmarkFixture) -> None:
    meter = of_device.meter(DEVICE)

    def reading() -> None:
        meter.before()
        meter.after()

    benchmark(reading)
    spent = median(seconds_of(reading, 1) for _ in range(1000))
    say(benchmark, "one reading before and after", f"{spent * 1e6:.0f} µs")
