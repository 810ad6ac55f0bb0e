"""A comparison in a terminal: a table a workload, then what it says in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.table import Table

from bench.names import fold, printable, shorten
from bench.report.comparison.words import (
    ABSOLUTE,
    headings,
    how_to_read,
    milliseconds_of,
    peak_of,
    sentences,
    settings,
    signed,
)
from bench.report.terminal_text import COLOURS, as_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from bench.collection.compared import Compared, Comparison

_HEADER_LINES = 3
_NARROWEST = 13  # of a column: what `≠ 0.34 ±0.02` takes, and a little for its header
_GAP = 2  # between columns
_LISTED = 20  # columns whose runs are named


def show(comparison: Comparison, console: Console, phase: str = "total") -> None:
    """Print as many columns as the terminal is wide, and say how the others can be seen."""
    for compared in comparison.workloads:
        shown = _fitting(compared, console, phase)
        console.print(as_text(_title(compared, console), console, "bold"))
        if common := settings(compared):
            console.print(as_text(common, console, "dim"))
        console.print(_table(compared, comparison, shown, console, phase))
        console.print(as_text(f"full: {ABSOLUTE}", console, "dim"))
        if left := len(compared.columns) - len(shown):
            console.print(as_text(_left_out(left), console, "yellow"))
        for sentence in sentences(compared, comparison, phase):
            console.print(as_text(sentence, console))
        console.print()
    _columns(comparison, console)
    for note in comparison.notes:
        console.print(as_text(f"note: {note}", console, "yellow"))
    console.print(as_text(how_to_read(phase), console, "dim"))


def _columns(comparison: Comparison, console: Console) -> None:
    """Which run each column is from."""
    for place, column in enumerate(comparison.columns[:_LISTED], 1):
        stands = _standing(comparison, place - 1)
        runs = "" if column.runs == 1 else f", the latest of {column.runs} runs"
        if len(stands) > 1:
            runs = "; " + ", ".join(f"{run} for {', '.join(of)}" for run, of in stands.items())
        made_up = ", synthetic" if column.synthetic else ""
        where = "" if column.machine in column.label else f" on {column.machine}"
        run = column.run if len(stands) < 2 else f"{len(stands)} runs"
        line = f"[{place}] {column.label}{where}: {run}{runs}{made_up}"
        console.print(as_text(shorten(line, 2 * console.width), console, "dim"))
    if (left := len(comparison.columns) - _LISTED) > 0:
        console.print(as_text(f"and {left} more columns", console, "dim"))


def _standing(comparison: Comparison, place: int) -> dict[str, list[str]]:
    """The runs that stand for a column, each with its workloads."""
    found: dict[str, list[str]] = {}
    for compared in comparison.workloads:
        if (run := compared.stands.get(place)) is not None:
            found.setdefault(run, []).append(compared.workload)
    return found


def _title(compared: Compared, console: Console) -> str:
    tail = f" · {compared.topology}"
    return shorten(compared.workload, max(12, console.width - len(tail))) + tail


def _texts(compared: Compared, place: int, phase: str) -> list[str]:
    """The cells of one column: `full` in absolute figures, then the strategies."""
    full = compared.figures.get(("full", place))
    return [
        milliseconds_of(full, phase),
        peak_of(full),
        *(
            signed(compared.figures.get((name, place)), phase)
            for name in compared.strategies
            if name != "full"
        ),
    ]


def _names(compared: Compared) -> list[str]:
    return ["full: time", "full: peak", *(n for n in compared.strategies if n != "full")]


def _widths(compared: Compared, console: Console, phase: str) -> tuple[int, list[int]]:
    """Cells that the names take, and each column."""
    longest = max(cell_len(printable(name)) for name in _names(compared))
    names = min(longest, max(14, (console.width - _NARROWEST - _GAP) * 2 // 3))
    widths = [
        max(_NARROWEST, *map(len, _texts(compared, place, phase))) for place in compared.columns
    ]
    return names, widths


def _fitting(compared: Compared, console: Console, phase: str) -> list[int]:
    """Places of the columns that fit, in order; the first in any case."""
    names, widths = _widths(compared, console, phase)
    room = console.width - names - _GAP
    shown: list[int] = []
    for place, width in zip(compared.columns, widths, strict=True):
        room -= width + _GAP
        if room < 0 and shown:
            break
        shown.append(place)
    return shown


def _table(
    compared: Compared, comparison: Comparison, shown: list[int], console: Console, phase: str
) -> Table:
    names, widths = _widths(compared, console, phase)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    table.add_column("strategy", width=names, overflow="fold")
    named = headings(comparison, shown)
    for place, width in zip(shown, widths, strict=False):
        told = named[place]
        each = _HEADER_LINES if len(told) == 1 else 1
        labels = [line for part in told for line in fold(part, width, each).split("\n")]
        lines = [f"[{place + 1}]", *labels]
        header = as_text(lines[0], console)
        for line in lines[1:]:
            header = header + as_text("", console).append("\n") + as_text(line, console)
        table.add_column(header, width=width, justify="right", overflow="fold", no_wrap=False)
    columns = [_texts(compared, place, phase) for place in shown]
    for row, name in enumerate(_names(compared)):
        cells = [
            as_text(texts[row], console, _style(compared, name, place))
            for place, texts in zip(shown, columns, strict=True)
        ]
        table.add_row(_name(name, console), *cells, end_section=row == 1)
    return table


def _name(name: str, console: Console) -> Text:
    return as_text(name, console, "dim" if name.startswith("full: ") else "")


def _style(compared: Compared, name: str, place: int) -> str:
    figures = compared.figures.get((name, place))
    if figures is None:
        return "dim"
    return "" if figures.verdict == "ok" else COLOURS[figures.verdict]


def _left_out(left: int) -> str:
    columns = "1 column does" if left == 1 else f"{left} columns do"
    return (
        f"{columns} not fit here: widen the terminal, keep some with --only, or write all of them "
        "with --markdown or --csv"
    )
