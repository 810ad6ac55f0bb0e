"""Accuracy on held-out digits over training, a line for each arm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.lines import Line2D

from bench.report import look
from bench.report.claims.panel import look_of, panels, percent_axis
from bench.report.claims.words import mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.records import Claims, Curve, Denoising
    from bench.report.sheet import Entry


def draw(found: Claims) -> Figure | None:
    """A panel for each number of layers, means over the seeds; nothing where no curve was read."""
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
            f"trained on by then. Means over {len(noisy.seeds)} seeds, with 95% "
            "intervals at the last step. Grey and black have no adapter and are in both panels."
        )
        layers = _layers(noisy)
        figure, made = panels(
            found, "Held-out digits read, over training", note, entries, 3.2, columns=len(layers)
        )
        for axes, (heading, arms) in zip(made, layers, strict=True):
            for curve in noisy.curves:
                if curve.arm in arms:
                    _line(axes, curve)
            axes.set_title(heading, fontsize=9, loc="left")
            axes.set_xlabel(f"training steps of {noisy.batch} images")
            axes.set_ylim(0, 1.02)
            percent_axis(axes)
        return figure


def _layers(noisy: Denoising) -> list[tuple[str, set[str]]]:
    """A heading for each number of layers, with the arms of its panel.

    Arms without an adapter are in every panel, to be compared with.
    """
    drawn = {curve.arm for curve in noisy.curves}
    arms = [arm for arm in noisy.arms if arm.name in drawn]
    beside = {arm.name for arm in arms if not arm.layers}
    found = sorted({arm.layers for arm in arms if arm.layers}) or [0]
    return [
        (
            f"{count} layer{'s' * (count > 1)} at the input" if count else "",
            beside | {arm.name for arm in arms if arm.layers == count},
        )
        for count in found
    ]


def _line(axes: Axes, curve: Curve) -> None:
    colour, marker, dashes = look_of(curve.arm)
    means = [mean(each) for each in zip(*curve.accuracy, strict=True)]
    axes.plot(curve.steps, [one.value for one in means], color=colour, marker=marker,
              ls=dashes, lw=1.2, ms=4.5, zorder=3)  # fmt: skip
    last = means[-1]
    if last.low is not None and last.high is not None:
        axes.vlines(curve.steps[-1], last.low, last.high, colors=colour, lw=2.5, alpha=0.3,
                    zorder=2)  # fmt: skip
