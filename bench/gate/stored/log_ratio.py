"""What one stored run says of a cell: the logarithm of its ratio to `full`, with an error."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from scipy.special import stdtrit

from bench.gate.stored.comparable import ResultsError, cells_of
from bench.records import CONFIDENCE
from bench.summary import paired_ratio, turn_medians

if TYPE_CHECKING:
    from bench.records import Run

    Key = tuple[str, str]


class Reading(NamedTuple):
    """ln(ratio to `full`), its standard error and degrees of freedom; no error from one life."""

    mean: float
    error: float | None
    degrees: int


def log_ratio(run: Run, key: Key, phase: str) -> Reading | None:
    """A cell's ratio to `full` in a phase, from the samples; `None` without a shared round.

    The error is half the 95% interval over Student's t, so that it is, like the interval, never
    smaller than the rounds alone would make it.

    Raises:
        ResultsError: its lists of samples are not parallel.
    """
    cells = cells_of(run)
    cell, full = cells.get(key), cells.get((key[0], "full"))
    if cell is None or full is None:
        return None
    try:
        turns, reference = (
            turn_medians(getattr(each.samples, phase), each.origin) for each in (cell, full)
        )
    except ValueError as error:
        raise ResultsError(
            f"the lists of samples of {' × '.join(key)} in run {run.id} differ in length, so its "
            "run.json was changed by hand; take an untouched copy"
        ) from error
    shared = [turn for turn in turns if turn in reference]
    if any(min(turns[turn], reference[turn]) <= 0 for turn in shared):
        return None  # a clock too coarse for this phase
    ratio = paired_ratio(turns, reference)
    if ratio is None:
        return None
    degrees = len({life for life, _ in shared}) - 1
    if ratio.low is None or ratio.high is None:
        return Reading(math.log(ratio.mean), None, degrees)
    half = math.log(ratio.high / ratio.low) / 2
    return Reading(
        math.log(ratio.mean), half / float(stdtrit(degrees, (1 + CONFIDENCE) / 2)), degrees
    )
