"""What must hold on any version of torch, for one whose counts nobody has agreed to yet.

Operators, nodes and saved bytes are torch's business and change with it. What is frozen, what the
model's tensors weigh and what its forward pass multiplies are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.gate.counters.differences import NAMES, SPLITS, Difference, counters_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.gate.counters.golden import CellCounts, WorkloadCounts

EQUAL = (
    "batch",
    "topology",
    "verdict",
    "midway_verdict",
    *NAMES,
    "frozen_tensors",
    "forward_flops",
    *SPLITS,
)
"""Counters that are the same on every version, with all their parts."""

ORDERED = ("backward_flops", "autograd_nodes", "saved_bytes")
"""Counters that freezing is there to lower: not above those of `full` where they were not."""

REFERENCE = "full"


def kept(differences: Sequence[Difference]) -> list[Difference]:
    """Those of the differences that no version of torch accounts for."""
    return [
        difference for difference in differences if difference.counter.partition(".")[0] in EQUAL
    ]


def orderings(stored: WorkloadCounts) -> dict[str, list[str]]:
    """For each strategy the counters that are not above `full`'s in the stored counts."""
    if REFERENCE not in stored.cells:
        return {}
    full = stored.cells[REFERENCE]
    return {
        strategy: [name for name in ORDERED if _not_above(cell, full, name)]
        for strategy, cell in stored.cells.items()
        if strategy != REFERENCE
    }


def disorders(stored: WorkloadCounts, now: WorkloadCounts) -> dict[str, list[str]]:
    """For each strategy, in sentences, the orderings of the stored counts that no longer hold."""
    full = now.cells.get(REFERENCE)
    if full is None:
        return {}
    broken: dict[str, list[str]] = {}
    for strategy, names in orderings(stored).items():
        cell = now.cells.get(strategy)
        if cell is None:
            continue
        broken[strategy] = [
            f"{name} is {_figure(cell, name)}, above {REFERENCE}'s {_figure(full, name)}, and was "
            f"not above it: the strategy saves nothing there any more"
            for name in names
            if _figure(cell, name) is not None
            and _figure(full, name) is not None
            and not _not_above(cell, full, name)
        ]
    return {strategy: sentences for strategy, sentences in broken.items() if sentences}


def _not_above(cell: CellCounts, full: CellCounts, name: str) -> bool:
    own, reference = _figure(cell, name), _figure(full, name)
    return own is not None and reference is not None and own <= reference


def _figure(cell: CellCounts, name: str) -> int | None:
    value = counters_of(cell)[name]
    return value if isinstance(value, int) else None
