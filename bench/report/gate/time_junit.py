"""The time gate as JUnit XML: a test case for each phase of each cell, and one for the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.gate.time_advice import advice, again
from bench.report.gate.time_words import bounded, cell_name, controls, fraction, share
from bench.report.junit import Suite, TestCase, junit

if TYPE_CHECKING:
    from bench.gate.time.record import Answer, Gate, Row
    from bench.report.junit import Status

_STATUSES: dict[Answer, Status] = {"PASS": "passed", "FAIL": "failed", "CAN'T TELL": "skipped"}


def time_junit(gate: Gate) -> bytes:
    """UTF-8 XML. What can't be told, or was too small to be judged, is skipped, with the reason."""
    cases = (*(_case(gate, row) for row in gate.rows), _whole(gate))
    return junit(Suite("freezebench gate time", cases, gate.started))


def _case(gate: Gate, row: Row) -> TestCase:
    if not row.judged:
        reason = f"not judged: {share(row)} of the step"
        return TestCase(cell_name(row), row.phase, "skipped", reason)
    status = _STATUSES[row.answer]
    figures = f"{bounded(row.head)}, margin {fraction(row.margin)}, by {row.clock} time"
    if status == "passed":
        return TestCase(cell_name(row), row.phase)
    text = [figures, controls(gate, row)]
    if row.confirmed is not None:
        text.append(f"in fresh processes: {bounded(row.confirmed)}")
    return TestCase(cell_name(row), row.phase, status, row.why or figures, "\n".join(text))


def _whole(gate: Gate) -> TestCase:
    """The answer itself: what cannot be trusted at all has a reason and no row."""
    status = _STATUSES[gate.answer]
    if status == "passed":
        return TestCase("gate", "answer")
    text = "\n".join([*gate.notes, *advice(gate), again(gate)])
    return TestCase("gate", "answer", status, f"{gate.answer}: {gate.why}", text)
