"""A history as a picture: each run's ratio to full, the levels, and where they changed."""

from __future__ import annotations

import textwrap
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bench.report import look
from bench.report.history.words import HOW_TO_READ, name, percent, setting
from bench.report.sheet import MARGIN, Sheet
from bench.report.units import INTERVAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.collection.history import History, Point, Series
    from bench.report.sheet import Entry

MOST_SERIES = 40
"""Panels that one picture can hold and still be looked at."""

# All lengths are inches.
_WIDTH, _LEFT, _RIGHT = 8.6, 0.75, 0.45
_PANEL, _NAME, _DATES, _GAP = 1.35, 0.42, 0.3, 0.14
_CHARACTER = 0.066  # of the foot's text
_DATE = 0.85  # that one takes on the axis

_INTERVAL, _ALPHA = 4.5, 0.4  # width in points and opacity
_ROOM = 0.12  # of the axis, free at either end
_WIDEST = 4.0  # heights of the points themselves: an interval beyond is cut


class PlotError(Exception):
    """A history cannot be drawn; the message says why, and what to do."""


def rendered(history: History, form: Literal["png", "svg"]) -> bytes:
    """The picture as a file.

    Raises:
        PlotError: there are more series than a picture can hold.
    """
    return look.render(draw(history), form)


def draw(history: History) -> Figure:
    """A panel a series; runs follow each other at equal distances, whenever they were.

    Raises:
        PlotError: there are more series than a picture can hold.
    """
    if len(history.series) > MOST_SERIES:
        raise PlotError(
            f"a picture holds at most {MOST_SERIES} series, and there are {len(history.series)}; "
            "choose with --workload and --strategy"
        )
    with look.style():
        page = _sheet(history)
        each = _NAME + _PANEL + _DATES
        figure = page.figure(len(history.series) * (each + _GAP) - _GAP)
        width, whole = figure.get_size_inches()
        size = ((width - _LEFT - _RIGHT) / width, _PANEL / whole)
        for place, series in enumerate(history.series):
            top = page.head + place * (each + _GAP) + _NAME
            bottom = 1 - (top + _PANEL) / whole
            _panel(figure.add_axes((_LEFT / width, bottom, *size)), series)
        return figure


def _sheet(history: History) -> Sheet:
    characters = int((_WIDTH - 2 * MARGIN) / _CHARACTER)
    note = f"{HOW_TO_READ} Pale: the verdict is not ok. Runs are in order, not to scale of time."
    foot = [(line, look.INK) for line in textwrap.wrap(note, characters)]
    told = " · ".join(look.label(note, 90) for note in history.notes[:3])
    foot += [(line, look.MUTED) for line in textwrap.wrap(told, characters)]
    return Sheet(f"{history.phase.capitalize()} time relative to full, over time",
                 [_legend(history)], foot, _WIDTH)  # fmt: skip


def _legend(history: History) -> list[Entry]:
    bar = Line2D([], [], color=look.BLUE, lw=_INTERVAL, alpha=_ALPHA, solid_capstyle="butt")
    point = Line2D([], [], color=look.BLUE, marker="o", lw=0, ms=4.5, mec="white", mew=0.5)
    level = Line2D([], [], color=look.INK, lw=1.2)
    entries: list[Entry] = [((bar, point), f"a run, with its {INTERVAL}"), (level, "level")]
    if any(series.changes for series in history.series):
        change = Line2D([], [], color=look.VERMILION, lw=1.2, ls=(0, (3, 2)))
        entries.append((change, "changed beyond doubt"))
    return entries


def _panel(axes: Axes, series: Series) -> None:
    count = len(series.points)
    axes.set_xlim(-0.7, count - 0.3)
    axes.set_yscale("log")
    low, high = _limits(series)
    axes.set_ylim(low, high)
    axes.set_facecolor(look.BAND)
    axes.grid(axis="y", color="white", lw=0.9)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda ratio, _: f"{ratio:g}"))
    axes.minorticks_off()
    _dates(axes, series)
    for place, point in enumerate(series.points):
        colour = look.toned(look.BLUE, point.verdict)
        bounds = point.ratio
        if bounds.low is not None and bounds.high is not None:
            axes.vlines(place, max(low, bounds.low), min(high, bounds.high), colors=[colour],
                        lw=_width(count), alpha=_ALPHA, zorder=2)  # fmt: skip
        axes.scatter([place], [bounds.value], c=[colour], s=min(22, 2000 / count),
                     edgecolors="white", lw=0.5 if count < 100 else 0, zorder=4)  # fmt: skip
    for start, end, level in _levels(series):
        axes.hlines(level, start - 0.4, end - 0.6, colors=look.INK, lw=1.2, zorder=3)
    _changes(axes, series)
    _titles(axes, series)


def _width(count: int) -> float:
    """Points that an interval takes, of those that a run has."""
    return min(_INTERVAL, 0.6 * 72 * (_WIDTH - _LEFT - _RIGHT) / count)


def _limits(series: Series) -> tuple[float, float]:
    values = [point.ratio.value for point in series.points]
    span = max(max(values) / min(values), 1.02) ** _WIDEST
    lows = [point.ratio.low for point in series.points if point.ratio.low is not None]
    highs = [point.ratio.high for point in series.points if point.ratio.high is not None]
    low = max(min([*values, *lows]), min(values) / span)
    high = min(max([*values, *highs]), max(values) * span)
    room = max(high / low, 1.02) ** _ROOM
    return low / room, high * room


def _levels(series: Series) -> Iterator[tuple[int, int, float]]:
    """First run, first one no longer of it, and geometric mean of each stretch between changes."""
    bounds = [0, *(change.at for change in series.changes), len(series.points)]
    for start, end in pairwise(bounds):
        product = 1.0
        for point in series.points[start:end]:
            product *= point.ratio.value ** (1 / (end - start))
        yield start, end, product


def _changes(axes: Axes, series: Series) -> None:
    for change in series.changes:
        axes.axvline(change.at - 0.5, color=look.VERMILION, lw=1.2, ls=(0, (3, 2)), zorder=2.5)
        reason = f": {change.differs[0]}" if change.differs else ""
        more = f" and {len(change.differs) - 1} more" if len(change.differs) > 1 else ""
        text = look.label(f"{percent(change.factor.value)}{reason}{more}", 60)
        right = change.at > len(series.points) / 2
        axes.annotate(
            text,
            (change.at - 0.5, 1),
            (-4 if right else 4, -3),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            ha="right" if right else "left",
            va="top",
            fontsize=8,
            color=look.VERMILION,
            bbox={"facecolor": look.BAND, "edgecolor": "none", "pad": 1},
            zorder=5,
        )


def _dates(axes: Axes, series: Series) -> None:
    """The day of as many runs as have room, the first and the last among them."""
    count = len(series.points)
    room = max(2, int((_WIDTH - _LEFT - _RIGHT) / _DATE))
    shown = range(count) if count <= room else [
        round(step * (count - 1) / (room - 1)) for step in range(room)
    ]  # fmt: skip
    axes.set_xticks(list(shown), [_day(series.points[place]) for place in shown])
    axes.tick_params(axis="x", length=3, width=0.8, bottom=True, color=look.RULE)


def _day(point: Point) -> str:
    return look.label(point.started[:10], 10)


def _titles(axes: Axes, series: Series) -> None:
    room = _WIDTH - 2 * MARGIN
    for text, size, weight, colour, above in (
        (name(series), 9.5, "bold", look.INK, 16),
        (setting(series), 8, "normal", look.MUTED, 5),
    ):
        axes.annotate(
            look.fitted(text, room, size, weight),
            (0, 1),
            ((MARGIN - _LEFT) * 72, above),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=size,
            fontweight=weight,
            color=colour,
            annotation_clip=False,
        )
