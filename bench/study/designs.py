"""Ways to make one effect of a life, and how far each scatters: why the gate does what it does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, median, stdev
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from msgspec.structs import replace
from scipy.stats import chi2, trim_mean

from bench.gate.time.effects import TRIM, block_effects
from bench.records import CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.gate.time.record import ArmTurns, CellTurns, Life

Estimator = Literal["trimmed mean", "mean", "median"]

_ESTIMATORS: dict[Estimator, Callable[[list[float]], float]] = {
    "trimmed mean": lambda blocks: float(trim_mean(blocks, TRIM)),
    "mean": fmean,
    "median": median,
}


@dataclass(frozen=True)
class Design:
    """One way; the defaults are the gate's where the host works in one thread.

    Attributes:
        estimator: over the blocks of a life.
        pooled: the head against both processes of the base, or against one of them.
        clock: of processor time or of the wall.
        first_step: of each turn is kept, or left out as the colder one.
    """

    estimator: Estimator = "trimmed mean"
    pooled: bool = True
    clock: Literal["cpu", "wall"] = "cpu"
    first_step: bool = True


DESIGNS = {
    "as the gate does": Design(),
    "mean over blocks": Design(estimator="mean"),
    "median over blocks": Design(estimator="median"),
    "one process of the base": Design(pooled=False),
    "first step of a turn left out": Design(first_step=False),
    "wall clock": Design(clock="wall"),
    "wall clock, mean": Design(estimator="mean", clock="wall"),
    "wall clock, median": Design(estimator="median", clock="wall"),
    "wall clock, mean, one base": Design(estimator="mean", pooled=False, clock="wall"),
}
"""Each differs from the gate in a thing or two."""


class Spread(NamedTuple):
    """How the effects of equal lives scatter; fractions, on the logarithm of a ratio.

    `low` and `high` are of the standard deviation, by χ² (for normal values; a guide otherwise).
    """

    lives: int
    mean: float
    deviation: float
    low: float
    high: float

    def error(self, lives: int) -> float:
        """The standard error of a gate of so many lives."""
        return self.deviation / math.sqrt(lives)


def effects(lives: Sequence[Life], design: Design, phase: str = "total") -> list[float]:
    """The head's effect in each life of the first cell; lives without a whole block are left out.

    A trace that holds no processor time has none by that clock either.
    """
    estimate = _ESTIMATORS[design.estimator]
    found = []
    for life in lives:
        cell = life.cells[0]
        if design.clock == "cpu" and any(arm.cpu is None for arm in cell.arms.values()):
            continue
        cell = cell if design.first_step else _without_first_steps(cell)
        blocks = block_effects(cell, phase, design.clock)
        # Against both: head - (base + again) / 2. Against one: head - base.
        heads = blocks["head"]
        if not design.pooled:
            halves = [again / 2 for again in blocks["again"]]
            heads = [head + half for head, half in zip(heads, halves, strict=True)]
        if heads:
            found.append(estimate(heads))
    return found


def spread(values: Sequence[float]) -> Spread | None:
    """How values of equal lives scatter; nothing can be said of fewer than two."""
    if len(values) < 2:
        return None
    deviation, degrees = stdev(values), len(values) - 1
    tails = ((1 + CONFIDENCE) / 2, (1 - CONFIDENCE) / 2)
    low, high = (deviation * math.sqrt(degrees / chi2.ppf(tail, degrees)) for tail in tails)
    return Spread(len(values), fmean(values), deviation, float(low), float(high))


def alike(values: Sequence[float], size: int) -> float | None:
    """How much of the variance of lives lies between their forkers, as a fraction; can be negative.

    The intraclass correlation of a one-way layout, (B - W) / (B + (k - 1) W) with the mean squares
    between and within groups of k (Fisher, "Statistical Methods for Research Workers", §40).
    Around 0, lives of one process are as different as lives of several.

    Args:
        values: in the order of living.
        size: lives of a forker; what is left over at the end is not used.
    """
    groups = np.array(values[: len(values) // size * size]).reshape(-1, size)
    if len(groups) < 2 or size < 2:
        return None
    between = size * float(groups.mean(axis=1).var(ddof=1))
    within = float(groups.var(axis=1, ddof=1).mean())
    whole = between + (size - 1) * within
    return (between - within) / whole if whole else None


def _without_first_steps(cell: CellTurns) -> CellTurns:
    return replace(cell, arms={name: _shorter(arm) for name, arm in cell.arms.items()})


def _shorter(arm: ArmTurns) -> ArmTurns:
    """A turn of a single step keeps it."""
    return replace(
        arm,
        wall=[turn[1:] or turn for turn in arm.wall],
        cpu=None if arm.cpu is None else [turn[1:] or turn for turn in arm.cpu],
    )
