"""What every form of an audit says alike."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bench.records.audit import common_module
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
        _ran(audit),
    )
    return " · ".join(parts)


def _ran(audit: Audit) -> str:
    if not audit.steps and not audit.warm:
        return "no step ran to its end"
    return f"{_count(audit.steps, 'step')} after {audit.warm} to warm up"


def compared(audit: Audit) -> str:
    """How much was compared, and how."""
    kept = "copies" if audit.kept_by == "copy" else "hashes"
    meant = f"; frozen by {', '.join(audit.frozen)}" if audit.frozen else ""
    return (
        f"{_count(audit.frozen_tensors, 'frozen tensor')} ({size(audit.frozen_bytes)}) compared "
        f"bit by bit with {kept}, {audit.trainable_tensors} trainable{meant}"
    )


def size(count: int) -> str:
    """Bytes in the unit that reads best: `89.7 MiB`."""
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{units.number(value)} {unit}"


def stopped(audit: Audit) -> str | None:
    """Why it stopped early, where no finding says so."""
    if audit.stopped is None or any(audit.stopped in finding.what for finding in audit.findings):
        return None
    return audit.stopped


def counted(audit: Audit) -> str:
    """The last line: `1 error, 2 warnings`, or that nothing was found."""
    if audit.stopped is not None and not audit.findings:
        return "nothing was found before it stopped"
    if not audit.findings and audit.left_out:
        return "nothing else found"
    if not audit.findings:
        return "nothing found: what is frozen stayed frozen"
    found = Counter(finding.severity for finding in audit.findings)
    return ", ".join(_count(found[s], s) for s in reversed(SEVERITIES) if found[s])


def place(finding: Finding, few: int = _FEW) -> str:
    """Where it is: `backbone (0.weight, 0.bias, 1.weight and 9 more)`."""
    names = finding.where
    if len(names) <= 1:
        return ", ".join(names)
    module = common_module(names)
    inner = [name.removeprefix(f"{module}.") for name in names] if module else names
    shown = ", ".join(inner[:few]) + (f" and {len(names) - few} more" if len(names) > few else "")
    return f"{module} ({shown})" if module else shown


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
