"""The list that github-action-benchmark reads with `tool: customSmallerIsBetter`.

The action compares a value with the one of the commit before, which another machine measured, in
another mood. So there are no seconds here, and no option for them: they would cry wolf. What is
here can be compared from run to run: the ratio of backward and total to `full`, taken within the
rounds of one run (unit `x full`), and what is exact (bytes, FLOPs). An alert threshold of `105%`
fits bytes and FLOPs, which move by nothing unless the code does; ratios want one above their
`range`. Seconds, for a chart, are in the format pytest-benchmark, which the action reads too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.export.figures import name_of, summary_of
from bench.export.strict_json import strict_json
from bench.records import CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Cell, Interval, Run

RATIOS = ("backward", "total")
"""Forward and update are mostly too short for an alert."""


def export(run: Run) -> bytes:
    """One entry a figure, in the order of the cells; what was not measured is left out."""
    return strict_json([entry for cell in run.cells for entry in _entries(run, cell)], indent=1)


def _entries(run: Run, cell: Cell) -> Iterator[dict[str, Any]]:
    setting = f"verdict: {cell.verdict}\nbatch {cell.batch}, {cell.dtype}, {cell.device}"
    summary = summary_of(run, cell)
    for phase in RATIOS:
        if summary is None or phase not in summary.phases:
            continue
        ratio = summary.phases[phase].ratio
        if ratio is None:
            continue
        entry = {"name": name_of(cell, phase), "unit": "x full", "value": ratio.value}
        lives = f"{summary.lives} lives, {summary.rounds} rounds"
        if ratio.low is not None and ratio.high is not None:
            entry["range"] = f"± {_half_width(ratio):.2g}"
            lives = f"{CONFIDENCE:.0%} interval [{ratio.low:.3g}, {ratio.high:.3g}], {lives}"
        yield {**entry, "extra": f"{setting}\n{lives}\n{run.machine.name}"}
    exact = {
        "peak": ("bytes", cell.memory.peak_bytes),
        "saved for backward": ("bytes", cell.memory.saved_bytes),
        "forward": ("FLOPs", cell.counters.forward_flops),
        "backward": ("FLOPs", cell.counters.backward_flops),
    }
    for what, (unit, value) in exact.items():
        if value is not None:
            name = name_of(cell, f"{what} {unit}")
            yield {"name": name, "unit": unit, "value": value, "extra": f"{setting}\nexact"}


def _half_width(ratio: Interval) -> float:
    """The larger half: the interval of a ratio is wider above than below."""
    assert ratio.low is not None
    assert ratio.high is not None
    return max(ratio.high - ratio.value, ratio.value - ratio.low)
