"""A timer for pytest-benchmark that runs in one phase of a training step alone."""

from __future__ import annotations


class PhaseClock:
    """Stands still until it is advanced by what was measured."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def advance(self, seconds: float) -> None:
        """The phase took so many seconds."""
        self._seconds += seconds

    def phase_clock(self) -> float:
        """Seconds spent in the phase so far; pytest-benchmark records this name as its timer."""
        return self._seconds
