"""A comparison as Markdown, with all its columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.comparison.words import (
    ABSOLUTE,
    how_to_read,
    milliseconds_of,
    peak_of,
    sentences,
    settings,
    signed,
)
from bench.report.table_md import code, escape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.collection.compared import Compared, Comparison


def markdown(comparison: Comparison, phase: str = "total") -> bytes:
    """UTF-8 Markdown: a table a workload with what it says, the runs, the notes."""
    blocks = ["# Runs side by side"]
    for compared in comparison.workloads:
        blocks.append(f"## {escape(compared.workload)}")
        blocks.append(escape(f"Frozen part: {compared.topology} · {settings(compared)}"))
        blocks.append(_table(compared, comparison, phase))
        blocks.append(_listed(sentences(compared, comparison, phase)))
    blocks += ["## The runs", _runs(comparison)]
    if comparison.notes:
        blocks += ["## Notes", _listed(comparison.notes)]
    blocks += ["## How to read this", escape(how_to_read(phase))]
    return ("\n\n".join(blocks) + "\n").encode("utf-8", "replace")


def _table(compared: Compared, comparison: Comparison, phase: str) -> str:
    titles = ["strategy", *(escape(comparison.columns[place].label) for place in compared.columns)]
    fulls = [compared.figures.get(("full", place)) for place in compared.columns]
    rows = [
        titles,
        ["---", *("--:" for _ in fulls)],
        [f"`full`: time ({ABSOLUTE})", *(milliseconds_of(full, phase) for full in fulls)],
        [f"`full`: peak memory ({ABSOLUTE})", *(peak_of(full) for full in fulls)],
    ]
    for name in compared.strategies:
        if name != "full":
            cells = (compared.figures.get((name, place)) for place in compared.columns)
            rows.append([code(name), *(escape(signed(each, phase)) for each in cells)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _runs(comparison: Comparison) -> str:
    rows = [["column", "run", "started", "machine", "runs"], ["---", "---", "---", "---", "--:"]]
    rows += [
        [
            escape(column.label),
            code(column.run) + (" (synthetic)" if column.synthetic else ""),
            escape(column.started),
            escape(column.machine),
            str(column.runs),
        ]
        for column in comparison.columns
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _listed(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {escape(sentence)}" for sentence in sentences)
