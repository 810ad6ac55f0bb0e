"""The claims in a terminal: a table, and the sentences where there are few."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from bench.report.claims.words import headline, verdict
from bench.report.terminal_text import as_text

if TYPE_CHECKING:
    from rich.console import Console

    from bench.records import Answer, Claims

_FEW = 3
_COLOURS = {"holds": "green", "holds only when": "yellow", "false": "red", "can't tell": "magenta"}


def show(found: Claims, console: Console) -> None:
    """Print number, claim, verdict and first figure of each; of a few the answers as well."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    table.add_column("#", justify="right", no_wrap=True)
    for title in ("claim", "verdict", "figure"):
        table.add_column(title, overflow="fold")
    for answer in found.answers:
        table.add_row(
            str(answer.number),
            as_text(answer.claim, console),
            as_text(verdict(answer), console, _colour(answer)),
            as_text(headline(answer), console),
        )
    console.print(table)
    if len(found.answers) > _FEW:
        return
    for answer in found.answers:
        console.print()
        console.print(as_text(f"{answer.number}. {answer.question}", console, "bold"))
        for sentence in answer.answer:
            console.print(as_text(sentence, console))
        console.print(as_text(f"rule: {answer.rule}", console, "dim"))


def _colour(answer: Answer) -> str:
    return "dim" if answer.verdict is None else _COLOURS[answer.verdict]
