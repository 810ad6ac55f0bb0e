"""What the plots of claims have in common: where they were measured, and quiet axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.ticker import PercentFormatter

from bench.report import look
from bench.report.sheet import Sheet, captioned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.records import Claims
    from bench.report.sheet import Entry

WIDTH = 8.6  # all lengths are inches
_LEFT, _RIGHT, _BOTTOM, _TOP, _HEADING = 0.75, 0.25, 0.5, 0.1, 0.2
_HANDLE = 3.0  # of the legend's size of text: so long that dashes are seen as dashes

# By arm: colour, marker and dashes. Layers are told apart by dashes, ways by colour.
LOOKS: dict[str, tuple[str, str]] = {
    "classifier alone": (look.MUTED, "s"),
    "at once": (look.BLUE, "o"),
    "curriculum": (look.ORANGE, "D"),
    "denoiser": (look.GREEN, "^"),
    "usual start": (look.SKY, "v"),
    "everything trained": (look.INK, "P"),
}


def look_of(arm: str) -> tuple[str, str, str]:
    """Colour, marker and line style of an arm by its name."""
    way, _, layers = arm.partition(", ")
    colour, marker = LOOKS.get(way, (look.VERMILION, "X"))
    return colour, marker, "--" if layers and not layers.startswith("1 ") else "-"


def panel(
    found: Claims,
    title: str,
    note: str,
    entries: Sequence[Entry],
    height: float,
    left: float = _LEFT,
) -> tuple[Figure, Axes]:
    """A sheet with one pair of axes of `height` inches; `left` inches for names at its left."""
    figure, (axes,) = panels(found, title, note, entries, height, left)
    return figure, axes


def panels(
    found: Claims,
    title: str,
    note: str,
    entries: Sequence[Entry],
    height: float,
    left: float = _LEFT,
    columns: int = 1,
) -> tuple[Figure, list[Axes]]:
    """A sheet with pairs of axes side by side, each `height` inches high."""
    machine, code = found.machine, found.project
    caption = [machine.cpu, f"torch {machine.torch}", f"freezebench {code.version}"]
    if code.commit is not None:
        caption[-1] += f" ({code.commit[:7]})"
    told = " · ".join(look.label(part, 48) for part in caption)
    head = _HEADING * (columns > 1)
    page: Sheet = captioned(title, note, told, WIDTH, entries)
    with mpl.rc_context({"legend.handlelength": _HANDLE}):
        figure = page.figure(height + head + _BOTTOM + _TOP)
    width, whole = figure.get_size_inches()
    each = (width - _RIGHT - columns * left) / columns
    made = []
    for place in range(columns):
        x, y = left + place * (each + left), page.foot + _BOTTOM
        axes = figure.add_axes((x / width, y / whole, each / width, height / whole))
        axes.tick_params(axis="x", length=3, width=0.8, bottom=True, color=look.RULE)
        axes.set_axisbelow(True)
        for name in ("top", "right", "left"):
            axes.spines[name].set_visible(False)
        made.append(axes)
    return figure, made


def percent_axis(axes: Axes) -> None:
    """Accuracy as percent, upwards."""
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol="%"))
    axes.grid(axis="y", color=look.RULE, lw=0.6, zorder=0.5)
