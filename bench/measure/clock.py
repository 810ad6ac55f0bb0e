"""Time stamps of a training step, on the host and on an accelerator.

Every step is marked four times: where its forward pass, its backward pass and its update begin,
and where it ends. The phases are the spans between neighbouring marks, so nothing falls between
them and their sum is `total`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

MARKS_PER_STEP = 4


@dataclass
class StepTimes:
    """Seconds of each phase, one entry a step."""

    forward: list[float] = field(default_factory=list)
    backward: list[float] = field(default_factory=list)
    update: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)

    def extend(self, other: StepTimes) -> None:
        """Append the steps of `other`."""
        self.forward += other.forward
        self.backward += other.backward
        self.update += other.update
        self.total += other.total


@dataclass
class TurnTimes:
    """What a clock read of one turn.

    `device` is the time of whatever did the work; `host`, where that is an accelerator, the time
    that the host took to enqueue it; `cpu`, where the host did the work, the processor time that
    the process had of it, all threads together.
    """

    device: StepTimes
    host: StepTimes | None = None
    cpu: StepTimes | None = None


class Clock(Protocol):
    """Marks moments without waiting for them, and tells the times afterwards."""

    def mark(self, *_: object) -> None:
        """Remember this moment; called four times a step, arguments are ignored."""

    def read(self) -> TurnTimes:
        """The times of the steps since the last reading; waits for the device once."""


class HostClock:
    """Times of work that the host does itself.

    Args:
        now: monotonic nanoseconds.
        spent: nanoseconds of processor time that the process has had so far.
    """

    def __init__(
        self,
        now: Callable[[], int] = time.perf_counter_ns,
        spent: Callable[[], int] = time.process_time_ns,
    ) -> None:
        self._now = now
        self._spent = spent
        self._marks: list[int] = []
        self._spendings: list[int] = []

    def mark(self, *_: object) -> None:
        """Remember this moment."""
        self._spendings.append(self._spent())
        self._marks.append(self._now())

    def read(self) -> TurnTimes:
        """Seconds between the marks since the last reading."""
        marks, self._marks = self._marks, []
        spendings, self._spendings = self._spendings, []
        return TurnTimes(
            device=_phases(marks, lambda begin, end: (end - begin) * 1e-9),
            cpu=_phases(spendings, lambda begin, end: (end - begin) * 1e-9),
        )


class DeviceClock:
    """Times of work that the host only enqueues, from events that the device records.

    Nothing is synchronised until `read`, which does so once: a synchronisation inside a turn would
    change what is measured. Events are kept for the next turn.

    Args:
        new_event: makes a timing event with `record()` and `elapsed_time(later)` in milliseconds.
        synchronize: waits until the device has done all that was enqueued.
        now: monotonic nanoseconds of the host.
    """

    def __init__(
        self,
        new_event: Callable[[], Any],
        synchronize: Callable[[], None],
        now: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._new_event = new_event
        self._synchronize = synchronize
        self._now = now
        self._spare: list[Any] = []
        self._events: list[Any] = []
        self._marks: list[int] = []

    def mark(self, *_: object) -> None:
        """Enqueue an event, and remember when the host did."""
        event = self._spare.pop() if self._spare else self._new_event()
        event.record()
        self._events.append(event)
        self._marks.append(self._now())

    def read(self) -> TurnTimes:
        """Seconds between the events and between the host's marks since the last reading."""
        self._synchronize()
        events, self._events = self._events, []
        marks, self._marks = self._marks, []
        times = TurnTimes(
            device=_phases(events, lambda begin, end: begin.elapsed_time(end) * 1e-3),
            host=_phases(marks, lambda begin, end: (end - begin) * 1e-9),
        )
        self._spare += events
        return times


def _phases(marks: list[Any], seconds: Callable[[Any, Any], float]) -> StepTimes:
    times = StepTimes()
    for first in range(0, len(marks), MARKS_PER_STEP):
        begin, middle, update, end = marks[first : first + MARKS_PER_STEP]
        times.forward.append(seconds(begin, middle))
        times.backward.append(seconds(middle, update))
        times.update.append(seconds(update, end))
        times.total.append(seconds(begin, end))
    return times
