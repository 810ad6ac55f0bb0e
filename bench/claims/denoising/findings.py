"""What the accuracies say: means, differences paired by seed, and which are beyond doubt."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import stdtr

from bench.multiplicity import holm
from bench.records import CONFIDENCE, Interval
from bench.stats import grouped_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.claims.denoising.arms import ArmPlan
    from bench.records import Denoising


class Difference(NamedTuple):
    """One arm less another at one noise, paired by seed, as a share of the digits."""

    noise: float
    points: Interval
    decided: bool

    @property
    def better(self) -> bool:
        """More digits are read, beyond doubt."""
        return self.decided and self.points.value > 0

    @property
    def worse(self) -> bool:
        """Fewer digits are read, beyond doubt."""
        return self.decided and self.points.value < 0


def mean(values: Sequence[float]) -> Interval:
    """The mean over seeds with its interval by Student's t."""
    estimate = grouped_mean([[value] for value in values])
    return Interval(estimate.mean, estimate.low, estimate.high)


def accuracies(found: Denoising, arm: ArmPlan) -> dict[float, list[float]]:
    """Of one arm, by noise; levels at which it was not trained are absent."""
    each = next(one.accuracy for one in found.arms if one.name == arm.name)
    return {noise: values for noise, values in zip(found.noises, each, strict=True) if values}


def differences(
    found: Denoising, mine: ArmPlan, other: ArmPlan, *, only_gains: bool = False
) -> list[Difference]:
    """One arm less another at every level above 0 that both have.

    What is beyond doubt is decided for all levels together, by Holm's method over paired t-tests.

    Args:
        found: the experiment.
        mine: whose accuracy counts as a gain.
        other: whose accuracy it is compared with.
        only_gains: ask whether there is a gain (one-sided) rather than a difference.
    """
    a, b = accuracies(found, mine), accuracies(found, other)
    levels = [noise for noise in a if noise > 0 and noise in b]
    gains = [[x - y for x, y in zip(a[noise], b[noise], strict=True)] for noise in levels]
    adjusted = holm([_p_value(gain, one_sided=only_gains) for gain in gains])
    return [
        Difference(noise, mean(gain), p <= 1 - CONFIDENCE)
        for noise, gain, p in zip(levels, gains, adjusted, strict=True)
    ]


def _p_value(values: Sequence[float], *, one_sided: bool) -> float:
    """Of the mean being 0 (at most 0), by Student's t; 1 where there is too little to say."""
    if len(values) < 2:
        return 1.0
    centre, error = float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(len(values))
    if error == 0:
        return 0.0 if centre > 0 or (centre < 0 and not one_sided) else 1.0
    t = centre / error
    if one_sided:
        return float(stdtr(len(values) - 1, -t))
    return float(2 * stdtr(len(values) - 1, -abs(t)))
