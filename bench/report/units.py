"""Figures as text: milliseconds, ratios, mebibytes, and what their intervals allow to say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.records import CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.records import Interval

INTERVAL = f"{CONFIDENCE:.0%} interval"
MILLI = 1e-3
MIB = 2**20
_MEANINGLESS = 10  # times the lower bound is the upper one
ABSENT = "\u2013"
TIMES = "\u00d7"  # the sign of a ratio


def places(value: float, significant: int = 3) -> int:
    """Decimal places at which `value` shows `significant` digits (none below the unit's)."""
    if value == 0 or not math.isfinite(value):
        return 0
    return max(0, significant - 1 - math.floor(math.log10(abs(value))))


def number(value: float, significant: int = 3) -> str:
    """`value` with `significant` digits and without an exponent: `9.03`, `0.0241`, `1830`."""
    return f"{value:.{places(value, significant)}f}"


def milliseconds(seconds: Interval | None, *, bounds: bool = True) -> str:
    """Seconds as milliseconds: `9.03 [8.90, 9.12]`; `9.03 [?]` where no interval is known."""
    if seconds is None:
        return ABSENT
    value = seconds.value / MILLI
    digits = places(value)
    text = f"{value:.{digits}f}"
    if not bounds:
        return text
    if seconds.low is None or seconds.high is None or says_nothing(seconds):
        return f"{text} [?]"
    return f"{text} [{seconds.low / MILLI:.{digits}f}, {seconds.high / MILLI:.{digits}f}]"


def _ratio_places(ratio: Interval) -> int:
    """Three places where two would hide the figure or its interval."""
    narrow = ratio.low is not None and ratio.high is not None and ratio.high - ratio.low < 0.01
    return 3 if narrow or ratio.value < 0.095 else 2


def says_nothing(value: Interval) -> bool:
    """Whether an interval spans so much that its figure means nothing."""
    if value.low is None or value.high is None:
        return False
    return value.high > _MEANINGLESS * value.low


def ratio(value: Interval | None) -> str:
    """A ratio with its interval: `0.34 [0.32, 0.36]`; `0.34 [?]` where none says anything."""
    return _with_interval(value, " [?]", lambda at, low, high: f" [{low:{at}}, {high:{at}}]")


def ratio_within(value: Interval | None) -> str:
    """A ratio with the larger of its two half widths: `0.34 ±0.02`, or `0.34 ±?`."""
    if value is None:
        return ABSENT
    middle = value.value
    return _with_interval(
        value, " ±?", lambda at, low, high: f" ±{max(high - middle, middle - low):{at}}"
    )


def _with_interval(
    value: Interval | None, unknown: str, bounds: Callable[[str, float, float], str]
) -> str:
    """A ratio followed by what `bounds` makes of a format and its bounds, or by `unknown`."""
    if value is None:
        return ABSENT
    at = f".{_ratio_places(value)}f"
    text = f"{value.value:{at}}"
    if value.low is None or value.high is None or says_nothing(value):
        return text + unknown
    return text + bounds(at, value.low, value.high)


def share(value: float) -> str:
    """A ratio known without an interval: `0.41`, and `0.0032` where two places would hide it."""
    return f"{value:.2f}" if value >= 0.095 or value == 0 else number(value, 2)


def times(value: Interval) -> str:
    """A ratio inside a sentence: `0.34x [0.32, 0.36]`."""
    head, *interval = ratio(value).split(" ", 1)
    return " ".join([f"{head}{TIMES}", *interval])


def mebibytes(size: int | None) -> str:
    """Bytes as MiB: `8.52`."""
    return ABSENT if size is None else number(size / MIB)


def duration(seconds: float) -> str:
    """A time in the unit that reads best: `11.8 ms`, `93 s`, `5.0 min`."""
    if seconds < 1:
        return f"{number(seconds / MILLI)} ms"
    if seconds < 120:
        return f"{number(seconds, 2)} s"
    return f"{seconds / 60:.1f} min"


def percent(fraction: float) -> str:
    """A fraction as a percentage: `62%`, `0.4%`."""
    return f"{number(100 * fraction, 1 if fraction < 0.01 else 2)}%"


def magnitude(value: float | None) -> str:
    """A difference on a scale of magnitudes: `3e-08`, `0.12`, `0`; `None` is infinite."""
    if value is None or math.isinf(value):
        return "∞"
    if value == 0:
        return "0"
    return number(value, 2) if 1e-2 <= value < 1e3 else f"{value:.0e}"
