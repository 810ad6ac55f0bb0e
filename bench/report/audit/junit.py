"""An audit as JUnit XML: a test case for each rule that was checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.audit.words import moved, ordered, place, stopped
from bench.report.junit import Suite, TestCase, junit
from bench.rules import RULES, SEVERITIES

if TYPE_CHECKING:
    from bench.records import Audit, Finding
    from bench.report.junit import Status
    from bench.rules import Severity

_UNCHECKED = "not looked at, or not to the end"


def audit_junit(audit: Audit, fail_on: Severity | None = "error") -> bytes:
    """UTF-8 XML; a rule without a finding has passed, unless it was not looked at to the end.

    Args:
        audit: whose findings are shown.
        fail_on: from which severity on a finding is a failure; what is below is `skipped` with
            its sentence, as the exit code passes it over too. `None` fails nothing.
    """
    cases: list[TestCase] = []
    for rule in RULES:
        found = [finding for finding in ordered(audit.findings) if finding.rule == rule]
        cases += [_case(audit.target, finding, fail_on) for finding in found]
        if not found and rule in audit.unchecked:
            cases.append(TestCase(audit.target, rule, "skipped", _UNCHECKED, _UNCHECKED))
        elif not found:
            cases.append(TestCase(audit.target, rule))
    if (why := stopped(audit)) is not None:
        cases.append(TestCase(audit.target, "all steps", "error", why, why))
    return junit(Suite("freezebench audit", tuple(cases)))


def _case(target: str, finding: Finding, fail_on: Severity | None) -> TestCase:
    fails = fail_on is not None and SEVERITIES.index(finding.severity) >= SEVERITIES.index(fail_on)
    status: Status = "failed" if fails else "skipped"
    text = [finding.what, *moved(finding), f"why: {finding.why}"]
    if finding.decided_by:
        text.append(f"decided by: {finding.decided_by}")
    text += [f"mend: {finding.mend}"] if finding.mend else []
    text.append(f"where: {place(finding, len(finding.where))}")
    return TestCase(target, finding.id, status, finding.what, "\n".join(text), finding.severity)
