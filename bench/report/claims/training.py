"""Accuracy on held-out digits over training, a line for each arm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.lines import Line2D

from bench.report import look
from bench.report.claims.panel import look_of, panel, percent_axis
from bench.report.claims.words import mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bench.records import Claims
    from bench.report.sheet import Entry


def draw(found: Claims) -> Figure | None:
    """Means over the seeds with 95% intervals; nothing where no curve was read."""
    noisy = found.denoising
    if noisy is None or not noisy.curves:
        return None
    with look.style():
        entries: list[Entry] = []
        for curve in noisy.curves:
            colour, marker, dashes = look_of(curve.arm)
            entries.append(
                (Line2D([], [], color=colour, marker=marker, ls=dashes, lw=1.4, ms=5), curve.arm)
            )
        note = (
            f"At noise {noisy.curves[0].noise:g}, always the full noise when reading, whatever was "
            f"trained on by then. Means over {len(noisy.seeds)} seeds with 95% intervals (shaded)."
        )
        figure, axes = panel(found, "Held-out digits read, over training", note, entries, 3.4)
        for curve in noisy.curves:
            colour, marker, dashes = look_of(curve.arm)
            means = [mean(each) for each in zip(*curve.accuracy, strict=True)]
            axes.plot(curve.steps, [one.value for one in means], color=colour, marker=marker,
                      ls=dashes, lw=1.2, ms=4.5, zorder=3)  # fmt: skip
            lows = [one.value if one.low is None else one.low for one in means]
            highs = [one.value if one.high is None else one.high for one in means]
            axes.fill_between(curve.steps, lows, highs, color=colour, alpha=0.08, lw=0, zorder=1)
        axes.set_xlabel(f"training steps of {noisy.batch} images")
        axes.set_ylim(0, 1.02)
        percent_axis(axes)
        return figure
