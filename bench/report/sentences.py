"""What a table says, in sentences: what won, what can't be told apart, what was not reached."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bench.names import shorten
from bench.report.disturbances import disturbances
from bench.report.reading import by_workload, ideal, ratio, reference
from bench.report.units import TIMES, duration, percent, says_nothing, share, times

if TYPE_CHECKING:
    from bench.records import Cell, Interval, Run

_NAME_WIDTH = 48


def sentences(run: Run) -> list[str]:
    """One sentence a workload on what won, and then a note for each thing to be wary of."""
    if not run.cells:
        return ["The run holds no cell: nothing was measured yet."]
    winners = [winner(workload, cells) for workload, cells in by_workload(run).items()]
    notes = (unfinished(run), unreached(run), launch_bound(run))
    return winners + [note for note in notes if note is not None] + disturbances(run)


def winner(workload: str, cells: list[Cell]) -> str:
    """Which strategy with the verdict `ok` takes the least time, as far as the intervals tell."""
    name = _short(workload)
    sound = [cell for cell in cells if cell.verdict == "ok"]
    if not sound:
        return f"{name}: {_nothing_sound(cells)}"
    timed = [(cell, value) for cell in sound if (value := ratio(cell, "total")) is not None]
    if not timed:
        return (
            f"{name}: {_names(sound)} train{_s(sound)} the same, but no time relative to full was "
            "measured, so none can be said to be the fastest."
        )
    timed.sort(key=lambda pair: pair[1].value)
    best, value = timed[0]
    rivals = [cell for cell, other in timed[1:] if _overlap(value, other)]
    if value.low is None or value.high is None:
        return (
            f"{name}: {_names(sound)} train{_s(sound)} the same, but one life alone was measured, "
            "so its times have no interval and none can be said to be the fastest."
        )
    if says_nothing(value):
        return (
            f"{name}: nothing can be said of times, because the machine was too busy with other "
            "work; measure again when it is quieter, with fewer --threads than cores, or with a "
            "larger --budget."
        )
    if value.high >= 1:
        return (
            f"{name}: no strategy that trains the same is faster than full beyond doubt; "
            f"{_short(best.strategy)} comes nearest at {times(value)} of full's "
            f"time{_allowed(best)}{_memory(best, cells)}{_rivals(rivals)}."
        )
    return (
        f"{name}: {_short(best.strategy)} trains the same at {times(value)} of full's time"
        f"{_allowed(best)}{_memory(best, cells)}{_filled(best)}{_rivals(rivals)}"
        f"{_least_memory(best, rivals, sound, cells)}{_midway(best)}."
    )


def unfinished(run: Run) -> str | None:
    """A run that was stopped or still goes on, and how to have the rest."""
    if run.state == "done":
        return None
    verb = "was interrupted" if run.state == "interrupted" else "is not finished"
    return f"The run {verb}: what follows holds what it had. Go on from there with --resume."


def unreached(run: Run) -> str | None:
    """Timed cells whose interval stayed wider than the precision asked for."""
    wide = [cell for cell in run.cells if cell.summary is not None and not cell.summary.precise]
    if not wide:
        return None
    alone = [cell for cell in wide if cell.summary is not None and cell.summary.lives < 2]
    asked = percent(run.request.precision)
    if len(alone) == len(wide):
        return (
            f"No interval for {_count(wide)}: one life alone was measured. A larger --budget "
            f"(it was {duration(run.request.budget)}) allows several."
        )
    widest = max(wide, key=_widest)
    phase, width = _widest_phase(widest)
    text = f"The precision asked for ({asked}) was not reached in {_count(wide)}"
    if width > 0:
        text += (
            f"; widest is the {phase} ratio of {_short(widest.strategy)} on "
            f"{_short(widest.workload)} at "
            + (f"±{percent(width)}" if width < 1 else "more than ±100%")
        )
    survey = f", of which the survey took {duration(run.surveyed_seconds)}"
    return f"{text}. Give a larger --budget (it was {duration(run.request.budget)}{survey})."


def launch_bound(run: Run) -> str | None:
    """Cells in which the host was too slow to keep the accelerator busy."""
    bound = [
        cell for cell in run.cells if cell.summary is not None and cell.summary.launch_bound is True
    ]
    if not bound:
        return None
    return (
        f"Launch-bound: {_count(bound)}. There the host takes at least 90% of the device's time to "
        "enqueue the work, so saved FLOPs hardly show; a larger --batch moves the load to the "
        "device."
    )


def _short(name: str) -> str:
    return shorten(name, _NAME_WIDTH)


def _names(cells: list[Cell]) -> str:
    return ", ".join(_short(cell.strategy) for cell in cells)


def _s(subjects: list[Cell]) -> str:
    return "s" if len(subjects) == 1 else ""


def _count(cells: list[Cell]) -> str:
    if len(cells) <= 3:
        return ", ".join(f"{_short(cell.workload)}/{_short(cell.strategy)}" for cell in cells)
    return f"{len(cells)} cells"


def _nothing_sound(cells: list[Cell]) -> str:
    counts = Counter(cell.verdict for cell in cells if cell.verdict != "reference")
    if not counts:
        return "nothing but full was run, so there is nothing to compare."
    found = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    text = f"no strategy kept the frozen part frozen and trained the rest the same ({found})"
    moved = [move for cell in cells if cell.verdict == "leaks" and cell.drift
             for move in cell.drift.moved]  # fmt: skip
    if moved and all(move.kind == "buffer" for move in moved):
        text += (
            ". Only buffers moved, such as BatchNorm's running statistics: hold the frozen part in "
            "eval mode by adding +eval to the name of a strategy, as in requires_grad+eval"
        )
    return f"{text}."


def _overlap(one: Interval, other: Interval) -> bool:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return True
    return one.low <= other.high and other.low <= one.high


def _allowed(cell: Cell) -> str:
    allowed = ideal(cell, "total")
    return "" if allowed is None else f" (the FLOPs allow {share(allowed)}{TIMES})"


def _peak(cell: Cell, cells: list[Cell]) -> float | None:
    full = reference(cells)
    if full is None or not full.memory.peak_bytes or cell.memory.peak_bytes is None:
        return None
    return cell.memory.peak_bytes / full.memory.peak_bytes


def _memory(cell: Cell, cells: list[Cell]) -> str:
    peak = _peak(cell, cells)
    return "" if peak is None else f" and {percent(peak)} of its peak memory"


def _filled(cell: Cell) -> str:
    fill = None if cell.summary is None else cell.summary.fill_seconds
    return "" if not fill else f", plus {duration(fill)} once for each batch"


def _rivals(rivals: list[Cell]) -> str:
    return f"; {_names(rivals)} can't be told apart from it" if rivals else ""


def _least_memory(best: Cell, rivals: list[Cell], sound: list[Cell], cells: list[Cell]) -> str:
    peaks = [(peak, cell) for cell in sound if (peak := _peak(cell, cells)) is not None]
    if not peaks:
        return ""
    least, cell = min(peaks, key=lambda pair: pair[0])
    own = _peak(best, cells)
    if own is None or least > 0.98 * own or cell is best:
        return ""
    also = "of these, " if cell in rivals else ""
    return f"; {also}{_short(cell.strategy)} needs the least memory, {percent(least)}"


def _midway(cell: Cell) -> str:
    if cell.midway is None or cell.midway.verdict in ("ok", "reference"):
        return ""
    return f"; but applied in the middle of training its verdict is {cell.midway.verdict}"


def _widest_phase(cell: Cell) -> tuple[str, float]:
    """The phase with the widest relative interval, and the larger half of that interval."""
    widths = {"total": 0.0}
    for phase in ("backward", "total"):
        value = ratio(cell, phase)
        if value is None or value.low is None or value.high is None or value.value <= 0:
            continue
        widths[phase] = max(value.high - value.value, value.value - value.low) / value.value
    phase = max(widths, key=lambda name: widths[name])
    return phase, widths[phase]


def _widest(cell: Cell) -> float:
    return _widest_phase(cell)[1]
