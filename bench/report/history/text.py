"""A history on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from bench.names import printable, shorten
from bench.report import units
from bench.report.history.words import HOW_TO_READ, by, name, sentence, setting, shortfall
from bench.report.reading import SIGNS

if TYPE_CHECKING:
    from rich.console import Console

    from bench.collection.history import History, Series


_ROOMY = 100  # columns from which the first ratio is shown beside the latest


def show(history: History, console: Console) -> None:
    """Every run of a single series, or a line a series; then changes, notes and how to read it."""
    for place in dict.fromkeys(setting(series) for series in history.series):
        console.print(Text(printable(place), "bold"))
        members = [series for series in history.series if setting(series) == place]
        console.print(
            _runs(members[0])
            if len(history.series) == 1
            else _lines(members, roomy=console.width >= _ROOMY)
        )
        console.print()
    found = [sentence(series, change) for series in history.series for change in series.changes]
    if not found and any(series.is_long_enough for series in history.series):
        found = ["No change is beyond doubt."]
    missing = shortfall(history)
    for line in [*found, *([missing] if missing else []), *(f"note: {n}" for n in history.notes)]:
        console.print(Text(printable(line)))
    console.print(Text(HOW_TO_READ, "dim"))


def _lines(members: list[Series], *, roomy: bool) -> Table:
    first = ("first",) if roomy else ()
    table = _table("workload × strategy", "runs", *first, "latest", "changes")
    for series in members:
        table.add_row(
            Text(shorten(name(series), 48)),
            Text(str(len(series.points))),
            *(Text(units.ratio(series.points[0].ratio)) for _ in first),
            Text(units.ratio(series.points[-1].ratio)),
            Text(", ".join(by(change) for change in series.changes) or units.ABSENT),
        )
    return table


def _runs(series: Series) -> Table:
    table = _table(shorten(name(series), 48), "began", f"{series.phase} ÷ full", "", "torch")
    changed = {change.at: change for change in series.changes}
    for place, point in enumerate(series.points):
        if place in changed:
            change = Text(by(changed[place]), "yellow")
            table.add_row(Text("from here", "yellow"), "", change)
        table.add_row(
            Text(printable(point.run)),
            Text(printable(point.started[:16].replace("T", " "))),
            Text(units.ratio(point.ratio)),
            Text(SIGNS[point.verdict]),
            Text(printable(point.circumstances.get("torch", units.ABSENT))),
        )
    return table


def _table(*titles: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for title in titles:
        table.add_column(
            Text(title), justify="right" if "full" in title or title == "runs" else "left"
        )
    return table
