"""What workers said, written into the record of a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from bench.records import Cell, Counters, Interference, Memory, Samples, Telemetry, Warmup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.cells import CellPlan
    from bench.measure.clock import StepTimes
    from bench.run.messages import TurnReading, WarmUpReading


def new_cell(plan: CellPlan) -> Cell:
    """The record of a cell of which nothing is known yet."""
    return Cell(
        workload=plan.workload,
        strategy=plan.strategy,
        topology=plan.topology,
        device=plan.device,
        dtype=plan.dtype,
        batch=plan.batch,
        threads=plan.threads,
        optimizer=plan.optimizer,
        fingerprint=plan.fingerprint,
        verdict="failed",
        why="not measured",
        memory=Memory(),
        counters=Counters(),
    )


def with_samples_of(before: Cell, cell: Cell) -> Cell:
    """The cell with the samples that `before` has of it."""
    return replace(
        cell,
        samples=before.samples,
        origin=before.origin,
        warmup=before.warmup,
        host_samples=before.host_samples,
        interference=before.interference,
        telemetry=before.telemetry,
    )


def with_warm_up(cell: Cell, life: int, reading: WarmUpReading) -> Cell:
    """The cell with the warm-up steps of one more life."""
    before = cell.warmup or Warmup(Samples([], [], [], []), [], [])
    return replace(
        cell,
        warmup=Warmup(
            samples=joined(before.samples, reading.times),
            life=before.life + [life] * len(reading.times.total),
            first_on_batch=before.first_on_batch + reading.first_on_batch,
        ),
    )


def with_turn(cell: Cell, life: int, round_: int, reading: TurnReading) -> Cell:
    """The cell with the samples of one more turn."""
    steps = len(reading.times.total)
    host = cell.host_samples
    if reading.host_times is not None:
        host = joined(host or Samples([], [], [], []), reading.host_times)
    origin = cell.origin
    return replace(
        cell,
        samples=joined(cell.samples, reading.times),
        host_samples=host,
        origin=replace(
            origin,
            life=origin.life + [life] * steps,
            round=origin.round + [round_] * steps,
            position=origin.position + list(range(steps)),
        ),
        interference=[
            *cell.interference,
            Interference(
                life=life,
                round=round_,
                wall_seconds=reading.wall_seconds,
                cpu_seconds=reading.cpu_seconds,
                involuntary_switches=reading.involuntary_switches,
            ),
        ],
        telemetry=_with_reading(cell.telemetry, len(cell.interference), reading.telemetry),
    )


def _with_reading(
    before: Telemetry | None, turns: int, reading: Mapping[str, Any]
) -> Telemetry | None:
    """The columns with one more entry, after those of `turns` turns.

    A column that first appears now was `None` before; one that never had a value stays absent.
    """
    columns = {
        name: (column or [None] * turns) + [reading.get(name)]
        for name in Telemetry.__struct_fields__
        if (column := getattr(before, name, None)) or reading.get(name) is not None
    }
    return Telemetry(**columns) if columns else None


def joined(samples: Samples, times: StepTimes) -> Samples:
    """The samples with the times of further steps."""
    return Samples(
        forward=samples.forward + times.forward,
        backward=samples.backward + times.backward,
        update=samples.update + times.update,
        total=samples.total + times.total,
    )
