"""Which strategies does none other beat, if time, memory and energy all count?

B beats A if B is no worse in any metric that A was measured in, by the figures as they came out,
and better beyond doubt in one of them. Bytes are exact. For times and joules that is an interval of
the log difference (`log_interval.difference`) that lies on one side of 0. What B was not measured
in it may be worse in, so an absent figure never helps; and since figures that are no worse all the
way round a circle would be equal, nothing is beaten in circles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bench.collection.compared import METRICS
from bench.collection.log_interval import LogInterval, difference, log_interval
from bench.records import Interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.collection.compared import Figures


class _Cost(NamedTuple):
    """A figure of which less is better, and its logarithm with an interval if it has one."""

    value: float
    logged: LogInterval | None


def unbeaten(figures: Sequence[Figures]) -> list[str]:
    """Of the strategies with the verdict `ok` in one column, those that none beats, in order."""
    costs = {each.strategy: _costs(each) for each in figures if each.verdict == "ok"}
    return [
        name
        for name, mine in costs.items()
        if mine and not any(beats(other, mine) for other in costs.values())
    ]


def beats(one: Mapping[str, _Cost], other: Mapping[str, _Cost]) -> bool:
    """Whether the first costs are no worse than the others, and better beyond doubt in one."""
    if any(name not in one or one[name].value > cost.value for name, cost in other.items()):
        return False
    return any(_less(one[name], cost) for name, cost in other.items())


def _costs(figures: Figures) -> dict[str, _Cost]:
    costs: dict[str, _Cost] = {}
    for name, better in METRICS.items():
        figure: Interval | int | None = getattr(figures, name)
        sign = 1 if better == "less" else -1
        if isinstance(figure, Interval):
            if (logged := log_interval(figure)) is not None:
                logged = LogInterval(sign * logged.middle, logged.half)
                costs[name] = _Cost(logged.middle, logged)
        elif figure is not None:
            costs[name] = _Cost(sign * figure, None)
    return costs


def _less(one: _Cost, other: _Cost) -> bool:
    if one.logged is None or other.logged is None:
        return one.value < other.value
    apart = difference(one.logged, other.logged)
    return apart.middle + apart.half < 0
