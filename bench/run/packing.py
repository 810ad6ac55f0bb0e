"""Cells are packed into groups that fit in memory, each group with its own `full`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.cells import CellPlan

SHARE_OF_MEMORY = 0.8
"""The rest is for the process itself, kernels' workspaces and fragmentation."""


class Weight(NamedTuple):
    """Bytes of a cell: at the peak of its turn, and between turns."""

    peak: int
    resident: int


def pack(
    cells: Sequence[CellPlan], weights: dict[tuple[str, str], Weight], memory_bytes: int | None
) -> list[list[CellPlan]]:
    """Split the cells of one workload, `full` first, into groups that fit.

    All cells of a group are resident while one of them is at its peak. A cell without a weight
    counts as nothing, and a cell that fits in no group gets one with `full` alone: it may still
    run, and if not, its failure says so. Where memory is not known, all cells share a group.
    """
    full, *others = cells
    if memory_bytes is None:
        return [list(cells)]
    room = memory_bytes * SHARE_OF_MEMORY
    groups: list[list[CellPlan]] = [[full]]
    for cell in others:
        if len(groups[-1]) > 1 and bytes_of([*groups[-1], cell], weights) > room:
            groups.append([full])
        groups[-1].append(cell)
    return groups


def bytes_of(group: Sequence[CellPlan], weights: dict[tuple[str, str], Weight]) -> int:
    """The most that a group holds at once."""
    known = [weights[cell.key] for cell in group if cell.key in weights]
    resident = sum(weight.resident for weight in known)
    return resident + max((weight.peak - weight.resident for weight in known), default=0)
