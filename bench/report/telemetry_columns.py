"""The columns of a tidy table that tell of energy and of the machine beside the turns."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from bench.disturbance import marks
from bench.records import Telemetry

if TYPE_CHECKING:
    from bench.records import Cell, Machine

MEDIANS = {
    "cpu_mhz": "cpu_mhz",
    "load": "load",
    "sm_mhz": "sm_mhz",
    "memory_mhz": "gpu_memory_mhz",
    "celsius": "gpu_celsius",
    "watts": "gpu_w",
}
"""Figures of a moment: their name in a record, and that of their column."""

SUMS = {"stolen_seconds": "stolen_s", "quota_seconds": "quota_s"}
MOST = {
    "process_bytes": "gpu_process_bytes",
    "device_bytes": "gpu_device_bytes",
    "foreign_processes": "foreign_processes",
    "foreign_bytes": "foreign_bytes",
}

_TEXT, _COUNT, _FIGURE = "string", "Int64", "Float64"

COLUMNS: dict[str, str] = {
    "step_j": _FIGURE,
    "step_low_j": _FIGURE,
    "step_high_j": _FIGURE,
    "energy_source": _TEXT,
    **dict.fromkeys(MEDIANS.values(), _FIGURE),
    **dict.fromkeys(SUMS.values(), _FIGURE),
    **dict.fromkeys(MOST.values(), _COUNT),
    "throttled_turns": _COUNT,
    "disturbed_turns": _COUNT,
}


def telemetry_columns(cell: Cell, machine: Machine) -> dict[str, Any]:
    """Joules a step, medians, sums and largest values over the turns, and how many have a mark."""
    row: dict[str, Any] = {}
    if cell.energy is not None:
        joules = cell.energy.joules
        row = {
            "step_j": joules.value,
            "step_low_j": joules.low,
            "step_high_j": joules.high,
            "energy_source": cell.energy.source,
        }
    telemetry = cell.telemetry or Telemetry()
    for names, of in ((MEDIANS, median), (SUMS, sum), (MOST, max)):
        for name, title in names.items():
            known = [value for value in getattr(telemetry, name) or [] if value is not None]
            row[title] = of(known) if known else None
    turns = marks(cell, machine)
    if telemetry.throttled_by is not None:
        row["throttled_turns"] = sum("throttled" in turn for turn in turns)
    if turns:
        row["disturbed_turns"] = sum(bool(turn) for turn in turns)
    return row
