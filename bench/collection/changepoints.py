"""Where the level of a series of runs changed, found so that noise alone is seldom taken for it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from bench.multiplicity import holm

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_RUNS = 6
"""Two segments of the least length."""

LEAST_SEGMENT = 3
CONFIDENCE = 0.99

_FLOOR = 1e-6
"""Noise of ln ratio is never taken to be less: equal figures by rounding are no silence."""


class ChangePointError(Exception):
    """Change points cannot be looked for; the message says what is missing."""


class Shift(NamedTuple):
    """A change of level before the value `at`: difference of the means, its bounds, p adjusted.

    The bounds are of the difference at the place that was found, not corrected for the search for
    it: a place is found where the difference came out large, so small changes look larger than they
    are.
    """

    at: int
    difference: float
    low: float
    high: float
    p: float


def shifts(series: Sequence[Sequence[float]]) -> list[list[Shift]]:
    """The changes of each series that are beyond doubt, in order.

    Candidates come from `candidates`. A change is kept if the means of the segments on its two
    sides differ by Welch's test ("The generalization of 'Student's' problem when several different
    population variances are involved", Biometrika 34, 1947) at 99%, by Holm's method over all
    changes of all series, where a series without a candidate counts as one that failed. What is not
    kept is taken back, the most doubtful first, and its two segments are one from then on.

    Welch's p is of a place that was searched for, so it is too small, and Holm's method over such
    values keeps no promise. What holds false alarms back when there are many series is `penalty`,
    which grows with their number. Of collections of Gaussian noise without any change, this share
    keeps one (4,000 of each, so give or take 0.2 points; at the penalty of a single series it is
    3.5% of 14 series of 20 values, and 11% of 100):

    | values     | 10   | 15   | 20   | 50   |
    |------------|------|------|------|------|
    | 14 series  | 0.6% | 0.8% | 0.9% | 0.6% |
    | 100 series | 0.9% | 1.3% | 1.2% | 0.9% |

    Raises:
        ChangePointError: ruptures is not installed.
    """
    looked_at = sum(len(values) >= LEAST_RUNS for values in series)
    ends = [candidates(values, looked_at) for values in series]
    without = sum(not found for found in ends)
    while True:
        found = [
            (which, shift)
            for which, values in enumerate(series)
            for shift in _tested(values, ends[which])
        ]
        adjusted = holm([shift.p for _, shift in found] + [1.0] * without)[: len(found)]
        worst = max(range(len(found)), key=lambda place: adjusted[place], default=None)
        if worst is None or adjusted[worst] <= 1 - CONFIDENCE:
            break
        which, shift = found[worst]
        ends[which].remove(shift.at)
        without += 1
    kept: list[list[Shift]] = [[] for _ in series]
    for (which, shift), p in zip(found, adjusted, strict=True):
        kept[which].append(shift._replace(p=p))
    return kept


def candidates(values: Sequence[float], among: int = 1) -> list[int]:
    """Places before which the level may have changed; none in fewer than 6 values.

    PELT finds the segments with the least sum of squares, each at least 3 values long, at a price
    for each (Killick, Fearnhead and Eckley, "Optimal detection of changepoints with a linear
    computational cost", JASA 107, 2012). The price is `penalty`.

    Args:
        values: of one series, oldest first.
        among: so many series are looked at.

    Raises:
        ChangePointError: ruptures is not installed.
    """
    if len(values) < LEAST_RUNS:
        return []
    try:
        import ruptures  # noqa: PLC0415  an extra
    except ImportError as error:
        raise ChangePointError(
            "change points are found with ruptures, which is not installed; "
            "install it with: pip install 'freezebench[history]'"
        ) from error
    # With a penalty this is PELT; the linear kernel's cost is l2, and it is compiled.
    search = ruptures.KernelCPD(kernel="linear", min_size=LEAST_SEGMENT)
    ends = search.fit(np.asarray(values, dtype=float)).predict(pen=penalty(values, among))
    return [int(end) for end in ends[:-1]]


def penalty(values: Sequence[float], among: int = 1) -> float:
    """What a change must explain of the sum of squares, in a series of n values among k.

    `noise` squared, times 14 + 150 / n + (2 + 80 / n)·ln k.

    For one series the factor was found by simulation: it lies above the 99th percentile of what the
    best one or two changes explain of Gaussian noise, over the noise as it is estimated from the
    same few values (28 for 10 of them, 20 for 20, 16 for 50, 14 for 200). So at most 1% of series
    without any change get one: of 3,000 to 10,000 series each, 0.5% of those of 6 values, 0.9% of
    10, 1.0% of 20, 0.8% of 50 and 0.8% of 200.

    Noise with heavier tails gets more of them (Student's t with 3 degrees of freedom: 4% of series
    of 20 values, 46% of 200). What is kept is what passes Welch's test too: of Gaussian series
    0.1% to 0.9%, of those with heavy tails 0.3% for 20 values and 2.1% for 200. In return, of 20
    values a step in the middle of 3 standard deviations is found in 85% of series, one of 2 in 43%;
    of 10 values one of 4 in 51%.

    With k series there are k chances. What noise explains, over its true variance, has a tail that
    falls like exp(-x / 2), which takes 2·ln k; noise that is estimated from few values makes the
    tail heavier, and 80 / n more was enough by simulation (see `shifts`). That costs power: of 20
    values a step of 3 standard deviations is found in 57% of series among 14 and in 37% among 100,
    one of 4 in 84% and 72%.
    """
    size = len(values)
    factor = 14 + 150 / size + (2 + 80 / size) * math.log(max(1, among))
    return factor * noise(values) ** 2


def noise(values: Sequence[float]) -> float:
    """The standard deviation around the level, from the median of first differences.

    A change of level is one difference among many, so it hardly moves their median; 1.4826 makes
    a median of absolute values a standard deviation for Gaussian noise, √2 is for the difference.
    """
    steps = np.abs(np.diff(np.asarray(values, dtype=float)))
    return max(_FLOOR, 1.4826 * float(np.median(steps)) / math.sqrt(2))


def _tested(values: Sequence[float], ends: Sequence[int]) -> list[Shift]:
    """Welch's test of each change, between the segments on its two sides."""
    bounds = [0, *ends, len(values)]
    return [
        _welch(values[start:at], values[at:end], at)
        for start, at, end in zip(bounds, bounds[1:], bounds[2:], strict=False)
    ]


def _welch(before: Sequence[float], after: Sequence[float], at: int) -> Shift:
    one, other = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    difference = float(other.mean() - one.mean())
    squares = [max(float(side.var(ddof=1)), _FLOOR**2) / len(side) for side in (one, other)]
    error = math.sqrt(sum(squares))
    parts = sum(
        square**2 / (len(side) - 1) for square, side in zip(squares, (one, other), strict=True)
    )
    degrees = sum(squares) ** 2 / parts
    half = float(stdtrit(degrees, (1 + CONFIDENCE) / 2)) * error
    p = 2 * float(stdtr(degrees, -abs(difference) / error))
    return Shift(at, difference, difference - half, difference + half, p)
