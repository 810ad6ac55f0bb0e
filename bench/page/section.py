"""What the page shows of one run, as plain data for the template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bench.names import shorten
from bench.page import facts
from bench.page.cells_table import CellsTable, cells_table
from bench.page.charts import memory, pareto, phases, turns
from bench.page.charts import ratio as ratios
from bench.page.hazards import Hazard, hazards
from bench.page.run_names import settings
from bench.report.command import command
from bench.report.disturbances import disturbances
from bench.report.reading import by_workload, ratio, reference
from bench.report.sentences import launch_bound, unfinished, unreached, winner
from bench.report.units import TIMES, percent, says_nothing

if TYPE_CHECKING:
    from bench.page.chart import Chart
    from bench.page.facts import Facts
    from bench.records import Cell, Machine, Run

_POINTS = 24_000  # of raw samples on a page: with the library, static charts and table below 5 MB

RAW_RUNS, FEW_RUNS = 2, 8
"""Runs on a page up to which it may show every turn, and up to which it may have charts."""

Detail = Literal["turns", "charts", "tables"]
"""The most that a section holds: all charts, those without every turn, or none."""


def details(runs: int) -> tuple[Detail, ...]:
    """What a page of so many runs may hold, the most first."""
    if runs <= RAW_RUNS:
        return ("turns", "charts", "tables")
    return ("charts", "tables") if runs <= FEW_RUNS else ("tables",)


@dataclass(frozen=True)
class Best:
    """The fastest of what is `ok` and beyond doubt faster than `full`, in three short texts."""

    strategy: str
    time: str
    peak: str


@dataclass(frozen=True)
class WorkloadPart:
    """One workload: the answer, where the frozen part sits, the charts, and what moved."""

    name: str
    setting: str
    answer: str
    best: Best | None
    charts: list[Chart]
    hazards: list[Hazard]


@dataclass(frozen=True)
class Section:
    """One run. `notes` are what to be wary of; `settings` how it was measured, on one line."""

    name: str
    settings: str
    run: Run
    notes: list[str]
    workloads: list[WorkloadPart]
    table: CellsTable
    facts: list[tuple[str, Facts]]
    command: str


def section(run: Run, name: str, detail: Detail = "turns", runs: int = 1) -> Section:
    """Everything that is shown of `run` under a name, on a page with that many runs."""
    most = max(20, _POINTS // max(1, runs * len(run.cells)))
    notes = (unfinished(run), unreached(run), launch_bound(run), _left_out(detail))
    return Section(
        name=name,
        settings=" · ".join([run.machine.name, *settings(run)]),
        run=run,
        notes=[note for note in notes if note is not None] + disturbances(run),
        workloads=[
            _workload(workload, cells, _charts(cells, run.machine, most, detail))
            for workload, cells in by_workload(run).items()
        ],
        table=cells_table(run),
        facts=facts.groups(run),
        command=command(run.request),
    )


def _charts(cells: list[Cell], machine: Machine, most: int, detail: Detail) -> list[Chart]:
    if detail == "tables":
        return []
    charts = [phases.draw(cells), ratios.draw(cells), memory.draw(cells), pareto.draw(cells)]
    if detail == "turns":
        charts.append(turns.draw(cells, machine, most))
    return [chart for chart in charts if chart is not None]


def _left_out(detail: Detail) -> str | None:
    if detail == "turns":
        return None
    what = "Raw samples" if detail == "charts" else "Charts"
    return f"{what} are left out on a page of so much: one of fewer runs has them."


def _workload(name: str, cells: list[Cell], charts: list[Chart]) -> WorkloadPart:
    batches = ", ".join(dict.fromkeys(str(cell.batch) for cell in cells))
    places = ", ".join(dict.fromkeys(cell.topology for cell in cells))
    return WorkloadPart(
        name=name,
        setting=f"frozen part: {places} · batch {batches}",
        answer=winner(name, cells).removeprefix(f"{shorten(name, 48)}: "),
        best=_best(cells),
        charts=charts,
        hazards=hazards(cells),
    )


def _best(cells: list[Cell]) -> Best | None:
    timed = [
        (value, cell)
        for cell in cells
        if cell.verdict == "ok" and (value := ratio(cell, "total")) is not None
    ]
    if not timed:
        return None
    value, cell = min(timed, key=lambda pair: pair[0].value)
    if value.low is None or value.high is None or value.high >= 1 or says_nothing(value):
        return None
    full = reference(cells)
    peak = ""
    if full is not None and full.memory.peak_bytes and cell.memory.peak_bytes is not None:
        peak = f"{percent(cell.memory.peak_bytes / full.memory.peak_bytes)} of its peak memory"
    digits = 3 if value.value < 0.095 else 2
    return Best(shorten(cell.strategy, 48), f"{value.value:.{digits}f}{TIMES}", peak)
