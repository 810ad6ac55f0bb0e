"""Which ratios differ between columns, and how seldom noise is taken for a difference."""

from __future__ import annotations

import math

import numpy as np
from collection_runs import interval
from scipy.special import stdtrit

from bench.collection.apart import MOST_COLUMNS, apart
from bench.collection.compared import Apart, Figures
from bench.records import Interval


def column(ratios, width=0.01, verdict="ok", lives=8):
    return {
        name: Figures("w", name, verdict, lives=lives, total=interval(ratio, width))
        for name, ratio in ratios.items()
    }


def names(found):
    return [each.strategy for each in found]


def test_a_ratio_that_differs_by_more_than_its_interval_is_told():
    found = apart({0: column({"a": 0.6}), 3: column({"a": 0.5})}, ["a"])
    assert found == [Apart("a", 0, 3)]


def test_one_within_its_interval_is_not():
    assert apart({0: column({"a": 0.6}, 0.2), 1: column({"a": 0.5}, 0.2)}, ["a"]) == []


def test_the_largest_difference_comes_first():
    one, other = column({"a": 0.5, "b": 0.5}), column({"a": 0.55, "b": 0.9})
    assert names(apart({0: one, 1: other}, ["a", "b"])) == ["b", "a"]


def test_a_strategy_that_is_not_ok_somewhere_is_not_told():
    other = column({"a": 0.3}, verdict="leaks")
    assert apart({0: column({"a": 0.6}), 1: other}, ["a"]) == []


def test_one_life_decides_nothing():
    assert apart({0: column({"a": 0.6}, lives=1), 1: column({"a": 0.3})}, ["a"]) == []


def test_an_unknown_interval_decides_nothing():
    assert apart({0: column({"a": 0.6}, None), 1: column({"a": 0.3})}, ["a"]) == []


def test_of_many_columns_none_is_told():
    many = {place: column({"a": 0.1 * (place + 1)}) for place in range(MOST_COLUMNS + 1)}
    assert apart(many, ["a"]) == []


def test_noise_alone_is_called_a_difference_in_at_most_one_comparison_of_twenty():
    """400 pairs of columns of 9 strategies, with intervals from 5 drawn lives each."""
    draw = np.random.default_rng(0)
    half = float(stdtrit(4, 0.975)) / math.sqrt(5)

    def drawn():
        figures = {}
        for name in "abcdefghi":
            lives = draw.normal(math.log(0.5), 0.03, 5)
            middle, width = lives.mean(), half * lives.std(ddof=1)
            bounds = [math.exp(middle + shift) for shift in (0.0, -width, width)]
            figures[name] = Figures("w", name, "ok", lives=5, total=Interval(*bounds))
        return figures

    false = sum(bool(apart({0: drawn(), 1: drawn()}, list("abcdefghi"))) for _ in range(400))
    assert false <= 0.05 * 400
