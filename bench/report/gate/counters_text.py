"""The counters' gate on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.names import printable
from bench.report.gate.counters_words import answer, groups, heading, shown, told

if TYPE_CHECKING:
    from bench.gate.counters.comparison import Comparison
    from bench.report.gate.counters_words import Group


def counters_text(comparison: Comparison) -> str:
    """What differs, cell by cell, and then the answer; no line break at the end."""
    blocks = ["\n".join(block(group)) for group in groups(shown(comparison))]
    if comparison.counting:
        wrong = [f"  {printable(sentence)}" for sentence in comparison.counting]
        blocks.append("\n".join(["the counting itself", *wrong]))
    return "\n\n".join([*blocks, "\n".join(answer(comparison))])


def block(group: Group) -> list[str]:
    """The lines about one group of cells: what it usually means, then the figures."""
    lines = [f"{group.title}: {heading(group.finding)}"]
    lines += [f"  {printable(sentence)}" for sentence in group.finding.meaning]
    width = max((len(change.counter) for change in group.finding.differences), default=0)
    lines += [
        f"    {change.counter:{width}}  {told(change)}" for change in group.finding.differences
    ]
    return lines
