"""Many rows, one alarm: p-values that stay honest when there are several of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment, in the order given.

    Rejecting every hypothesis whose adjusted value is at most a level keeps the chance of any
    false rejection at that level or below, however the tests depend on each other (Holm, "A simple
    sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979).
    The i-th smallest of m values, counted from 0, becomes the largest of (m - j)·p_j over j ≤ i, at
    most 1.
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, (len(p_values) - rank) * p_values[place])
        adjusted[place] = min(1.0, largest)
    return adjusted


def holm_threshold(p_values: Sequence[float], level: float) -> float:
    """The largest p-value that Holm's method rejects at `level`; negative if it rejects none.

    Exactly those p-values are at most this whose adjusted ones are at most the level. It stops at
    the first that is not rejected, which is what makes it the quicker one where there are many.
    """
    threshold = -1.0
    for rank, p in enumerate(sorted(p_values)):
        if (len(p_values) - rank) * p > level:
            break
        threshold = p
    return threshold
