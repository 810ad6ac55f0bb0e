"""When a cell is warm: what its first steps say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.measure.training import Training

WINDOW = 3
LEAST_WARM_UP = 2 * WINDOW
MOST_WARM_UP = 20
AGREEMENT = 0.10
SLOW_STEP_SECONDS = 0.5
LEAST_SLOW_WARM_UP = 2


def warm(totals: list[float], training: Training) -> bool:
    """Whether the steps so far are enough to warm up.

    At least 6, every batch seen where the strategy fills it, and the means of the last two
    windows within 10%; at most 20. Steps of half a second and more warm up in 2.
    """
    taken = len(totals)
    fill = len(training.batches) if training.strategy.fills_each_batch else 0
    if taken >= max(LEAST_SLOW_WARM_UP, fill) and min(totals) > SLOW_STEP_SECONDS:
        return True
    if taken < max(LEAST_WARM_UP, fill + 1):
        return False
    last, before = sum(totals[-WINDOW:]), sum(totals[-2 * WINDOW : -WINDOW])
    return taken >= MOST_WARM_UP or abs(last - before) <= AGREEMENT * before
