"""What the memory of a step is made of, and its measured and predicted peak."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bench.report import look
from bench.report.facets import Facet, facets, say
from bench.report.reading import memory_parts
from bench.report.units import MIB

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bench.records import Cell, Run
    from bench.report.sheet import Entry

_COLOURS = {
    "parameters": "#9AA3AF",
    "buffers": "#D4D8DE",
    "gradients": look.BLUE,
    "optimizer": look.GREEN,
    "saved for backward": look.SKY,
    "strategy's own": look.YELLOW,
}
_HEADROOM = 1.05
_NAME = 40  # characters of a strategy's name


def draw(run: Run) -> Figure:
    """Stacked parts in MiB, the frozen share hatched, with both peaks, a facet a workload."""
    with look.style():
        figure, made = facets(
            run,
            "Memory of a training step",
            "Each part is shown at its largest, which need not be at the same moment, so a stack "
            "may end beyond its peak, or short of it by short-lived tensors. Pale: the verdict is "
            "not ok." + _unknown(run),
            _legend(run),
        )
        for facet in made:
            right = max([0.0, *_stacks(facet), *_peaks(facet)]) * _HEADROOM
            facet.axes.set_xlim(0, right or 1)
            if not right:
                facet.axes.set_xticks([])
            facet.axes.set_xlabel("MiB")
            for height, cell in facet.cells:
                if cell.memory.peak_bytes is None and not memory_parts(cell.memory):
                    say(facet.axes, height, _absent(cell))
        return figure


def _unknown(run: Run) -> str:
    """A sentence on the strategies whose saved tensors nobody could count."""
    names = dict.fromkeys(
        cell.strategy
        for cell in run.cells
        if cell.memory.saved_bytes is None and memory_parts(cell.memory)
    )
    told = ", ".join(look.label(name, _NAME) for name in names)
    return f" Not known: what {told} saved for backward." if names else ""


def _absent(cell: Cell) -> str:
    return "did not run" if cell.verdict == "failed" else "not measured"


def _legend(run: Run) -> list[Entry]:
    parts = [part for cell in run.cells for part in memory_parts(cell.memory)]
    shown = {name for name, _, _ in parts}
    entries: list[Entry] = [
        (Patch(color=colour, lw=0), name) for name, colour in _COLOURS.items() if name in shown
    ]
    if any(frozen for _, frozen, _ in parts):
        hatched = Patch(facecolor=look.MUTED, edgecolor="white", hatch="/////", lw=0)
        entries.append((hatched, "hatched: of the frozen part"))
    peak = Line2D([], [], color=look.INK, marker="|", ms=10, mew=2, lw=0)
    predicted = Line2D([], [], color="white", marker="d", ms=5, mec=look.VERMILION, mew=1.3, lw=0)
    return [*entries, (peak, "measured peak"), (predicted, "predicted peak")]


def _stacks(facet: Facet) -> list[float]:
    """Draw the stacks of one workload; returns where each ends, in MiB."""
    ends = dict.fromkeys((height for height, _ in facet.cells), 0.0)
    rows: dict[tuple[str, bool], list[tuple[int, float, float, tuple[float, float, float]]]] = {}
    for height, cell in facet.cells:
        for name, frozen, size in memory_parts(cell.memory):
            shade = look.toned(_COLOURS[name], cell.verdict)
            rows.setdefault((name, frozen), []).append((height, size / MIB, ends[height], shade))
            ends[height] += size / MIB
    for (_, frozen), bars in rows.items():
        heights, widths, starts, shades = zip(*bars, strict=True)
        facet.axes.barh(
            heights,
            widths,
            0.6,
            starts,
            color=shades,
            edgecolor="white",
            hatch="/////" if frozen else None,
            lw=0,
            zorder=2,
        )
    return list(ends.values())


def _peaks(facet: Facet) -> list[float]:
    """Mark the peaks of one workload; returns them in MiB."""
    measured = _known(facet, "peak_bytes")
    predicted = _known(facet, "predicted_peak_bytes")
    axes = facet.axes
    axes.plot(*measured, "|", color=look.INK, ms=13, mew=2, zorder=4)
    axes.plot(*predicted, "d", color="white", ms=5, mec=look.VERMILION, mew=1.3, zorder=5)
    return [*measured[0], *predicted[0]]


def _known(facet: Facet, name: str) -> tuple[list[float], list[int]]:
    """A figure of each cell that has it, in MiB, and the rows of those cells."""
    known = [(getattr(cell.memory, name), height) for height, cell in facet.cells]
    known = [(size, height) for size, height in known if size is not None]
    return [size / MIB for size, _ in known], [height for _, height in known]
