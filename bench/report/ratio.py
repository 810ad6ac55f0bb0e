"""What freezing saved: backward and total time relative to `full`, and what the FLOPs allow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from bench.report import look
from bench.report.facets import Facet, facets, say, untimed
from bench.report.reading import ideal, is_reference, lived_once, ratio
from bench.report.units import INTERVAL, TIMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.records import Run
    from bench.report.sheet import Entry

_PHASES = {"total": (look.BLUE, "o", -0.17), "backward": (look.ORANGE, "D", 0.17)}
_HOLLOW = " Hollow: lived only once, so there is no interval."
_INTERVAL, _ALPHA = 5.5, 0.4  # width in points and opacity
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20, 50, 100)
_DECADES = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)  # where those would touch
_LIMITS = (0.004, 250.0)


def draw(run: Run) -> Figure:
    """Points with intervals on a logarithmic axis that all facets share; 1 is `full`."""
    with look.style():
        figure, made = facets(
            run,
            "Time relative to full",
            "Left of 1 is faster. The gap from | to the point is what the FLOPs promise and the "
            "clock does not give. Pale: the verdict is not ok."
            + (_HOLLOW if lived_once(run) else ""),
            _legend(),
        )
        limits = _limits(run)
        for facet in made:
            _facet(facet)
            _axis(facet.axes, limits)
        return figure


def _limits(run: Run) -> tuple[float, float]:
    shown = [1.0]
    for cell in run.cells:
        for phase in _PHASES:
            value = ratio(cell, phase)
            if value is None:
                continue
            shown += [value.value, ideal(cell, phase) or 1.0]
            shown += [bound for bound in (value.low, value.high) if bound is not None]
    low = max(_LIMITS[0], min(value for value in shown if value > 0))
    high = min(_LIMITS[1], max(shown))
    return min(0.45, low * 0.88), max(1.3, high * 1.1)


def _axis(axes: Axes, limits: tuple[float, float]) -> None:
    low, high = limits
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    inside = [tick for tick in _TICKS if low <= tick <= high]
    if math.log2(high / low) > 5:
        inside = [tick for tick in _DECADES if low <= tick <= high]
    axes.xaxis.set_major_locator(FixedLocator(inside))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(inside, [f"{tick:g}{TIMES}" for tick in inside])
    axes.axvline(1, color=look.INK, lw=0.9, ls=(0, (3, 2)), zorder=1.5)
    axes.set_xlabel("time ÷ time of full (logarithmic)")


def _facet(facet: Facet) -> None:
    axes = facet.axes
    for height, cell in facet.cells:
        if all(ratio(cell, phase) is None for phase in _PHASES):
            say(axes, height, "the others' 1" if is_reference(cell) else untimed(cell))
    for phase, (colour, marker, offset) in _PHASES.items():
        rows = [
            (height + offset, value, ideal(cell, phase), look.toned(colour, cell.verdict))
            for height, cell in facet.cells
            if (value := ratio(cell, phase)) is not None and value.value > 0
        ]
        promised = [
            (y, allowed, value.value, shade)
            for y, value, allowed, shade in rows
            if allowed is not None and 0 < allowed != value.value
        ]
        if promised:
            ys, starts, ends, shades = zip(*promised, strict=True)
            axes.hlines(ys, starts, ends, colors=shades, lw=0.9, alpha=0.6, zorder=2)
            axes.scatter(starts, ys, marker="|", c=shades, s=56, linewidths=1.8, zorder=3)
        bounded = [
            (y, value.low, value.high, shade)
            for y, value, _, shade in rows
            if value.low is not None and value.high is not None and value.low > 0
        ]
        if bounded:
            ys, lows, highs, shades = zip(*bounded, strict=True)
            axes.hlines(ys, lows, highs, colors=shades, zorder=3, lw=_INTERVAL, alpha=_ALPHA)
        if rows:
            ys, values, _, shades = zip(*rows, strict=True)
            known = [value.low is not None for value in values]
            axes.scatter(
                [value.value for value in values], ys, marker=marker, s=16, zorder=4,
                c=[shade if there else "white" for shade, there in zip(shades, known, strict=True)],
                edgecolors=["white" if t else s for s, t in zip(shades, known, strict=True)],
                linewidths=[0.5 if there else 1.1 for there in known],
            )  # fmt: skip


def _legend() -> list[Entry]:
    entries: list[Entry] = []
    for phase, (colour, marker, _) in _PHASES.items():
        interval = Line2D([], [], color=colour, lw=_INTERVAL, alpha=_ALPHA, solid_capstyle="butt")
        point = Line2D([], [], color=colour, marker=marker, lw=0, ms=4, mec="white", mew=0.5)
        entries.append(((interval, point), f"{phase} with its {INTERVAL}"))
    allowed = Line2D([], [], color=look.MUTED, marker="|", ms=8, mew=1.8, lw=0)
    full = Line2D([], [], color=look.INK, lw=0.9, ls=(0, (3, 2)))
    return [*entries, (allowed, "what the FLOPs allow"), (full, "full")]
