"""What reads beside a turn: right before and right after it, never during."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

Reading = dict[str, float | int | str | None]
"""One entry a turn, by column of `bench.records.Telemetry`.

A counter that the machine doesn't give has no column; one reading that failed is `None`.
"""


class Meter(Protocol):
    """An instrument that reads beside a turn. Nothing of it raises."""

    def before(self) -> None:
        """Note what counters say now: a turn begins."""

    def after(self) -> Reading:
        """What became of them since, and figures of this moment."""


class Meters:
    """Several meters as one.

    Args:
        meters: the last one's readings are nearest to the turn.
    """

    def __init__(self, meters: Sequence[Meter]) -> None:
        self._meters = meters

    def before(self) -> None:
        """See `Meter.before`."""
        for meter in self._meters:
            meter.before()

    def after(self) -> Reading:
        """See `Meter.after`: in reverse order, as what began last ends first."""
        reading: Reading = {}
        for meter in reversed(self._meters):
            reading |= meter.after()
        return reading


def since(before: float | None, after: float | None, digits: int) -> float | None:
    """How far a counter went, rounded; `None` where it failed, or went backwards (a reset)."""
    if before is None or after is None or after < before:
        return None
    return round(after - before, digits)
