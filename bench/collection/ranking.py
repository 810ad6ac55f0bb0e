"""Do two columns rank the strategies alike? Kendall's tau, with an interval for the true ratios.

Only strategies with the verdict `ok` in both columns count, by their total time relative to `full`.
A column orders two of them by the difference of their log ratios, d. Its interval comes from those
of the two (`log_interval.difference`), each at 95% by Student's t over lives, so that

    SE = sqrt(h1² + h2²) / t(0.975, n - 1),   p = 2·P(T > |d| / SE),

with n the lesser number of lives. Holm's method over all pairs in both columns keeps the chance
that any order which is called beyond doubt is the wrong one at 5% or below. Every other pair may go
either way in truth, so with D the sum over the pairs beyond doubt in both columns of +1 (same
order) and -1 (swapped), U the others and N all,

    (D - U) / N ≤ tau of the true ratios ≤ (D + U) / N

holds with 95% confidence, ties included: a tied pair takes as much from the denominator of tau-b
(Kendall, "The treatment of ties in ranking problems", Biometrika 33, 1945) as it could have added
to its numerator.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from scipy.special import stdtr, stdtrit

from bench.collection.compared import Agreement
from bench.collection.log_interval import difference, log_interval
from bench.multiplicity import holm_threshold
from bench.records import CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.collection.compared import Figures

Pair = tuple[str, str]


class Order(NamedTuple):
    """How a column orders two strategies: the sign of their difference, and its p-value."""

    sign: int
    p: float


def orders(figures: Mapping[str, Figures], strategies: Sequence[str]) -> dict[Pair, Order]:
    """The order of every pair of strategies that a column ranks.

    Args:
        figures: of the column, by strategy.
        strategies: names, in the order that gives a pair its sign.
    """
    ranked = [
        (name, logged, figures[name].lives)
        for name in strategies
        if name in figures
        and figures[name].verdict == "ok"
        and (logged := log_interval(figures[name].total)) is not None
    ]
    found: dict[Pair, Order] = {}
    for place, (name, one, lives) in enumerate(ranked):
        for other_name, other, other_lives in ranked[place + 1 :]:
            apart = difference(one, other)
            sign = (apart.middle > 0) - (apart.middle < 0)
            p = p_value(apart.middle, apart.half, min(lives, other_lives) - 1)
            found[name, other_name] = Order(sign, p)
    return found


def agreement(
    one: int, other: int, mine: Mapping[Pair, Order], others: Mapping[Pair, Order]
) -> Agreement:
    """How alike two columns rank, from the `orders` of each.

    Args:
        one: place of a column.
        other: place of another.
        mine: orders of the first column, by pair.
        others: those of the second.
    """
    pairs = [pair for pair in mine if pair in others]
    if not pairs:
        return Agreement(one, other, None, None, None, 0, 0)
    both = [(pair, mine[pair], others[pair]) for pair in pairs]
    p_values = [p for _, one_way, other_way in both for p in (one_way.p, other_way.p)]
    threshold = holm_threshold(p_values, 1 - CONFIDENCE)
    same, in_doubt = 0, 0
    swapped: list[Pair] = []
    for pair, one_way, other_way in both:
        if one_way.p > threshold or other_way.p > threshold:
            in_doubt += 1
        elif one_way.sign == other_way.sign:
            same += 1
        else:
            swapped.append(pair)
    settled = same - len(swapped)
    return Agreement(
        one,
        other,
        _tau([(one_way.sign, other_way.sign) for _, one_way, other_way in both]),
        (settled - in_doubt) / len(pairs),
        (settled + in_doubt) / len(pairs),
        len(pairs),
        in_doubt,
        swapped,
    )


def p_value(apart: float, half: float, degrees: int) -> float:
    """Of no difference, from one with half its interval, by Student's t with so many degrees."""
    if degrees < 1 or math.isinf(half):
        return 1.0
    if half == 0:
        return float(apart == 0)
    return 2 * float(stdtr(degrees, -abs(apart) / half * _quantile(degrees)))


@cache
def _quantile(degrees: int) -> float:
    return float(stdtrit(degrees, (1 + CONFIDENCE) / 2))


def _tau(signs: Sequence[tuple[int, int]]) -> float | None:
    """Kendall's tau-b of the signs of all pairs; `None` where one column ties everything.

    It is a sum over the pairs that are at hand anyway: importing `scipy.stats.kendalltau`, which
    the tests hold this to, would take longer than all the rest of a comparison.
    """
    untied = math.sqrt(sum(mine != 0 for mine, _ in signs) * sum(other != 0 for _, other in signs))
    return sum(mine * other for mine, other in signs) / untied if untied else None
