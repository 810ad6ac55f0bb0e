"""The progress bar: phase, what is done, time left. On stderr, and silent without a terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import TaskID


class Bar:
    """Shows a run's phases, one at a time."""

    def __init__(self, display: Progress) -> None:
        self._display = display
        self._task: TaskID | None = None

    def begin(self, phase: str, total: float) -> None:
        """Show a new phase in place of the last."""
        if self._task is not None:
            self._display.remove_task(self._task)
        self._task = self._display.add_task(phase, total=total, doing="")

    def advance(self, by: float, doing: str = "") -> None:
        """Move the bar, and say at what the run is."""
        if self._task is not None:
            self._display.advance(self._task, by)
            if doing:
                self._display.update(self._task, doing=doing)

    def say(self, sentence: str) -> None:
        """Print a line above the bar; also where there is no bar."""
        self._display.console.print(sentence, highlight=False, markup=False)


@contextmanager
def watching(console: Console | None = None) -> Iterator[Bar]:
    """A progress bar that is gone again afterwards."""
    console = console or Console(stderr=True)
    display = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[doing]}", style="dim"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with display:
        yield Bar(display)


_REFRESHES = 2
"""A second; each takes a little of the processor from what is being timed."""


@contextmanager
def telling(
    budget: float, console: Console | None = None
) -> Iterator[Callable[[str, float], None]]:
    """A line that says what a gate is at; it is told what, and the seconds spent of the budget.

    It may take less than the budget, and a confirmation takes more, so there is no time left to
    show: the bar is the part of the budget, and the clock beside it runs from the beginning.
    """
    console = console or Console(stderr=True)
    display = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn(f"of {budget:g} s, unless it answers earlier", style="dim"),
        console=console,
        transient=True,
        refresh_per_second=_REFRESHES,
        disable=not console.is_terminal,
    )

    def told(what: str, spent: float) -> None:
        display.update(task, description=what, completed=min(spent, budget))

    with display:
        task = display.add_task("beginning", total=budget)
        yield told
