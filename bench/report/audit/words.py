"""What every form of an audit says alike."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bench.report import units
from bench.rules import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.records import Audit, Finding
    from bench.rules import Severity

SIGNS: dict[Severity, str] = {"error": "\u00d7", "warning": "!", "notice": "·"}

_FEW = 3  # names that a line holds


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """The gravest first, otherwise as they were found."""
    return sorted(findings, key=lambda finding: -SEVERITIES.index(finding.severity))


def heading(audit: Audit) -> str:
    """What was audited: `train.py:make · cpu · torch 2.14 · 5 steps after 1 to warm up`."""
    parts = (
        audit.target,
        audit.device,
        f"torch {audit.torch}",
        f"{_count(audit.steps, 'step')} after {audit.warm} to warm up",
    )
    return " · ".join(parts)


def compared(audit: Audit) -> str:
    """How much was compared, and how."""
    meant = (
        f"frozen by {', '.join(audit.frozen)}"
        if audit.frozen
        else "frozen as flags, learning rates and optimizers had it at the beginning"
    )
    kept = "copies" if audit.kept_by == "copy" else "hashes"
    return (
        f"{_count(audit.frozen_tensors, 'frozen tensor')} "
        f"({units.mebibytes(audit.frozen_bytes)} MiB) compared bit by bit with {kept}, "
        f"{audit.trainable_tensors} trainable; {meant}"
    )


def counted(audit: Audit) -> str:
    """The last line: `1 error, 2 warnings`, or that nothing was found."""
    if audit.stopped is not None and not audit.findings:
        return "nothing was found before it stopped"
    if not audit.findings:
        return "nothing found: what is frozen stayed frozen, and the rest is trained"
    found = Counter(finding.severity for finding in audit.findings)
    return ", ".join(_count(found[s], s) for s in reversed(SEVERITIES) if found[s])


def place(finding: Finding, few: int = _FEW) -> str:
    """Where it is: the first names, and how many more there are."""
    names = finding.where
    if len(names) <= few:
        return ", ".join(names)
    return f"{', '.join(names[:few])} and {len(names) - few} more"


def since(finding: Finding) -> str:
    """`since step 2`, or nothing."""
    return "" if finding.since_step is None else f"since step {finding.since_step}"


def moved(finding: Finding, few: int = _FEW) -> list[str]:
    """The tensors that moved the furthest, a line each, and how many more did."""
    furthest = sorted(
        finding.moved, key=lambda m: float("inf") if m.relative is None else m.relative
    )[::-1]
    lines = [
        f"{m.name} ({m.kind})"
        + ("" if m.max_abs is None else f" by up to {units.magnitude(m.max_abs)}")
        + ("" if m.relative is None else f", {units.magnitude(m.relative)} of its norm")
        for m in furthest[:few]
    ]
    if len(furthest) > few:
        lines.append(f"and {len(furthest) - few} more")
    return lines


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
