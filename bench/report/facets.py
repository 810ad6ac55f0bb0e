"""The frame of the horizontal plots: a facet a workload, a row a strategy, placed in inches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.report import look
from bench.report.reading import by_workload, strategies_of, words
from bench.report.sheet import MARGIN, empty, sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.records import Cell, Run
    from bench.report.sheet import Entry

_LONGEST = 2.5  # of a strategy's name; all lengths are inches
_ROW, _NAME, _AXIS = 0.27, 0.56, 0.52
_VERDICT = 0.82  # room right of a facet for its verdicts


class Facet(NamedTuple):
    """One workload's axes and its cells, each with the height at which its row is."""

    axes: Axes
    cells: list[tuple[int, Cell]]


def facets(run: Run, title: str, note: str, legend: Sequence[Entry]) -> tuple[Figure, list[Facet]]:
    """An empty frame for `run`: zebra rows, names at the left, verdicts at the right of each.

    Args:
        run: its cells decide how large the figure is; a run without cells gives no facet.
        title: what is shown, at the top left.
        note: how to read it, below the plots.
        legend: handles and their labels.
    """
    groups = by_workload(run)
    strategies = strategies_of(run)
    if not groups:
        return empty(run, title), []
    columns = min(len(groups), 2 if len(groups) == 4 else 3)
    rows = math.ceil(len(groups) / columns)
    names = [look.fitted(name, _LONGEST, 9) for name in strategies]
    left = MARGIN + max(look.length(name, 9) for name in names) + 0.12
    wide = {1: 5.6, 2: 4.0}.get(columns, 3.3)
    high = max(len(strategies), 2) * _ROW
    page = sheet(run, title, note, left + columns * (wide + _VERDICT), legend)
    figure = page.figure(rows * (_NAME + high + _AXIS))
    width, height = figure.get_size_inches()

    heights = {name: place for place, name in enumerate(strategies)}
    made = []
    for place, (workload, cells) in enumerate(groups.items()):
        row, column = divmod(place, columns)
        bottom = height - page.head - row * (_NAME + high + _AXIS) - _NAME - high
        x = left + column * (wide + _VERDICT)
        axes = figure.add_axes((x / width, bottom / height, wide / width, high / height))
        _rows(axes, names, named=column == 0)
        _name(axes, workload, cells, wide)
        numbered = [(heights[cell.strategy], cell) for cell in cells]
        _verdicts(axes, numbered)
        for absent in sorted(set(heights.values()) - {height for height, _ in numbered}):
            say(axes, absent, "not run")
        made.append(Facet(axes, numbered))
    return figure, made


def say(axes: Axes, height: int, text: str) -> None:
    """A remark at the left of a row that has nothing to draw."""
    axes.text(
        0.015,
        height,
        text,
        transform=axes.get_yaxis_transform(),
        va="center",
        color=look.MUTED,
        fontsize=8,
        fontstyle="italic",
    )


def untimed(cell: Cell) -> str:
    """Why a cell has no time to draw."""
    return "did not run" if cell.verdict == "failed" else "not timed"


def _rows(axes: Axes, names: Sequence[str], *, named: bool) -> None:
    count = len(names)
    axes.set_ylim(count - 0.5, -0.5)
    axes.set_yticks(range(count) if named else [], names if named else [])
    axes.tick_params(axis="y", length=0, pad=6)
    axes.tick_params(axis="x", length=3, width=0.8, bottom=True, color=look.RULE)
    for height in range(0, count, 2):
        axes.axhspan(height - 0.5, height + 0.5, color=look.BAND, lw=0, zorder=0)
    axes.grid(axis="x", color=look.RULE, lw=0.6, zorder=0.5)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _name(axes: Axes, workload: str, cells: Sequence[Cell], wide: float) -> None:
    batches = ", ".join(str(batch) for batch in dict.fromkeys(cell.batch for cell in cells))
    topologies = ", ".join(dict.fromkeys(cell.topology for cell in cells))
    place: dict[str, Any] = {
        "xycoords": "axes fraction",
        "textcoords": "offset points",
        "va": "bottom",
    }
    title = look.fitted(workload, wide + _VERDICT - 0.2, 10.5, "bold")
    axes.annotate(title, (0, 1), (0, 17), fontsize=10.5, fontweight="bold", **place)
    where = look.fitted(f"frozen part: {topologies} · batch {batches}", wide, 8)
    axes.annotate(where, (0, 1), (0, 5), fontsize=8, color=look.MUTED, **place)


def _verdicts(axes: Axes, cells: Sequence[tuple[int, Cell]]) -> None:
    for height, cell in cells:
        if cell.verdict in ("ok", "reference"):
            continue
        axes.annotate(
            words(cell.verdict),
            (1, height),
            (5, 0),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=look.VERDICT_INKS[cell.verdict],
            annotation_clip=False,
        )
