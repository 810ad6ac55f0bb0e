"""What a comparison needs of the cells of a workload, taken from their summaries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.collection.compared import Figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.records import Cell, Interval


def figures(cells: Sequence[Cell]) -> list[Figures]:
    """The figures of one workload's cells; bytes and joules relative to `full` among them."""
    full = next((cell for cell in cells if cell.strategy == "full"), None)
    return [_figures(cell, full) for cell in cells]


def _figures(cell: Cell, full: Cell | None) -> Figures:
    summary = cell.summary
    phases = {} if summary is None else summary.phases
    ideal = {} if summary is None else summary.ideal
    total, backward = phases.get("total"), phases.get("backward")
    reference = full is cell
    joules = _joules(cell)
    return Figures(
        workload=cell.workload,
        strategy=cell.strategy,
        verdict=cell.verdict,
        why=cell.why,
        midway=None if cell.midway is None else cell.midway.verdict,
        lives=0 if summary is None else summary.lives,
        total=None if total is None or reference else total.ratio,
        backward=None if backward is None or reference else backward.ratio,
        seconds=None if total is None else total.seconds,
        backward_seconds=None if backward is None else backward.seconds,
        ideal_total=ideal.get("total"),
        ideal_backward=ideal.get("backward"),
        peak_bytes=cell.memory.peak_bytes,
        peak_ratio=_share(cell.memory.peak_bytes, full.memory.peak_bytes if full else None),
        joules=joules,
        joules_ratio=_share(_value(joules), _value(_joules(full) if full else None)),
        fingerprint=cell.fingerprint,
    )


def _joules(cell: Cell) -> Interval | None:
    return None if cell.energy is None else cell.energy.joules


def _value(interval: Interval | None) -> float | None:
    return None if interval is None else interval.value


def _share(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole
