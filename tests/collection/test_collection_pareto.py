"""What none other beats, in time, memory and energy."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from collection_runs import interval
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtrit

from bench.collection.compared import Figures
from bench.collection.pareto import beats, beyond_doubt, costs_of, unbeaten
from bench.records import Interval

LIVES = 5


def figures(name, total=None, peak=None, joules=None, verdict="ok", width=0.01):
    return Figures(
        "w", name, verdict, lives=8,
        total=None if total is None else interval(total, width),
        peak_bytes=peak,
        joules=None if joules is None else interval(joules, width),
    )  # fmt: skip


values = st.none() | st.sampled_from((1.0, 1.005, 1.5, 2.0, 3.0))
columns = st.lists(
    st.builds(
        lambda total, peak, joules, width: figures("", total, peak, joules, width=width),
        values, st.none() | st.integers(1, 3), values, st.sampled_from((None, 0.001, 0.1, 2.0)),
    ),
    max_size=6,
)  # fmt: skip


def drawn(draw):
    """An interval by Student's t over lives of a log ratio that is 0 in truth."""
    lives = draw.normal(0.0, 0.05, LIVES)
    half = stdtrit(LIVES - 1, 0.975) * lives.std(ddof=1) / np.sqrt(LIVES)
    return Interval(*(float(np.exp(lives.mean() + part)) for part in (0.0, -half, half)))


def named(column):
    return [
        msgspec.structs.replace(each, strategy=f"s{place}") for place, each in enumerate(column)
    ]


@given(columns)
def test_nothing_is_beaten_in_circles(column):
    costs = [costs_of(each) for each in column]
    threshold = beyond_doubt(costs)
    beaten_by = {
        at: {other for other, theirs in enumerate(costs) if mine and beats(theirs, mine, threshold)}
        for at, mine in enumerate(costs)
    }
    left = set(beaten_by)
    while free := {at for at in left if not beaten_by[at] & left}:
        left -= free
    assert not left


@given(columns)
def test_the_one_that_is_fastest_is_never_beaten(column):
    column = named(column)
    timed = sorted((f.total.value, f.strategy) for f in column if f.total is not None)
    if timed and (len(timed) == 1 or timed[0][0] < timed[1][0]):
        assert timed[0][1] in unbeaten(column)


@given(columns)
def test_something_that_was_measured_is_never_beaten(column):
    column = named(column)
    assert bool(unbeaten(column)) == any(costs_of(each) for each in column)


def test_what_is_slower_and_larger_is_beaten():
    assert unbeaten([figures("a", 0.5, 100), figures("b", 0.9, 200)]) == ["a"]


def test_what_is_slower_and_smaller_is_not():
    assert unbeaten([figures("a", 0.5, 200), figures("b", 0.9, 100)]) == ["a", "b"]


def test_a_time_in_doubt_beats_nothing():
    assert unbeaten([figures("a", 0.5, width=0.9), figures("b", 0.6, width=0.9)]) == ["a", "b"]


def test_a_time_without_an_interval_beats_nothing():
    assert unbeaten([figures("a", 0.5, width=None), figures("b", 0.9)]) == ["a", "b"]


def test_a_byte_less_is_beyond_doubt():
    assert unbeaten([figures("a", 0.5, 100), figures("b", 0.5, 101)]) == ["a"]


def test_what_is_beyond_doubt_of_two_alone_may_not_be_of_many():
    a, b = figures("a", 0.5, width=0.1), figures("b", 0.6, width=0.1)
    others = [figures(f"c{at}", 0.6, width=0.1) for at in range(11)]
    assert unbeaten([a, b]) == ["a"]
    assert "b" in unbeaten([a, b, *others])


@pytest.mark.parametrize("with_energy", [False, True])
def test_of_equal_strategies_one_is_seldom_beaten(with_energy):
    draws = 400
    beaten = 0
    for seed in range(draws):
        draw = np.random.default_rng(seed)
        column = [
            Figures("w", f"s{at}", "ok", lives=LIVES, total=drawn(draw), peak_bytes=100,
                    joules=drawn(draw) if with_energy else None)
            for at in range(13)
        ]  # fmt: skip
        beaten += len(unbeaten(column)) < len(column)
    assert beaten <= 0.05 * draws


def test_less_energy_counts():
    a, b = figures("a", 0.5, 100, joules=2.0), figures("b", 0.6, 200, joules=1.0)
    assert unbeaten([a, b]) == ["a", "b"]


def test_what_was_not_measured_never_helps():
    a, b = figures("a", 0.5), figures("b", 0.9, peak=100)
    assert unbeaten([a, b]) == ["a", "b"]


def test_only_what_is_ok_takes_part():
    leaking = figures("a", 0.1, 1, verdict="leaks")
    assert unbeaten([leaking, figures("b", 0.9, 200)]) == ["b"]
