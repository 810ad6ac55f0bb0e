"""Which turns the machine had a hand in, from what was read beside them."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.records import Cell

Turn = tuple[int, int]

_STOLEN = 0.02  # of a turn's wall time, by the hypervisor or the container's quota
_LESS = 0.8  # of the processor time a second that the cell's turns usually get


def marked_turns(cell: Cell) -> dict[Turn, str]:
    """`throttled` or `disturbed` for each life and round that was; the others are left out."""
    if not cell.interference:
        return {}
    shares = [
        turn.cpu_seconds / turn.wall_seconds for turn in cell.interference if turn.wall_seconds > 0
    ]
    usual = median(shares) if shares else 0.0
    found: dict[Turn, str] = {}
    for place, turn in enumerate(cell.interference):
        if _at(cell, "throttled_by", place):
            found[turn.life, turn.round] = "throttled"
            continue
        lost = max(
            _number(cell, "stolen_seconds", place),
            _number(cell, "quota_seconds", place),
        )
        pushed_out = turn.wall_seconds > 0 and turn.cpu_seconds / turn.wall_seconds < _LESS * usual
        if (
            lost > _STOLEN * turn.wall_seconds
            or _number(cell, "foreign_processes", place) > 0
            or (pushed_out and cell.device == "cpu")
        ):
            found[turn.life, turn.round] = "disturbed"
    return found


def _at(cell: Cell, column: str, place: int) -> object:
    readings = None if cell.telemetry is None else getattr(cell.telemetry, column)
    return readings[place] if readings is not None and place < len(readings) else None


def _number(cell: Cell, column: str, place: int) -> float:
    """A reading as a number to compare; what wasn't read disturbed nothing that is known."""
    reading = _at(cell, column, place)
    return float(reading) if isinstance(reading, (int, float)) else 0.0
