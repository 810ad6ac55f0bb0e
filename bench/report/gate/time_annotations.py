"""The time gate as annotations of GitHub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.annotations import annotation
from bench.report.gate.time_advice import advice
from bench.report.gate.time_words import bounded, by_cell, fraction

if TYPE_CHECKING:
    from bench.gate.time.record import Gate, Row


def time_annotations(gate: Gate) -> list[str]:
    """An error for each cell that is slower, a warning where nothing can be told.

    One a cell, because GitHub shows ten errors a step; a cell that is faster has a notice.
    """
    lines = []
    for name, rows in by_cell(gate.rows).items():
        slower = [row for row in rows if row.judged and row.answer == "FAIL"]
        faster = [row for row in rows if row.improved]
        if slower:
            lines.append(annotation("error", f"{name}: slower", _told(slower)))
        if faster:
            lines.append(annotation("notice", f"{name}: faster", _told(faster)))
    if gate.answer == "CAN'T TELL":
        said = "\n".join([gate.why, *advice(gate)])
        lines.append(annotation("warning", "the time gate can't tell", said))
    return lines


def _told(rows: list[Row]) -> str:
    return "\n".join(
        f"{row.phase} {bounded(row.head)}, margin {fraction(row.margin)}" for row in rows
    )
