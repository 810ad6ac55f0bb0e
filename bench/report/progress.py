"""The progress bar: phase, what is done, time left. On stderr, and silent without a terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Iterator

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
