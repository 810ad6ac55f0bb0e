"""Does a cell from elsewhere agree with itself: lists, times, and the verdict with the drift?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.cells import EVAL
from bench.collection.words import shown
from bench.parallel import uneven
from bench.records import PHASES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Cell, Drift, Samples, Verdict


def cell_objections(cell: Cell) -> Iterator[str]:
    """Lists that are not parallel, times that no step takes, verdicts that nothing supports."""
    name = f"{shown(cell.workload)} × {shown(cell.strategy)}"
    for sentence in (*_lists(cell), *_times(cell), *_verdicts(cell)):
        yield f"{name}: {sentence}"
    for what in ("batch", "threads"):
        if getattr(cell, what) < 1:
            yield f"{name}: {what} is {getattr(cell, what)}"


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
    moments: list[tuple[str, Verdict, Drift | None]] = [("verdict", cell.verdict, cell.drift)]
    if cell.midway is not None:
        moments.append(("midway verdict", cell.midway.verdict, cell.midway.drift))
    for moment, verdict, drift in moments:
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
    }
    return next((why for why, holds in contradictions.items() if holds), "")


def is_a_duration(seconds: float) -> bool:
    """Whether so many seconds can have passed."""
    return math.isfinite(seconds) and seconds >= 0
