"""Where the time of a step goes: forward, backward and update of every strategy, stacked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bench.report import look
from bench.report.facets import Facet, facets, say, untimed
from bench.report.reading import lived_once, reference, seconds
from bench.report.units import INTERVAL

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bench.records import Run
    from bench.report.sheet import Entry

_COLOURS = {"forward": look.SKY, "backward": look.BLUE, "update": look.ORANGE}
_UNMARKED = " Without a mark at its end: lived only once, so there is no interval."
_MILLI = 1e-3
_HEADROOM = 1.06
_LONGEST = 1.5  # an interval may take the axis at most this much beyond the slowest strategy


def draw(run: Run) -> Figure:
    """Stacked bars in milliseconds a step, with the interval of the total, a facet a workload."""
    with look.style():
        figure, made = facets(
            run,
            "Time of a training step",
            "Pale: the verdict is not ok, so this time bought something else than was asked for."
            + (_UNMARKED if lived_once(run) else ""),
            _legend(),
        )
        for facet in made:
            _facet(facet)
        return figure


def _legend() -> list[Entry]:
    entries: list[Entry] = [(Patch(color=colour, lw=0), name) for name, colour in _COLOURS.items()]
    total = Line2D([], [], color=look.INK, marker="|", ms=7, lw=1.1)
    full = Line2D([], [], color=look.INK, lw=0.9, ls=(0, (3, 2)))
    return [*entries, (total, f"total with its {INTERVAL}"), (full, "total of full")]


def _facet(facet: Facet) -> None:
    axes = facet.axes
    bars = _bars(facet)
    totals = [
        (height, total)
        for height, cell in facet.cells
        if (total := seconds(cell, "total")) is not None
    ]
    values = [total.value / _MILLI for _, total in totals]
    known = [(total.value / _MILLI, height) for height, total in totals if total.low is not None]
    if known:
        axes.plot(*zip(*known, strict=True), "|", color=look.INK, ms=7, mew=1.3, zorder=4)
    bounded = [
        (height, total.low / _MILLI, total.high / _MILLI)
        for height, total in totals
        if total.low is not None and total.high is not None
    ]
    if bounded:
        axes.hlines(*zip(*bounded, strict=True), color=look.INK, lw=1.1, zorder=4)
    for height, cell in facet.cells:
        if cell.summary is None:
            say(axes, height, untimed(cell))

    slowest = max([*bars, *values], default=0.0)
    highest = max([slowest, *(high for _, _, high in bounded)])
    axes.set_xlim(0, min(highest, _LONGEST * slowest) * _HEADROOM or 1)
    axes.set_xlabel("ms a step")
    if not slowest:
        axes.set_xticks([])
    full = reference([cell for _, cell in facet.cells])
    total = None if full is None else seconds(full, "total")
    if total is not None:
        axes.axvline(total.value / _MILLI, color=look.INK, lw=0.9, ls=(0, (3, 2)), zorder=2.5)


def _bars(facet: Facet) -> list[float]:
    """Draw the stacks; returns where each ends, in milliseconds."""
    heights = [height for height, _ in facet.cells]
    ends = [0.0] * len(heights)
    for phase, colour in _COLOURS.items():
        known = [seconds(cell, phase) for _, cell in facet.cells]
        widths = [0.0 if time is None else time.value / _MILLI for time in known]
        shades = [look.toned(colour, cell.verdict) for _, cell in facet.cells]
        facet.axes.barh(heights, widths, 0.66, ends, color=shades, lw=0, zorder=2)
        ends = [end + width for end, width in zip(ends, widths, strict=True)]
    return ends
