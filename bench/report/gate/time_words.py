"""The words of the time gate, shared by all its forms: figures, what was compared, how it went."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING

from bench.names import printable
from bench.report.units import TIMES, duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.gate.time.record import Bounds, Gate, Row, SideRecord

BUSY = 0.10
"""Share of the machine in other hands from which a quieter one would help."""

_MANIFOLD = 10  # from here a ratio is told as a multiple
_BEYOND = 1000  # and from here its digits say nothing
_UNKNOWN = 10  # times the lower bound is the upper one, and the interval says nothing
_COMMIT = 8
_TELLING = 0.01  # of the machine, taken by its host


def percent(ratio: float) -> str:
    """A ratio as a change: `+9.8%`, `−0.3%`, `12×`."""
    if not ratio < _BEYOND:
        return f"> {_BEYOND}{TIMES}"
    if ratio >= _MANIFOLD:
        return f"{ratio:.0f}{TIMES}"
    change = 100 * (ratio - 1)
    digits = f"{abs(change):.{0 if abs(change) >= 100 else 1}f}"
    if float(digits) == 0:
        return "0.0%"
    return f"{'+' if change > 0 else '−'}{digits}%"


def bounded(bounds: Bounds) -> str:
    """A ratio as a change, with its interval: `+9.8% [+8.1%, +11.5%]`; `[?]` says nothing."""
    if not bounds.low * _UNKNOWN >= bounds.high:
        return f"{percent(bounds.value)} [?]"
    return f"{percent(bounds.value)} [{percent(bounds.low)}, {percent(bounds.high)}]"


def fraction(value: float) -> str:
    """A margin or a slow-down: `3%`, `0.5%`."""
    return f"{100 * value:g}%"


def share(row: Row) -> str:
    """The phase's part of the step: `83%`."""
    return "< 1%" if 0 < row.share < 0.005 else f"{100 * row.share:.0f}%"


def verdict(row: Row) -> str:
    """What a row came to."""
    if not row.judged:
        return "not judged"
    return f"{row.answer}, faster" if row.improved else row.answer


def cell_name(row: Row) -> str:
    """Which cell a row is of."""
    return f"{printable(row.workload)} {TIMES} {printable(row.strategy)}"


def by_cell(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows of each cell, in their order."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(cell_name(row), []).append(row)
    return groups


def remarks(gate: Gate, rows: Iterable[Row]) -> list[str]:
    """What is to be said about the rows of a cell, and was not said in the gate's own reason."""
    judged = [row for row in rows if row.judged]
    said = [
        f"{row.phase}: {row.why}"
        for row in judged
        if row.why and f"{row.name}: {row.why}" not in gate.why
    ]
    fresh = [
        f"{row.phase} {bounded(row.confirmed)}"
        for row in judged
        if row.confirmed is not None and row.answer == "FAIL"
    ]
    if fresh:
        said.append(f"in fresh processes: {', '.join(fresh)}")
    return said


def controls(gate: Gate, row: Row) -> str:
    """What the two controls of a row have shown, in a sentence without a full stop."""
    slow_down = fraction(gate.terms.slow_down)
    return (
        f"base against itself {percent(row.again.value)}; with +{slow_down} it was seen as "
        f"{percent(row.slowed.value)}"
    )


def facts(gate: Gate) -> list[tuple[str, str]]:
    """What was compared, where, and how long it took: names and what they are."""
    machine, request = gate.machine, gate.request
    accelerated = request.device != "cpu" and machine.accelerator is not None
    where = machine.accelerator if accelerated and machine.accelerator else machine.cpu
    threads = request.threads or 1
    parts = [where, request.device, f"{threads} thread{'' if threads == 1 else 's'}", request.dtype]
    software = [_software(record) for record in (gate.base, gate.head)]
    same = software[0] == software[1]
    alone = ["", ""] if same else [f", {text}" for text in software]
    return [
        ("base", revision(gate.base) + alone[0]),
        ("head", revision(gate.head) + alone[1]),
        *([("with", software[0])] if same else []),
        ("on", ", ".join(map(printable, parts))),
        ("took", took(gate)),
    ]


def revision(record: SideRecord) -> str:
    """What a side was: `origin/main (1a2b3c4d)`, `. (1a2b3c4d with changes)`."""
    said, commit = printable(record.spec), record.commit
    if commit is None:
        return said
    short = commit[:_COMMIT] + (" with changes" if record.dirty else "")
    typed = len(said) >= _COMMIT and commit.startswith(said)
    return short if typed else f"{said} ({short})"


def _software(record: SideRecord) -> str:
    return printable(
        f"freezebench {record.freezebench}, torch {record.torch}, Python {record.python}"
    )


def took(gate: Gate) -> str:
    """How long, how many lives, and what others did meanwhile."""
    trial = sum(life.purpose == "trial" for life in gate.lives)
    more = len(gate.lives) - trial
    said = f"{duration(gate.seconds)}, {_lives(trial)}"
    if more:
        said += f" and {more} to confirm"
    loads = []
    if (others := others_share(gate)) is not None:
        loads.append(f"others used {100 * others:.0f}% of the machine")
    if (stolen := stolen_share(gate)) is not None and stolen >= _TELLING:
        loads.append(f"its host took {100 * stolen:.0f}%")
    return said + (f"; meanwhile {' and '.join(loads)}" if loads else "")


def others_share(gate: Gate) -> float | None:
    """The share of the machine's processors that others used, over all lives."""
    return _mean(life.others for life in gate.lives)


def stolen_share(gate: Gate) -> float | None:
    """The share that the hypervisor took, over all lives."""
    return _mean(life.stolen for life in gate.lives)


def how_to_read(gate: Gate) -> str:
    """A key to the table."""
    return (
        "head ÷ base: the change with its 95% interval. again: the base against itself. "
        f"+{fraction(gate.terms.slow_down)}: the base slowed down by that much. Where the one is "
        "seen to differ, or the other not, the gate can't tell. cpu: processor time, "
        "which neighbours hardly change; wall: time that passed, on a GPU its own. Phases below "
        f"{fraction(gate.terms.least_share)} of the step are not judged."
    )


def _lives(count: int) -> str:
    return "1 life" if count == 1 else f"{count} lives"


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return fmean(known) if known else None
