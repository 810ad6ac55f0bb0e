"""The time gate on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich import box
from rich.table import Table
from rich.text import Text

from bench.names import printable
from bench.report.gate.time_advice import advice, again
from bench.report.gate.time_words import (
    bounded,
    by_cell,
    controls,
    facts,
    fraction,
    how_to_read,
    percent,
    remarks,
    share,
    verdict,
)
from bench.report.units import ABSENT

if TYPE_CHECKING:
    from rich.console import Console

    from bench.gate.time.record import Answer, Gate, Row

COLOURS: dict[Answer, str] = {"PASS": "green", "FAIL": "bold red", "CAN'T TELL": "yellow"}

_ASCII = str.maketrans({"×": "x", "÷": "/", "−": "-", "–": "-", "…": "~"})


class _Column(NamedTuple):
    title: str
    order: int  # of reading; the list itself is in order of need
    texts: list[str]


def show(gate: Gate, console: Console) -> None:
    """The answer first, then a table a cell, what was compared, and what to do."""
    first = _text(gate.answer, console, COLOURS[gate.answer])
    console.print(first + _text(f": {gate.why}" if gate.why else "", console))
    groups = by_cell(gate.rows)
    titles = _fitting(gate, console)
    for name, rows in groups.items():
        console.print()
        console.print(_text(name, console, "bold"))
        console.print(_table(gate, rows, titles, console))
        if "again" not in titles and rows[-1].judged:
            console.print(_text(f"{rows[-1].phase}: {controls(gate, rows[-1])}", console))
        for remark in remarks(gate, rows):
            console.print(_text(remark, console))
    console.print()
    for note in gate.notes:
        console.print(_text(f"note: {note}", console, "yellow"))
    console.print(_facts(gate, console))
    if groups:
        console.print(_text(how_to_read(gate), console, "dim"))
    _what_to_do(gate, console)


def _what_to_do(gate: Gate, console: Console) -> None:
    if gate.answer == "PASS":
        return
    console.print()
    for sentence in advice(gate):
        console.print(_text(sentence, console))
    console.print(_text("To run it again:", console))
    # A command is copied, so it is never broken by the terminal's width.
    console.print(_text(f"  {again(gate)}", console, "bold"), soft_wrap=True)


def _columns(gate: Gate, rows: list[Row]) -> list[_Column]:
    """All columns, in the order in which they are worth their width."""

    def judged(row: Row, text: str) -> str:
        return text if row.judged else ABSENT

    return [
        _Column("phase", 0, [row.phase for row in rows]),
        _Column("head ÷ base", 2, [bounded(row.head) for row in rows]),
        _Column("answer", 4, [verdict(row) for row in rows]),
        _Column("margin", 3, [judged(row, fraction(row.margin)) for row in rows]),
        _Column("share", 1, [share(row) for row in rows]),
        _Column("clock", 5, [row.clock for row in rows]),
        _Column("again", 6, [percent(row.again.value) for row in rows]),
        _Column(f"+{fraction(gate.terms.slow_down)}", 7, [percent(r.slowed.value) for r in rows]),
    ]


def _fitting(gate: Gate, console: Console) -> dict[str, int]:
    """The columns that fit, with their widths, alike in every table; the controls both or none."""
    needed = [
        (column.title, max(map(len, (column.title, *column.texts))))
        for column in _columns(gate, gate.rows)
    ]
    groups = [[column] for column in needed[:-2]] + [needed[-2:]]
    room = console.width + 1
    shown: dict[str, int] = {}
    for place, group in enumerate(groups):
        room -= sum(width + 1 for _, width in group)
        if room < 0 and place > 2:  # phase, ratio and answer there are in any case
            break
        shown |= dict(group)
    return shown


def _table(gate: Gate, rows: list[Row], titles: dict[str, int], console: Console) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    chosen = [column for column in _columns(gate, rows) if column.title in titles]
    chosen.sort(key=lambda column: column.order)
    for column in chosen:
        left = column.title in ("phase", "answer", "clock")
        table.add_column(
            _text(column.title, console),
            justify="left" if left else "right",
            overflow="fold",
            min_width=min(titles[column.title], console.width // 4),
        )
    for place, row in enumerate(rows):
        style = "" if row.judged else "dim"
        table.add_row(
            *(
                _text(
                    column.texts[place],
                    console,
                    COLOURS[row.answer] if column.title == "answer" and row.judged else style,
                )
                for column in chosen
            )
        )
    return table


def _facts(gate: Gate, console: Console) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, fact in facts(gate):
        table.add_row(_text(name, console, "dim"), _text(fact, console))
    return table


def _text(text: str, console: Console, style: str = "") -> Text:
    text = printable(text)
    if console.options.ascii_only:
        text = text.translate(_ASCII).encode("ascii", "replace").decode()
    return Text(text, style=style)
