"""From turns to effects: how much longer an arm takes than the base, life by life.

Everything is on the natural logarithm of a ratio, so that twice as long and half as long are
equally far from equal.
"""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, Protocol

from scipy.stats import trim_mean

from bench.gate.time.record import ARMS, PHASES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.gate.time.record import CellTurns, Life, Step

TRIM = 0.2
"""Share of a life's blocks left out at either end: a neighbour's burst hits single blocks hard."""


class Weighing(Protocol):
    """How lives become effects: this module, or whoever has weighed the same lives before."""

    def clock_of(self, cells: Iterable[CellTurns], threads: int) -> str:
        """See `clock_of` below."""

    def life_effects(
        self, lives: Sequence[Life], place: int, phase: str, clock: str
    ) -> dict[str, list[float]]:
        """See `life_effects` below."""

    def share_of(self, lives: Sequence[Life], place: int, phase: str) -> float:
        """See `share_of` below."""


def clock_of(cells: Iterable[CellTurns], threads: int) -> str:
    """By which clock a cell is judged: `cpu` where that tells the whole truth, else `wall`.

    Processor time is hardly touched by a neighbour who takes the processor away, but it knows
    nothing of waiting and counts every thread's. So it is judged where the host does the work in
    one thread, and neither side waits (for a lock, a disk, a sleep) in half of its turns or more.
    """
    if threads != 1:
        return "wall"
    for cell in cells:
        if any(turns.cpu is None for turns in cell.arms.values()):
            return "wall"
        for arm in ("base", "head"):
            turns = cell.arms[arm]
            waiting = sum(1 for waits in turns.waits if waits)
            if turns.waits and waiting >= len(turns.waits) / 2:
                return "wall"
    return "cpu"


def block_effects(cell: CellTurns, phase: str, clock: str) -> dict[str, list[float]]:
    """The effects of `head`, `again` and `slowed` in each block of one life.

    A turn counts by the mean of its steps, and an arm by its two turns of the block, whose order is
    mirrored. `head` and `slowed` are compared with both processes of the base, `again` with the
    other one.
    """
    turns = {arm: _log_turns(cell, arm, phase, clock) for arm in ARMS}
    levels = {
        arm: [fmean(pair) for pair in zip(logs[::2], logs[1::2], strict=False)]
        for arm, logs in turns.items()
    }
    blocks = list(zip(*(levels[arm] for arm in ARMS), strict=True))
    return {
        "head": [head - (base + again) / 2 for base, head, again, _ in blocks],
        "again": [again - base for base, _, again, _ in blocks],
        "slowed": [slowed - (base + again) / 2 for base, _, again, slowed in blocks],
    }


def life_effects(
    lives: Sequence[Life], place: int, phase: str, clock: str
) -> dict[str, list[float]]:
    """The effects of each life of the cell at that place: trimmed means over its blocks.

    The trimmed mean is Tukey's; with a share of 0.2 it keeps the efficiency of the mean for
    well-behaved blocks and gives single wild ones no say (Wilcox, "Introduction to Robust
    Estimation and Hypothesis Testing", chapter 3).
    """
    found: dict[str, list[float]] = {"head": [], "again": [], "slowed": []}
    for life in lives:
        for arm, blocks in block_effects(life.cells[place], phase, clock).items():
            if blocks:
                found[arm].append(float(trim_mean(blocks, TRIM)))
    return found


def share_of(lives: Sequence[Life], place: int, phase: str) -> float:
    """The phase's part of the base's step, between 0 and 1."""
    if phase == "total":
        return 1.0
    index = PHASES.index(phase)
    steps = [
        step for life in lives for turn in life.cells[place].arms["base"].wall for step in turn
    ]
    whole = sum(sum(step) for step in steps)
    return sum(step[index] for step in steps) / whole if whole else 0.0


def _log_turns(cell: CellTurns, arm: str, phase: str, clock: str) -> list[float]:
    turns = cell.arms[arm]
    chosen = turns.wall if clock == "wall" else turns.cpu
    if chosen is None:
        raise ValueError(f"the processor time of {arm} is not known; judge it by the wall clock")
    return [
        math.log(max(1.0, fmean(_nanoseconds(step, phase) for step in turn))) for turn in chosen
    ]


def _nanoseconds(step: Step, phase: str) -> int:
    return sum(step) if phase == "total" else step[PHASES.index(phase)]
