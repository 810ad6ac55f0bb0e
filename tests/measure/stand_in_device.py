"""A stand-in for an accelerator: it works through a queue behind the host's back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LAUNCH = 1_000  # nanoseconds that the host takes to enqueue one piece of work


class StandInDevice:
    """Takes work at once, does it later and in order; nobody knows when before waiting for it."""

    def __init__(self) -> None:
        self.host_nanoseconds = 0
        self.synchronisations = 0
        self.events_made = 0
        self._free_at = 0.0  # seconds
        self._queue: list[Callable[[], None]] = []

    def now(self) -> int:
        return self.host_nanoseconds

    def enqueue(self, seconds: float) -> None:
        self.host_nanoseconds += LAUNCH
        launched = self.host_nanoseconds * 1e-9

        def work() -> None:
            self._free_at = max(self._free_at, launched) + seconds

        self._queue.append(work)

    def synchronize(self) -> None:
        self.synchronisations += 1
        for work in self._queue:
            work()
        self._queue.clear()
        self.host_nanoseconds = max(self.host_nanoseconds, round(self._free_at * 1e9))

    def new_event(self) -> StandInEvent:
        self.events_made += 1
        return StandInEvent(self)

    def when_reached(self, tell: Callable[[float], None]) -> None:
        launched = self.host_nanoseconds * 1e-9

        def reach() -> None:
            self._free_at = max(self._free_at, launched)
            tell(self._free_at)

        self._queue.append(reach)


class StandInEvent:
    """Refuses to tell a time before the device has come to it."""

    def __init__(self, device: StandInDevice) -> None:
        self._device = device
        self.seconds: float | None = None

    def record(self) -> None:
        self.seconds = None
        self._device.when_reached(self._reached)

    def elapsed_time(self, later: StandInEvent) -> float:
        if self.seconds is None or later.seconds is None:
            raise RuntimeError("the device has not come to this event yet")
        return (later.seconds - self.seconds) * 1e3

    def _reached(self, seconds: float) -> None:
        self.seconds = seconds
