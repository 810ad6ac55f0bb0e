"""An audit as workflow commands of GitHub Actions, which become annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.annotations import annotation
from bench.report.audit.words import ordered, place

if TYPE_CHECKING:
    from bench.records import Audit


def audit_github(audit: Audit) -> str:
    """A line for each finding, the gravest first, because GitHub shows ten of each kind a step."""
    lines = []
    for finding in ordered(audit.findings):
        said = [finding.what, f"why: {finding.why}", f"mend: {finding.mend}"]
        title = f"{finding.rule}: {place(finding)}" if finding.where else finding.rule
        lines.append(annotation(finding.severity, title, "\n".join(said)))
    if audit.stopped is not None:
        lines.append(annotation("error", f"{audit.target} stopped early", audit.stopped))
    return "".join(f"{line}\n" for line in lines)
