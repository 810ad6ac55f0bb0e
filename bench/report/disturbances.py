"""What the machine did to the turns, in sentences: one for each thing that there is to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.disturbance import brakes, foreigners, held_back_seconds, shares
from bench.report.reading import lived_once
from bench.report.units import duration, number, percent

if TYPE_CHECKING:
    from bench.records import Run

_DISTURBED = 0.5  # involuntary switches a turn, in the median cell
_LEAST_SHARE = 0.01  # of the turns: fewer are an accident
_GIB = 2**30

_FAIR = "Turns in random order keep the ratios fair; read the milliseconds as an upper bound."
_TOO_FEW = "Some cells lived only once, too seldom for random order to even that out."


def _fair(run: Run) -> str:
    return _TOO_FEW if lived_once(run) else _FAIR


def disturbances(run: Run) -> list[str]:
    """Heat, foreign processes, stolen time, a quota, and other work on the processor."""
    marked = shares(run)
    notes = (
        _throttled(run, marked.get("throttled")),
        _foreign(run, marked.get("foreign processes")),
        _stolen(run, marked.get("stolen time", 0.0)),
        _quota(run, marked.get("quota", 0.0)),
        _switches(run),
    )
    return [note for note in notes if note is not None]


def _throttled(run: Run, share: float | None) -> str | None:
    if share is None:
        return None
    return (
        f"The GPU's clock was held down in {percent(share)} of the turns "
        f"({', '.join(brakes(run))}), however often they were taken again; see to its cooling and "
        f"power. {_fair(run)}"
    )


def _foreign(run: Run, share: float | None) -> str | None:
    others = foreigners(run)
    if others is None or share is None:
        return None
    count = "1 process" if others.processes == 1 else f"Up to {others.processes} processes"
    verb = "was" if others.processes == 1 else "were"
    size = (
        "with memory that the driver does not tell"
        if others.size is None
        else f"with {number(others.size / _GIB)} GiB"
    )
    return (
        f"{count} of others {verb} on the GPU in {percent(share)} of the turns, {size}. If it "
        f"computes meanwhile, it takes time from every cell. {_fair(run)}"
    )


def _stolen(run: Run, share: float) -> str | None:
    if share < _LEAST_SHARE:
        return None
    return (
        f"The machine's host gave its processors to others in {percent(share)} of the turns. "
        f"{_fair(run)}"
    )


def _quota(run: Run, share: float) -> str | None:
    if share < _LEAST_SHARE:
        return None
    return (
        f"The container's quota held the run back in {percent(share)} of the turns, by "
        f"{duration(held_back_seconds(run))} in all: give it more processors, or use fewer "
        "--threads."
    )


def _switches(run: Run) -> str | None:
    """Whether others took the processor away while cells had their turns."""
    rates = sorted(
        sum(known) / len(known)
        for cell in run.cells
        if (
            known := [
                turn.involuntary_switches
                for turn in cell.interference
                if turn.involuntary_switches is not None
            ]
        )
    )
    if not rates or (middle := rates[len(rates) // 2]) <= _DISTURBED:
        return None
    return (
        f"Other work shared the processor: it was taken away {number(middle, 2)} times a turn in "
        f"the median cell. {_fair(run)}"
    )
