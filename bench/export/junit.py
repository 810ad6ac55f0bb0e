"""JUnit XML, which every CI shows: one test case a verdict, and one more for the midway verdict.

A freeze in mid-training is a question of its own, so it is a test case of its own: in `system-out`
a leak there would be green. `leaks`, `severed` and `diverges` are failures, `failed` is an error,
both with their reason; `ok` and `reference` passed. `time` is the sum of the timed steps, in
seconds. There is no `hostname`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.portable import without_folders
from bench.report.junit import Suite, TestCase, junit

if TYPE_CHECKING:
    from bench.records import Cell, Run, Verdict
    from bench.report.junit import Status

SUITES = "freezebench"

OUTCOMES: dict[Verdict, Status] = {
    "reference": "passed",
    "ok": "passed",
    "leaks": "failed",
    "severed": "failed",
    "diverges": "failed",
    "failed": "error",
}


def export(run: Run) -> bytes:
    """UTF-8 XML: a suite a workload."""
    by_workload: dict[str, list[Cell]] = {}
    for cell in run.cells:
        by_workload.setdefault(cell.workload, []).append(cell)
    return junit(
        *(
            Suite(
                name=f"{SUITES}.{workload}",
                cases=tuple(case for cell in cells for case in _cases(cell)),
                started=run.started,
            )
            for workload, cells in by_workload.items()
        )
    )


def _cases(cell: Cell) -> list[TestCase]:
    cases = [_case(cell, cell.strategy, sum(cell.samples.total), cell.verdict, cell.why)]
    if cell.midway is not None:
        name = f"{cell.strategy} midway"
        cases.append(_case(cell, name, 0.0, cell.midway.verdict, cell.midway.why))
    return cases


def _case(cell: Cell, name: str, seconds: float, verdict: Verdict, why: str) -> TestCase:
    reason = without_folders(why)
    return TestCase(
        group=f"{SUITES}.{cell.workload}",
        name=name,
        status=OUTCOMES[verdict],
        message=reason,
        text=f"{verdict}: {reason}",
        kind=verdict,
        seconds=seconds,
    )
