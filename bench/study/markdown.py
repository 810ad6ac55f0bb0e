"""Pieces of Markdown that the study is told with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.gate.time.record import Bounds


_MEANINGLESS = 1000
"""An upper bound from which an interval says nothing."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]], text: int = 1) -> str:
    """A Markdown table; the first columns are text, the others lie at the right."""
    rule = ["---" if place < text else "--:" for place in range(len(header))]
    lines = [header, rule, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def change(bounds: Bounds) -> str:
    """A ratio as a change with its interval: `+5.2% [+4.1%, +6.3%]`."""
    value, low, high = (100 * (ratio - 1) for ratio in (bounds.value, bounds.low, bounds.high))
    if not bounds.high < _MEANINGLESS:
        return f"{value:+.1f}% [?]"
    return f"{value:+.1f}% [{low:+.1f}%, {high:+.1f}%]"


def percentage(margin: float) -> str:
    """A margin or a slow-down: `2%`."""
    return f"{100 * margin:g}%"


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: `1 trace`, `3 traces`."""
    return f"{number} {one if number == 1 else many or one + 's'}"
