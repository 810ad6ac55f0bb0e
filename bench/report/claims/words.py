"""Verdicts and figures of claims as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.records import Interval
from bench.report import units
from bench.stats import grouped_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.records import Answer, Figure

UNMEASURED = "not measured"


def verdict(answer: Answer) -> str:
    """`holds`, `holds only when the noise is ...`, or that it could not be measured."""
    if answer.verdict is None:
        return f"{UNMEASURED}: {answer.why}"
    return f"{answer.verdict} {answer.condition}".strip()


def value(figure: Figure) -> str:
    """A figure with its interval and unit: `0.39× [0.37, 0.41]`, `96.3% [95.1%, 97.4%]`."""
    if figure.value is None:
        return "no number (NaN or ∞)"
    if figure.unit == "×":
        return units.times(Interval(figure.value, figure.low, figure.high))
    if figure.unit in ("%", "points"):
        sign, end = ("+", "") if figure.unit == "points" else ("", "%")
        text = f"{100 * figure.value:{sign}.1f}{end}"
        if figure.low is not None and figure.high is not None:
            text += f" [{100 * figure.low:{sign}.1f}{end}, {100 * figure.high:{sign}.1f}{end}]"
        return f"{text} points" if figure.unit == "points" else text
    whole = figure.value == int(figure.value) and abs(figure.value) < 1e15
    text = f"{int(figure.value):,}" if whole else units.magnitude(figure.value)
    return f"{text} {figure.unit}".strip()


def short(answer: Answer) -> str:
    """The claim in few words, so that `false` beside it reads as it is meant."""
    return answer.short or answer.claim


def headline(answer: Answer) -> str:
    """What answers the question in one line, or the first figure with its name."""
    if answer.headline:
        return answer.headline
    if not answer.figures:
        return units.ABSENT
    first = answer.figures[0]
    return f"{first.name}: {value(first)}"


def mean(values: Sequence[float]) -> Interval:
    """The mean over seeds with its interval by Student's t."""
    estimate = grouped_mean([[each] for each in values])
    return Interval(estimate.mean, estimate.low, estimate.high)
