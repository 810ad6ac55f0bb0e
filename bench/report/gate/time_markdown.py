"""The time gate as Markdown, for the summary of a CI job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.gate.time_advice import advice, again
from bench.report.gate.time_words import (
    bounded,
    by_cell,
    facts,
    fraction,
    how_to_read,
    remarks,
    share,
    verdict,
)
from bench.report.table_md import code, escape

if TYPE_CHECKING:
    from bench.gate.time.record import Answer, Gate, Row

_SIGNS: dict[Answer, str] = {"PASS": "✅", "FAIL": "❌", "CAN'T TELL": "❔"}
_RULES = ("---", "---", "--:", "--:", "---", "---", "--:", "--:")


def time_markdown(gate: Gate) -> bytes:
    """UTF-8 Markdown with a line break at its end: the answer, the table, what to do."""
    blocks = [f"## {_SIGNS[gate.answer]} freezebench: time", _first(gate)]
    if gate.rows:
        blocks.append(_table(gate))
    told = [
        f"{name}, {remark}"
        for name, rows in by_cell(gate.rows).items()
        for remark in remarks(gate, rows)
    ]
    told += [f"note: {note}" for note in gate.notes]
    told += advice(gate)
    if told:
        blocks.append("\n".join(f"- {escape(sentence)}" for sentence in told))
    if gate.answer != "PASS":
        blocks.append(f"To run it again: {code(again(gate))}")
    blocks.append("\n".join(f"- {name}: {escape(fact)}" for name, fact in facts(gate)))
    if gate.rows:
        blocks.append(escape(how_to_read(gate)))
    return ("\n\n".join(blocks) + "\n").encode("utf-8", "replace")


def _first(gate: Gate) -> str:
    answer = f"**{escape(gate.answer)}**"
    return f"{answer}: {escape(gate.why)}" if gate.why else answer


def _table(gate: Gate) -> str:
    slow_down = f"+{fraction(gate.terms.slow_down)}"
    titles = ("cell", "phase", "head ÷ base", "margin", "answer", "clock", "again", slow_down)
    lines = [f"| {' | '.join(line)} |" for line in (titles, _RULES)]
    for row in gate.rows:
        texts = (row.phase, bounded(row.head), fraction(row.margin), _answer(row), row.clock)
        both = (bounded(row.again), bounded(row.slowed))
        name = f"{code(row.workload)} × {code(row.strategy)}"
        lines.append(f"| {name} | {' | '.join(map(escape, (*texts, *both)))} |")
    return "\n".join(lines)


def _answer(row: Row) -> str:
    return verdict(row) if row.judged else f"not judged ({share(row)} of the step)"
