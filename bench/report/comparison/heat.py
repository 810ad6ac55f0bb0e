"""Strategies by columns as a heat map: what each costs relative to `full`, a panel a workload."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import seaborn as sns
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.patches import Rectangle

from bench.names import fold
from bench.report import look
from bench.report.comparison.words import (
    ABSOLUTE,
    headings,
    milliseconds_of,
    ratio_of,
    settings,
    within,
)
from bench.report.reading import SIGNS
from bench.report.sheet import MARGIN, captioned
from bench.report.units import ABSENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.collection.compared import Compared, Comparison, Figures

_LONGEST = 2.5  # of a strategy's name; all lengths are inches
_COLUMN, _ROW, _TITLE, _HEADER, _FULL, _BETWEEN = 1.25, 0.34, 0.26, 0.5, 0.3, 0.22
_MOST_COLUMNS, _MOST_WORKLOADS = 40, 20
_LEAST_SPAN = math.log(2)  # so that noise on ratios of 1 is no colour

# From Okabe and Ito's blue to their vermilion, which stay apart with any colour vision.
_COLOURS = LinearSegmentedColormap.from_list("ratio", [look.BLUE, "#FFFFFF", look.VERMILION])
_STRONGEST = 0.85  # of the way to the ends of the scale, where ink can still be read


def draw(comparison: Comparison, phase: str = "total") -> Figure:
    """A panel a workload, with as many columns and workloads as can be looked at."""
    with look.style():
        compared = comparison.workloads[:_MOST_WORKLOADS]
        rows = [[name for name in each.strategies if name != "full"] for each in compared]
        names = [look.fitted(name, _LONGEST, 9) for each in rows for name in each]
        left = MARGIN + max(look.length(name, 9) for name in [*names, "full (ms)"]) + 0.12
        across = max(len(each.columns[:_MOST_COLUMNS]) for each in compared)
        heights = [_TITLE + _HEADER + _FULL + max(len(each), 1) * _ROW + _BETWEEN for each in rows]
        page = captioned(
            f"{'Time of a step' if phase == 'total' else 'Backward pass'} relative to full",
            _note(comparison),
            _caption(comparison),
            max(left + across * _COLUMN + MARGIN, 7.5),
        )
        figure = page.figure(sum(heights))
        width, height = figure.get_size_inches()
        top = height - page.head
        span = _span(comparison, phase)
        for each, strategies, taken in zip(compared, rows, heights, strict=True):
            columns = each.columns[:_MOST_COLUMNS]
            high = max(len(strategies), 1) * _ROW
            bottom = top - taken + _BETWEEN
            axes = figure.add_axes(
                (left / width, bottom / height, len(columns) * _COLUMN / width, high / height)
            )
            _panel(axes, each, strategies, columns, phase, span)
            _heading(axes, each, comparison, columns, phase)
            top -= taken
        return figure


def _panel(
    axes: Axes,
    compared: Compared,
    strategies: Sequence[str],
    columns: Sequence[int],
    phase: str,
    span: float,
) -> None:
    logs = np.full((max(len(strategies), 1), len(columns)), math.nan)
    cells = {
        (row, column): compared.figures.get((name, place))
        for row, name in enumerate(strategies)
        for column, place in enumerate(columns)
    }
    for at, figures in cells.items():
        if figures is not None and figures.verdict == "ok":
            logs[at] = _log(figures, phase)
    scale = Normalize(-span / _STRONGEST, span / _STRONGEST)
    sns.heatmap(
        logs,
        ax=axes,
        mask=np.isnan(logs),
        cmap=_COLOURS,
        vmin=scale.vmin,
        vmax=scale.vmax,
        cbar=False,
        linewidths=2,
        linecolor="white",
        xticklabels=False,
        yticklabels=False,
    )
    for (row, column), figures in cells.items():
        _cell(axes, row, column, figures, phase, scale)
    shown = [look.fitted(name, _LONGEST, 9) for name in strategies]
    axes.set_yticks(np.arange(len(shown)) + 0.5, shown, rotation=0)
    axes.tick_params(axis="both", length=0)
    axes.set(xlabel="", ylabel="")


def _cell(
    axes: Axes, row: int, column: int, figures: Figures | None, phase: str, scale: Normalize
) -> None:
    """The figure in its cell; one that is not `ok` in the muted colour and sign of its verdict."""
    if figures is None:
        axes.text(column + 0.5, row + 0.5, ABSENT, ha="center", va="center", color=look.MUTED)
        return
    known = ratio_of(figures, phase)
    ink = look.INK
    text = within(known)
    if figures.verdict != "ok":
        text = f"{SIGNS[figures.verdict]} {figures.verdict if known is None else text}"
        fill = look.VERDICT_FILLS[figures.verdict]
        muted = look.toned(fill, figures.verdict)
        axes.add_patch(Rectangle((column, row), 1, 1, fc=muted, ec="white", lw=2))
        ink = look.VERDICT_INKS[figures.verdict]
    elif known is not None and known.value > 0:
        red, green, blue, _ = _COLOURS(float(scale(math.log(known.value))))
        if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5:  # luma, ITU-R BT.601
            ink = "white"
    axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8.5, color=ink)


def _heading(
    axes: Axes, compared: Compared, comparison: Comparison, columns: Sequence[int], phase: str
) -> None:
    """The workload, the columns' labels, and `full` in absolute figures, above a panel."""
    above: dict[str, Any] = {
        "xycoords": "data",
        "textcoords": "offset points",
        "annotation_clip": False,
    }
    points = 72 * _FULL, 72 * (_FULL + _HEADER)
    named = headings(comparison, columns)
    for column, place in enumerate(columns):
        lines = fold(" · ".join(named[place]), 19).split("\n")
        label = "\n".join(look.fitted(line, _COLUMN - 0.04, 8) for line in lines)
        axes.annotate(label, (column + 0.5, 0), (0, points[0]), fontsize=8, ha="center",
                      va="bottom", **above)  # fmt: skip
        full = milliseconds_of(compared.figures.get(("full", place)), phase)
        axes.annotate(full, (column + 0.5, 0), (0, 6), fontsize=8, ha="center", va="bottom",
                      color=look.MUTED, **above)  # fmt: skip
    axes.annotate("full", (0, 0), (-6, 6), fontsize=8.5, ha="right", va="bottom",
                  color=look.MUTED, **above)  # fmt: skip
    room = max(len(columns) * _COLUMN, 4.0)
    title = look.fitted(compared.workload, room, 10.5, "bold")
    axes.annotate(title, (0, 0), (0, points[1]), fontsize=10.5, fontweight="bold", va="bottom",
                  **above)  # fmt: skip


def _log(figures: Figures, phase: str) -> float:
    known = ratio_of(figures, phase)
    return math.log(known.value) if known is not None and known.value > 0 else math.nan


def _span(comparison: Comparison, phase: str) -> float:
    """The largest log ratio of all panels, so that a colour means the same in each."""
    logs = [
        abs(log)
        for compared in comparison.workloads
        for figures in compared.figures.values()
        if figures.verdict == "ok" and not math.isnan(log := _log(figures, phase))
    ]
    return max([_LEAST_SPAN, *logs])


def _note(comparison: Comparison) -> str:
    left = [
        f"{count} {what} left out"
        for count, what in (
            (len(comparison.columns) - _MOST_COLUMNS, "columns"),
            (len(comparison.workloads) - _MOST_WORKLOADS, "workloads"),
        )
        if count > 0
    ]
    return (
        "Blue takes less time than full of the same run, vermilion more; muted cells are not ok: "
        "their cost is no result to go by. ± is the larger half of the 95% interval. "
        f"full: {ABSOLUTE}.{''.join(f' {each}.' for each in left)}"
    )


def _caption(comparison: Comparison) -> str:
    runs = [look.label(column.run, 24) for column in comparison.columns[:4]]
    rest = len(comparison.columns) - len(runs)
    made_up = " · synthetic" if any(column.synthetic for column in comparison.columns) else ""
    common = settings(comparison.workloads[0]) if comparison.workloads else ""
    head = look.label(f"{common} · " if common else "", 120)
    return f"{head}runs " + ", ".join(runs) + (f" and {rest} more" if rest > 0 else "") + made_up
