"""A known slow-down makes a phase longer by its fraction, and leaves the others as they are."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stand_in_device import LAUNCH, StandInDevice

from bench.measure.clock import DeviceClock, HostClock, StepTimes
from bench.measure.device import Device
from bench.measure.slowdown import (
    TIMED,
    CannotSlowDownError,
    DeviceSlowdown,
    HostSlowdown,
    SlowedClock,
    slowed,
)

if TYPE_CHECKING:
    from bench.measure.clock import Clock

TICK = 1_000
"""Nanoseconds that go by whenever somebody looks at the clock."""

fractions = st.dictionaries(st.sampled_from(TIMED), st.floats(0.0, 1.0))
durations = st.lists(st.integers(0, 10**7), min_size=3, max_size=3)


@dataclass
class Time:
    """Moves when work is done, and a little when it is looked at."""

    nanoseconds: int = 0
    tick: int = 0

    def now(self) -> int:
        self.nanoseconds += self.tick
        return self.nanoseconds

    def still(self) -> int:
        return self.nanoseconds


def steps_of(time: Time, clock: SlowedClock, durations: list[int], steps: int = 1) -> StepTimes:
    for _ in range(steps):
        clock.mark()
        for duration in durations:
            time.nanoseconds += duration
            clock.mark()
        time.nanoseconds += 12_345  # between two steps
    return clock.read().device


def on_host(time: Time, slow_down: dict[str, float]) -> SlowedClock:
    # The clock that marks doesn't move time, so that the marks are where the work ends.
    return HostSlowdown(slow_down, time.now).around(HostClock(time.still, time.still))


@settings(max_examples=30, deadline=None)
@given(slow_down=fractions, durations=durations)
def test_a_slowed_phase_takes_longer_by_its_fraction(
    slow_down: dict[str, float], durations: list[int]
) -> None:
    time = Time(tick=TICK)
    found = steps_of(time, on_host(time, slow_down), durations, steps=2)
    for name, duration in zip(TIMED, durations, strict=True):
        expected = duration * (1 + slow_down.get(name, 0.0)) * 1e-9
        # Looking at the clock takes time too: once before, and once more than it needs.
        assert getattr(found, name) == pytest.approx([expected] * 2, abs=5 * TICK * 1e-9)


def test_the_fraction_is_exact_where_looking_takes_the_least_time() -> None:
    time = Time(tick=1)
    found = steps_of(time, on_host(time, {"backward": 0.25}), [1000, 40_000, 3000])
    assert found.backward[0] * 1e9 == pytest.approx(50_000, abs=4)


def test_phases_that_are_not_named_stay_as_they_are() -> None:
    time = Time(tick=1)
    found = steps_of(time, on_host(time, {"backward": 0.25}), [1000, 40_000, 3000])
    assert found.forward[0] * 1e9 == pytest.approx(1000, abs=4)
    assert found.update[0] * 1e9 == pytest.approx(3000, abs=4)


def test_without_a_fraction_nothing_is_slower() -> None:
    time = Time(tick=1)
    found = steps_of(time, on_host(time, {}), [1000, 2000, 3000])
    assert found.total[0] * 1e9 == pytest.approx(6000, abs=12)


def test_a_slow_step_is_slowed_in_proportion_to_itself() -> None:
    time = Time(tick=1)
    clock = on_host(time, {"forward": 0.5})
    quick = steps_of(time, clock, [10_000, 1, 1])
    slow = steps_of(time, clock, [80_000, 1, 1])
    assert quick.forward[0] * 1e9 == pytest.approx(15_000, abs=4)
    assert slow.forward[0] * 1e9 == pytest.approx(120_000, abs=4)


@dataclass
class Queue:
    """A device that works off what is enqueued, one thing after the other."""

    enqueued: list[str] = field(default_factory=list)

    def busy(self, cycles: int) -> None:
        self.enqueued.append(f"{cycles} cycles")

    def mark(self, *_: object) -> None:
        self.enqueued.append("mark")

    def read(self) -> None:
        return None


def test_a_device_is_kept_busy_in_proportion_before_the_phase_ends() -> None:
    queue = Queue()
    clock = DeviceSlowdown(
        {"forward": 0.1, "backward": 0.2},
        {"forward": 0.5, "backward": 0.25, "update": 1.0},
        queue.busy,
        cycles_per_second=1000.0,
        now=itertools.count(step=10**9).__next__,
    ).around(queue)  # type: ignore[arg-type]
    for _ in range(2):
        for _ in range(4):
            clock.mark()
    step = ["mark", "50 cycles", "mark", "50 cycles", "mark", "mark"]
    assert queue.enqueued == step * 2


@pytest.mark.parametrize(("fraction", "cycles"), [(0.1, 100), (0.2, 200), (0.4, 400)])
def test_a_device_has_so_many_cycles_as_the_fraction_asks_for(fraction: float, cycles: int) -> None:
    queue = Queue()
    slowdown = DeviceSlowdown(
        {"update": fraction},
        dict.fromkeys(TIMED, 1.0),
        queue.busy,
        cycles_per_second=1000.0,
        now=itertools.count(step=10**9).__next__,
    )
    for phase in range(3):
        slowdown(phase)
    assert queue.enqueued == [f"{cycles} cycles"]


LAUNCHES = 100
"""Pieces of work that each phase enqueues on the stand-in device."""


@pytest.mark.parametrize("kernel", [LAUNCH / 10, LAUNCH * 10], ids=["host-bound", "device-bound"])
@pytest.mark.parametrize("name", TIMED)
def test_a_device_that_waits_for_the_host_is_slowed_like_one_that_does_not(
    kernel: float, name: str
) -> None:
    def phases(slow_down: dict[str, float]) -> list[float]:
        device = StandInDevice()

        def now() -> int:
            device.host_nanoseconds += 10
            return device.host_nanoseconds

        clock: Clock = DeviceClock(device.new_event, device.synchronize, device.now)
        typical = dict.fromkeys(TIMED, max(kernel, LAUNCH) * LAUNCHES * 1e-9)
        slowed = DeviceSlowdown(
            slow_down, typical, lambda cycles: device.enqueue(cycles * 1e-9), 1e9, now
        ).around(clock)
        for _ in range(20):
            slowed.mark()
            for _ in TIMED:
                for _ in range(LAUNCHES):
                    device.enqueue(kernel * 1e-9)
                slowed.mark()
        times = slowed.read().device
        return [sum(getattr(times, each)[10:]) for each in TIMED]

    plain, slow = phases({}), phases({name: 0.2})

    expected = [1.2 if each == name else 1.0 for each in TIMED]
    found = [after / before for before, after in zip(plain, slow, strict=True)]
    assert found == pytest.approx(expected, abs=0.03)


def test_an_accelerator_without_such_a_kernel_refuses_with_a_sentence() -> None:
    device = Device(torch.device("mps", 0))
    times = StepTimes([1.0], [1.0], [1.0], [3.0])
    with pytest.raises(CannotSlowDownError, match=r"mps:0 has no kernel to slow it down with"):
        slowed(HostClock(), device, {"forward": 0.1}, times, by_processor_time=True)


@pytest.mark.parametrize(
    ("threads", "by", "other"),
    [(1, "process_time_ns", "perf_counter_ns"), (2, "perf_counter_ns", "process_time_ns")],
)
def test_one_thread_is_slowed_by_processor_time_and_several_by_the_wall_clock(
    threads: int, by: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, standing_still = Time(tick=1), Time()
    monkeypatch.setattr(f"bench.measure.slowdown.time.{by}", chosen.now)
    monkeypatch.setattr(f"bench.measure.slowdown.time.{other}", standing_still.now)
    host = HostClock(chosen.still, chosen.still)
    times = StepTimes([1.0], [1.0], [1.0], [3.0])
    device = Device(torch.device("cpu"))
    alone = threads == 1
    clock = slowed(host, device, {"update": 1.0}, times, by_processor_time=alone)
    found = steps_of(chosen, clock, [1000, 1000, 1000])  # type: ignore[arg-type]
    assert found.update[0] * 1e9 == pytest.approx(2000, abs=4)
