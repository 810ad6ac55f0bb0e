"""Does freezing pay more in one column than in another? Ratios that differ by more than noise.

The two ratios come from two runs, each with an interval over its own lives. Their difference on the
logarithm is tested like an order within a column (see `ranking`), by Holm's method at 5% over all
strategies and pairs of columns of the workload. What a whole run has of its own, an hour or a boot
of the machine, is in no interval of it: so a difference that is told here is more than the noise
within runs, and how much noise there is between runs only `freezebench history` can show.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from bench.collection.compared import Apart
from bench.collection.log_interval import difference, log_interval
from bench.collection.ranking import p_value
from bench.multiplicity import holm_threshold
from bench.records import CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.collection.compared import Figures

MOST_COLUMNS = 6
"""Of more, a heat map tells more than sentences about pairs."""


def apart(figures: Mapping[int, Mapping[str, Figures]], strategies: Sequence[str]) -> list[Apart]:
    """The ratios of total time that differ between columns, the largest difference first.

    Args:
        figures: by column, and then by strategy; those that are `ok` count.
        strategies: names.
    """
    if len(figures) > MOST_COLUMNS:
        return []
    tested: list[tuple[float, float, Apart]] = []
    for one, other in combinations(figures, 2):
        for name in strategies:
            mine, others = figures[one].get(name), figures[other].get(name)
            if mine is None or others is None or {mine.verdict, others.verdict} != {"ok"}:
                continue
            first, second = log_interval(mine.total), log_interval(others.total)
            if first is None or second is None:
                continue
            change = difference(second, first)
            p = p_value(change.middle, change.half, min(mine.lives, others.lives) - 1)
            tested.append((p, abs(change.middle), Apart(name, one, other)))
    threshold = holm_threshold([p for p, _, _ in tested], 1 - CONFIDENCE)
    found = [(size, each) for p, size, each in tested if p <= threshold]
    return [each for _, each in sorted(found, key=lambda pair: -pair[0])]
