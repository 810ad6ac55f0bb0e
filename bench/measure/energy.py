"""What a step takes from the socket: windows of back-to-back steps between two readings.

Counters of energy move by ticks, on many GPUs some ten times a second, so a window is much longer
than that. What the ticks hide need not show in the spread of the windows: at constant power windows
often hold equally many. So the pass begins on a tick, and what its end still misses, up to one
tick, is added to both sides of the interval.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from bench.records import Energy, Interval
from bench.stats import grouped_mean

if TYPE_CHECKING:
    from collections.abc import Callable

Source = Literal["gpu counter", "gpu power", "cpu package"]

WINDOWS, WINDOW_SECONDS = 5, 0.5
SLOW_STEP_SECONDS, SLOW_WINDOWS = 2.0, 2
"""Steps that are slower than that get fewer windows, of one step each."""

POLL_SECONDS = 1e-3
PATIENCE_SECONDS = 1.0
"""Without a tick in that long a counter stands still: a pass would hold too few."""


class Tick(NamedTuple):
    """The moment after a meter has moved, what it says since, and how long it moves no further.

    Attributes:
        joules: what it says.
        seconds: between two ticks, at most, as far as polling tells.
    """

    joules: float
    seconds: float


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
    wait: Callable[[float], None] = time.sleep,
) -> Energy:
    """Joules a step, over windows that follow each other without a pause.

    With S the seconds of the pass and τ those of a tick, what the meter has not told yet when the
    pass ends is less than τ / (S - τ) of what it has, at constant power. That much is added to both
    sides of the interval by Student's t over windows.

    Args:
        steps: takes so many, and returns when the device has done them.
        step_seconds: of a warm step, about.
        meter: is asked between windows.
        now: seconds.
        wait: for so many seconds.

    Raises:
        EnergyError: the meter fell silent, stood still, or moves too seldom for the pass.
    """
    slow = step_seconds > SLOW_STEP_SECONDS
    windows = SLOW_WINDOWS if slow else WINDOWS
    count = max(1, math.ceil(WINDOW_SECONDS / step_seconds)) if step_seconds > 0 else 1
    tick = await_tick(meter, now, wait)
    begin, before = now(), tick.joules
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
    if seconds <= tick.seconds:
        raise EnergyError("its counter moves too seldom for its windows")
    hidden = estimate.mean * tick.seconds / (seconds - tick.seconds)
    return Energy(
        joules=Interval(
            estimate.mean,
            None if estimate.low is None else estimate.low - hidden,
            None if estimate.high is None else estimate.high + hidden,
        ),
        source=meter.source,
        steps=windows * count,
        seconds=seconds,
        windows=spent,
    )


def await_tick(meter: EnergyMeter, now: Callable[[], float], wait: Callable[[float], None]) -> Tick:
    """Poll a meter until it has moved twice, and return at the second.

    A meter that moves at every reading, such as one that integrates power, takes three readings.

    Raises:
        EnergyError: it fell silent, or did not move within `PATIENCE_SECONDS`.
    """
    _, earliest = _moved(meter, now, wait)
    joules, _ = _moved(meter, now, wait)
    return Tick(joules, now() - earliest)


def _moved(
    meter: EnergyMeter, now: Callable[[], float], wait: Callable[[float], None]
) -> tuple[float, float]:
    """What a meter says once it has moved, and a moment right before that."""
    asked, before = now(), _asked(meter)
    end = asked + PATIENCE_SECONDS
    while asked < end:
        wait(POLL_SECONDS)
        again, joules = now(), _asked(meter)
        if joules != before:
            return joules, asked
        asked = again
    raise EnergyError(f"its counter stood still for {PATIENCE_SECONDS:g} s")


def _asked(meter: EnergyMeter) -> float:
    joules = meter.joules()
    if joules is None:
        raise EnergyError("its counter could not be read any more")
    return joules
