"""The run as a tidy table: one row a cell, units in the column names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.records import PHASES
from bench.report import telemetry_columns

if TYPE_CHECKING:
    from bench.records import Cell, Drift, Interval, Run, Split

_TEXT, _COUNT, _FIGURE, _FLAG = "string", "Int64", "Float64", "boolean"

COLUMNS: dict[str, str] = {
    "workload": _TEXT,
    "strategy": _TEXT,
    "topology": _TEXT,
    "device": _TEXT,
    "dtype": _TEXT,
    "batch": _COUNT,
    "threads": _COUNT,
    "optimizer": _TEXT,
    "verdict": _TEXT,
    "why": _TEXT,
    "midway_verdict": _TEXT,
    "midway_why": _TEXT,
    **{
        f"{phase}_{figure}": _FIGURE
        for phase in PHASES
        for figure in (
            "typical_s",
            "low_s",
            "high_s",
            "ratio_to_full",
            "ratio_to_full_low",
            "ratio_to_full_high",
        )
    },
    "ideal_backward_ratio": _FIGURE,
    "ideal_total_ratio": _FIGURE,
    "precise": _FLAG,
    "lives": _COUNT,
    "rounds": _COUNT,
    "steps_timed": _COUNT,
    "fill_s": _FIGURE,
    "host_s": _FIGURE,
    "launch_bound": _FLAG,
    "cpu_s_per_wall_s": _FIGURE,
    "involuntary_switches": _COUNT,
    **telemetry_columns.COLUMNS,
    **{
        f"{part}_{side}_bytes": _COUNT
        for part in ("parameter", "buffer", "gradient", "optimizer")
        for side in ("frozen", "trainable")
    },
    "saved_bytes": _COUNT,
    "strategy_bytes": _COUNT,
    "peak_bytes": _COUNT,
    "resident_bytes": _COUNT,
    "predicted_peak_bytes": _COUNT,
    "allocated_peak_bytes": _COUNT,
    "reserved_peak_bytes": _COUNT,
    "rss_peak_bytes": _COUNT,
    "forward_flops": _COUNT,
    "backward_flops": _COUNT,
    "operators": _COUNT,
    "uncounted_operators": _COUNT,
    "autograd_nodes": _COUNT,
    **{
        f"{moment}{figure}": kind
        for moment in ("", "midway_")
        for figure, kind in (
            ("steps_drifted", _COUNT),
            ("frozen_tensors", _COUNT),
            ("moved_tensors", _COUNT),
            ("largest_moved", _TEXT),
            ("largest_moved_kind", _TEXT),
            ("largest_moved_max_abs", _FIGURE),
            ("largest_moved_relative", _FIGURE),
            ("without_gradient_tensors", _COUNT),
            ("update_error", _FIGURE),
        )
    },
}


def tidy(run: Run) -> pd.DataFrame:
    """One row a cell in the order of the run, and the columns of `COLUMNS`.

    Times are seconds a step with the bounds of their interval, ratios are to `full` of the same
    rounds, sizes are bytes, energy is joules a step. What was not measured is missing, and a tensor
    that moved to infinity or NaN has moved by `inf`.
    """
    rows = [
        _row(cell) | telemetry_columns.telemetry_columns(cell, run.machine) for cell in run.cells
    ]
    return pd.DataFrame(
        {
            name: pd.Series([row.get(name) for row in rows], dtype=kind)
            for name, kind in COLUMNS.items()
        }
    )


def _row(cell: Cell) -> dict[str, Any]:
    row: dict[str, Any] = {
        "workload": cell.workload,
        "strategy": cell.strategy,
        "topology": cell.topology,
        "device": cell.device,
        "dtype": cell.dtype,
        "batch": cell.batch,
        "threads": cell.threads,
        "optimizer": cell.optimizer,
        "verdict": cell.verdict,
        "why": cell.why,
        "steps_timed": len(cell.samples.total),
        **_timing(cell),
        **_memory(cell),
        "forward_flops": cell.counters.forward_flops,
        "backward_flops": cell.counters.backward_flops,
        "operators": sum(cell.counters.operators.values()) if cell.counters.operators else None,
        "uncounted_operators": sum(cell.counters.uncounted_operators.values())
        if cell.counters.operators
        else None,
        "autograd_nodes": cell.counters.autograd_nodes,
        **_drift("", cell.drift),
    }
    if cell.midway is not None:
        row |= {"midway_verdict": cell.midway.verdict, "midway_why": cell.midway.why}
        row |= _drift("midway_", cell.midway.drift)
    return row


def _interval(interval: Interval | None, value: str, low: str, high: str) -> dict[str, Any]:
    if interval is None:
        return {}
    return {value: interval.value, low: interval.low, high: interval.high}


def _timing(cell: Cell) -> dict[str, Any]:
    row: dict[str, Any] = {}
    if cell.interference:
        wall = sum(turn.wall_seconds for turn in cell.interference)
        switches = [turn.involuntary_switches for turn in cell.interference]
        if wall > 0:
            row["cpu_s_per_wall_s"] = sum(turn.cpu_seconds for turn in cell.interference) / wall
        if None not in switches:
            row["involuntary_switches"] = sum(count for count in switches if count is not None)
    summary = cell.summary
    if summary is None:
        return row
    row |= {
        "ideal_backward_ratio": summary.ideal.get("backward"),
        "ideal_total_ratio": summary.ideal.get("total"),
        "precise": summary.precise,
        "lives": summary.lives,
        "rounds": summary.rounds,
        "fill_s": summary.fill_seconds,
        "host_s": summary.host_seconds,
        "launch_bound": summary.launch_bound,
    }
    for name, phase in summary.phases.items():
        row |= _interval(phase.seconds, f"{name}_typical_s", f"{name}_low_s", f"{name}_high_s")
        ratio = f"{name}_ratio_to_full"
        row |= _interval(phase.ratio, ratio, f"{ratio}_low", f"{ratio}_high")
    return row


def _memory(cell: Cell) -> dict[str, Any]:
    memory = cell.memory
    splits: dict[str, Split | None] = {
        "parameter": memory.parameter_bytes,
        "buffer": memory.buffer_bytes,
        "gradient": memory.gradient_bytes,
        "optimizer": memory.optimizer_bytes,
    }
    row: dict[str, Any] = {}
    for part, split in splits.items():
        if split is not None:
            row[f"{part}_frozen_bytes"] = split.frozen
            row[f"{part}_trainable_bytes"] = split.trainable
    for name in (
        "saved_bytes",
        "strategy_bytes",
        "peak_bytes",
        "resident_bytes",
        "predicted_peak_bytes",
        "allocated_peak_bytes",
        "reserved_peak_bytes",
        "rss_peak_bytes",
    ):
        row[name] = getattr(memory, name)
    return row


def _drift(moment: str, drift: Drift | None) -> dict[str, Any]:
    if drift is None:
        return {}
    row: dict[str, Any] = {
        "steps_drifted": drift.steps,
        "frozen_tensors": drift.frozen_tensors,
        "moved_tensors": len(drift.moved),
        "without_gradient_tensors": len(drift.without_gradient),
        "update_error": drift.update_error,
    }
    if drift.moved:
        largest = max(drift.moved, key=lambda moved: _size(moved.relative))
        row |= {
            "largest_moved": largest.name,
            "largest_moved_kind": largest.kind,
            "largest_moved_max_abs": _size(largest.max_abs),
            "largest_moved_relative": _size(largest.relative),
        }
    return {f"{moment}{name}": figure for name, figure in row.items()}


def _size(difference: float | None) -> float:
    """How far a tensor moved; JSON has no infinity, so a record says `None` there."""
    return float("inf") if difference is None else difference
