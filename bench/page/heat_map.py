"""What the page shows of a comparison: sentences, and the figures of its heat map."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.report.comparison import words as of_comparisons
from bench.report.reading import words
from bench.report.units import ABSENT, TIMES, times

if TYPE_CHECKING:
    from bench.collection.compared import Compared, Comparison, Figures
    from bench.records import Verdict

_DEEPEST = math.log(8)  # a ratio of 8, or an eighth, has the strongest colour


@dataclass(frozen=True)
class Heat:
    """One field of the heat map.

    Attributes:
        text: the ratio, or the verdict where there is none to rank.
        interval: of the ratio, or "".
        tone: `faster`, `slower` or "" for no colour.
        depth: of the colour, 0 to 100.
        verdict: of the cell, or `None` where there is no such cell.
        unbeaten: whether nothing beats it in that column.
    """

    text: str
    interval: str = ""
    tone: str = ""
    depth: int = 0
    verdict: Verdict | None = None
    unbeaten: bool = False


def heat_rows(compared: Compared) -> list[tuple[str, list[Heat]]]:
    """Each strategy with a field a column of the workload."""
    return [
        (strategy, [
            _heat(compared.figures.get((strategy, column)),
                  unbeaten=strategy in compared.unbeaten.get(column, []))
            for column in compared.columns
        ])
        for strategy in compared.strategies
    ]  # fmt: skip


def says(compared: Compared, comparison: Comparison) -> list[str]:
    """What the figures say: ranking, what is never beaten, what the FLOPs would allow."""
    return of_comparisons.sentences(compared, comparison, "total")


def settings(compared: Compared) -> str:
    """What all columns have in common, on one line."""
    return of_comparisons.settings(compared)


def _heat(figures: Figures | None, *, unbeaten: bool) -> Heat:
    if figures is None:
        return Heat(ABSENT)
    if figures.strategy == "full":
        return Heat(f"1{TIMES}", verdict=figures.verdict)
    if figures.verdict not in ("ok", "reference") or figures.total is None:
        return Heat(words(figures.verdict), verdict=figures.verdict)
    value, *interval = times(figures.total).split(" ", 1)
    distance = math.log(figures.total.value) if figures.total.value > 0 else -_DEEPEST
    return Heat(
        text=value,
        interval=" ".join(interval),
        tone="faster" if distance < 0 else "slower",
        depth=round(100 * min(1.0, abs(distance) / _DEEPEST)),
        verdict=figures.verdict,
        unbeaten=unbeaten,
    )
