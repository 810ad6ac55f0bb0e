"""What there is to choose from, with the first sentence that each says of itself."""

from __future__ import annotations

import inspect

from rich.console import Console
from rich.table import Table

import strategies
from bench import workloads


def strategies_table(console: Console | None = None) -> None:
    """Print every strategy."""
    rows = [(name, type(strategies.find(name)).__doc__) for name in strategies.names()]
    _print(console, "strategies (append +eval to hold the frozen part in eval mode)", rows)


def workloads_table(console: Console | None = None) -> None:
    """Print every workload."""
    rows = [(name, factory.__doc__) for name, factory in workloads.ROSTER.items()]
    rows += workloads.FORMS.items()
    _print(console, "workloads", rows)


def _print(console: Console | None, title: str, rows: list[tuple[str, str | None]]) -> None:
    table = Table(title=title, title_justify="left", box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    for name, says in rows:
        table.add_row(name, first_paragraph(says))
    (console or Console()).print(table)


def first_paragraph(docstring: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join(inspect.cleandoc(docstring or "").split("\n\n")[0].split())
