"""Time relative to training everything, by place of the frozen part, and what FLOPs allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from bench.report import look
from bench.report.claims.panel import panel
from bench.report.units import TIMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.records import Claims, Cost, Interval
    from bench.report.sheet import Entry

_ROW, _NAMES = 0.3, 2.6  # inches
_PHASES = {"total": (look.BLUE, "o", -0.15), "backward": (look.ORANGE, "D", 0.15)}
_PLACES = {"front": "in front", "middle": "in the middle", "back": "behind"}
_WIDEST = 3.0  # an interval that reaches beyond is cut: it says nothing


def draw(found: Claims) -> Figure | None:
    """Points with intervals, a row for each workload and strategy; nothing without times."""
    rows = [one for one in found.costs if one.total is not None]
    if not rows:
        return None
    with look.style():
        entries: list[Entry] = [
            (Line2D([], [], color=colour, marker=marker, lw=4, ms=4.5), phase)
            for phase, (colour, marker, _) in _PHASES.items()
        ]
        entries.append(
            (
                Line2D([], [], color=look.MUTED, marker="|", ms=8, mew=1.8, lw=0),
                "what the FLOPs allow",
            )
        )
        note = (
            "Left of 1 is faster than training everything. Bars are 95% intervals over fresh "
            "processes. The place of the frozen part stands before the strategy."
        )
        figure, axes = panel(
            found, "What freezing saves, by place of the frozen part", note, entries,
            _ROW * len(rows), _NAMES,
        )  # fmt: skip
        for row, one in enumerate(rows):
            _row(axes, row, one)
        names = [f"{_PLACES.get(one.topology, one.topology)}: {one.strategy}" for one in rows]
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_yticks(range(len(rows)), [look.label(name, 38) for name in names])
        axes.axvline(1, color=look.INK, lw=0.9, ls=(0, (3, 2)), zorder=1.5)
        axes.grid(axis="x", color=look.RULE, lw=0.6, zorder=0.5)
        low, high = axes.get_xlim()
        axes.set_xlim(max(0.0, min(low, 0.0)), min(max(high, 1.1), _WIDEST))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}{TIMES}"))
        axes.set_xlabel("time ÷ time of full")
        return figure


def _row(axes: Axes, row: int, one: Cost) -> None:
    for phase, (colour, marker, offset) in _PHASES.items():
        ratio: Interval | None = getattr(one, phase)
        allowed: float | None = getattr(one, f"allowed_{phase}")
        if ratio is None:
            continue
        y = row + offset
        if ratio.low is not None and ratio.high is not None:
            high = min(ratio.high, _WIDEST)
            axes.hlines(y, ratio.low, high, colors=colour, lw=4, alpha=0.35, zorder=2)
        axes.scatter([ratio.value], [y], marker=marker, c=[colour], s=20, edgecolors="white",
                     lw=0.5, zorder=4)  # fmt: skip
        if allowed is not None:
            axes.scatter([allowed], [y], marker="|", c=[colour], s=56, linewidths=1.8, zorder=3)
    if row % 2 == 0:
        axes.axhspan(row - 0.5, row + 0.5, color=look.BAND, lw=0, zorder=0)
