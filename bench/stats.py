"""Statistics of repeated lives: pure functions, no torch, sources named."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import stdtrit

from bench.records import CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Sequence


class Estimate(NamedTuple):
    """A mean with the bounds of its confidence interval; no bounds where there is one group."""

    mean: float
    low: float | None
    high: float | None

    def exp(self) -> Estimate:
        """The estimate of a ratio from that of its logarithm."""
        low = None if self.low is None else math.exp(self.low)
        high = None if self.high is None else math.exp(self.high)
        return Estimate(math.exp(self.mean), low, high)

    @property
    def relative_half_width(self) -> float:
        """Half the interval's width over the mean; infinite without an interval."""
        if self.low is None or self.high is None:
            return math.inf
        return (self.high - self.low) / 2 / abs(self.mean) if self.mean else math.inf


def grouped_mean(groups: Sequence[Sequence[float]], confidence: float = CONFIDENCE) -> Estimate:
    """The mean over groups of the groups' means, with an interval by Student's t.

    Values inside a group (the rounds of one life) share that group's luck, so the groups' means
    are what repeats: D = mean_p d_p, SE = sd_p / sqrt(P), t with P - 1 degrees of freedom (Student
    1908; for nested samples e.g. Kalibera & Jones, "Rigorous benchmarking in reasonable time",
    ISMM 2013). With few groups sd_p can come out small by chance, so the interval is never
    narrower than the one the rounds alone would give, t with N - P degrees.

    Args:
        groups: for each life its rounds' values; empty lives are left out.
        confidence: of the two-sided interval.

    Raises:
        ValueError: there is no value at all.
    """
    filled = [np.asarray(group, dtype=float) for group in groups if len(group)]
    if not filled:
        raise ValueError("there are no values to average")
    means = np.array([group.mean() for group in filled])
    mean = float(means.mean())
    lives = len(means)
    if lives < 2:
        return Estimate(mean, None, None)
    tail = (1 + confidence) / 2
    half = float(stdtrit(lives - 1, tail)) * float(means.std(ddof=1)) / math.sqrt(lives)
    degrees = sum(len(group) - 1 for group in filled)
    if degrees > 0:
        inside = sum(float(((group - group.mean()) ** 2).sum()) for group in filled) / degrees
        error = math.sqrt(sum(inside / len(group) for group in filled)) / lives
        half = max(half, float(stdtrit(degrees, tail)) * error)
    return Estimate(mean, mean - half, mean + half)
