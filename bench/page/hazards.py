"""Did it stay frozen: the verdict at both moments of every strategy, and what moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.names import printable
from bench.report.reading import behind, words
from bench.report.units import ABSENT, magnitude

if TYPE_CHECKING:
    from bench.records import Cell, Drift, Verdict

_NAMED = 4  # tensors that are named; the others are counted


@dataclass(frozen=True)
class Moment:
    """A verdict as a word with its sign, its kind for the colour, and the figure behind it."""

    kind: Verdict | None
    text: str
    figure: str


@dataclass(frozen=True)
class Hazard:
    """One strategy. `reasons` is empty where nothing is to be said."""

    strategy: str
    before: Moment
    midway: Moment
    reasons: list[str]


def hazards(cells: list[Cell]) -> list[Hazard]:
    """A line for every cell of a workload, in the order of the run."""
    return [_hazard(cell) for cell in cells]


def _hazard(cell: Cell) -> Hazard:
    midway = cell.midway
    reasons = [printable(cell.why)] if cell.why else []
    if cell.verdict != "reference":  # where everything is meant to move
        reasons += _moved(cell.drift)
    if midway is not None and midway.why and midway.why != cell.why:
        reasons.append(f"Midway: {printable(midway.why)}")
    return Hazard(
        strategy=cell.strategy,
        before=_moment(cell.verdict, cell.drift),
        midway=Moment(None, ABSENT, "")
        if midway is None
        else _moment(midway.verdict, midway.drift),
        reasons=reasons,
    )


def _moment(verdict: Verdict, drift: Drift | None) -> Moment:
    return Moment(verdict, words(verdict), "" if verdict == "ok" else behind(verdict, drift))


def _moved(drift: Drift | None) -> list[str]:
    if drift is None or not drift.moved:
        return []
    named = [
        f"{printable(moved.name)} ({moved.kind}) by {magnitude(moved.relative)}"
        for moved in drift.moved[:_NAMED]
    ]
    rest = len(drift.moved) - len(named)
    return [f"Moved: {', '.join(named)}{f', and {rest} more' if rest else ''}."]
