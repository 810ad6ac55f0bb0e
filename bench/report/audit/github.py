"""An audit as workflow commands of GitHub Actions, which become annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.annotations import annotation
from bench.report.audit.words import ordered, place, stopped

if TYPE_CHECKING:
    from bench.records import Audit


def audit_github(audit: Audit) -> str:
    """A line for each finding, the gravest first, because GitHub shows ten of each kind a step."""
    lines = []
    for finding in ordered(audit.findings):
        said = [finding.what, f"why: {finding.why}"]
        said += [f"mend: {finding.mend}"] if finding.mend else []
        title = f"{finding.rule}: {place(finding)}" if finding.where else finding.rule
        lines.append(annotation(finding.severity, title, "\n".join(said)))
    if (why := stopped(audit)) is not None:
        lines.append(annotation("error", f"{audit.target} stopped early", why))
    return "".join(f"{line}\n" for line in lines)
