"""How often a gate's 95% interval holds the truth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import stdtrit

from bench.gate.time.effects import clock_of, life_effects
from bench.gate.time.record import PHASES
from bench.records import CONFIDENCE
from bench.study.rates import Rate, rate
from bench.study.resample import THREADS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bench.study.record import Trace

LIVES = (5, 9, 14)
"""Of a gate at its first three looks."""


class Covered(NamedTuple):
    """How often intervals of so many lives hold a truth.

    `truth` says which: the `mean` of the whole trace, or for equal sides also `equal`, a ratio
    of 1.
    """

    phase: str
    lives: int
    truth: str
    found: Rate


def coverage(trace: Trace, draws: int, seed: int) -> list[Covered]:
    """For each phase, number of lives and truth; the interval is Student's t over lives.

    Where the trace is the whole truth, lives are drawn from it with replacement. Where a ratio of 1
    is, that would hold the trace's own chance distance from 1 against every draw: there the trace
    is cut into groups of lives that follow each other, as in a gate, and each counts once.
    """
    random = np.random.default_rng(seed)
    clock = clock_of((life.cells[0] for life in trace.lives), THREADS)
    found = []
    for phase in PHASES:
        values = np.array(life_effects(trace.lives, 0, phase, clock)["head"])
        for lives in LIVES:
            drawn = random.choice(values, (draws, lives))
            found.append(Covered(phase, lives, "mean", _holding(drawn, float(values.mean()))))
            groups = len(values) // lives
            if trace.fault == "none" and groups:
                cut = values[: groups * lives].reshape(groups, lives)
                found.append(Covered(phase, lives, "equal", _holding(cut, 0.0)))
    return found


def _holding(samples: NDArray[np.float64], truth: float) -> Rate:
    """How many rows have an interval that holds it."""
    count, lives = samples.shape
    reach = float(stdtrit(lives - 1, (1 + CONFIDENCE) / 2))
    halves = reach * samples.std(axis=1, ddof=1) / math.sqrt(lives)
    # An interval without width holds its own mean, whatever the last digit says.
    inside = np.abs(samples.mean(axis=1) - truth) <= halves + 1e-12
    return rate(int(inside.sum()), count)


def range_of(found: Sequence[Covered]) -> tuple[float, float]:
    """The lowest and the highest of them."""
    values = [one.found.value for one in found]
    return min(values), max(values)
