"""The table of all cells: what each column is called, shows, and is sorted by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.names import printable
from bench.report import reading, units
from bench.report.units import ABSENT, TIMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.records import Cell, Interval, Run, Verdict

_CORNER = 2
"""Columns at the left that name the row; these are never left out."""


@dataclass(frozen=True)
class Entry:
    """One figure: as it is read, and as it is sorted (`None`: absent, or sorted by its text).

    `verdict` is set where that is what it says.
    """

    text: str
    sort: float | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Heading:
    """One column. `hint` says what it is in full; `numeric` columns are aligned at the right."""

    title: str
    hint: str
    numeric: bool
    read: Callable[[Cell, list[Cell]], Entry]


@dataclass(frozen=True)
class Line:
    """One cell of the run. `verdict` is what the filter goes by and the sign is coloured by."""

    workload: str
    verdict: Verdict
    entries: list[Entry]


@dataclass(frozen=True)
class CellsTable:
    """All cells of a run, and what one can filter them by."""

    headings: list[Heading]
    lines: list[Line]
    workloads: list[str]
    verdicts: list[Verdict]


def cells_table(run: Run) -> CellsTable:
    """Every cell with every figure that at least one of them has, in the order of the run."""
    groups = reading.by_workload(run)
    rows = [
        (cell, [heading.read(cell, groups[cell.workload]) for heading in _HEADINGS])
        for cell in run.cells
    ]
    kept = [
        place
        for place in range(len(_HEADINGS))
        if place < _CORNER or any(entries[place].text not in ("", ABSENT) for _, entries in rows)
    ]
    found = {cell.verdict for cell in run.cells}
    return CellsTable(
        headings=[_HEADINGS[place] for place in kept],
        lines=[
            Line(cell.workload, cell.verdict, [entries[place] for place in kept])
            for cell, entries in rows
        ],
        workloads=list(groups),
        verdicts=[verdict for verdict in reading.VERDICTS if verdict in found],
    )


def _text(title: str, hint: str, read: Callable[[Cell], str]) -> Heading:
    return Heading(title, hint, numeric=False, read=lambda cell, _: Entry(printable(read(cell))))


def _verdict(title: str, hint: str, read: Callable[[Cell], Verdict | None]) -> Heading:
    def entry(cell: Cell, _: list[Cell]) -> Entry:
        verdict = read(cell)
        if verdict is None:
            return Entry(ABSENT)
        return Entry(reading.words(verdict), reading.VERDICTS.index(verdict), verdict)

    return Heading(title, hint, numeric=False, read=entry)


def _ratio(phase: str) -> Heading:
    def entry(cell: Cell, _: list[Cell]) -> Entry:
        value = reading.ratio(cell, phase)
        if value is None and reading.is_reference(cell) and cell.summary is not None:
            return Entry(f"1{TIMES}", 1.0)
        return Entry(ABSENT) if value is None else Entry(units.times(value), value.value)

    hint = f"{phase} time relative to full of the same rounds, with its {units.INTERVAL}"
    return Heading(f"{phase} {TIMES}", hint, numeric=True, read=entry)


def _allowed(phase: str) -> Heading:
    def entry(cell: Cell, _: list[Cell]) -> Entry:
        value = reading.ideal(cell, phase)
        return Entry(ABSENT) if value is None else Entry(f"{units.share(value)}{TIMES}", value)

    hint = f"the ratio of {phase} if time followed the counted FLOPs alone"
    return Heading(f"FLOPs allow, {phase}", hint, numeric=True, read=entry)


def _time(phase: str) -> Heading:
    def entry(cell: Cell, _: list[Cell]) -> Entry:
        value: Interval | None = reading.seconds(cell, phase)
        if value is None:
            return Entry(ABSENT)
        return Entry(units.milliseconds(value), value.value)

    hint = f"{phase}, milliseconds a step, with its {units.INTERVAL}"
    return Heading(f"{phase}, ms", hint, numeric=True, read=entry)


def _size(title: str, hint: str, read: Callable[[Cell], int | None]) -> Heading:
    def entry(cell: Cell, _: list[Cell]) -> Entry:
        size = read(cell)
        return Entry(ABSENT) if size is None else Entry(units.mebibytes(size), size)

    return Heading(f"{title}, MiB", hint, numeric=True, read=entry)


def _peak_share(cell: Cell, cells: list[Cell]) -> Entry:
    full = reading.reference(cells)
    if full is None or not full.memory.peak_bytes or cell.memory.peak_bytes is None:
        return Entry(ABSENT)
    value = cell.memory.peak_bytes / full.memory.peak_bytes
    return Entry(units.percent(value), value)


def _count(title: str, hint: str, read: Callable[[Cell], float | None]) -> Heading:
    def entry(cell: Cell, _: list[Cell]) -> Entry:
        count = read(cell)
        return Entry(ABSENT) if count is None else Entry(f"{count:,.0f}", count)

    return Heading(title, hint, numeric=True, read=entry)


def _drifted(title: str, hint: str, read: Callable[[Cell], float | None]) -> Heading:
    def entry(cell: Cell, _: list[Cell]) -> Entry:
        value = read(cell)
        return Entry(ABSENT) if value is None else Entry(units.magnitude(value), min(value, 1e300))

    return Heading(title, hint, numeric=True, read=entry)


def _joules(cell: Cell, _: list[Cell]) -> Entry:
    if cell.energy is None:
        return Entry(ABSENT)
    joules = cell.energy.joules
    text = units.number(joules.value)
    if joules.low is not None and joules.high is not None:
        text += f" [{units.number(joules.low)}, {units.number(joules.high)}]"
    return Entry(text, joules.value)


def _fill(cell: Cell, _: list[Cell]) -> Entry:
    fill = None if cell.summary is None else cell.summary.fill_seconds
    return Entry(ABSENT) if fill is None else Entry(units.number(fill / units.MILLI), fill)


_HEADINGS = (
    _text("strategy", "how the frozen part is kept", lambda c: c.strategy),
    _text("workload", "what is trained, and which part of it is frozen", lambda c: c.workload),
    _verdict("verdict", "of a freeze before the first step", lambda c: c.verdict),
    _verdict("midway", "of a freeze in the middle of training",
             lambda c: None if c.midway is None else c.midway.verdict),
    _ratio("total"),
    _ratio("backward"),
    _allowed("total"),
    _allowed("backward"),
    *(_time(phase) for phase in ("total", "forward", "backward", "update")),
    Heading("fill, ms", "what a strategy spends once on each batch", numeric=True, read=_fill),
    _size("peak", "highest sum of live tensors in a step", lambda c: c.memory.peak_bytes),
    Heading("peak of full", "that peak as a share of full's", numeric=True, read=_peak_share),
    _size("predicted", "the peak, found without allocating anything",
          lambda c: c.memory.predicted_peak_bytes),
    _size("allocated", "peak of the accelerator's allocator",
          lambda c: c.memory.allocated_peak_bytes),
    _size("saved", "what the graph keeps for the backward pass", lambda c: c.memory.saved_bytes),
    _size("frozen keeps", "gradients and optimizer state that the frozen part still costs",
          reading.frozen_kept),
    _size("strategy's own", "what the strategy keeps between steps",
          lambda c: c.memory.strategy_bytes),
    Heading("joules a step", "energy from the socket, idle power included", numeric=True,
            read=_joules),
    _count("forward FLOPs", "counted in a step", lambda c: c.counters.forward_flops),
    _count("backward FLOPs", "counted in a step", lambda c: c.counters.backward_flops),
    _count("operators", "that a step runs",
           lambda c: sum(c.counters.operators.values()) if c.counters.operators else None),
    _count("graph nodes", "of the backward pass", lambda c: c.counters.autograd_nodes),
    _count("moved", "frozen tensors that moved", lambda c: None if c.drift is None
           else len(c.drift.moved)),
    _drifted("update off", "difference of the trainable part's update from the reference's",
             lambda c: None if c.drift is None else c.drift.update_error),
    _count("lives", "fresh processes", lambda c: None if c.summary is None else c.summary.lives),
    _count("rounds", "turns in all lives", lambda c: None if c.summary is None
           else c.summary.rounds),
    _text("topology", "where the frozen part sits", lambda c: c.topology),
    _text("device", "where it ran", lambda c: c.device),
    _text("dtype", "of the training", lambda c: c.dtype),
    _count("batch", "samples in a batch", lambda c: c.batch),
    _count("threads", "of torch", lambda c: c.threads),
    _text("optimizer", "of the training", lambda c: c.optimizer),
    _text("why", "the reason of the verdict", lambda c: c.why or (
        c.midway.why if c.midway is not None else "")),
)  # fmt: skip
