"""Kendall's tau of two columns, and whether its interval holds the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from collection_runs import interval
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import stdtrit
from scipy.stats import kendalltau

from bench.collection.compared import Figures
from bench.collection.ranking import agreement, orders
from bench.records import Interval


def column(ratios, width=0.001, verdict="ok", lives=8):
    """Figures by strategy, each with an interval of a relative half-width."""
    return {
        name: Figures("w", name, verdict, lives=lives, total=interval(ratio, width))
        for name, ratio in zip("abcdefghijkl", ratios, strict=False)
    }


def agreed(one, other):
    names = list(dict.fromkeys([*one, *other]))
    return agreement(0, 1, orders(one, names), orders(other, names))


ratio_lists = st.lists(
    st.tuples(st.sampled_from((0.2, 0.3, 0.5, 0.7, 0.9)), st.floats(0.1, 2)), min_size=2, max_size=9
)


@given(ratio_lists, st.sampled_from((0.001, 0.1, 1.0, None)))
def test_tau_is_that_of_scipy_with_ties_and_without(pairs, width):
    one, other = zip(*pairs, strict=True)
    found = agreed(column(one, width), column(other, width)).tau
    # On the logarithm, as here: there, figures that are neighbours as floats may tie.
    expected = kendalltau(*([math.log(ratio) for ratio in side] for side in (one, other))).statistic
    assert (found is None) == math.isnan(expected)
    assert found is None or found == pytest.approx(expected)


@given(ratio_lists, st.sampled_from((0.001, 0.1, 1.0, None)))
def test_the_interval_holds_what_came_out(pairs, width):
    one, other = zip(*pairs, strict=True)
    found = agreed(column(one, width), column(other, width))
    assert found.low <= found.high
    assert found.tau is None or found.low - 1e-9 <= found.tau <= found.high + 1e-9


def test_narrow_columns_in_the_same_order_agree_beyond_doubt():
    found = agreed(column([0.2, 0.5, 0.9]), column([0.3, 0.4, 1.2]))
    assert (found.tau, found.low, found.high, found.in_doubt) == (1, 1, 1, 0)


def test_a_pair_that_is_swapped_beyond_doubt_is_named():
    found = agreed(column([0.2, 0.5, 0.9]), column([0.5, 0.2, 0.9]))
    assert found.swapped == [("a", "b")]
    assert found.tau == found.low == found.high == pytest.approx(1 / 3)


def test_pairs_in_doubt_may_go_either_way():
    found = agreed(column([0.5, 0.51], width=0.5), column([0.2, 0.9]))
    assert (found.low, found.high, found.in_doubt) == (-1, 1, 1)


@pytest.mark.parametrize("bounds", [(None, None), (0.1, None), (0.0, 1.0), (0.6, 0.4)])
def test_an_interval_that_says_nothing_decides_nothing(bounds):
    one = column([0.2, 0.9])
    unknown = {**one, "a": Figures("w", "a", "ok", lives=8, total=Interval(0.2, *bounds))}
    assert agreed(unknown, one).in_doubt == 1


def test_one_life_decides_nothing():
    assert agreed(column([0.2, 0.9], lives=1), column([0.2, 0.9])).in_doubt == 1


@pytest.mark.parametrize("verdict", ["leaks", "severed", "diverges", "failed", "reference"])
def test_only_what_is_ok_in_both_columns_is_ranked(verdict):
    one = column([0.2, 0.5, 0.9])
    other = {**one, **{"b": Figures("w", "b", verdict, lives=8, total=interval(0.5))}}
    assert agreed(one, other).pairs == 1


def test_fewer_than_two_common_strategies_have_no_tau():
    assert agreed(column([0.2]), column([0.2, 0.9])).tau is None


def test_an_order_that_one_of_many_pairs_would_show_by_chance_is_in_doubt():
    # 1.27 half-widths apart, with 8 lives: p = 0.02
    step = math.exp(1.27 * math.sqrt(2) * math.log1p(0.1))
    pair, many = ([0.2 * step**place for place in range(count)] for count in (2, 3))
    assert agreed(column(pair, 0.1), column(pair, 0.1)).in_doubt == 0
    assert agreed(column(many, 0.1), column(many, 0.1)).in_doubt == 2


def _measured(draw, truths, lives, spread):
    """A column as lives would show it: means of logarithms with Student's interval."""
    figures = {}
    for name, truth in zip("abcdefgh", truths, strict=False):
        logs = math.log(truth) + draw.normal(0, spread, lives)
        half = stdtrit(lives - 1, 0.975) * logs.std(ddof=1) / math.sqrt(lives)
        low, middle, high = (math.exp(logs.mean() + d) for d in (-half, 0, half))
        figures[name] = Figures("w", name, "ok", lives=lives, total=Interval(middle, low, high))
    return figures


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from((2, 3, 5, 9)), st.sampled_from((0.01, 0.1)))
def test_the_interval_holds_the_true_tau_as_often_as_it_says(seed, lives, spread):
    draw = np.random.default_rng(seed)
    times, held = 150, 0
    for _ in range(times):
        # One column orders all beyond doubt, the other hardly anything: there errors show.
        truths = [draw.permutation([0.01, 0.06, 0.4, 2, 9]), 0.5 + 1e-6 * draw.random(5)]
        true = kendalltau(*truths).statistic
        found = agreed(*(_measured(draw, each, lives, spread) for each in truths))
        held += found.low - 1e-9 <= true <= found.high + 1e-9
    # 95% of 150, less what chance takes once in 10,000 draws of a binomial
    assert held >= 131


def test_an_interval_is_narrow_where_lives_are_many():
    draw = np.random.default_rng(1)
    columns = [_measured(draw, [0.3, 0.5, 0.8], 20, 0.01) for _ in range(2)]
    assert agreed(*columns).in_doubt == 0
