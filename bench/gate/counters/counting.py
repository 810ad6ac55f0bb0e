"""A workload counted: all its cells, what could not be counted, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.cells import EVAL
from bench.gate.counters.comparison import Found
from bench.gate.counters.golden import CellCounts, WorkloadCounts
from bench.gate.counters.jobs import strategy_specs
from bench.records import Midway
from bench.run.crew import Member
from bench.run.process import CellError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.cells import CellPlan
    from bench.gate.counters.jobs import Job
    from bench.records import Drift
    from bench.run.crew import Crew
    from bench.run.messages import Findings
    from bench.run.progress import Progress


def count_workload(
    job: Job,
    cells: Sequence[CellPlan],
    folder: str,
    timeout: float,
    progress: Progress,
    crew: Crew,
) -> Found:
    """All cells of a workload, from one worker and, where that is lost, its successors.

    Args:
        job: the workload.
        cells: its cells, `full` first.
        folder: for the references, this workload's alone.
        timeout: seconds for an answer.
        progress: is told of each cell.
        crew: where the workers come from.
    """
    counts: dict[str, CellCounts] = {}
    reasons: dict[str, tuple[str, str]] = {}
    failures: dict[str, str] = {}
    member = Member(crew, timeout)
    why_not = {
        in_eval: _reference_failure(member, cells[0], folder, in_eval)
        for in_eval in sorted({cell.strategy.endswith(EVAL) for cell in cells})
    }
    for cell in cells:
        try:
            if why := why_not[cell.strategy.endswith(EVAL)]:
                raise CellError(f"the reference training failed: {why}")
            findings: Findings = member.ask("count", cell)
            fresh: Midway = member.ask("measure_drift", cell, folder, False)
            midway = _midway(member, cell, folder)
            counts[cell.strategy] = counts_of(findings, fresh, midway)
            reasons[cell.strategy] = fresh.why, midway.why
        except CellError as error:
            failures[cell.strategy] = str(error)
        progress.advance(1, f"{cell.workload} × {cell.strategy}")
    member.end()
    first = cells[0]
    return Found(
        WorkloadCounts(
            settings=job.settings,
            every_strategy=job.every_strategy,
            strategies=strategy_specs(job.strategies),
            topology=first.topology,
            batch=first.batch,
            fingerprint=first.fingerprint,
            cells=counts,
        ),
        failures,
        reasons,
        complete=job.complete,
    )


def _reference_failure(member: Member, cell: CellPlan, folder: str, in_eval: bool) -> str:
    """Keep the reference that verdicts are compared with; why that failed, or nothing."""
    try:
        member.ask("measure_reference", cell, folder, in_eval)
    except CellError as error:
        return str(error)
    return ""


def _midway(member: Member, cell: CellPlan, folder: str) -> Midway:
    """The verdict in mid-training; a strategy that raises there has one too, namely `failed`."""
    try:
        found: Midway = member.ask("measure_drift", cell, folder, True)
    except CellError as error:
        if error.worker_lost:
            raise
        return Midway(verdict="failed", why=str(error), drift=None)
    return found


def counts_of(findings: Findings, fresh: Midway, midway: Midway) -> CellCounts:
    """What is exact of what was measured of a cell."""
    memory, counters = findings.memory, findings.counters
    on_meta = memory.predicted_peak_bytes is not None
    on_cpu = memory.peak_bytes is not None
    return CellCounts(
        verdict=fresh.verdict,
        midway_verdict=midway.verdict,
        counted_on="meta" if on_meta else "cpu" if on_cpu else None,
        forward_flops=counters.forward_flops,
        backward_flops=counters.backward_flops,
        operators=counters.operators,
        autograd_nodes=counters.autograd_nodes,
        parameter_bytes=memory.parameter_bytes,
        buffer_bytes=memory.buffer_bytes,
        gradient_bytes=memory.gradient_bytes,
        optimizer_bytes=memory.optimizer_bytes,
        saved_bytes=memory.saved_bytes,
        strategy_bytes=memory.strategy_bytes,
        predicted_peak_bytes=memory.predicted_peak_bytes,
        peak_bytes=memory.peak_bytes,
        frozen_tensors=fresh.drift.frozen_tensors if fresh.drift else None,
        moved=_moved(fresh.drift),
        midway_moved=_moved(midway.drift),
        without_gradient=_without(fresh.drift),
        midway_without_gradient=_without(midway.drift),
    )


def _moved(drift: Drift | None) -> tuple[str, ...]:
    return tuple(sorted(f"{move.name} ({move.kind})" for move in drift.moved)) if drift else ()


def _without(drift: Drift | None) -> tuple[str, ...]:
    return tuple(sorted(drift.without_gradient)) if drift else ()
