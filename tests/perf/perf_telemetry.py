"""What telemetry costs: a turn's measured steps with it over those without, and one reading."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from perf_harness import STEPS, in_turns, say, seconds_of, told, training

from bench.measure.clock import HostClock
from bench.measure.device import choose
from bench.measure.telemetry import of_device
from bench.run.worker import take_turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

    from bench.measure.telemetry.meter import Meter


def turn_with(meter: Meter | None) -> Callable[[], float]:
    """Seconds of a turn's steps as they are recorded."""
    trained, clock = training("requires_grad"), HostClock()

    def turn() -> float:
        reading = take_turn(trained, clock, STEPS, meter)
        return sum(reading.times.total)

    return turn


def test_a_turn_s_steps_with_telemetry_over_those_without(benchmark: BenchmarkFixture) -> None:
    meter = of_device.meter(choose("auto"))
    with_it, without = turn_with(meter), turn_with(None)
    told(benchmark, "steps of a turn with telemetry ÷ without", in_turns(with_it, without))
    benchmark(with_it)


def test_the_median_step_with_telemetry_over_that_without(benchmark: BenchmarkFixture) -> None:
    """As summaries have it: a turn's first step, which is colder, is left out."""

    def middle(meter: Meter | None) -> Callable[[], float]:
        trained, clock = training("requires_grad"), HostClock()
        return lambda: median(take_turn(trained, clock, STEPS, meter).times.total[1:])

    meter = of_device.meter(choose("auto"))
    pairs = in_turns(middle(meter), middle(None))
    told(benchmark, "median step with telemetry ÷ without", pairs)
    benchmark(lambda: None)


def test_one_reading_before_and_after_a_turn(benchmark: BenchmarkFixture) -> None:
    meter = of_device.meter(choose("auto"))

    def reading() -> None:
        meter.before()
        meter.after()

    benchmark(reading)
    spent = median(seconds_of(reading, 1) for _ in range(1000))
    say(benchmark, "one reading before and after", f"{spent * 1e6:.0f} µs")
