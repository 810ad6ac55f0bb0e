"""The time gate as a picture: head over base beside its margin and the two controls."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, NamedTuple

from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bench.report import look
from bench.report.gate.time_words import by_cell, facts, fraction, percent, share, verdict
from bench.report.sheet import MARGIN, Sheet
from bench.report.units import INTERVAL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.gate.time.record import Bounds, Gate, Row
    from bench.report.sheet import Entry

# All lengths are inches.
_WIDTH, _LEFT, _RIGHT = 8.6, 0.95, 1.9  # of the figure; for phases; for answers
_ROW, _NAME, _AXIS = 0.34, 0.34, 0.5
_CHARACTER = 0.066  # of the foot's text

_INTERVAL, _ALPHA = 5.5, 0.4  # width in points and opacity
_LEAST, _MOST = 0.5, 2.0  # ratios beyond are drawn at the edge, and told beside it
_ROOM = 0.06  # of the axis, free at either end

_AGAIN, _SLOWED, _MARGIN, _PALE = look.MUTED, look.BLUE, look.INK, "#B9BFC7"
_LOOKS = {
    "PASS": (look.GREEN, "o"),
    "FAIL": (look.VERMILION, "D"),
    "CAN'T TELL": (look.ORANGE, "s"),
    "not judged": (_PALE, "o"),
}
_BELOW = 0.3  # rows that the controls are below the head


class _Line(NamedTuple):
    """A row of the figure; `row` is absent for the name of a cell."""

    name: str
    row: Row | None


def draw(gate: Gate) -> Figure:
    """Rows of all cells on one axis; 0% is the base."""
    with look.style():
        lines = [
            line
            for name, rows in by_cell(gate.rows).items()
            for line in (_Line(name, None), *(_Line(row.phase, row) for row in rows))
        ]
        page = _sheet(gate)
        if not lines:
            figure = page.figure(1.0)
            figure.text(0.5, 0.5, "No life has ended.", ha="center", color=look.MUTED)
            return figure
        heights = [_NAME if line.row is None else _ROW for line in lines]
        figure = page.figure(sum(heights) + _AXIS)
        width, whole = figure.get_size_inches()
        bottom = (page.foot + _AXIS) / whole
        size = (width - _LEFT - _RIGHT) / width
        axes = figure.add_axes((_LEFT / width, bottom, size, sum(heights) / whole))
        _axis(axes, gate, sum(heights) / _ROW)
        y = 0.0
        for line, height in zip(lines, heights, strict=True):
            y += height / _ROW
            if line.row is None:
                _cell(axes, line.name, y - 0.5)
            else:
                _row(axes, line.row, y - 0.5)
        return figure


def _sheet(gate: Gate) -> Sheet:
    told = dict(facts(gate))
    note = (
        "Points are head ÷ base, with their interval; a row passes when it is known to lie left of "
        "its margin, and fails when it is known to lie right of it. Where the base does not equal "
        "itself, or its known slow-down is not seen, the gate can't tell. Pale: too small a part "
        "of the step to be judged."
    )
    characters = int((_WIDTH - 2 * MARGIN) / _CHARACTER)
    foot = [(line, look.INK) for line in textwrap.wrap(note, characters)]
    caption = " · ".join(look.label(f"{name} {fact}", 90) for name, fact in told.items())
    foot += [(line, look.MUTED) for line in textwrap.wrap(caption, characters)]
    return Sheet(f"Time of head against base: {gate.answer}", _legend(gate), foot, _WIDTH)


def _axis(axes: Axes, gate: Gate, rows: float) -> None:
    low, high = _limits(gate)
    axes.set_xlim(low, high)
    axes.set_ylim(rows, 0)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda ratio, _: _tick(ratio)))
    axes.tick_params(axis="x", length=3, width=0.8, bottom=True, color=look.RULE)
    axes.grid(axis="x", color=look.RULE, lw=0.6, zorder=0.5)
    axes.set_axisbelow(True)
    for name in ("top", "right", "left"):
        axes.spines[name].set_visible(False)
    axes.axvline(1, color=look.INK, lw=0.9, ls=(0, (3, 2)), zorder=1.5)
    axes.set_xlabel("slower than the base by")


def _limits(gate: Gate) -> tuple[float, float]:
    shown = [1.0, 1 + gate.terms.slow_down]
    for row in gate.rows:
        shown.append(1 + row.margin)
        for bounds in (row.head, row.again, row.slowed):
            shown += [bounds.value, bounds.low, bounds.high]
    kept = [min(_MOST, max(_LEAST, ratio)) for ratio in shown if not math.isnan(ratio)]
    room = _ROOM * (max(kept) - min(kept))
    return min(kept) - room, max(kept) + room


def _tick(ratio: float) -> str:
    change = round(100 * (ratio - 1), 2)
    return "0%" if change == 0 else f"{change:+g}%".replace("-", "−")


def _cell(axes: Axes, name: str, y: float) -> None:
    axes.annotate(
        look.fitted(name, _WIDTH - 2 * MARGIN, 9.5, "bold"),
        (0, y),
        ((MARGIN - _LEFT) * 72, 0),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        va="center",
        fontsize=9.5,
        fontweight="bold",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        annotation_clip=False,
    )


def _row(axes: Axes, row: Row, y: float) -> None:
    colour, marker = _LOOKS[row.answer if row.judged else "not judged"]
    axes.axhspan(y - 0.46, y + 0.46, color=look.BAND, lw=0, zorder=0)
    if row.judged:
        axes.vlines(1 + row.margin, y - 0.46, y + 0.46, colors=_MARGIN, lw=1.4, zorder=2)
    for bounds, usual, sign in ((row.again, _AGAIN, "|"), (row.slowed, _SLOWED, "^")):
        shade = usual if row.judged else _PALE
        _bar(axes, bounds, y + _BELOW, shade, 0.9, 0.7)
        axes.scatter([_inside(axes, bounds.value)], [y + _BELOW], marker=sign, c=[shade], s=14,
                     linewidths=0.9, zorder=3, clip_on=False)  # fmt: skip
    _bar(axes, row.head, y - 0.08, colour, _INTERVAL, _ALPHA)
    axes.scatter([_inside(axes, row.head.value)], [y - 0.08], marker=marker, c=[colour], s=24,
                 edgecolors="white", lw=0.5, zorder=4, clip_on=False)  # fmt: skip
    _beside(axes, row, y)


def _bar(axes: Axes, bounds: Bounds, y: float, colour: str, width: float, alpha: float) -> None:
    low, high = _inside(axes, bounds.low), _inside(axes, bounds.high)
    axes.hlines(y, low, high, colors=colour, lw=width, alpha=alpha, zorder=3)


def _inside(axes: Axes, ratio: float) -> float:
    low, high = axes.get_xlim()
    return min(high, max(low, ratio))


def _beside(axes: Axes, row: Row, y: float) -> None:
    """The phase at the left; change and answer at the right."""
    ink = look.INK if row.judged else look.MUTED
    answer = verdict(row) if row.judged else f"not judged ({share(row)})"
    for x, offset, side, text in (
        (0, -8, "right", row.phase),
        (1, 8, "left", f"{percent(row.head.value)}  {answer}"),
    ):
        axes.annotate(
            look.drawable(text),
            (x, y),
            (offset, 0),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            ha=side,
            va="center",
            fontsize=8.5,
            color=ink,
            annotation_clip=False,
        )


def _legend(gate: Gate) -> list[list[Entry]]:
    answers: list[Entry] = []
    for answer, (colour, marker) in _LOOKS.items():
        rows = [row for row in gate.rows if row.judged and row.answer == answer]
        if rows:
            bar = Line2D([], [], color=colour, lw=_INTERVAL, alpha=_ALPHA, solid_capstyle="butt")
            point = Line2D([], [], color=colour, marker=marker, lw=0, ms=5, mec="white", mew=0.5)
            answers.append(((bar, point), f"{answer}, with its {INTERVAL}"))
    margin = Line2D([], [], color=_MARGIN, marker="|", lw=0, ms=9, mew=1.4)
    again = Line2D([], [], color=_AGAIN, marker="|", lw=0.9, ms=4.5, mew=0.9)
    slowed = Line2D([], [], color=_SLOWED, marker="^", lw=0.9, ms=3.5)
    others: list[Entry] = [
        (margin, "margin"),
        (again, "base against itself"),
        (slowed, f"base slowed by {fraction(gate.terms.slow_down)}"),
    ]
    return [answers, others] if answers else [others]
