"""The run in a terminal: a table a workload, then what it says in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich import box
from rich.table import Table

from bench.names import printable, shorten
from bench.report import units
from bench.report.reading import (
    SIGNS,
    by_workload,
    frozen_kept,
    ideal,
    is_reference,
    joules,
    ratio,
    reference,
    seconds,
    threads,
)
from bench.report.sentences import sentences
from bench.report.terminal_text import COLOURS, as_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from bench.records import Cell, Run, Verdict

_ROOMY = 110  # columns from which intervals are shown with both bounds
_GAP = 3  # between two columns of the table


class _Column(NamedTuple):
    title: str
    order: int  # of reading; the list itself is in order of need
    texts: list[str]


def show(run: Run, console: Console) -> None:
    """Print `run` to `console`, with as many columns as its width holds.

    The names of the strategies and their verdicts are always whole. The row of `full` is in
    milliseconds and MiB; the others are ratios to it, with their interval.
    """
    console.print(as_text(_heading(run), console, "dim"))
    if run.cells:
        interval = f"[{units.INTERVAL}]" if console.width >= _ROOMY else f"± its {units.INTERVAL}"
        key = f"full in ms and MiB, the others as a ratio to full {interval}"
        console.print(as_text(key, console, "dim"))
    groups = by_workload(run)
    shown = _fitting(list(groups.values()), console)
    for workload, cells in groups.items():
        console.print()
        console.print(as_text(_title(workload, cells, console.width), console, "bold"))
        console.print(_table(cells, shown, console))
        for (verdict, reason), names in _reasons(cells).items():
            console.print(_explained(verdict, reason, names, console))
    console.print()
    for sentence in sentences(run):
        console.print(as_text(sentence, console))


def _heading(run: Run) -> str:
    machine, request = run.machine, run.request
    where = machine.accelerator if request.device != "cpu" and machine.accelerator else machine.cpu
    parts = (where, f"torch {machine.torch}", request.dtype, threads(run), request.optimizer)
    return " · ".join(parts)


def _title(workload: str, cells: list[Cell], width: int) -> str:
    batches = ", ".join(str(batch) for batch in dict.fromkeys(cell.batch for cell in cells))
    tail = f" · {cells[0].topology} · batch {batches}"
    return shorten(workload, max(12, width - len(tail))) + tail


def _columns(cells: list[Cell], roomy: bool) -> list[_Column]:
    """All columns but strategy and verdict, in the order in which they are worth their width."""
    full = reference(cells)
    full_peak = full.memory.peak_bytes if full is not None else None

    def time(phase: str) -> list[str]:
        texts = []
        for cell in cells:
            value = ratio(cell, phase)
            if is_reference(cell) or value is None:
                known = seconds(cell, phase)
                text = units.milliseconds(known, bounds=False)
                texts.append(text if known is None else f"{text} ms")
            else:
                texts.append(units.ratio(value) if roomy else units.ratio_within(value))
        return texts

    def peak(cell: Cell) -> str:
        size = cell.memory.peak_bytes
        if is_reference(cell) or size is None or not full_peak:
            return units.ABSENT if size is None else f"{units.mebibytes(size)} MiB"
        return f"{size / full_peak:.2f}"

    def size(known: int | None) -> str:
        return units.mebibytes(known)

    def allowed(cell: Cell) -> str:
        value = ideal(cell, "total")
        return units.ABSENT if value is None else units.share(value)

    def energy(cell: Cell) -> str:
        spent = joules(cell)
        return units.ABSENT if spent is None else f"{units.number(spent.value)} J"

    midway = [units.ABSENT if cell.midway is None else cell.midway.verdict for cell in cells]
    return [
        _Column("total", 4, time("total")),
        _Column("midway", 0, midway),
        _Column("peak", 6, [peak(cell) for cell in cells]),
        _Column("backward", 2, time("backward")),
        _Column("FLOPs allow", 5, [allowed(cell) for cell in cells]),
        _Column("forward", 1, time("forward")),
        _Column("update", 3, time("update")),
        _Column("energy", 7, [energy(cell) for cell in cells]),
        _Column("saved MiB", 8, [size(cell.memory.saved_bytes) for cell in cells]),
        _Column("frozen grad+opt MiB", 9, [size(frozen_kept(cell)) for cell in cells]),
    ]


def _fitting(groups: list[list[Cell]], console: Console) -> set[str]:
    """Titles of the columns that fit beside the strategies, alike in every table."""
    columns = [_columns(cells, console.width >= _ROOMY) for cells in groups]
    room = console.width - max((_names_width(cells, console) for cells in groups), default=0)
    room -= max(len(verdict) for verdict in SIGNS) + 2 + _GAP
    shown: set[str] = set()
    for alike in zip(*columns, strict=True):
        texts = [text for column in alike for text in column.texts]
        if all(text == units.ABSENT for text in texts):
            continue  # energy, say, where no machine tells it
        texts.append(alike[0].title)
        room -= max(map(len, texts)) + _GAP
        if room < 0:
            break
        shown.add(alike[0].title)
    return shown


def _names_width(cells: list[Cell], console: Console) -> int:
    longest = max(as_text(cell.strategy, console).cell_len for cell in cells)
    return min(longest, console.width - 14)


def _table(cells: list[Cell], shown: set[str], console: Console) -> Table:
    names = [printable(cell.strategy) for cell in cells]
    verdicts = [f"{SIGNS[cell.verdict]} {cell.verdict}" for cell in cells]
    longest = _names_width(cells, console)
    columns = _columns(cells, console.width >= _ROOMY)
    chosen = sorted((c for c in columns if c.title in shown), key=lambda column: column.order)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    whole = all(as_text(name, console).cell_len <= longest for name in names)
    table.add_column("strategy", no_wrap=whole, overflow="fold", min_width=longest)
    table.add_column("verdict", no_wrap=True)
    for column in chosen:
        justify = "left" if column.title == "midway" else "right"
        table.add_column(column.title, no_wrap=True, justify=justify)  # type: ignore[arg-type]
    for place, cell in enumerate(cells):
        style = COLOURS[cell.verdict]
        table.add_row(
            as_text(names[place], console, "bold" if cell.verdict == "reference" else ""),
            as_text(verdicts[place], console, style),
            *(
                as_text(column.texts[place], console, _style(column, cell.verdict, place))
                for column in chosen
            ),
        )
    return table


def _style(column: _Column, verdict: Verdict, place: int) -> str:
    if column.title == "midway":
        known = column.texts[place]
        return next((style for name, style in COLOURS.items() if name == known), "dim")
    return {"reference": "bold", "ok": ""}.get(verdict, "dim")


def _reasons(cells: list[Cell]) -> dict[tuple[Verdict, str], list[str]]:
    """The strategies behind each reason why cells are not `ok`, at the freeze or midway."""
    reasons: dict[tuple[Verdict, str], list[str]] = {}
    for cell in cells:
        if cell.verdict not in ("ok", "reference"):
            reasons.setdefault((cell.verdict, cell.why), []).append(cell.strategy)
        elif cell.midway is not None and cell.midway.verdict not in ("ok", "reference"):
            why = f"{cell.midway.verdict} when frozen midway: {cell.midway.why}"
            reasons.setdefault((cell.midway.verdict, why), []).append(cell.strategy)
    return reasons


def _explained(verdict: Verdict, reason: str, names: list[str], console: Console) -> Text:
    """One or two lines below the table: why some cells are not `ok`."""
    who = f"{SIGNS[verdict]} {', '.join(printable(name) for name in names)}: "
    text = as_text(who, console, COLOURS[verdict])
    room = max(console.width, 3 * console.width - len(who) - 8)
    return text + as_text(shorten(reason, room), console, "dim")
