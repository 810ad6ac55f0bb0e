"""An audit on a terminal of any width."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from bench.report.audit.words import (
    SIGNS,
    compared,
    counted,
    heading,
    moved,
    ordered,
    place,
    since,
    stopped,
)
from bench.report.terminal_text import as_text

if TYPE_CHECKING:
    from bench.records import Audit, Finding
    from bench.rules import Severity

COLOURS: dict[Severity, str] = {"error": "red", "warning": "yellow", "notice": "cyan"}
_INDENT = 4
_PLAIN_WIDTH = 100
_LABELS = ("moved", "why", "decided by", "mend")
_WIDTH = max(map(len, _LABELS)) + 2


def show(audit: Audit, console: Console) -> None:
    """Print `audit`: what was compared, each finding with its cause and its mend, and a count."""
    console.print(as_text(heading(audit), console, "bold"))
    console.print(as_text(compared(audit), console, "dim"))
    for note in audit.notes:
        console.print(as_text(f"note: {note}", console, "dim"))
    for finding in ordered(audit.findings):
        console.print()
        _show(finding, console)
    console.print()
    if (why := stopped(audit)) is not None:
        console.print(as_text(f"stopped early: {why}", console, "bold red"))
    console.print(as_text(counted(audit), console, "bold" if audit.findings else "bold green"))


def plain(audit: Audit) -> str:
    """The same without colours, 100 columns wide, for a file."""
    written = io.StringIO()
    show(audit, Console(file=written, width=_PLAIN_WIDTH, color_system=None))
    return written.getvalue()


def _show(finding: Finding, console: Console) -> None:
    colour = COLOURS[finding.severity]
    head = as_text(
        f"{SIGNS[finding.severity]} {finding.severity} {finding.rule}", console, f"bold {colour}"
    )
    behind = "  ".join(part for part in (place(finding), since(finding)) if part)
    head += as_text(f"  {behind}" if behind else "", console, colour)
    _broken(head, " " * _INDENT, console, front="")
    _broken(as_text(finding.what, console), " " * _INDENT, console)
    lines = moved(finding)
    for line in lines:
        _labelled("moved" if line is lines[0] else "", line, console)
    _labelled("why", finding.why, console)
    _labelled("decided by", finding.decided_by, console)
    _pasteable("mend", finding.mend, console, "bold")


def _labelled(label: str, words: str, console: Console, style: str = "") -> None:
    """A label, and words that are broken beside it."""
    if words:
        margin = " " * (_INDENT + _WIDTH)
        _broken(as_text(words, console, style), margin, console, _front(label))


def _pasteable(label: str, code: str, console: Console, style: str) -> None:
    """A label, and code that no line break is put into: what is copied is what was meant."""
    if code:
        front = Text().append(_front(label), "dim")
        console.print(front.append_text(as_text(code, console, style)), soft_wrap=True)


def _front(label: str) -> str:
    return f"{'':{_INDENT}}{label:{_WIDTH}}"


def _broken(text: Text, margin: str, console: Console, front: str | None = None) -> None:
    """Text over as many lines as it takes, all but the first of them behind `margin`."""
    room = max(20, console.width - len(margin))
    for number, line in enumerate(text.wrap(console, room)):
        line.rstrip()
        before = front if number == 0 and front is not None else margin
        console.print(Text().append(before, "dim").append_text(line), soft_wrap=True)
