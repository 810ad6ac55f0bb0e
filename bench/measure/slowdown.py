"""A known slow-down inside the timed span: what a gate must see, or it sees nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.measure.clock import Clock, StepTimes, TurnTimes
    from bench.measure.device import Device

TIMED = ("forward", "backward", "update")


class SlowedClock:
    """A clock whose marks come late: extra work is done at the end of each phase.

    Args:
        clock: that marks.
        extra: does the extra work of the phase that is about to end, given its number.
    """

    def __init__(self, clock: Clock, extra: Callable[[int], None]) -> None:
        self._clock = clock
        self._extra = extra
        self._phase = -1

    def mark(self, *_: object) -> None:
        """Do the extra work of the phase that ends here, then remember this moment."""
        if self._phase >= 0:
            self._extra(self._phase)
        self._clock.mark()
        self._phase = self._phase + 1 if self._phase + 1 < len(TIMED) else -1

    def read(self) -> TurnTimes:
        """The times, slow-down included."""
        return self._clock.read()


class HostSlowdown:
    """Keeps the processor busy for a fraction of what the phase has taken.

    In proportion to the very step, so that the slowed phase takes `1 + fraction` times as long
    whatever the machine's mood. (The phase after a pause is a little colder for it.)

    Args:
        fractions: of each phase's own time, by name; phases not named stay as they are.
        now: nanoseconds, of the clock by which the fraction is meant.
    """

    def __init__(self, fractions: Mapping[str, float], now: Callable[[], int]) -> None:
        self._fractions = [fractions.get(name, 0.0) for name in TIMED]
        self._now = now
        self._begin = 0

    def around(self, clock: Clock) -> SlowedClock:
        """The clock, slowed down."""
        return SlowedClock(_Noting(clock, self), self)

    def note(self) -> None:
        """A phase begins."""
        self._begin = self._now()

    def __call__(self, phase: int) -> None:
        """Be busy in proportion to the phase so far."""
        reached = self._now()
        until = reached + int(self._fractions[phase] * (reached - self._begin))
        while self._now() < until:
            pass


class _Noting:
    """Tells a slow-down when a phase begins, as close to the mark as can be."""

    def __init__(self, clock: Clock, slowdown: HostSlowdown) -> None:
        self._clock = clock
        self._slowdown = slowdown

    def mark(self, *_: object) -> None:
        self._clock.mark()
        self._slowdown.note()

    def read(self) -> TurnTimes:
        return self._clock.read()


class DeviceSlowdown:
    """Keeps a CUDA device, and the host, busy for a fraction of what a phase typically takes.

    The host cannot know what the step under way takes there, so the fraction is of the phase's
    typical time, and the length of the busy kernel is calibrated once. A device that waits for the
    host to launch its kernels would have the extra one done while it waits: so the host pauses
    for as long, which in turn delays nothing where it is ahead of the device.

    Args:
        fractions: of each phase's typical time, by name.
        typical: seconds of each phase on the device.
        busy: enqueues a kernel that lasts so many cycles.
        cycles_per_second: of that kernel.
        now: nanoseconds of the host.
    """

    def __init__(
        self,
        fractions: Mapping[str, float],
        typical: Mapping[str, float],
        busy: Callable[[int], None],
        cycles_per_second: float,
        now: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._busy = busy
        self._now = now
        self._seconds = [fractions.get(name, 0.0) * typical[name] for name in TIMED]
        self._cycles_per_second = cycles_per_second

    def around(self, clock: Clock) -> SlowedClock:
        """The clock, slowed down."""
        return SlowedClock(clock, self)

    def __call__(self, phase: int) -> None:
        """Enqueue the extra kernel, and let the host be as late."""
        seconds = self._seconds[phase]
        if not seconds:
            return
        until = self._now() + int(seconds * 1e9)
        self._busy(int(seconds * self._cycles_per_second))
        while self._now() < until:
            pass


class CannotSlowDownError(Exception):
    """The device has no kernel that keeps it busy for a given time."""


CALIBRATION_CYCLES = 20_000_000


def slowed(
    clock: Clock,
    device: Device,
    fractions: Mapping[str, float],
    times: StepTimes,
    *,
    by_processor_time: bool,
) -> Clock:
    """The clock of a device with a known slow-down.

    Args:
        clock: of the device.
        device: that does the work.
        fractions: of each phase's own time, by name.
        times: steps taken without the slow-down.
        by_processor_time: the fraction is of processor time, which a neighbour on the machine
            hardly changes, rather than of time that passed; right for one thread that never waits.

    Raises:
        CannotSlowDownError: an accelerator other than CUDA.
    """
    if not device.is_accelerator:
        now = time.process_time_ns if by_processor_time else time.perf_counter_ns
        return HostSlowdown(fractions, now).around(clock)
    if device.torch_device.type != "cuda":
        raise CannotSlowDownError(
            f"{device} has no kernel to slow it down with, so the gate cannot prove on it that it "
            "would see a slow-down"
        )
    typical = {name: sorted(getattr(times, name))[len(times.total) // 2] for name in TIMED}
    begin, end = (torch.Event(device.torch_device, enable_timing=True) for _ in range(2))
    torch.cuda._sleep(1)  # type: ignore[no-untyped-call]  # the first call loads the kernel
    begin.record()
    torch.cuda._sleep(CALIBRATION_CYCLES)  # type: ignore[no-untyped-call]
    end.record()
    device.synchronize()
    rate = CALIBRATION_CYCLES / (begin.elapsed_time(end) * 1e-3)
    return DeviceSlowdown(fractions, typical, torch.cuda._sleep, rate).around(clock)
