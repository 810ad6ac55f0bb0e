"""What several forms read from a cell: its name, the samples that count, its figures."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from bench.export import ExportError
from bench.summary import summarize

if TYPE_CHECKING:
    from bench.records import Cell, Counters, Memory, Run, Summary


def name_of(cell: Cell, what: str = "") -> str:
    """What a cell is called elsewhere, stable from run to run: `policy[no_grad] backward`."""
    return f"{cell.workload}[{cell.strategy}] {what}".rstrip()


def counting(cell: Cell) -> list[bool]:
    """For each sample, whether the figures use it: not the first of a turn that has others.

    Raises:
        ExportError: the lists of samples and of their origin are not parallel.
    """
    samples, origin = cell.samples, cell.origin
    lists = (samples.forward, samples.backward, samples.update, samples.total)
    lengths = {len(entries) for entries in (*lists, origin.life, origin.round, origin.position)}
    if len(lengths) != 1:
        raise ExportError(
            f"the lists of samples of {cell.workload} × {cell.strategy} differ in length, so "
            "run.json was changed by hand; take an untouched copy"
        )
    turns = list(zip(origin.life, origin.round, strict=True))
    steps = Counter(turns)
    begun: set[tuple[int, int]] = set()
    counts = []
    for turn in turns:
        counts.append(turn in begun or steps[turn] == 1)
        begun.add(turn)
    return counts


def summary_of(run: Run, cell: Cell) -> Summary | None:
    """The summary of a cell; made from its samples where the run was cut short before it.

    Raises:
        ExportError: the lists of samples and of their origin are not parallel.
    """
    if cell.summary is not None or not any(counting(cell)):
        return cell.summary
    full = next((c for c in run.cells if (c.workload, c.strategy) == (cell.workload, "full")), None)
    if full is not None and not any(counting(full)):
        full = None
    return summarize(cell, full, run.request.precision, fills=False)


def plain(measured: Memory | Counters) -> dict[str, Any]:
    """Bytes or counts as a dictionary of what was measured, without remarks."""
    figures: dict[str, Any] = msgspec.to_builtins(measured)
    figures.pop("notes", None)
    return figures
