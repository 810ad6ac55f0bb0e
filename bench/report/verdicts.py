"""Did it stay frozen: every verdict as a colour, a word and the figure behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import seaborn as sns
from matplotlib.colors import ListedColormap

from bench.names import fold
from bench.report import look
from bench.report.reading import VERDICTS, behind, strategies_of, words
from bench.report.sheet import MARGIN, empty, sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.records import Cell, Run, Verdict

_PANELS = ("frozen before the first step", "frozen in the middle of training")
_TITLE = "Did it stay frozen, and did the rest train?"
_NOTE = (
    "moved: the largest change of a frozen tensor ÷ its norm. update off: ‖Δ-Δref‖ ÷ ‖Δref‖ of the "
    "trainable part. without grad: trainable tensors that never received a gradient."
)
_LONGEST = 2.5  # of a strategy's name; all lengths are inches
_COLUMN, _ROW, _GAP, _NAMES, _PANEL_TITLE = 1.18, 0.42, 0.3, 0.82, 2.9
_ACROSS = 7  # workloads from which the panels stand above each other


def draw(run: Run) -> Figure:
    """Strategies by workloads, a panel for each moment of the freeze."""
    with look.style():
        workloads = list(dict.fromkeys(cell.workload for cell in run.cells))
        strategies = strategies_of(run)
        if not workloads:
            return empty(run, _TITLE)
        cells = {(cell.strategy, cell.workload): cell for cell in run.cells}
        figure, panels = _panels(run, strategies, workloads)
        for midway, axes in enumerate(panels):
            _heat(axes, cells, strategies, workloads, midway=bool(midway))
        return figure


def _panels(
    run: Run, strategies: Sequence[str], workloads: Sequence[str]
) -> tuple[Figure, list[Axes]]:
    names = [look.fitted(name, _LONGEST, 9) for name in strategies]
    left = MARGIN + max(look.length(name, 9) for name in names) + 0.12
    wide = len(workloads) * _COLUMN
    apart = max(wide, _PANEL_TITLE)
    high = len(strategies) * _ROW
    stacked = len(workloads) > _ACROSS
    across = apart if stacked else 2 * apart + _GAP
    page = sheet(run, _TITLE, _NOTE, max(left + across + MARGIN, 7.5))
    figure = page.figure((2 if stacked else 1) * (_NAMES + high))
    width, height = figure.get_size_inches()
    panels = []
    for place, title in enumerate(_PANELS):
        x = left if stacked else left + place * (apart + _GAP)
        y = height - page.head - (place * stacked + 1) * (_NAMES + high)
        axes = figure.add_axes((x / width, y / height, wide / width, high / height))
        axes.set_title(title, loc="left", fontsize=10.5, fontweight="bold", pad=36)
        axes.set_yticks(
            np.arange(len(names)) + 0.5, names if stacked or not place else [""] * len(names)
        )
        panels.append(axes)
    return figure, panels


def _heat(
    axes: Axes,
    cells: dict[tuple[str, str], Cell],
    strategies: Sequence[str],
    workloads: Sequence[str],
    *,
    midway: bool,
) -> None:
    ticks, labels = axes.get_yticks(), [text.get_text() for text in axes.get_yticklabels()]
    found = [[_found(cells.get((s, w)), midway) for w in workloads] for s in strategies]
    codes = np.array([[-1 if v is None else VERDICTS.index(v) for v, _ in row] for row in found])
    sns.heatmap(
        codes,
        ax=axes,
        mask=codes < 0,
        cmap=ListedColormap([look.VERDICT_FILLS[verdict] for verdict in VERDICTS]),
        vmin=-0.5,
        vmax=len(VERDICTS) - 0.5,
        cbar=False,
        linewidths=2.5,
        linecolor="white",
        xticklabels=False,
        yticklabels=False,
    )
    for row, line in enumerate(found):
        for column, (verdict, figure) in enumerate(line):
            _write(axes, row + 0.5, column + 0.5, verdict, figure)
    axes.set_xticks(
        np.arange(len(workloads)) + 0.5,
        [_header(name) for name in workloads],
        fontsize=8.5,
        color=look.INK,
        rotation=0,
    )
    axes.set_yticks(ticks, labels, rotation=0)
    axes.tick_params(axis="both", length=0, labeltop=True, labelbottom=False, pad=4)
    axes.set(xlabel="", ylabel="")


def _header(workload: str) -> str:
    """A workload's name on at most two lines that stay within their column."""
    lines = fold(workload, 15).split("\n")
    return "\n".join(look.fitted(line, _COLUMN - 0.05, 8.5) for line in lines)


def _found(cell: Cell | None, midway: bool) -> tuple[Verdict | None, str]:
    """A cell's verdict at one moment, and the figure behind it."""
    if cell is None:
        return None, "not run"
    if not midway:
        return cell.verdict, behind(cell.verdict, cell.drift)
    if cell.midway is None:
        return None, "not measured"
    return cell.midway.verdict, behind(cell.midway.verdict, cell.midway.drift)


def _write(axes: Axes, y: float, x: float, verdict: Verdict | None, figure: str) -> None:
    if verdict is None:
        axes.text(
            x, y, figure, ha="center", va="center", fontsize=8, color=look.MUTED, fontstyle="italic"
        )
        return
    ink = "white" if verdict == "failed" else look.INK
    lift = 0.17 if figure else 0.0
    axes.text(
        x,
        y - lift,
        words(verdict),
        ha="center",
        va="center",
        fontsize=9,
        color=ink,
        fontweight="normal" if verdict in ("ok", "reference") else "bold",
    )
    if figure:
        axes.text(x, y + 0.22, figure, ha="center", va="center", fontsize=7.2, color=ink)
