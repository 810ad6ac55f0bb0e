"""The hazard matrix on the terminal: a table of signs, and sentences where they are few."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from bench.names import shorten
from bench.report.hazards.words import (
    MEANINGS,
    SIGNS,
    by_theme,
    cells_of,
    groups,
    kinds,
    mended,
    summary,
)
from bench.report.terminal_text import as_text

if TYPE_CHECKING:
    from rich.console import Console

    from bench.records import Hazard, Hazards, OutcomeKind

COLOURS: dict[OutcomeKind, str] = {
    "immune": "green",
    "moves": "red",
    "severed": "magenta",
    "error": "cyan",
    "affected": "yellow",
    "not applicable": "dim",
    "broken": "reverse",
}

_NAME = 22
_COLUMN = 3
_FEW = 5  # hazards that are told in sentences as well


def show(hazards: Hazards, console: Console) -> None:
    """Print the table if it fits, and the sentences of a few hazards, or of all if it doesn't."""
    fits = _NAME + _COLUMN * len(hazards.strategies) <= console.width
    if fits:
        _table(hazards, console)
    if not fits or len(hazards.hazards) <= _FEW:
        for hazard in hazards.hazards:
            _told(hazards, hazard, console)
    console.print(as_text(summary(hazards), console, "bold"))
    for kind in kinds(hazards):
        line = as_text(f"{SIGNS[kind]} {kind}", console, COLOURS[kind])
        console.print(line + as_text(f": {MEANINGS[kind]}", console, "dim"))


def _table(hazards: Hazards, console: Console) -> None:
    numbers = "".join(f"{place:>{_COLUMN}}" for place in range(1, len(hazards.strategies) + 1))
    for theme, members in by_theme(hazards):
        console.print(as_text(f"{shorten(theme, _NAME):<{_NAME}}{numbers}", console, "dim"))
        for hazard in members:
            line = as_text(f"{shorten(hazard.name, _NAME):<{_NAME}}", console)
            cells = cells_of(hazards, hazard.name)
            for name in hazards.strategies:
                kind = cells[name].outcome.kind
                line += Text(" " * (_COLUMN - 1)) + as_text(SIGNS[kind], console, COLOURS[kind])
            console.print(line)
    legend = ", ".join(f"{place} {name}" for place, name in enumerate(hazards.strategies, 1))
    console.print(as_text(legend, console, "dim"))
    console.print()


def _told(hazards: Hazards, hazard: Hazard, console: Console) -> None:
    cells = list(cells_of(hazards, hazard.name).values())
    console.print(as_text(f"{hazard.name}: {hazard.title}", console, "bold"))
    for outcome, names in groups(cells):
        line = as_text(f"  {SIGNS[outcome.kind]} {outcome.kind}", console, COLOURS[outcome.kind])
        console.print(line + as_text(f": {', '.join(names)}. {outcome.says}", console))
    console.print(as_text(f"  mend: {hazard.mend}. {mended(cells)}", console))
    console.print()
