"""Findings as text for a terminal, whose reader has just lost a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.names import printable
from bench.rules import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.records import Finding

_SHOWN = 6  # names of tensors; the finding itself has them all


def told(findings: Sequence[Finding]) -> str:
    """Every finding with its rule, its tensors, what was seen, why, and the mend."""
    worst_first = sorted(findings, key=lambda f: -SEVERITIES.index(f.severity))
    return "\n\n".join(_told(finding) for finding in worst_first)


def _told(finding: Finding) -> str:
    return "\n".join(
        [
            f"{finding.what} [{finding.rule}]",
            f"  where: {shortened(finding.where)}",
            f"  why:   {finding.why}",
            f"  mend:  {finding.mend}",
        ]
    )


def shortened(names: Sequence[str], shown: int = _SHOWN) -> str:
    """The first names, and how many more there are."""
    text = ", ".join(printable(name) for name in names[:shown])
    return f"{text} and {len(names) - shown} more" if len(names) > shown else text
