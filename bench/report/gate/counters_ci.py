"""The counters' gate where CI systems look: annotations of GitHub, and JUnit's test cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.annotations import annotation
from bench.report.gate.counters_text import block
from bench.report.gate.counters_words import Group, groups, heading
from bench.report.junit import Suite, TestCase, junit

if TYPE_CHECKING:
    from bench.gate.counters.comparison import CellFinding, Comparison
    from bench.report.junit import Status

_STATUSES: dict[str, Status] = {
    "equal": "passed",
    "changed": "failed",
    "new": "failed",
    "missing": "failed",
    "failed": "error",
    "unmeasured": "skipped",
}


def counters_annotations(comparison: Comparison) -> list[str]:
    """A line for each group of cells that differ.

    Grouped because GitHub shows ten errors a step; an improvement is a warning.
    """
    telling = [cell for cell in comparison.cells if _STATUSES[cell.kind] in ("failed", "error")]
    lines = [
        annotation(
            "warning" if group.finding.improvement else "error",
            f"{group.title}: {heading(group.finding)}",
            "\n".join(" ".join(line.split()) for line in block(group)[1:]),
        )
        for group in groups(telling)
    ]
    lines += [annotation("error", "the counting itself", wrong) for wrong in comparison.counting]
    return lines


def counters_junit(comparison: Comparison) -> bytes:
    """A test case for each cell, in a suite of its own, and one for the counting itself."""
    cases = [_case(finding) for finding in comparison.cells]
    if not comparison.exact:
        wrong = comparison.counting
        status: Status = "failed" if wrong else "passed"
        cases.append(TestCase("counting", "chain", status, "; ".join(wrong), "\n".join(wrong)))
    return junit(Suite("freezebench gate counters", tuple(cases)))


def _case(finding: CellFinding) -> TestCase:
    status = _STATUSES[finding.kind]
    if status == "passed":
        return TestCase(finding.workload, finding.strategy)
    text = "\n".join(block(Group(finding.workload, [finding.strategy], finding)))
    message = "; ".join(finding.meaning) or heading(finding)
    return TestCase(finding.workload, finding.strategy, status, message, text)
