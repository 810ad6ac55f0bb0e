"""Figures of a cell that nothing can have: fewer than no bytes, energy from nowhere, no steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.records import Split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Cell, Drift, Energy, Interval, Record

_MAY_BE_NEGATIVE = "celsius"


def out_of_range(cell: Cell) -> Iterator[str]:
    """Bytes and counts below 0, an interval that its value is outside of, and no steps or time."""
    for label, record in (("memory", cell.memory), ("counters", cell.counters)):
        yield from _below_zero(label, record)
    if cell.telemetry is not None:
        yield from _below_zero("telemetry", cell.telemetry)
    for turn in cell.interference:
        if (turn.involuntary_switches or 0) < 0:
            yield f"a turn has {turn.involuntary_switches} involuntary switches"
            break
    if cell.energy is not None:
        yield from _of_energy(cell.energy)
    if cell.drift is not None:
        yield from _of_drift("drift", cell.drift)
    if cell.midway is not None and cell.midway.drift is not None:
        yield from _of_drift("midway.drift", cell.midway.drift)


def _below_zero(label: str, record: Record) -> Iterator[str]:
    """The first such figure of each field, in fields that hold one, many, or one by name."""
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if name == _MAY_BE_NEGATIVE or value is None:
            continue
        if isinstance(value, Split):
            yield from _below_zero(f"{label}.{name}", value)
            continue
        if isinstance(value, dict):
            value = list(value.values())
        figures = value if isinstance(value, list) else [value]
        wrong = next((f for f in figures if isinstance(f, (int, float)) and not f >= 0), None)
        if wrong is not None:
            yield f"{label}.{name} is {wrong}, and it cannot be less than 0"


def _of_energy(energy: Energy) -> Iterator[str]:
    if not (math.isfinite(energy.joules.value) and energy.joules.value > 0):
        yield f"energy.joules is {energy.joules.value}, and a step takes some"
    if not _is_within(energy.joules):
        yield (
            f"energy.joules is {energy.joules.value}, outside of its own interval from "
            f"{energy.joules.low} to {energy.joules.high}"
        )
    if energy.steps < 1:
        yield f"energy is from {energy.steps} steps"
    if not (math.isfinite(energy.seconds) and energy.seconds > 0):
        yield f"energy is from {energy.seconds} s"


def _is_within(interval: Interval) -> bool:
    low = interval.value if interval.low is None else interval.low
    high = interval.value if interval.high is None else interval.high
    return low <= interval.value <= high


def _of_drift(label: str, drift: Drift) -> Iterator[str]:
    if drift.steps < 1:
        yield f"{label} is of {drift.steps} steps"
    if drift.frozen_tensors < 0:
        yield f"{label} compared {drift.frozen_tensors} frozen tensors"
    if drift.update_error is not None and not drift.update_error >= 0:
        yield f"{label}.update_error is {drift.update_error}"
