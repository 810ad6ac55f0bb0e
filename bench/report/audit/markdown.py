"""An audit as Markdown, for a pull request or the summary of a CI job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.names import printable
from bench.report.audit.words import (
    SIGNS,
    compared,
    counted,
    heading,
    moved,
    ordered,
    place,
    since,
    stopped,
)

if TYPE_CHECKING:
    from bench.records import Audit, Finding

_SPECIAL = "\\`*_{}[]<>#|~"


def audit_markdown(audit: Audit) -> str:
    """A heading, a section for each finding, and a count."""
    lines = ["# freezebench audit", "", _text(heading(audit)), "", _text(compared(audit))]
    for note in audit.notes:
        lines += ["", f"> {_text(note)}"]
    for finding in ordered(audit.findings):
        lines += ["", *_section(finding)]
    if (why := stopped(audit)) is not None:
        lines += ["", f"**Stopped early**: {_text(why)}"]
    lines += ["", f"**{_text(counted(audit))}**"]
    return "\n".join(lines) + "\n"


def _section(finding: Finding) -> list[str]:
    title = f"## {SIGNS[finding.severity]} {finding.severity}: {finding.rule}"
    where = " ".join(part for part in (_text(place(finding)), since(finding)) if part)
    lines = [title, "", *([where, ""] if where else []), _text(finding.what), ""]
    lines += [f"- {_text(line)}" for line in moved(finding)]
    lines += [f"- **why**: {_text(finding.why)}"]
    if finding.decided_by:
        lines += [f"- **decided by**: {_text(finding.decided_by)}"]
    return [*lines, *(["", *_code(finding.mend)] if finding.mend else [])]


def _code(mend: str) -> list[str]:
    """A fenced block; the fence is longer than any inside."""
    code = printable(mend)
    fence = "```"
    while fence in code:
        fence += "`"
    return [f"{fence}python", code, fence]


def _text(words: str) -> str:
    return "".join("\\" + c if c in _SPECIAL else c for c in printable(words))
