"""Counts become rates, with the exact interval of the binomial distribution."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.stats import binomtest

from bench.records import CONFIDENCE


@dataclass(frozen=True)
class Rate:
    """So many of so many, as a fraction between 0 and 1 with the bounds of its interval."""

    count: int
    of: int
    value: float
    low: float
    high: float

    @property
    def text(self) -> str:
        """For a table: `1.2% [0.9%, 1.6%]`."""
        return f"{percent(self.value)} [{percent(self.low)}, {percent(self.high)}]"


def rate(count: int, of: int, confidence: float = CONFIDENCE) -> Rate:
    """The rate with its two-sided interval.

    The interval is the exact one of Clopper and Pearson, "The use of confidence or fiducial limits
    illustrated in the case of the binomial", Biometrika 26 (1934): its coverage is never below the
    confidence, also at 0 and at all of them.

    Raises:
        ValueError: there is nothing to count, or more than that.
    """
    if of < 1:  # not every scipy says so
        raise ValueError(f"{count} of {of}: there is nothing to count")
    found = binomtest(count, of).proportion_ci(confidence, method="exact")
    return Rate(count, of, count / of, float(found.low), float(found.high))


def percent(fraction: float) -> str:
    """A rate as text, with the digits that a small one needs: `97%`, `4.1%`, `0.08%`."""
    shown = 100 * fraction
    if shown in (0.0, 100.0):
        return f"{shown:.0f}%"
    near = min(shown, 100 - shown)
    return f"{shown:.{0 if near >= 10 else 1 if near >= 1 else 2}f}%"
