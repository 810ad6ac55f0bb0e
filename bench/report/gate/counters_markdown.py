"""The counters' gate as Markdown, for the summary of a CI job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.gate.counters_words import answer, groups, heading, shown, told
from bench.report.table_md import code, escape

if TYPE_CHECKING:
    from bench.gate.counters.comparison import Comparison
    from bench.report.gate.counters_words import Group

_SIGNS = {"equal": "✅", "differs": "❌", "failed": "💥"}


def counters_markdown(comparison: Comparison) -> str:
    """A heading with the answer, and a section for each group of cells that differ."""
    first, *rest = answer(comparison)
    sign = _SIGNS["equal" if comparison.updated else comparison.outcome]
    blocks = [f"## {sign} freezebench: counters", escape(first)]
    blocks += [escape(sentence) for sentence in rest]
    blocks += [_section(group) for group in groups(shown(comparison))]
    if comparison.counting:
        wrong = "\n".join(f"- {escape(sentence)}" for sentence in comparison.counting)
        blocks.append(f"### The counting itself\n\n{wrong}")
    return "\n\n".join(blocks)


def _section(group: Group) -> str:
    finding = group.finding
    names = ", ".join(map(code, group.strategies))
    lines = [f"### {escape(group.workload)} × {names}: {heading(finding)}", ""]
    lines += [f"- {escape(sentence)}" for sentence in finding.meaning]
    if finding.differences:
        lines += ["", "| counter | from → to |", "| --- | --- |"]
        lines += [f"| {code(c.counter)} | {escape(told(c))} |" for c in finding.differences]
    return "\n".join(lines)
