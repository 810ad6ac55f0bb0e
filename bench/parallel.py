"""The lists of a cell that belong together, entry by entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Cell, Record


def uneven(cell: Cell) -> Iterator[str]:
    """What has another length than the lists beside it: `origin.life has 3 entries, not 4`.

    Whoever measures appends to all of them at once, so they differ only after a change by hand.
    """
    steps = len(cell.samples.total)
    yield from _of_other_length("samples", cell.samples, steps)
    yield from _of_other_length("origin", cell.origin, steps)
    if cell.host_samples is not None:
        yield from _of_other_length("host_samples", cell.host_samples, steps)
    if cell.telemetry is not None:
        yield from _of_other_length("telemetry", cell.telemetry, len(cell.interference))
    if cell.warmup is not None:
        length = len(cell.warmup.life)
        yield from _of_other_length("warmup", cell.warmup.samples, length)
        if len(cell.warmup.first_on_batch) != length:
            marks = len(cell.warmup.first_on_batch)
            yield f"warmup.first_on_batch has {marks} entries, not {length}"


def _of_other_length(label: str, record: Record, length: int) -> Iterator[str]:
    for name in record.__struct_fields__:
        column = getattr(record, name)
        if column is not None and len(column) != length:
            yield f"{label}.{name} has {len(column)} entries, not {length}"
