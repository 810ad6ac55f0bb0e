"""The same work on the same machine over time: ratios to `full`, and where their level changed."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.collection.changepoints import LEAST_RUNS, shifts
from bench.collection.hardware import hardware
from bench.collection.settings import kind_of
from bench.records import Interval
from bench.work import work

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.records import Cell, Machine, Run, Verdict

LASTING = ("cpu", "cores", "accelerator", "accelerator_memory_gib")
"""Of the hardware, what has to stay for a history to be of one machine.

A comparison asks for more (see `hardware`): here, all else may explain a change, a power limit too.
"""

NO_EXPLANATION = ("name", "cpu", "cores", "accelerator", "memory_bytes", "accelerator_memory_bytes")
"""What stays, and bytes that differ a little with each start of a machine or driver."""


class HistoryError(Exception):
    """There is no such history; the message says what there is."""


@dataclass(frozen=True)
class Point:
    """A run's ratio to `full`, and what it was measured with, by name."""

    run: str
    started: str
    ratio: Interval
    verdict: Verdict
    circumstances: dict[str, str]


@dataclass(frozen=True)
class Change:
    """The level changed between two runs that follow each other.

    Attributes:
        at: place of the first run after it.
        factor: level after over level before, with a 99% interval; 1.05 is 5% slower. The interval
            is of the difference at the place found, not corrected for the search.
        p: of Welch's test there, adjusted for the number of places and series that were left, not
            for the search (see `changepoints.shifts`).
        differs: what else was another there, such as `torch 2.9.0 → 2.14.1`.
    """

    at: int
    before: str
    after: str
    factor: Interval
    p: float
    differs: list[str]


@dataclass(frozen=True)
class Series:
    """One cell's runs on one machine, oldest first."""

    workload: str
    strategy: str
    phase: str
    machine: str
    settings: dict[str, Any]
    version: str
    points: list[Point]
    changes: list[Change] = field(default_factory=list)

    @property
    def is_long_enough(self) -> bool:
        """Whether change points could be looked for."""
        return len(self.points) >= LEAST_RUNS


@dataclass(frozen=True)
class History:
    """All series that were asked for, and what a reader should know beside them."""

    phase: str
    series: list[Series]
    notes: list[str] = field(default_factory=list)


def history(
    runs: Iterable[Run],
    phase: str,
    workloads: Sequence[str] = (),
    strategies: Sequence[str] = (),
) -> History:
    """The series of each workload × strategy on each machine; all if none are named.

    Raises:
        HistoryError: nothing that was named has a ratio to `full`.
        ChangePointError: a series is long enough, and ruptures is not installed.
    """
    notes: list[str] = []
    points: defaultdict[tuple[Any, ...], list[Point]] = defaultdict(list)
    seen: dict[str, Run] = {}
    made_up = 0
    for run in sorted(runs, key=lambda run: (run.started, run.id)):
        if run.id in seen and seen[run.id] != run:
            raise HistoryError(
                f"two files say that they are run {run.id}, and they differ; leave out the one "
                "that was changed"
            )
        if run.id in seen:
            notes.append(f"{run.id} was named twice, and counts once")
            continue
        seen[run.id] = run
        if run.state != "done":
            notes.append(f"{run.id} is {run.state}, not done, and left out")
            continue
        made_up += run.synthetic
        for cell in run.cells:
            if (point := _point(run, cell, phase)) is not None:
                points[_key(run, cell)].append(point)
    if made_up:
        notes.append(f"{made_up} of the runs were made up for a test")
    chosen = {
        key: found
        for key, found in points.items()
        if (not workloads or key[0] in workloads) and (not strategies or key[1] in strategies)
    }
    if not chosen:
        raise HistoryError(_nothing(points, workloads, strategies))
    series = [_series(key, found, phase) for key, found in chosen.items()]
    return History(phase, _with_changes(series), notes)


def _key(run: Run, cell: Cell) -> tuple[Any, ...]:
    fields = hardware(run.machine).fields
    machine = run.machine.name, *(fields.get(name) for name in LASTING)
    settings = work(run, cell) | {"device": kind_of(cell.device)}
    return cell.workload, cell.strategy, cell.fingerprint, machine, *settings.items()


def _series(key: tuple[Any, ...], points: list[Point], phase: str) -> Series:
    workload, strategy, version, machine, *settings = key
    return Series(workload, strategy, phase, machine[0], dict(settings), version, points)


def _point(run: Run, cell: Cell, phase: str) -> Point | None:
    if cell.summary is None or phase not in cell.summary.phases:
        return None
    ratio = cell.summary.phases[phase].ratio
    if ratio is None or cell.strategy == "full" or not ratio.value > 0:
        return None
    return Point(run.id, run.started, ratio, cell.verdict, _circumstances(run))


def _circumstances(run: Run) -> dict[str, str]:
    """All that may explain a change, in words; what a run does not tell is left out."""
    told: dict[str, Any] = {
        "freezebench": run.project.version,
        "commit": run.project.commit and run.project.commit[:12],
        "modified files": run.project.dirty or None,
    }
    told |= _fields(run.machine)
    return {name: str(value) for name, value in told.items() if value is not None}


def _fields(machine: Machine) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name in machine.__struct_fields__:
        value = getattr(machine, name)
        if name in NO_EXPLANATION:
            continue
        for part in getattr(value, "__struct_fields__", ()):
            told[part] = getattr(value, part)
        if not hasattr(value, "__struct_fields__"):
            told[name] = value
    return told


def _with_changes(series: Sequence[Series]) -> list[Series]:
    values = [[math.log(point.ratio.value) for point in one.points] for one in series]
    found = []
    for one, shifted in zip(series, shifts(values), strict=True):
        changes = [
            Change(
                shift.at,
                one.points[shift.at - 1].run,
                one.points[shift.at].run,
                Interval(*(math.exp(d) for d in (shift.difference, shift.low, shift.high))),
                shift.p,
                _differs(one.points[shift.at - 1], one.points[shift.at]),
            )
            for shift in shifted
        ]
        found.append(
            Series(one.workload, one.strategy, one.phase, one.machine, one.settings, one.version,
                   one.points, changes)
        )  # fmt: skip
    return found


def _differs(before: Point, after: Point) -> list[str]:
    """What is known of both runs, or of one alone, and not the same."""
    names = dict.fromkeys([*before.circumstances, *after.circumstances])
    return [
        f"{name} {before.circumstances.get(name, '?')} → {after.circumstances.get(name, '?')}"
        for name in names
        if before.circumstances.get(name) != after.circumstances.get(name)
    ]


def _nothing(
    points: dict[tuple[Any, ...], list[Point]], workloads: Sequence[str], strategies: Sequence[str]
) -> str:
    asked = " × ".join(", ".join(names) or "any" for names in (workloads, strategies))
    there = list(dict.fromkeys(f"{key[0]} × {key[1]}" for key in points))
    if not there:
        return "no run that is done has a strategy timed beside `full`, so there is no history"
    more = f" and {len(there) - 6} more" if len(there) > 6 else ""
    return f"there is no run of {asked}; there are {', '.join(there[:6])}{more}"
