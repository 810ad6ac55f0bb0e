"""What a comparison says, in sentences and as the figures of its heat map."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.report.names import shorten
from bench.report.reading import words
from bench.report.units import ABSENT, TIMES, times

if TYPE_CHECKING:
    from bench.collection.compared import Agreement, Compared, Comparison, Figures
    from bench.records import Verdict

_NAME = 48
_PAIRS = 6  # of columns that get a sentence each; of more, the least alike do
_SWAPPED = 3
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


def says(comparison: Comparison, compared: Compared) -> list[str]:
    """Which strategies are never beaten, and whether the columns rank them alike."""
    return [*_never_beaten(compared), *_agreement(comparison, compared)]


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


def _never_beaten(compared: Compared) -> list[str]:
    if len(compared.columns) < 2:
        return []
    names = [shorten(name, _NAME) for name in compared.always_unbeaten]
    if not names:
        return ["No strategy is unbeaten in every column."]
    verb = "is" if len(names) == 1 else "are"
    return [
        f"{', '.join(names)} {verb} never beaten: in no column does another strategy that is ok "
        "beat it in what was measured."
    ]


def _agreement(comparison: Comparison, compared: Compared) -> list[str]:
    known = [agreement for agreement in compared.agreements if agreement.tau is not None]
    known.sort(key=lambda agreement: agreement.tau or 0.0)
    told = [_told(comparison, agreement) for agreement in known[:_PAIRS]]
    if len(known) > _PAIRS:
        told.append(f"{len(known) - _PAIRS} other pairs of columns are more alike than these.")
    return told


def _told(comparison: Comparison, agreement: Agreement) -> str:
    one = shorten(comparison.columns[agreement.one].label, _NAME)
    other = shorten(comparison.columns[agreement.other].label, _NAME)
    tau = f"Kendall's τ {agreement.tau:.2f}"
    if agreement.low is not None and agreement.high is not None:
        tau += f", between {agreement.low:.2f} and {agreement.high:.2f}"
    swapped = [
        f"{shorten(first, _NAME)} and {shorten(second, _NAME)}"
        for first, second in agreement.swapped[:_SWAPPED]
    ]
    doubt = f"{agreement.in_doubt} of {agreement.pairs} pairs are in doubt"
    if not swapped:
        return f"{one} and {other} contradict each other in no pair ({tau}; {doubt})."
    more = len(agreement.swapped) - len(swapped)
    also = f", and {more} more pairs" if more else ""
    return (
        f"{one} and {other} differ beyond doubt in the order of {'; '.join(swapped)}{also} "
        f"({tau}; {doubt})."
    )
