"""Which strategies does none other beat, if time, memory and energy all count?

B beats A if B is no worse in any metric that A was measured in, by the figures as they came out,
and better beyond doubt in one of them. Bytes are exact. Times and joules have an interval: of the
log difference of two (`log_interval.difference`) `ranking.p_value` is taken, and what Holm's method
rejects at 5%, over all pairs of strategies and all such metrics of the column, is beyond doubt. So
where strategies are equal, one is called beaten in at most 5% of columns. What B was not measured
in it may be worse in, so an absent figure never helps; and since figures that are no worse all the
way round a circle would be equal, nothing is beaten in circles.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from bench.collection.compared import METRICS
from bench.collection.log_interval import LogInterval, difference, log_interval
from bench.collection.ranking import p_value
from bench.multiplicity import holm_threshold
from bench.records import CONFIDENCE, Interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.collection.compared import Figures

JOULES_DEGREES = 4
"""Of Student's t, of the five windows of an energy pass.

Steps of more than 2 s have a pass of two windows, whose p-values come out too small by this.
"""


class _Cost(NamedTuple):
    """A figure of which less is better, and its logarithm with an interval if it has one.

    `degrees` are those of Student's t that the interval is by.
    """

    value: float
    logged: LogInterval | None = None
    degrees: int = 0


def unbeaten(figures: Sequence[Figures]) -> list[str]:
    """Of the strategies with the verdict `ok` in one column, those that none beats, in order."""
    costs = {each.strategy: costs_of(each) for each in figures if each.verdict == "ok"}
    threshold = beyond_doubt(list(costs.values()))
    return [
        name
        for name, mine in costs.items()
        if mine and not any(beats(other, mine, threshold) for other in costs.values())
    ]


def beyond_doubt(costs: Sequence[Mapping[str, _Cost]]) -> float:
    """The largest p-value that is beyond doubt in a column, by Holm; negative if none is."""
    return holm_threshold(
        [
            _p_value(cost, other[name])
            for one, other in combinations(costs, 2)
            for name, cost in one.items()
            if cost.logged is not None and name in other
        ],
        1 - CONFIDENCE,
    )


def beats(one: Mapping[str, _Cost], other: Mapping[str, _Cost], threshold: float) -> bool:
    """Whether the first costs are no worse than the others, and better beyond doubt in one.

    Args:
        one: costs of a strategy, by metric.
        other: those of another.
        threshold: `beyond_doubt` of their column.
    """
    if any(name not in one or one[name].value > cost.value for name, cost in other.items()):
        return False
    return any(
        one[name].value < cost.value
        and (cost.logged is None or _p_value(one[name], cost) <= threshold)
        for name, cost in other.items()
    )


def costs_of(figures: Figures) -> dict[str, _Cost]:
    """What was measured of a strategy, by metric."""
    costs: dict[str, _Cost] = {}
    for name in METRICS:
        figure: Interval | int | None = getattr(figures, name)
        if isinstance(figure, Interval):
            degrees = JOULES_DEGREES if name == "joules" else figures.lives - 1
            if (logged := log_interval(figure)) is not None:
                costs[name] = _Cost(logged.middle, logged, degrees)
        elif figure is not None:
            costs[name] = _Cost(figure)
    return costs


def _p_value(one: _Cost, other: _Cost) -> float:
    """Of no difference; 1 where an interval is unknown."""
    if one.logged is None or other.logged is None:
        return 1.0
    apart = difference(one.logged, other.logged)
    return p_value(apart.middle, apart.half, min(one.degrees, other.degrees))
