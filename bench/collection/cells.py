"""Does a cell from elsewhere agree with itself: lists, times, and the verdict with the drift?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.cells import EVAL
from bench.collection.ranges import out_of_range
from bench.collection.words import shown
from bench.parallel import uneven
from bench.records import PHASES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Cell, Drift, Samples, Verdict

UPDATE_TOLERANCE = {"float32": 1e-3, "bfloat16": 3e-2, "float16": 1e-2}
"""As in `bench.measure.verdict`, which is no room of those who read records."""

MOST_OK = 10.0
"""No update so far off is `ok`: the tolerance of a device that computes other bits each time is 5
times its repeat error, and two updates of one length are at most twice that length apart."""


def cell_objections(cell: Cell) -> Iterator[str]:
    """Lists that are not parallel, times that no step takes, verdicts that nothing supports."""
    name = f"{shown(cell.workload)} × {shown(cell.strategy)}"
    for sentence in (*_lists(cell), *_times(cell), *out_of_range(cell), *_verdicts(cell)):
        yield f"{name}: {sentence}"
    for what in ("batch", "threads"):
        if getattr(cell, what) < 1:
            yield f"{name}: {what} is {getattr(cell, what)}"


def cell_doubts(cell: Cell) -> Iterator[str]:
    """Verdicts that seldom follow from their drift: the repeat error isn't told, and may be why."""
    name = f"{shown(cell.workload)} × {shown(cell.strategy)}"
    tolerance = UPDATE_TOLERANCE[cell.dtype]
    for moment, verdict, drift in _moments(cell):
        error = None if drift is None else drift.update_error
        if error is None:
            continue
        if verdict == "ok" and error > tolerance:
            yield (
                f"{name}: its {moment} is ok, and its update is off by {error:.2g} of its size "
                f"(tolerance {tolerance:g}, unless its device computes other bits each time)"
            )
        if verdict == "diverges" and error <= tolerance:
            yield (
                f"{name}: its {moment} is diverges, and its update is off by {error:.2g} of its "
                f"size alone (tolerance {tolerance:g})"
            )


def _moments(cell: Cell) -> list[tuple[str, Verdict, Drift | None]]:
    """Each verdict of a cell, with what it is of and what it follows from."""
    moments: list[tuple[str, Verdict, Drift | None]] = [("verdict", cell.verdict, cell.drift)]
    if cell.midway is not None:
        moments.append(("midway verdict", cell.midway.verdict, cell.midway.drift))
    return moments


def _lists(cell: Cell) -> Iterator[str]:
    yield from uneven(cell)
    if cell.interference:
        turns = {(turn.life, turn.round) for turn in cell.interference}
        if len(turns) != len(cell.interference):
            yield "interference tells of a turn twice"
        if turns != set(zip(cell.origin.life, cell.origin.round, strict=False)):
            yield "interference tells of other turns than the samples come from"


def _times(cell: Cell) -> Iterator[str]:
    series: list[tuple[str, Samples | None]] = [
        ("samples", cell.samples),
        ("host_samples", cell.host_samples),
        ("warmup", None if cell.warmup is None else cell.warmup.samples),
    ]
    for label, samples in series:
        for phase in PHASES if samples is not None else ():
            wrong = [s for s in getattr(samples, phase) if not (math.isfinite(s) and s > 0)]
            if wrong:
                yield f"{label}.{phase} holds {wrong[0]} s, and a step takes time"
    for turn in cell.interference:
        if not (is_a_duration(turn.wall_seconds) and is_a_duration(turn.cpu_seconds)):
            yield f"a turn took {turn.wall_seconds} s and {turn.cpu_seconds} s of a processor"
            return


def _verdicts(cell: Cell) -> Iterator[str]:
    is_reference = cell.strategy.removesuffix(EVAL) == "full"
    for moment, verdict, drift in _moments(cell):
        if why := _contradiction(verdict, drift, is_reference=is_reference):
            yield f"its {moment} is {verdict}, and {why}"


def _contradiction(verdict: Verdict, drift: Drift | None, *, is_reference: bool) -> str:
    """Why a verdict does not follow from a drift (see `bench.measure.verdict`); "" if it may."""
    if verdict == "failed":
        return ""
    if drift is None:
        return "" if verdict == "severed" else "there is no drift that it could follow from"
    if is_reference or verdict == "reference":
        return "" if is_reference and verdict == "reference" else "the reference is `full` alone"
    without, moved = len(drift.without_gradient), len(drift.moved)
    contradictions = {
        f"{without} trainable tensors never had a gradient": without and verdict != "severed",
        "every trainable tensor had a gradient": not without and verdict == "severed",
        f"{moved} frozen tensors moved": moved and verdict in ("ok", "diverges"),
        "nothing frozen moved": not moved and verdict == "leaks",
        "the trainable update was not finite": verdict == "ok" and drift.update_error is None,
        f"its update is off by {drift.update_error} of its size": verdict == "ok"
        and (drift.update_error or 0.0) > MOST_OK,
    }
    return next((why for why, holds in contradictions.items() if holds), "")


def is_a_duration(seconds: float) -> bool:
    """Whether so many seconds can have passed."""
    return math.isfinite(seconds) and seconds >= 0
