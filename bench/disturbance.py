"""Which turns the machine disturbed, and by what: marks that follow from a record, no torch."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from bench.records import Telemetry
from bench.records.telemetry import BRAKES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.records import Cell, Machine, Run

Mark = Literal["throttled", "foreign processes", "stolen time", "quota", "involuntary switches"]
Marks = frozenset[Mark]

STOLEN_SHARE = 0.05
"""Of the turn's time on all processors, from which stolen time is worth a mark."""
TICK_SECONDS = 0.01
"""Linux tells stolen time in such ticks, so that up to one may be from before the turn."""


class Foreigners(NamedTuple):
    """The most processes of others on the GPU at the end of a turn, and the most bytes of such."""

    processes: int
    size: int | None


def marks(cell: Cell, machine: Machine) -> list[Marks]:
    """What disturbed each turn, parallel to `interference`; nothing is told of what nobody read."""
    telemetry = cell.telemetry or Telemetry()
    processors = machine.processors or machine.cores
    found: list[Marks] = []
    for place, turn in enumerate(cell.interference):
        held = (_at(telemetry.throttled_by, place) or "").split()
        stolen = (_at(telemetry.stolen_seconds, place) or 0.0) - TICK_SECONDS
        signs: dict[Mark, bool] = {
            "throttled": not BRAKES.isdisjoint(held),
            "foreign processes": (_at(telemetry.foreign_processes, place) or 0) > 0,
            "stolen time": stolen > STOLEN_SHARE * turn.wall_seconds * processors,
            "quota": (_at(telemetry.quota_seconds, place) or 0.0) > 0,
            "involuntary switches": (turn.involuntary_switches or 0) > 0,
        }
        found.append(frozenset(mark for mark, there in signs.items() if there))
    return found


def shares(run: Run) -> dict[Mark, float]:
    """The share of a run's turns that has each mark; what no turn has is left out.

    A GPU's driver is asked who else is there in some turns only: the share is of those.
    """
    turns = [turn for cell in run.cells for turn in marks(cell, run.machine)]
    counts = Counter(mark for turn in turns for mark in turn)
    asked = sum(1 for _ in _column(run, "foreign_processes"))
    return {
        mark: count / (asked if mark == "foreign processes" else len(turns))
        for mark, count in counts.items()
    }


def brakes(run: Run) -> list[str]:
    """What held the GPU's clock down for heat, power brake or hardware, most frequent first."""
    held = Counter(
        reason
        for told in _column(run, "throttled_by")
        for reason in str(told).split()
        if reason in BRAKES
    )
    return [reason for reason, _ in held.most_common()]


def foreigners(run: Run) -> Foreigners | None:
    """Who else was on the GPU; `None` where nobody was, or nobody tells."""
    most = max((int(count) for count in _column(run, "foreign_processes")), default=0)
    sizes = [int(size) for size in _column(run, "foreign_bytes") if size]
    return Foreigners(most, max(sizes, default=None)) if most else None


def held_back_seconds(run: Run) -> float:
    """How long a quota held the run back in its turns, all processors together."""
    return sum(float(seconds) for seconds in _column(run, "quota_seconds"))


def _column(run: Run, name: str) -> Iterable[Any]:
    """What was read in a column, in all cells."""
    for cell in run.cells:
        column = getattr(cell.telemetry, name, None) or []
        yield from (value for value in column if value is not None)


def _at(column: list[Any] | None, place: int) -> Any:
    return column[place] if column and place < len(column) else None
