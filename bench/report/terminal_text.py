"""Text for any terminal: names made fit to be shown, signs that ASCII has, and colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from bench.names import printable

if TYPE_CHECKING:
    from rich.console import Console

    from bench.records import Verdict

COLOURS: dict[Verdict, str] = {
    "reference": "bold",
    "ok": "green",
    "leaks": "yellow",
    "severed": "magenta",
    "diverges": "red",
    "failed": "bright_red",
}

_ASCII = str.maketrans(
    {
        "✓": "+",
        "\u00d7": "x",
        "≠": "#",
        "±": "~",
        "\u2013": "-",
        "…": "~",
        "÷": "/",
        "∞": "inf",
        "·": "|",
        "τ": "tau",
    }
)


def as_text(words: str, console: Console, style: str = "") -> Text:
    """`words` as `console` can show them."""
    words = printable(words)
    if console.options.ascii_only:
        words = words.translate(_ASCII).encode("ascii", "replace").decode()
    return Text(words, style=style)
