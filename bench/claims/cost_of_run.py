"""What claims on cost read from a run: exact counts, and time ratios with their intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.records import Cost, Interval
from bench.summary import paired_ratio, turn_medians

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Cell, Run


@dataclass(frozen=True)
class Versus:
    """One workload under two strategies, with times of the first over those of the second.

    The ratios are of turns of the same round; absent where they had none.
    """

    workload: str
    topology: str
    mine: Cost
    other: Cost
    backward: Interval | None
    total: Interval | None


def costs(run: Run) -> list[Cost]:
    """Every cell of the run."""
    return [_cost(cell) for cell in run.cells]


def versus(run: Run, mine: str, other: str) -> list[Versus]:
    """Two strategies on every workload that was measured under both."""
    return list(_pairs(run, mine, other))


def _pairs(run: Run, mine: str, other: str) -> Iterator[Versus]:
    by_key = {(cell.workload, cell.strategy): cell for cell in run.cells}
    for workload in dict.fromkeys(cell.workload for cell in run.cells):
        a, b = by_key.get((workload, mine)), by_key.get((workload, other))
        if a is not None and b is not None and _measured(a) and _measured(b):
            yield Versus(
                workload, a.topology, _cost(a), _cost(b),
                _ratio(a, b, "backward"), _ratio(a, b, "total"),
            )  # fmt: skip


def _measured(cell: Cell) -> bool:
    return cell.verdict != "failed" and cell.counters.backward_flops is not None


def _ratio(mine: Cell, other: Cell, phase: str) -> Interval | None:
    turns = [turn_medians(getattr(cell.samples, phase), cell.origin) for cell in (mine, other)]
    found = paired_ratio(*turns)
    return None if found is None else Interval(found.mean, found.low, found.high)


def _cost(cell: Cell) -> Cost:
    phases = cell.summary.phases if cell.summary is not None else {}
    ideal = cell.summary.ideal if cell.summary is not None else {}
    backward, total = phases.get("backward"), phases.get("total")
    memory, counters = cell.memory, cell.counters
    return Cost(
        workload=cell.workload,
        topology=cell.topology,
        strategy=cell.strategy,
        backward=backward.ratio if backward is not None else None,
        total=total.ratio if total is not None else None,
        allowed_backward=ideal.get("backward"),
        allowed_total=ideal.get("total"),
        backward_flops=counters.backward_flops,
        autograd_nodes=counters.autograd_nodes,
        saved_bytes=memory.saved_bytes,
        frozen_gradient_bytes=memory.gradient_bytes.frozen if memory.gradient_bytes else None,
        frozen_optimizer_bytes=memory.optimizer_bytes.frozen if memory.optimizer_bytes else None,
        peak_bytes=memory.peak_bytes,
    )
