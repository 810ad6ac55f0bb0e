"""Bencher Metric Format: `{benchmark: {measure: {value, lower_value, upper_value}}}`.

Schema: https://bencher.dev/bmf.json. `bencher run --adapter json --file FILE` reads it.

A cell in one phase (`policy[no_grad] backward`) has the measures `latency`, Bencher's own, in
nanoseconds, and `ratio-to-full`; a cell as a whole (`policy[no_grad]`) has what is exact, in bytes
and counts. The bounds are those of the interval of the run, and not of what the next run may say:
put thresholds on `ratio-to-full` and the exact measures, and leave `latency` to the eye.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.export.figures import name_of, summary_of
from bench.export.strict_json import strict_json

if TYPE_CHECKING:
    from bench.records import Cell, Interval, Run

    Metric = dict[str, float]

NANO = 1e-9


def export(run: Run) -> bytes:
    """Every cell and phase by name; what was not measured is left out."""
    benchmarks: dict[str, dict[str, Metric]] = {}
    for cell in run.cells:
        if exact := _exact(cell):
            benchmarks[name_of(cell)] = exact
        summary = summary_of(run, cell)
        for phase, figures in summary.phases.items() if summary is not None else ():
            measures = {"latency": _metric(figures.seconds, NANO)}
            if figures.ratio is not None:
                measures["ratio-to-full"] = _metric(figures.ratio)
            benchmarks[name_of(cell, phase)] = measures
    return strict_json(benchmarks, indent=1)


def _exact(cell: Cell) -> dict[str, Metric]:
    measured = {
        "peak-bytes": cell.memory.peak_bytes,
        "saved-bytes": cell.memory.saved_bytes,
        "forward-flops": cell.counters.forward_flops,
        "backward-flops": cell.counters.backward_flops,
        "operators": sum(cell.counters.operators.values()) or None,
        "autograd-nodes": cell.counters.autograd_nodes,
    }
    return {slug: {"value": value} for slug, value in measured.items() if value is not None}


def _metric(interval: Interval, unit: float = 1.0) -> Metric:
    metric = {"value": interval.value / unit}
    if interval.low is not None and interval.high is not None:
        metric |= {"lower_value": interval.low / unit, "upper_value": interval.high / unit}
    return metric
