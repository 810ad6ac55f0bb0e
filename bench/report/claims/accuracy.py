"""Accuracy on held-out digits over noise, a line for each arm."""

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

_APART = 0.035  # of the distance between two levels


def draw(found: Claims) -> Figure | None:
    """Means over the seeds with 95% intervals; nothing where the experiment was not made."""
    noisy = found.denoising
    if noisy is None:
        return None
    with look.style():
        entries: list[Entry] = []
        for arm in noisy.arms:
            colour, marker, dashes = look_of(arm.name)
            entries.append(
                (Line2D([], [], color=colour, marker=marker, ls=dashes, lw=1.4, ms=5), arm.name)
            )
        note = (
            "Adapters stand in front of a classifier that was trained on clean digits and is "
            f"frozen. Means over {len(noisy.seeds)} seeds; bars are 95% intervals. Dashed: several "
            "layers. All points of a level have the same noise: they are set beside each other so "
            "that the bars can be told apart."
        )
        figure, axes = panel(found, "Held-out digits read, over noise", note, entries, 3.6)
        for place, arm in enumerate(noisy.arms):
            colour, marker, dashes = look_of(arm.name)
            shift = _APART * (place - (len(noisy.arms) - 1) / 2)
            shown = [
                (level + shift, mean(values)) for level, values in enumerate(arm.accuracy) if values
            ]
            xs, ys = [x for x, _ in shown], [one.value for _, one in shown]
            axes.plot(xs, ys, color=colour, marker=marker, ls=dashes, lw=1.2, ms=4.5, zorder=3)
            for x, one in shown:
                if one.low is not None and one.high is not None:
                    axes.vlines(x, one.low, one.high, colors=colour, lw=2.5, alpha=0.3, zorder=2)
        axes.set_xticks(range(len(noisy.noises)), [f"{noise:g}" for noise in noisy.noises])
        axes.set_xlabel("standard deviation of the noise, in deviations of the images")
        axes.set_ylim(0, 1.02)
        percent_axis(axes)
        return figure
