"""What a step takes from the socket: windows of back-to-back steps between two readings.

Counters of energy move some ten times a second, so a window is much longer than that, and what its
edges still miss is in the spread of the windows.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Literal, Protocol

from bench.records import Energy, Interval
from bench.stats import grouped_mean

if TYPE_CHECKING:
    from collections.abc import Callable

Source = Literal["gpu counter", "gpu power", "cpu package"]

WINDOWS, WINDOW_SECONDS = 5, 0.5
SLOW_STEP_SECONDS, SLOW_WINDOWS = 2.0, 2
"""Steps that are slower than that get fewer windows, of one step each."""


class EnergyMeter(Protocol):
    """Joules taken so far, from any beginning."""

    source: Source

    def joules(self) -> float | None:
        """`None` where it can't be read."""

    def end(self) -> None:
        """Let go of what it holds."""


class EnergyError(Exception):
    """There is no figure; the message says why."""


def read_energy(
    steps: Callable[[int], None],
    step_seconds: float,
    meter: EnergyMeter,
    now: Callable[[], float] = time.perf_counter,
) -> Energy:
    """Joules a step, over windows that follow each other without a pause.

    Args:
        steps: takes so many, and returns when the device has done them.
        step_seconds: of a warm step, about.
        meter: is asked between windows.
        now: seconds.

    Raises:
        EnergyError: the meter fell silent, or stood still.
    """
    slow = step_seconds > SLOW_STEP_SECONDS
    windows = SLOW_WINDOWS if slow else WINDOWS
    count = max(1, math.ceil(WINDOW_SECONDS / step_seconds)) if step_seconds > 0 else 1
    begin, before = now(), _asked(meter)
    spent = []
    for _ in range(windows):
        steps(count)
        after = _asked(meter)
        spent.append((after - before) / count)
        before = after
    seconds = now() - begin
    estimate = grouped_mean([[joules] for joules in spent])
    if estimate.mean <= 0:
        raise EnergyError("its counter stood still")
    return Energy(
        joules=Interval(estimate.mean, estimate.low, estimate.high),
        source=meter.source,
        steps=windows * count,
        seconds=seconds,
    )


def _asked(meter: EnergyMeter) -> float:
    joules = meter.joules()
    if joules is None:
        raise EnergyError("its counter could not be read any more")
    return joules
