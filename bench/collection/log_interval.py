"""A ratio or a cost on the logarithm, where its interval is symmetric and two can be subtracted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from bench.records import Interval


class LogInterval(NamedTuple):
    """The logarithm of a figure and half its interval; infinite where the interval is unknown."""

    middle: float
    half: float


def log_interval(interval: Interval | None) -> LogInterval | None:
    """An interval on the logarithm; `None` where there is no figure, or one without a logarithm."""
    middle = None if interval is None else _log(interval.value)
    if interval is None or middle is None:
        return None
    low, high = _log(interval.low), _log(interval.high)
    if low is None or high is None or high < low:
        return LogInterval(middle, math.inf)
    return LogInterval(middle, (high - low) / 2)


def difference(one: LogInterval, other: LogInterval) -> LogInterval:
    """`one` - `other`, with the half-width sqrt(h1² + h2²).

    Limits recovered from those of the parts ("MOVER", or square-and-add: Zou & Donner,
    "Construction of confidence limits about effect measures", Statistics in Medicine 27, 2008).
    That takes the two as independent. Ratios to the same `full` are not: what `full` adds to both
    is not in their difference, so the interval is rather too wide.
    """
    return LogInterval(one.middle - other.middle, math.hypot(one.half, other.half))


def _log(value: float | None) -> float | None:
    return math.log(value) if value is not None and 0 < value < math.inf else None
